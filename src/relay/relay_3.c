/*
 * Protocol 3: receives messages of clients that have a seat or watch. A message of a member is
 * counted before anything else is done with it, so an error can say which message it refuses.
 */
#include <assert.h>

#include "relay/relay_parts.h"

#define BINARY_TO_EVERYONE 0
#define BINARY_TO_INDEX 1
#define BINARY_TO_HOST 2
#define BINARY_VOLATILE 128 /* is added to one of these */
#define BINARY_NAME "binary"

/* Adds an effect in place, since a copy of an event takes long for each message. */
static struct effect_emit *add_emit(struct effects *effects)
{
    assert(effects->count < EFFECTS_MAX);
    struct effect *effect = &effects->items[effects->count++];
    effect->kind = EFFECT_EMIT;
    return &effect->emit;
}

struct effect_emit *relay_3_emit_to_all(struct room *room, enum event_type type,
                                        struct effects *effects)
{
    struct effect_emit *emit = add_emit(effects);
    *emit = (struct effect_emit){
        .room = room, .event = {.type = type, .room = room}, .address = {.readers = LOG_EVERYONE}};
    return emit;
}

struct effect_emit *relay_3_emit_to_others(struct member *member, enum event_type type,
                                           struct effects *effects)
{
    struct effect_emit *emit = add_emit(effects);
    *emit = (struct effect_emit){
        .room = member->room,
        .event = {.type = type, .room = member->room, .peer = member},
        .address = {.readers = LOG_EVERYONE_BUT, .index = member->index},
        .except = member,
    };
    return emit;
}

static struct effect_emit refusal(const struct member *member, const char *of,
                                  enum relay_error error)
{
    return (struct effect_emit){.room = member->room,
                                .event = {.type = EVENT_ERROR,
                                          .error = error,
                                          .protocol = PROTOCOL_3,
                                          .of = of,
                                          .number = member_seat(member)->heard},
                                .address = {.readers = LOG_ONE, .index = member->index}};
}

void relay_3_refuse(struct speaker speaker, const char *of, enum relay_error error,
                    struct effects *effects)
{
    const struct member *member = *speaker.seat;
    if (member != NULL && !member->is_audience)
        effects_add_emit(effects, refusal(member, of, error));
    else
        effects_tell_client(
            effects, speaker.client,
            (struct event){.type = EVENT_ERROR, .error = error, .protocol = PROTOCOL_3, .of = of});
}

struct effect_emit relay_refusal_of_state(const struct room *room)
{
    const struct member *host = room_find_index(room, room->host_index);
    assert(host != NULL && "it has just said set_state");
    return refusal(host, envelope_type_name(ENVELOPE_SET_STATE), ERROR_STATE_NO_MEMORY);
}

void relay_note_event(struct room *room, const struct effect_emit *effect, struct bytes frame,
                      struct payload *payload)
{
    party_note_event(room->party, &effect->address, effect->except, effect->keeping, frame,
                     payload);
}

void relay_unhear(struct member *seat)
{
    if (seat != NULL && seat->is_in_seat && !seat->is_audience)
        member_seat(seat)->heard--;
}

/* What a message of an audience, of a seat, of a binary or a JSON kind have in common. */
struct sending {
    const char *of;
    enum event_type type;
    struct bytes data;
    bool is_volatile;
};

static void emit_sending(struct member *sender, const struct sending *sending,
                         const struct log_address *address, struct effects *effects)
{
    bool is_for_all = address->readers == LOG_EVERYONE_BUT;
    *add_emit(effects) = (struct effect_emit){
        .room = sender->room,
        .event = {.type = sending->type,
                  .room = sender->room,
                  .peer = sender,
                  .data = sending->data},
        .address = *address,
        .except = is_for_all ? sender : NULL,
        .keeping = sending->is_volatile ? KEEP_COUNT : KEEP_FRAME,
        .is_for_audience = is_for_all,
    };
}

/* Whether one more message of the audience may reach the host in this second. */
static bool admit_of_audience(const struct relay *relay, struct party *party)
{
    if (relay->now_ms - party->busy_since_ms >= 1000) {
        party->busy_since_ms = relay->now_ms;
        party->busy_count = 0;
    }
    return party->busy_count++ < AUDIENCE_SENDS_MAX;
}

