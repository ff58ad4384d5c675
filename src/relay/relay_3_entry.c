/*
 * Protocol 3: creates and joins. The protocol defines the order of the checks. A join is read on
 * the loop that receives it, as a value, and carried out on the loop that owns the code.
 */
#include <assert.h>

#include "relay/relay_parts.h"

#define SESSION_BYTES_LEAST 8
#define SESSION_BYTES_MOST 64
#define EPOCH_DIGITS 16 /* see dialect_3 */

uint64_t relay_3_hash(struct bytes text)
{
    uint64_t hash = 0xCBF29CE484222325u; /* FNV-1a */
    for (size_t i = 0; i < text.length; i++)
        hash = (hash ^ text.data[i]) * 0x100000001B3u;
    return hash == 0 ? 1 : hash;
}

static uint64_t draw_64(const struct relay *relay)
{
    const struct relay_config *config = &relay->config;
    uint64_t high = config->random(config->context);
    return high << 32 | config->random(config->context);
}

static uint64_t draw_epoch(const struct relay *relay)
{
    uint64_t epoch = draw_64(relay);
    return epoch == 0 ? 1 : epoch;
}

/* Reads a string of so many bytes of UTF-8. False: the value is none. */
static bool read_text(const struct json_value *value, size_t least, uint8_t *ret_text, size_t most,
                      size_t *ret_length)
{
    return value->kind == JSON_STRING && json_string_decode(value, ret_text, most, ret_length) &&
           *ret_length >= least;
}

bool relay_3_read_password(const struct json_value *value, uint8_t ret_text[PASSWORD_BYTES_MAX],
                           uint8_t *ret_length)
{
    size_t length;
    if (!read_text(value, 1, ret_text, PASSWORD_BYTES_MAX, &length))
        return false;
    *ret_length = (uint8_t)length;
    return true;
}

void relay_3_set_password(const struct relay *relay, struct party *party, struct bytes password)
{
    uint8_t salt[PASSWORD_SALT_BYTES];
    if (password.length == 0) {
        party_set_password(party, password, NULL);
        return;
    }
    for (size_t at = 0; at < sizeof salt; at += sizeof(uint64_t)) {
        uint64_t random = draw_64(relay);
        memcpy(salt + at, &random, sizeof random);
    }
    party_set_password(party, password, salt);
}

bool relay_3_read_max_audience(const struct relay *relay, const struct json_value *value,
                               uint32_t *ret_max)
{
    return json_member_ceiling(value, relay->config.members_max, ret_max);
}

static bool read_session(const struct json_value *value, struct session *ret_session)
{
    uint8_t text[SESSION_BYTES_MOST];
    size_t length;
    if (!read_text(value, SESSION_BYTES_LEAST, text, sizeof text, &length))
        return false;
    uint64_t hash = relay_3_hash(bytes_of(text, length));
    ret_session->hash = (uint32_t)(hash ^ hash >> 32);
    if (ret_session->hash == 0)
        ret_session->hash = 1;
    return true;
}

static bool read_attempt(const struct json_value *value, uint32_t *ret_attempt)
{
    uint64_t number;
    if (!json_member_whole(value, UINT32_MAX, &number) || number == 0)
        return false;
    *ret_attempt = (uint32_t)number;
    return true;
}

/* The epoch that a text names; 0: it can name none. */
static uint64_t read_epoch(const struct json_value *value)
{
    uint8_t text[EPOCH_DIGITS];
    size_t length;
    uint64_t epoch = 0;
    if (!read_text(value, sizeof text, text, sizeof text, &length))
        return 0;
    for (size_t i = 0; i < sizeof text; i++) {
        bool is_decimal = text[i] >= '0' && text[i] <= '9';
        if (!is_decimal && !(text[i] >= 'a' && text[i] <= 'f'))
            return 0;
        epoch = epoch << 4 | (uint64_t)(is_decimal ? text[i] - '0' : text[i] - 'a' + 10);
    }
    return epoch;
}

