/*
 * Protocol 3: joins. The protocol defines the order of the checks. A join is read on the loop that
 * receives it, as a value, and carried out on the loop that owns the code.
 */
#include "relay/dialect_3.h"
#include "relay/relay_parts.h"

#define EPOCH_DIGITS 16 /* see dialect_3 */

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

static struct event joined_event(struct member *member, const struct join *join, uint64_t seen)
{
    return (struct event){.type = EVENT_JOINED,
                          .room = member->room,
                          .peer = member,
                          .number = seen,
                          .unasked = join->unasked};
}

/* The room as it is, with both states. */
static void tell_joined(struct speaker speaker, struct member *member, const struct join *join,
                        uint64_t seen, struct effects *effects)
{
    effects_tell_client(effects, speaker.client, joined_event(member, join, seen));
    tell_states(speaker, member, effects);
}

/* What the member has missed, and nothing else. */
static void tell_recovered(struct speaker speaker, struct member *member, const struct join *join,
                           struct log_cursor cursor, struct effects *effects)
{
    struct event joined = joined_event(member, join, join->seen);
    joined.is_recovered = true;
    effects_tell_client(effects, speaker.client, joined);
    effects_add_tell_missed(effects, (struct effect_tell_missed){.client = speaker.client,
                                                                 .room = member->room,
                                                                 .cursor = cursor});
    /* It is not counted, so the member may have missed it when it became the host. */
    relay_3_tell_private(member, effects);
}

/*
 * Whether the member, whose own counts are of no use any more, can have those that the seat has: it
 * knows nothing of them. So it is when a crash has lost the counts, or when the answer that told of
 * the new ones was lost. A member without any epoch, as a page that was loaded again, asks for the
 * room as it is.
 */
static bool may_take_over(const struct party *party, const struct seat *seat,
                          const struct join *join)
{
    return join->epoch != 0 && join->epoch != seat->epoch && seat->heard == 0 && seat->seen == 0 &&
           seat_count(seat, party->to_all) <= UINT32_MAX;
}

/*
 * The room as it is, and then the messages for the seat from `seen` on: nobody else has heard them
 * for the member. Of everything else that happened the room as it is tells. Until the member has
 * seen all of them, its picture of the room is newer than what it missed, so it is told in the same
 * way again.
 */
static void retell(struct speaker speaker, struct member *member, const struct join *join,
                   uint64_t seen, struct log_cursor cursor, struct effects *effects)
{
    struct seat *seat = member_seat(member);
    seat->retold = (uint32_t)seat_count(seat, member->room->party->to_all);
    tell_joined(speaker, member, join, seen, effects);
    effects_add_tell_missed(effects, (struct effect_tell_missed){.client = speaker.client,
                                                                 .room = member->room,
                                                                 .cursor = cursor,
                                                                 .is_retold = true});
}

/* Continues or renews the epoch of a seat, and tells its member all that it must know. */
static void resume(struct speaker speaker, struct member *member, const struct join *join,
                   struct effects *effects)
{
    struct party *party = member->room->party;
    struct seat *seat = member_seat(member);
    struct log_cursor cursor = {0};
    bool is_found = false;
    bool is_retold = may_take_over(party, seat, join);
    uint64_t seen = join->seen;
    if (is_retold) {
        cursor = party_find_all(party, seat);
        seen = 0;
    } else if (join->epoch != seat->epoch) {
        party_begin_epoch(party, seat, seat->epoch + 1);
    } else if (party_is_count(party, seat, seen)) {
        /* What the owner counts has gone out, but may not arrive, and be missed after all. */
        if (join->unasked == 0)
            party_confirm(party, seat, seen);
        is_found = party_find_missed(party, seat, seen, &cursor);
        is_retold = is_found && seen < seat->retold;
    }
    if (is_retold) {
        retell(speaker, member, join, seen, cursor, effects);
    } else if (is_found) {
        tell_recovered(speaker, member, join, cursor, effects);
    } else {
        party_skip_to_now(party, seat);
        tell_joined(speaker, member, join, seat_count(seat, party->to_all), effects);
    }
}

/* The member has its own seat again. */
static void return_to_seat(struct relay *relay, struct speaker speaker, struct member *member,
                           const struct join *join, struct effects *effects)
{
    struct room *room = member->room;
    bool was_away = member->client == CLIENT_NONE;
    room->party->is_unknown = false;
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
    if (!access_has_password(room->party->access))
        return true;
    *ret_error = ERROR_PASSWORD_REQUIRED;
    if (password.length == 0)
        return false;
    *ret_error = ERROR_PASSWORDS_BUSY;
    if (!config->may_guess(config->context, speaker.client, room, false))
        return false;
    *ret_error = ERROR_WRONG_PASSWORD;
    if (access_is_password(room->party->access, password))
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
        return party_audience_count(party) < party_audience_max(party);
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
    if (access_was_kicked(party->access, join->epoch))
        return false;
    *ret_error = ERROR_BANNED;
    if (access_is_banned(party->access, relay_3_hash(bytes_of(join->id, join->id_length))))
        return false;
    if (!check_password(relay, speaker, room, join, ret_error))
        return false;
    *ret_error = ERROR_ROOM_LOCKED;
    if (party->is_locked)
        return false;
    return has_place(room, join, ret_error);
}