static bool has_seat(const struct room *room, uint32_t index)
{
    return room_find_index(room, index) != NULL || room_find_away(room, index) != NULL;
}

/* Whatever the audience says is for the host. */
static void send_from_audience(struct relay *relay, struct speaker speaker,
                               const struct sending *sending, struct effects *effects)
{
    struct member *sender = *speaker.seat;
    struct room *room = sender->room;
    if (room->party->audience_is_muted)
        relay_3_refuse(speaker, sending->of, ERROR_AUDIENCE_MUTED, effects);
    else if (!has_seat(room, room->host_index))
        relay_3_refuse(speaker, sending->of, ERROR_PEER_NOT_FOUND, effects);
    else if (!admit_of_audience(relay, room->party))
        relay_3_refuse(speaker, sending->of, ERROR_AUDIENCE_BUSY, effects);
    else
        emit_sending(sender, sending,
                     &(struct log_address){.readers = LOG_ONE, .index = room->host_index}, effects);
}

/* Reads an index. False: `value` is none. */
static bool read_index(const struct json_value *value, uint32_t *ret_index)
{
    uint64_t number;
    if (!json_member_whole(value, INDEX_AUDIENCE - 1, &number))
        return false;
    *ret_index = (uint32_t)number;
    return true;
}

static bool is_among(const uint32_t *indices, uint32_t count, uint32_t index)
{
    for (uint32_t i = 0; i < count; i++) {
        if (indices[i] == index)
            return true;
    }
    return false;
}

/* Reads an array of indices, each of which counts once. False: ret_error says what is wrong. */
static bool read_targets(struct relay *relay, const struct room *room,
                         const struct json_value *array, struct log_address *ret_address,
                         enum relay_error *ret_error)
{
    struct bytes rest = array->raw;
    struct json_value element;
    uint32_t elements = 0;
    uint32_t count = 0;
    *ret_error = ERROR_TO;
    while (json_array_next(&rest, &element)) {
        uint32_t index;
        if (++elements > TARGETS_MAX)
            return false;
        if (read_index(&element, &index) && has_seat(room, index) &&
            !is_among(relay->targets, count, index))
            relay->targets[count++] = index;
    }
    if (elements == 0)
        return false;
    *ret_error = ERROR_PEER_NOT_FOUND;
    *ret_address =
        (struct log_address){.readers = LOG_SOME, .indices = relay->targets, .index_count = count};
    return count > 0;
}

/* Reads `to`. False: ret_error says why the message reaches nobody. */
static bool read_to(struct relay *relay, const struct member *sender, const struct json_value *to,
                    struct log_address *ret_address, enum relay_error *ret_error)
{
    const struct room *room = sender->room;
    *ret_address = (struct log_address){.readers = LOG_EVERYONE_BUT, .index = sender->index};
    *ret_error = ERROR_PEER_NOT_FOUND;
    if (to->kind == JSON_ABSENT)
        return true;
    if (to->kind == JSON_ARRAY)
        return read_targets(relay, room, to, ret_address, ret_error);
    ret_address->readers = LOG_ONE;
    if (to->kind == JSON_STRING && json_string_equals(to, BYTES("host")))
        ret_address->index = room->host_index;
    else if (!read_index(to, &ret_address->index))
        return false;
    return has_seat(room, ret_address->index);
}

/* Reads a field that is true or false, and false when it is absent. False: it is neither. */
static bool read_flag(const struct json_value *value, bool *ret_flag)
{
    *ret_flag = value->kind == JSON_TRUE;
    return value->kind == JSON_ABSENT || value->kind == JSON_TRUE || value->kind == JSON_FALSE;
}

static void send_from_seat(struct relay *relay, struct member *sender,
                           const struct sending *sending, const struct log_address *address,
                           struct effects *effects)
{
    /* Clients send messages to themselves to test their connection; that is no activity. */
    if (address->readers != LOG_ONE || address->index != sender->index)
        sender->active_ms = relay->now_ms;
    emit_sending(sender, sending, address, effects);
}