/* Reads the first fields of both. False: ret_error says which one is wrong. */
static bool read_client(const struct relay *relay, const struct envelope *envelope,
                        struct canonical_id *ret_id, struct session *ret_session,
                        enum relay_error *ret_error)
{
    const struct json_value *id = &envelope->client_id;
    struct json_value session = envelope_field(envelope, FIELD_SESSION);
    *ret_error = ERROR_ID_REQUIRED;
    if (id->kind != JSON_STRING || id->raw.length <= 2)
        return false;
    *ret_error = ERROR_ID_TOO_LONG;
    if (!id_canonicalize(relay, id, ret_id))
        return false;
    *ret_error = ERROR_ID_TOO_SHORT;
    if (ret_id->decoded_length < ID_BYTES_LEAST)
        return false;
    *ret_error = ERROR_SESSION;
    return read_session(&session, ret_session);
}

/* What `create` says beside what it says in protocol 2. */
struct wishes {
    struct session session;
    uint32_t hold_ms;
    uint32_t audience_max;
    bool host_migrates;
    uint8_t password_length;
    uint8_t password[PASSWORD_BYTES_MAX];
};

static bool read_hold(const struct relay *relay, const struct json_value *value,
                      uint32_t *ret_hold_ms)
{
    uint32_t seconds = HOLD_MS_STANDARD / 1000;
    if (value->kind != JSON_ABSENT &&
        (!json_member_ceiling(value, UINT32_MAX, &seconds) || seconds > HOLD_MS_MAX / 1000))
        return false;
    *ret_hold_ms = seconds * 1000;
    if (*ret_hold_ms > relay->config.hold_ms_max)
        *ret_hold_ms = relay->config.hold_ms_max;
    return true;
}

static bool read_on_host_left(const struct json_value *value, bool *ret_host_migrates)
{
    bool is_string = value->kind == JSON_STRING;
    *ret_host_migrates = is_string && json_string_equals(value, BYTES("migrate"));
    return value->kind == JSON_ABSENT || *ret_host_migrates ||
           (is_string && json_string_equals(value, BYTES("close")));
}

static bool read_wishes(const struct relay *relay, const struct envelope *envelope,
                        struct wishes *wishes, enum relay_error *ret_error)
{
    struct json_value hold = envelope_field(envelope, FIELD_HOLD);
    struct json_value on_host_left = envelope_field(envelope, FIELD_ON_HOST_LEFT);
    struct json_value audience = envelope_field(envelope, FIELD_MAX_AUDIENCE);
    struct json_value password = envelope_field(envelope, FIELD_PASSWORD);
    *ret_error = ERROR_HOLD;
    if (!read_hold(relay, &hold, &wishes->hold_ms))
        return false;
    *ret_error = ERROR_ON_HOST_LEFT;
    if (!read_on_host_left(&on_host_left, &wishes->host_migrates))
        return false;
    *ret_error = ERROR_MAX_AUDIENCE;
    wishes->audience_max = 0;
    if (audience.kind != JSON_ABSENT &&
        !relay_3_read_max_audience(relay, &audience, &wishes->audience_max))
        return false;
    *ret_error = ERROR_PASSWORD;
    wishes->password_length = 0;
    return password.kind == JSON_ABSENT || password.kind == JSON_NULL ||
           relay_3_read_password(&password, wishes->password, &wishes->password_length);
}