struct member *relay_3_add_seat(struct relay *relay, struct room *room, struct bytes id,
                                uint32_t client)
{
    if (!due_reserve(&relay->dues, 1))
        return NULL;
    struct member *member = room_add(room, id, client);
    if (member == NULL)
        due_give_back(&relay->dues, 1);
    return member;
}

/*
 * Who gives up a seat to watch hears `joined` first. That tells of the host that the room has now,
 * so the `host` that this call tells the others is not for the newcomer.
 */
static void leave_out(struct member *newcomer, struct effects *effects)
{
    for (uint32_t i = 0; i < effects->count; i++) {
        struct effect *effect = &effects->items[i];
        if (effect->kind == EFFECT_EMIT && effect->emit.is_for_audience)
            effect->emit.except = newcomer;
    }
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
    leave_out(member, effects);
    *speaker.seat = member;
    tell_joined(speaker, member, join, 0, effects);
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
    party_begin_epoch(room->party, member_seat(member), relay_3_draw_epoch(relay));
    member->entered_ms = relay->now_ms;
    member->active_ms = relay->now_ms;
    *speaker.seat = member;
    relay_occupy(relay, room);
    if (room->member_count == 2)
        relay_begin_proof(relay, room);
    tell_joined(speaker, member, join, 0, effects);
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
    room->party->is_unknown = false;
    if (member != NULL)
        give_up_role(relay, speaker, member, effects);
    if (relay->closed == room) /* its last seat, or that of its host, was this one */
        relay_3_refuse(speaker, envelope_type_name(ENVELOPE_JOIN), ERROR_ROOM_NOT_FOUND, effects);
    else if (join->is_audience)
        watch(relay, speaker, room, join, effects);
    else
        take_seat(relay, speaker, room, join, effects);
}

/*
 * The client has not asked, so it hears of nothing but its seat. If that is not there any more, it
 * has none afterwards, and the owner closes its connection.
 */
static void seat_again(struct relay *relay, struct speaker speaker, struct room *room,
                       const struct join *join, struct effects *effects)
{
    bool may_be_there = room != NULL && room_protocol(room) == PROTOCOL_3;
    struct member *member =
        may_be_there ? room_find(room, bytes_of(join->id, join->id_length)) : NULL;
    if (member == NULL || member->is_audience || !seat_knows(member_seat(member), join->session))
        return;
    if (seat_note_return(member_seat(member), join->session))
        return_to_seat(relay, speaker, member, join, effects);
    else
        effects_add_given_up(effects, (struct effect_given_up){speaker.client});
}

bool relay_is_retold(const struct room *room, struct bytes written)
{
    uint32_t from;
    if (!dialect_3_is_message(written, &from))
        return false;
    return from == INDEX_NONE || room_find_index(room, from) != NULL ||
           room_find_away(room, from) != NULL;
}

bool relay_way_back(const struct member *member, struct join *ret_join)
{
    if (room_protocol(member->room) != PROTOCOL_3 || member->is_audience)
        return false;
    const struct seat *seat = member_seat(member);
    struct bytes id = member_id(member);
    ret_join->code = member->room->code;
    ret_join->session = (struct session){.hash = seat->sessions[0], .attempt = seat->attempt};
    ret_join->epoch = seat->epoch;
    ret_join->seen = seat_count(seat, member->room->party->to_all);
    ret_join->unasked = 0;
    ret_join->is_audience = false;
    ret_join->password_length = 0;
    ret_join->id_length = id.length;
    memcpy(ret_join->id, id.data, id.length);
    return true;
}

void relay_3_carry_out(struct relay *relay, struct speaker speaker, const struct join *join,
                       struct effects *effects)
{
    struct room *room = room_table_find(&relay->rooms, join->code);
    if (join->unasked != 0) {
        seat_again(relay, speaker, room, join, effects);
        return;
    }
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
    if (value->kind != JSON_STRING || !json_string_decode(value, text, sizeof text, &length) ||
        length < sizeof text)
        return 0;
    for (size_t i = 0; i < sizeof text; i++) {
        bool is_decimal = text[i] >= '0' && text[i] <= '9';
        if (!is_decimal && !(text[i] >= 'a' && text[i] <= 'f'))
            return 0;
        epoch = epoch << 4 | (uint64_t)(is_decimal ? text[i] - '0' : text[i] - 'a' + 10);
    }
    return epoch;
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
    if (!relay_3_read_client(relay, envelope, &id, &join->session, ret_error))
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
    join->unasked = 0;
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