static void receive_send(struct relay *relay, struct speaker speaker,
                         const struct envelope *envelope, struct effects *effects)
{
    struct member *sender = *speaker.seat;
    struct log_address address = {0};
    enum relay_error error;
    struct json_value is_volatile = envelope_field(envelope, FIELD_VOLATILE);
    struct sending sending = {
        .of = envelope_type_name(ENVELOPE_SEND),
        .type = EVENT_MESSAGE,
        .data = envelope->data.raw,
    };
    if (!sender->is_audience && !read_to(relay, sender, &envelope->to, &address, &error))
        relay_3_refuse(speaker, sending.of, error, effects);
    else if (!read_flag(&is_volatile, &sending.is_volatile))
        relay_3_refuse(speaker, sending.of, ERROR_VOLATILE, effects);
    else if (sender->is_audience)
        send_from_audience(relay, speaker, &sending, effects);
    else
        send_from_seat(relay, sender, &sending, &address, effects);
}

/* Reads the head of a binary message, and takes it off. False: there is no such head. */
static bool read_binary_head(const struct member *sender, struct bytes *message,
                             struct log_address *ret_address)
{
    if (message->length == 0)
        return false;
    const uint8_t *head = message->data;
    size_t length = 1;
    *ret_address = (struct log_address){.readers = LOG_ONE, .index = sender->room->host_index};
    switch (head[0] & ~BINARY_VOLATILE) {
    case BINARY_TO_EVERYONE:
        *ret_address = (struct log_address){.readers = LOG_EVERYONE_BUT, .index = sender->index};
        break;
    case BINARY_TO_INDEX:
        length = 5;
        if (message->length < length)
            return false;
        ret_address->index =
            (uint32_t)head[1] << 24 | (uint32_t)head[2] << 16 | (uint32_t)head[3] << 8 | head[4];
        break;
    case BINARY_TO_HOST:
        break;
    default:
        return false;
    }
    *message = bytes_of(message->data + length, message->length - length);
    return true;
}

static void receive_binary(struct relay *relay, struct speaker speaker, struct bytes message,
                           struct effects *effects)
{
    struct member *sender = *speaker.seat;
    struct log_address address;
    struct sending sending = {
        .of = BINARY_NAME,
        .type = EVENT_BINARY,
        .is_volatile = message.length > 0 && (message.data[0] & BINARY_VOLATILE) != 0,
    };
    if (!read_binary_head(sender, &message, &address)) {
        relay_3_refuse(speaker, BINARY_NAME, ERROR_INVALID_BINARY, effects);
        return;
    }
    sending.data = message;
    if (sender->is_audience)
        send_from_audience(relay, speaker, &sending, effects);
    else if (address.readers == LOG_ONE && !has_seat(sender->room, address.index))
        relay_3_refuse(speaker, BINARY_NAME, ERROR_PEER_NOT_FOUND, effects);
    else
        send_from_seat(relay, sender, &sending, &address, effects);
}

/* Counts a message of a member. A room whose creator has said something is known to it. */
static void count_message(const struct speaker *speaker, bool is_counted)
{
    struct member *member = *speaker->seat;
    if (member == NULL || member->is_audience)
        return;
    if (member->index == HOST_INDEX)
        member->room->party->creator_is_silent = false;
    if (is_counted)
        member_seat(member)->heard++;
}

void relay_receive_binary(struct relay *relay, struct speaker speaker, struct bytes message,
                          struct effects *ret_effects)
{
    ret_effects->count = 0;
    relay_free_departed(relay);
    count_message(&speaker, true);
    if (*speaker.seat == NULL)
        relay_3_refuse(speaker, BINARY_NAME, ERROR_NOT_IN_ROOM, ret_effects);
    else
        receive_binary(relay, speaker, message, ret_effects);
}