/* Asks the owner about the token. False: ret_error says why the client may create no room. */
static bool check_token(const struct relay *relay, struct speaker speaker,
                        const struct envelope *envelope, uint32_t *members_max,
                        enum relay_error *ret_error)
{
    const struct relay_config *config = &relay->config;
    struct json_value value = envelope_field(envelope, FIELD_TOKEN);
    struct bytes token = {0};
    if (value.kind == JSON_STRING) /* a token has no character that needs an escape */
        token = bytes_of(value.raw.data + 1, value.raw.length - 2);
    switch (config->check_token(config->context, speaker.client, token, members_max)) {
    case TOKEN_NOT_ASKED:
    case TOKEN_OK:
        return true;
    case TOKEN_EXPIRED:
        *ret_error = ERROR_TOKEN_EXPIRED;
        return false;
    case TOKEN_OTHER_ORIGIN:
        *ret_error = ERROR_TOKEN_ORIGIN;
        return false;
    case TOKEN_NO_MEMORY: /* the token may be good, and the client may come again */
        *ret_error = ERROR_TOKEN_NO_MEMORY;
        return false;
    case TOKEN_INVALID:
        break;
    }
    *ret_error = value.kind == JSON_ABSENT ? ERROR_TOKEN_REQUIRED : ERROR_TOKEN_INVALID;
    return false;
}

/* Reads and checks all of `create`. False: `refusal` says why the speaker must be refused. */
static bool read_create(struct relay *relay, struct speaker speaker,
                        const struct envelope *envelope, struct canonical_id *ret_id,
                        struct room_settings *settings, struct wishes *wishes,
                        struct event *refusal)
{
    if (!read_client(relay, envelope, ret_id, &wishes->session, &refusal->error))
        return false;
    settings->id = id_view(ret_id);
    refusal->error = ERROR_MAX_CLIENTS;
    if (!relay_read_max_clients(relay, &envelope->max_clients, &settings->members_max))
        return false;
    settings->has_url = envelope->url.kind != JSON_ABSENT;
    if (settings->has_url &&
        !url_template_read(&envelope->url, relay->config.instance.id, &relay->template,
                           &refusal->error, &refusal->detail))
        return false;
    if (!read_wishes(relay, envelope, wishes, &refusal->error))
        return false;
    refusal->error = ERROR_DRAINING;
    if (relay->is_draining)
        return false;
    return check_token(relay, speaker, envelope, &settings->members_max, &refusal->error);
}

/* Gives a new room what its creator wishes. */
static void settle_room(const struct relay *relay, const struct member *creator,
                        const struct wishes *wishes)
{
    struct party *party = creator->room->party;
    struct seat *seat = member_seat(creator);
    (void)seat_note_session(seat, wishes->session);
    party_begin_epoch(party, seat, draw_epoch(relay));
    party->hold_ms = wishes->hold_ms;
    party->host_migrates = wishes->host_migrates;
    party->audience_max = wishes->audience_max;
    relay_3_set_password(relay, party, bytes_of(wishes->password, wishes->password_length));
}

void relay_3_create(struct relay *relay, struct speaker speaker, const struct envelope *envelope,
                    struct effects *effects)
{
    struct canonical_id id;
    struct room_settings settings;
    struct wishes wishes = {.session.attempt = 0}; /* joins count from 1 on */
    struct event refusal = {
        .type = EVENT_ERROR, .protocol = PROTOCOL_3, .of = envelope_type_name(ENVELOPE_CREATE)};
    if (*speaker.seat != NULL) {
        relay_3_refuse(speaker, refusal.of, ERROR_ALREADY_IN_ROOM, effects);
        return;
    }
    if (!read_create(relay, speaker, envelope, &id, &settings, &wishes, &refusal)) {
        effects_tell_client(effects, speaker.client, refusal);
        return;
    }
    struct member *member = relay_open_room(relay, &settings, speaker, effects);
    if (member == NULL)
        return;
    settle_room(relay, member, &wishes);
    *speaker.seat = member;
    effects_add_room_added(effects, (struct effect_room_added){speaker.origin_number});
    effects_tell_client(effects, speaker.client,
                        (struct event){.type = EVENT_CREATED,
                                       .room = member->room,
                                       .peer = member,
                                       .instance = &relay->config.instance});
}

/* Takes a present member's connection away, which the speaker's takes the place of. */
static void replace(const struct relay *relay, struct speaker speaker, struct member *member,
                    struct effects *effects)
{
    relay_unseat(relay, member->client);
    effects_add_replaced(
        effects, (struct effect_replaced){.client = member->client, .heir = speaker.client});
}