static void receive_ping(struct speaker speaker, const struct envelope *envelope,
                         struct effects *effects)
{
    struct member *member = *speaker.seat;
    struct party *party = member->room->party;
    struct json_value seen = envelope_field(envelope, FIELD_SEEN);
    struct event event = {.type = EVENT_PONG, .room = member->room, .peer = member};
    if (!member->is_audience) {
        struct seat *seat = member_seat(member);
        uint64_t count;
        if (json_member_whole(&seen, COUNT_MAX, &count) && party_is_count(party, seat, count))
            party_confirm(party, seat, count);
        event.number = seat->heard;
    }
    effects_tell_client(effects, speaker.client, event);
}

static void receive_set_state(struct relay *relay, struct speaker speaker,
                              const struct envelope *envelope, struct effects *effects)
{
    struct member *host = *speaker.seat;
    const char *of = envelope_type_name(ENVELOPE_SET_STATE);
    struct json_value value = envelope_field(envelope, FIELD_PRIVATE);
    struct event event = {.type = EVENT_STATE, .room = host->room, .data = envelope->data.raw};
    bool is_private;
    host->active_ms = relay->now_ms;
    if (envelope->data.kind == JSON_ABSENT) {
        relay_3_refuse(speaker, of, ERROR_STATE_REQUIRED, effects);
    } else if (!relay_state_fits(envelope->data.raw)) {
        relay_3_refuse(speaker, of, ERROR_STATE_TOO_LARGE, effects);
    } else if (!read_flag(&value, &is_private)) {
        relay_3_refuse(speaker, of, ERROR_PRIVATE, effects);
    } else if (is_private) {
        event.type = EVENT_PRIVATE_STATE;
        effects_add_keep_private(effects,
                                 (struct effect_keep_private){speaker.client, host->room, event});
    } else {
        effects_add_keep_state(effects,
                               (struct effect_keep_state){speaker.client, host->room, event});
    }
}

/* What `set_room` changes; a field that it does not name stays. */
struct settings {
    bool is_locked;
    uint32_t members_max;
    uint32_t audience_max;
    uint8_t password_length;
    uint8_t password[PASSWORD_BYTES_MAX];
};

/* Reads the fields of `set_room`. False: ret_error says which one is wrong. */
static bool read_settings(const struct relay *relay, const struct envelope *envelope,
                          struct settings *settings, enum relay_error *ret_error)
{
    struct json_value locked = envelope_field(envelope, FIELD_LOCKED);
    struct json_value audience = envelope_field(envelope, FIELD_MAX_AUDIENCE);
    struct json_value password = envelope_field(envelope, FIELD_PASSWORD);
    const struct json_value *clients = &envelope->max_clients;
    bool has_locked = locked.kind != JSON_ABSENT;
    bool has_clients = clients->kind != JSON_ABSENT;
    bool has_audience = audience.kind != JSON_ABSENT;
    bool has_password = password.kind != JSON_ABSENT;
    *ret_error = ERROR_LOCKED;
    if (has_locked && !read_flag(&locked, &settings->is_locked))
        return false;
    *ret_error = ERROR_MAX_CLIENTS;
    if (has_clients && !relay_read_max_clients(relay, clients, &settings->members_max))
        return false;
    *ret_error = ERROR_MAX_AUDIENCE;
    if (has_audience && !relay_3_read_max_audience(relay, &audience, &settings->audience_max))
        return false;
    *ret_error = ERROR_PASSWORD;
    settings->password_length = 0;
    if (has_password && password.kind != JSON_NULL &&
        !relay_3_read_password(&password, settings->password, &settings->password_length))
        return false;
    *ret_error = ERROR_NOTHING_TO_SET;
    return has_locked || has_clients || has_audience || has_password;
}

static void receive_set_room(const struct relay *relay, struct speaker speaker,
                             const struct envelope *envelope, struct effects *effects)
{
    struct room *room = (*speaker.seat)->room;
    struct party *party = room->party;
    struct settings settings = {.is_locked = party->is_locked,
                                .members_max = room->members_max,
                                .audience_max = party->audience_max};
    enum relay_error error;
    if (!read_settings(relay, envelope, &settings, &error)) {
        relay_3_refuse(speaker, envelope_type_name(ENVELOPE_SET_ROOM), error, effects);
        return;
    }
    party->is_locked = settings.is_locked;
    room->members_max = settings.members_max;
    party->audience_max = settings.audience_max;
    if (envelope_field(envelope, FIELD_PASSWORD).kind != JSON_ABSENT)
        relay_3_set_password(relay, party, bytes_of(settings.password, settings.password_length));
    relay_3_emit_to_all(room, EVENT_ROOM, effects)->is_for_audience = true;
}