/* Tells who does not know it what the room has for it. */
static void tell_states(struct speaker speaker, const struct member *member,
                        struct effects *effects)
{
    const struct room *room = member->room;
    if (room_state(room) != NULL)
        effects_add_tell_state(effects, (struct effect_tell_state){speaker.client, room});
    relay_3_tell_private(member, effects);
}

static void tell_joined(struct speaker speaker, struct member *member, uint64_t seen,
                        bool is_recovered, struct effects *effects)
{
    effects_tell_client(effects, speaker.client,
                        (struct event){.type = EVENT_JOINED,
                                       .room = member->room,
                                       .peer = member,
                                       .number = seen,
                                       .is_recovered = is_recovered});
}

/* Continues or renews the epoch of a seat, and tells its member all that it must know. */
static void resume(struct speaker speaker, struct member *member, const struct join *join,
                   struct effects *effects)
{
    struct party *party = member->room->party;
    struct seat *seat = member_seat(member);
    struct log_cursor cursor = {0};
    bool is_recovered = false;
    if (join->epoch != seat->epoch) {
        party_begin_epoch(party, seat, seat->epoch + 1);
    } else if (party_is_count(party, seat, join->seen)) {
        party_confirm(party, seat, join->seen);
        is_recovered = party_find_missed(party, seat, join->seen, &cursor);
    }
    if (is_recovered) {
        tell_joined(speaker, member, join->seen, true, effects);
        effects_add_tell_missed(effects,
                                (struct effect_tell_missed){speaker.client, member->room, cursor});
        /* It is not counted, so the member may have missed it when it became the host. */
        relay_3_tell_private(member, effects);
        return;
    }
    party_skip_to_now(party, seat);
    tell_joined(speaker, member, seat_count(seat, party->to_all), false, effects);
    tell_states(speaker, member, effects);
}

/* The member has its own seat again. */
static void return_to_seat(struct relay *relay, struct speaker speaker, struct member *member,
                           const struct join *join, struct effects *effects)
{
    struct room *room = member->room;
    bool was_away = member->client == CLIENT_NONE;
    if (was_away) {
        relay_discount_absent(relay, member);
        due_cancel(&relay->dues, &member_seat(member)->expiry);
        room_bring_back(room, member, speaker.client);
        member->entered_ms = relay->now_ms;
        relay_occupy(relay, room);
        if (room->member_count == 2)
            relay_begin_proof(relay, room);
    } else {
        replace(relay, speaker, member, effects);
        member->client = speaker.client;
    }
    member->active_ms = relay->now_ms;
    *speaker.seat = member;
    resume(speaker, member, join, effects);
    if (was_away)
        relay_3_emit_to_others(member, EVENT_PEER_BACK, effects);
    if (member_is_host(member))
        relay_3_note_audience(relay, room);
    relay_3_review_host(relay, room, effects);
}

/* Whether the room's password, if it has one, lets the speaker in. */
static bool check_password(const struct relay *relay, struct speaker speaker,
                           const struct room *room, const struct join *join,
                           enum relay_error *ret_error)
{
    const struct relay_config *config = &relay->config;
    struct bytes password = bytes_of(join->password, join->password_length);
    if (!room->party->has_password)
        return true;
    *ret_error = ERROR_PASSWORD_REQUIRED;
    if (password.length == 0)
        return false;
    *ret_error = ERROR_PASSWORDS_BUSY;
    if (!config->may_guess(config->context, speaker.client, room, false))
        return false;
    *ret_error = ERROR_WRONG_PASSWORD;
    if (party_is_password(room->party, password))
        return true;
    (void)config->may_guess(config->context, speaker.client, room, true);
    return false;
}

/* Whether the room has a place for what the client wants to be. */
static bool has_place(const struct room *room, const struct join *join, enum relay_error *ret_error)
{
    const struct party *party = room->party;
    if (join->is_audience) {
        *ret_error = ERROR_AUDIENCE_FULL;
        return party->audience_count < party->audience_max;
    }
    *ret_error = ERROR_ROOM_FULL;
    return party_seats(party) < room->members_max && room->next_index < INDEX_AUDIENCE;
}