static void receive_set_host(struct relay *relay, struct speaker speaker,
                             const struct envelope *envelope, struct effects *effects)
{
    struct room *room = (*speaker.seat)->room;
    struct json_value value = envelope_field(envelope, FIELD_INDEX);
    uint32_t index;
    if (!read_index(&value, &index) || room_find_index(room, index) == NULL)
        relay_3_refuse(speaker, envelope_type_name(ENVELOPE_SET_HOST), ERROR_PEER_NOT_FOUND,
                       effects);
    else
        relay_3_make_host(relay, room, index, effects);
}

/* Reads the reason of a kick into relay->kick_reason. False: it is none. */
static bool read_reason(struct relay *relay, const struct json_value *value, size_t *ret_length)
{
    *ret_length = 0;
    if (value->kind == JSON_ABSENT)
        return true;
    return value->kind == JSON_STRING &&
           json_string_decode(value, relay->kick_reason, sizeof relay->kick_reason, ret_length);
}

/* Remembers one outcast, which is counted. False: memory is short. */
static bool remember(const struct relay *relay, struct room *room, struct outcasts *outcasts,
                     struct outcast outcast)
{
    size_t cost = outcasts->count < BANS_MAX ? sizeof outcast : 0;
    return relay_admit_bytes(relay, room, cost) && party_cast_out(outcasts, outcast);
}

/* Remembers whom the host has thrown out. False: memory is short. */
static bool cast_out(const struct relay *relay, const struct member *member, bool is_banned)
{
    struct room *room = member->room;
    struct party *party = room->party;
    struct outcast kicked = {.epoch = member_seat(member)->epoch};
    struct outcast banned = {.id_hash = relay_3_hash(member_id(member))};
    return remember(relay, room, &party->kicked, kicked) &&
           (!is_banned || remember(relay, room, &party->banned, banned));
}

static void kick(struct relay *relay, struct speaker speaker, struct member *member,
                 struct bytes reason, bool is_banned, struct effects *effects)
{
    if (!cast_out(relay, member, is_banned)) {
        effects_add_no_memory(effects, (struct effect_no_memory){speaker.client});
        return;
    }
    if (member->client != CLIENT_NONE) {
        relay_unseat(relay, member->client);
        effects_add_kicked(effects, (struct effect_kicked){member->client, reason});
    }
    relay_3_vacate(relay, member, LEAVING_KICKED, effects);
}

static void receive_kick(struct relay *relay, struct speaker speaker,
                         const struct envelope *envelope, struct effects *effects)
{
    const char *of = envelope_type_name(ENVELOPE_KICK);
    const struct member *host = *speaker.seat;
    struct json_value index_value = envelope_field(envelope, FIELD_INDEX);
    struct json_value reason = envelope_field(envelope, FIELD_REASON);
    struct json_value ban = envelope_field(envelope, FIELD_BAN);
    struct member *member = NULL;
    uint32_t index;
    size_t reason_length;
    bool is_banned;
    if (read_index(&index_value, &index)) {
        member = room_find_index(host->room, index);
        member = member != NULL ? member : room_find_away(host->room, index);
    }
    if (member == NULL)
        relay_3_refuse(speaker, of, ERROR_PEER_NOT_FOUND, effects);
    else if (member == host)
        relay_3_refuse(speaker, of, ERROR_KICK_SELF, effects);
    else if (!read_reason(relay, &reason, &reason_length))
        relay_3_refuse(speaker, of, ERROR_REASON, effects);
    else if (!read_flag(&ban, &is_banned))
        relay_3_refuse(speaker, of, ERROR_BAN, effects);
    else
        kick(relay, speaker, member, bytes_of(relay->kick_reason, reason_length), is_banned,
             effects);
}