/* Whether the room lets somebody new in. */
static bool check_entry(const struct relay *relay, struct speaker speaker, const struct room *room,
                        const struct join *join, enum relay_error *ret_error)
{
    const struct party *party = room->party;
    *ret_error = ERROR_KICKED;
    if (party_was_kicked(party, join->epoch))
        return false;
    *ret_error = ERROR_BANNED;
    if (party_is_banned(party, relay_3_hash(bytes_of(join->id, join->id_length))))
        return false;
    if (!check_password(relay, speaker, room, join, ret_error))
        return false;
    *ret_error = ERROR_ROOM_LOCKED;
    if (party->is_locked)
        return false;
    return has_place(room, join, ret_error);
}

static void watch(struct relay *relay, struct speaker speaker, struct room *room,
                  const struct join *join, struct effects *effects)
{
    struct member *member =
        room_add_audience(room, bytes_of(join->id, join->id_length), speaker.client);
    if (member == NULL) {
        effects_add_no_memory(effects, (struct effect_no_memory){speaker.client});
        return;
    }
    (void)seat_note_session(member_seat(member), join->session);
    *speaker.seat = member;
    tell_joined(speaker, member, 0, false, effects);
    tell_states(speaker, member, effects);
    relay_3_note_audience(relay, room);
}

static void take_seat(struct relay *relay, struct speaker speaker, struct room *room,
                      const struct join *join, struct effects *effects)
{
    struct bytes id = bytes_of(join->id, join->id_length);
    struct member *member = relay_3_add_seat(relay, room, id, speaker.client);
    if (member == NULL) {
        effects_add_no_memory(effects, (struct effect_no_memory){speaker.client});
        return;
    }
    (void)seat_note_session(member_seat(member), join->session);
    party_begin_epoch(room->party, member_seat(member), draw_epoch(relay));
    member->entered_ms = relay->now_ms;
    member->active_ms = relay->now_ms;
    *speaker.seat = member;
    relay_occupy(relay, room);
    if (room->member_count == 2)
        relay_begin_proof(relay, room);
    tell_joined(speaker, member, 0, false, effects);
    tell_states(speaker, member, effects);
    relay_3_emit_to_others(member, EVENT_PEER_JOINED, effects);
    relay_3_review_host(relay, room, effects);
}

/*
 * Takes away what the client was before: it had a seat and will watch, or the other way round, or
 * watched already.
 */
static void give_up_role(struct relay *relay, struct speaker speaker, struct member *member,
                         struct effects *effects)
{
    if (member->client != CLIENT_NONE)
        replace(relay, speaker, member, effects);
    relay_3_vacate(relay, member, LEAVING_LEFT, effects);
}

static void enter(struct relay *relay, struct speaker speaker, struct room *room,
                  struct member *member, const struct join *join, struct effects *effects)
{
    enum relay_error error = ERROR_ROOM_FULL;
    bool watched = member != NULL && member->is_audience;
    bool may_enter = watched && join->is_audience;
    if (member != NULL && !watched)
        may_enter = has_place(room, join, &error); /* it is known already */
    else if (!may_enter)
        may_enter = check_entry(relay, speaker, room, join, &error);
    if (!may_enter) {
        struct event event = {.type = EVENT_ERROR,
                              .protocol = PROTOCOL_3,
                              .error = error,
                              .of = envelope_type_name(ENVELOPE_JOIN)};
        if (error == ERROR_WRONG_PASSWORD && relay_may_tell(relay, speaker, false, effects))
            effects_add_not_found(effects, (struct effect_not_found){speaker.client, event});
        else if (error != ERROR_WRONG_PASSWORD)
            effects_tell_client(effects, speaker.client, event);
        return;
    }
    if (member != NULL)
        give_up_role(relay, speaker, member, effects);
    if (relay->closed == room) /* its last seat, or that of its host, was this one */
        relay_3_refuse(speaker, envelope_type_name(ENVELOPE_JOIN), ERROR_ROOM_NOT_FOUND, effects);
    else if (join->is_audience)
        watch(relay, speaker, room, join, effects);
    else
        take_seat(relay, speaker, room, join, effects);
}

void relay_3_carry_out(struct relay *relay, struct speaker speaker, const struct join *join,
                       struct effects *effects)
{
    struct room *room = room_table_find(&relay->rooms, join->code);
    if (room == NULL) {
        relay_refuse_not_found(relay, speaker, effects);
        return;
    }
    struct member *member = room_find(room, bytes_of(join->id, join->id_length));
    if (member == NULL && !relay_may_tell(relay, speaker, true, effects))
        return;
    if (room_protocol(room) != PROTOCOL_3)
        relay_3_refuse(speaker, envelope_type_name(ENVELOPE_JOIN), relay_uses_protocol(room),
                       effects);
    else if (member != NULL && !seat_note_session(member_seat(member), join->session))
        effects_add_given_up(effects, (struct effect_given_up){speaker.client});
    else if (member != NULL && !member->is_audience && !join->is_audience)
        return_to_seat(relay, speaker, member, join, effects);
    else
        enter(relay, speaker, room, member, join, effects);
}

/* Reads all of `join` but the code's meaning. False: ret_error says which field is wrong. */
static bool read_join(const struct relay *relay, const struct envelope *envelope, struct join *join,
                      enum relay_error *ret_error)
{
    struct canonical_id id;
    struct json_value attempt = envelope_field(envelope, FIELD_ATTEMPT);
    struct json_value epoch = envelope_field(envelope, FIELD_EPOCH);
    struct json_value seen = envelope_field(envelope, FIELD_SEEN);
    struct json_value role = envelope_field(envelope, FIELD_ROLE);
    struct json_value password = envelope_field(envelope, FIELD_PASSWORD);
    if (!read_client(relay, envelope, &id, &join->session, ret_error))
        return false;
    *ret_error = ERROR_ATTEMPT;
    if (!read_attempt(&attempt, &join->session.attempt))
        return false;
    *ret_error = ERROR_ROOM_REQUIRED;
    if (envelope->room.kind != JSON_STRING || envelope->room.raw.length <= 2)
        return false;
    *ret_error = ERROR_ROLE;
    join->is_audience = role.kind == JSON_STRING && json_string_equals(&role, BYTES("audience"));
    if (role.kind != JSON_ABSENT && !join->is_audience)
        return false;
    *ret_error = ERROR_PASSWORD;
    join->password_length = 0;
    if (password.kind != JSON_ABSENT && password.kind != JSON_NULL &&
        !relay_3_read_password(&password, join->password, &join->password_length))
        return false;
    join->epoch = read_epoch(&epoch);
    if (!json_member_whole(&seen, COUNT_MAX, &join->seen))
        join->seen = SEEN_NONE;
    join->id_length = id.length;
    memcpy(join->id, id.data, id.length);
    return true;
}

void relay_3_join(struct relay *relay, struct speaker speaker, const struct envelope *envelope,
                  struct effects *effects)
{
    struct join *join = &relay->join;
    enum relay_error error = ERROR_ALREADY_IN_ROOM;
    if (*speaker.seat != NULL || !read_join(relay, envelope, join, &error)) {
        relay_3_refuse(speaker, envelope_type_name(ENVELOPE_JOIN), error, effects);
        return;
    }
    if (!relay_read_code(&envelope->room, &join->code)) {
        relay_refuse_not_found(relay, speaker, effects);
        return;
    }
    uint32_t owner = code_owner(join->code, relay->config.loop_count);
    if (owner == relay->config.loop_index)
        relay_3_carry_out(relay, speaker, join, effects);
    else
        effects_add_move(
            effects, (struct effect_move){.client = speaker.client, .loop = owner, .join = join});
}