static void receive_mute(struct speaker speaker, const struct envelope *envelope,
                         struct effects *effects)
{
    struct json_value value = envelope_field(envelope, FIELD_MUTED);
    bool is_muted;
    if (value.kind == JSON_ABSENT || !read_flag(&value, &is_muted))
        relay_3_refuse(speaker, envelope_type_name(ENVELOPE_MUTE_AUDIENCE), ERROR_MUTED, effects);
    else
        (*speaker.seat)->room->party->audience_is_muted = is_muted;
}

static void receive_leave(struct relay *relay, struct speaker speaker, struct effects *effects)
{
    struct member *member = *speaker.seat;
    *speaker.seat = NULL;
    effects_tell_client(effects, speaker.client,
                        (struct event){.type = EVENT_LEFT, .room = member->room});
    relay_3_vacate(relay, member, LEAVING_LEFT, effects);
}

/* Only the host may say these. */
static void receive_from_host(struct relay *relay, struct speaker speaker,
                              const struct envelope *envelope, struct effects *effects)
{
    switch (envelope->type) {
    case ENVELOPE_SET_STATE:
        receive_set_state(relay, speaker, envelope, effects);
        break;
    case ENVELOPE_SET_ROOM:
        receive_set_room(relay, speaker, envelope, effects);
        break;
    case ENVELOPE_SET_HOST:
        receive_set_host(relay, speaker, envelope, effects);
        break;
    case ENVELOPE_KICK:
        receive_kick(relay, speaker, envelope, effects);
        break;
    case ENVELOPE_MUTE_AUDIENCE:
        receive_mute(speaker, envelope, effects);
        break;
    default:
        assert(envelope->type == ENVELOPE_CLOSE_ROOM);
        relay_shut_room(relay, (*speaker.seat)->room, effects);
        break;
    }
}

/* Why one who is not the host may not say what only the host may say. */
static enum relay_error not_host_error(enum envelope_type type)
{
    switch (type) {
    case ENVELOPE_SET_STATE:
        return ERROR_STATE_NOT_HOST;
    case ENVELOPE_CLOSE_ROOM:
        return ERROR_CLOSE_NOT_HOST;
    default:
        return ERROR_NOT_HOST;
    }
}

static void receive_from_member(struct relay *relay, struct speaker speaker,
                                const struct envelope *envelope, struct effects *effects)
{
    const struct member *member = *speaker.seat;
    switch (envelope->type) {
    case ENVELOPE_SEND:
        receive_send(relay, speaker, envelope, effects);
        break;
    case ENVELOPE_PING:
        receive_ping(speaker, envelope, effects);
        break;
    case ENVELOPE_LEAVE:
        receive_leave(relay, speaker, effects);
        break;
    case ENVELOPE_RESUMED: /* only a cluster seats members unasked */
        break;
    default:
        if (member_is_host(member))
            receive_from_host(relay, speaker, envelope, effects);
        else
            relay_3_refuse(speaker, envelope_type_name(envelope->type),
                           not_host_error(envelope->type), effects);
        break;
    }
}

void relay_3_receive(struct relay *relay, struct speaker speaker, enum envelope_result result,
                     const struct envelope *envelope, struct effects *effects)
{
    bool is_valid = result == ENVELOPE_OK;
    bool is_counted =
        !is_valid || (envelope->type != ENVELOPE_PING && envelope->type != ENVELOPE_RESUMED);
    count_message(&speaker, is_counted);
    if (result == ENVELOPE_INVALID_JSON)
        relay_3_refuse(speaker, NULL, ERROR_INVALID_JSON, effects);
    else if (!is_valid)
        relay_3_refuse(speaker, NULL, ERROR_UNKNOWN_TYPE, effects);
    else if (envelope->type == ENVELOPE_CREATE)
        relay_3_create(relay, speaker, envelope, effects);
    else if (envelope->type == ENVELOPE_JOIN)
        relay_3_join(relay, speaker, envelope, effects);
    else if (*speaker.seat == NULL)
        relay_3_refuse(speaker, envelope_type_name(envelope->type), ERROR_NOT_IN_ROOM, effects);
    else
        receive_from_member(relay, speaker, envelope, effects);
}
