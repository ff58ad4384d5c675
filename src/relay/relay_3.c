/*
 * Protocol 3: receives messages of clients that have a seat or watch. A message of a member is
 * counted before anything else is done with it, so an error can say which message it refuses.
 */
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

#include "relay/relay_parts.h"

#define BINARY_TO_EVERYONE 0
#define BINARY_TO_INDEX 1
#define BINARY_TO_HOST 2
#define BINARY_VOLATILE 128 /* is added to one of these */
#define BINARY_NAME "binary"
#define TO_TOLD_MAX 512 /* bytes of a refused message's `to` that its error repeats */

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

static struct event error_event(const char *of, enum relay_error error)
{
    return (struct event){.type = EVENT_ERROR, .error = error, .protocol = PROTOCOL_3, .of = of};
}

/* The error that answers the member's last message. */
static struct effect_emit answer_with(const struct member *member, const struct event *error)
{
    struct effect_emit emit = {.room = member->room,
                               .event = *error,
                               .address = {.readers = LOG_ONE, .index = member->index}};
    emit.event.number = member_seat(member)->heard;
    return emit;
}

static void refuse(struct speaker speaker, const struct event *error, struct effects *effects)
{
    const struct member *member = *speaker.seat;
    if (member != NULL && !member->is_audience)
        effects_add_emit(effects, answer_with(member, error));
    else
        effects_tell_client(effects, speaker.client, *error);
}

void relay_3_refuse(struct speaker speaker, const char *of, enum relay_error error,
                    struct effects *effects)
{
    struct event event = error_event(of, error);
    refuse(speaker, &event, effects);
}

struct effect_emit relay_refusal_of_state(const struct room *room)
{
    const struct member *host = room_find_index(room, room->host_index);
    assert(host != NULL && "it has just said set_state");
    struct event event = error_event(envelope_type_name(ENVELOPE_SET_STATE), ERROR_STATE_NO_MEMORY);
    return answer_with(host, &event);
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
    struct bytes to; /* JSON, for an error; empty: everyone */
    enum event_type type;
    struct bytes data;
    bool is_volatile;
};

/* The error says to whom the message was to go: a client can have sent many. */
static void refuse_sending(struct speaker speaker, const struct sending *sending,
                           enum relay_error error, struct effects *effects)
{
    struct event event = error_event(sending->of, error);
    if (sending->to.length <= TO_TOLD_MAX)
        event.data = sending->to;
    refuse(speaker, &event, effects);
}

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
    else if (!audience_admit_message(room->party->audience, relay->now_ms))
        relay_3_refuse(speaker, sending->of, ERROR_AUDIENCE_BUSY, effects);
    else
        emit_sending(sender, sending,
                     &(struct log_address){.readers = LOG_ONE, .index = room->host_index}, effects);
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
        if (relay_3_read_index(&element, &index) && has_seat(room, index) &&
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
    else if (!relay_3_read_index(to, &ret_address->index))
        return false;
    return has_seat(room, ret_address->index);
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
        .to = sender->is_audience ? (struct bytes){0} : envelope->to.raw,
        .type = EVENT_MESSAGE,
        .data = envelope->data.raw,
    };
    if (!sender->is_audience && !read_to(relay, sender, &envelope->to, &address, &error))
        refuse_sending(speaker, &sending, error, effects);
    else if (!relay_3_read_flag(&is_volatile, &sending.is_volatile))
        refuse_sending(speaker, &sending, ERROR_VOLATILE, effects);
    else if (sender->is_audience)
        send_from_audience(relay, speaker, &sending, effects);
    else
        send_from_seat(relay, sender, &sending, &address, effects);
}

/* As it would be in JSON; valid until the next call. */
static struct bytes index_text(struct relay *relay, uint32_t index)
{
    int length = snprintf(relay->to_text, sizeof relay->to_text, "%" PRIu32, index);
    return bytes_of(relay->to_text, (size_t)length);
}

/* Reads a binary message: where it goes, and its payload. False: it has no valid head. */
static bool read_binary(struct relay *relay, const struct member *sender, struct bytes message,
                        struct sending *ret_sending, struct log_address *ret_address)
{
    if (message.length == 0)
        return false;
    const uint8_t *head = message.data;
    size_t length = 1;
    *ret_sending = (struct sending){
        .of = BINARY_NAME,
        .type = EVENT_BINARY,
        .is_volatile = (head[0] & BINARY_VOLATILE) != 0,
    };
    *ret_address = (struct log_address){.readers = LOG_ONE, .index = sender->room->host_index};
    switch (head[0] & ~BINARY_VOLATILE) {
    case BINARY_TO_EVERYONE:
        *ret_address = (struct log_address){.readers = LOG_EVERYONE_BUT, .index = sender->index};
        break;
    case BINARY_TO_INDEX:
        length = 5;
        if (message.length < length)
            return false;
        ret_address->index =
            (uint32_t)head[1] << 24 | (uint32_t)head[2] << 16 | (uint32_t)head[3] << 8 | head[4];
        ret_sending->to = index_text(relay, ret_address->index);
        break;
    case BINARY_TO_HOST:
        ret_sending->to = BYTES("\"host\"");
        break;
    default:
        return false;
    }
    ret_sending->data = bytes_of(message.data + length, message.length - length);
    return true;
}

static void receive_binary(struct relay *relay, struct speaker speaker, struct bytes message,
                           struct effects *effects)
{
    struct member *sender = *speaker.seat;
    struct log_address address;
    struct sending sending;
    if (!read_binary(relay, sender, message, &sending, &address))
        relay_3_refuse(speaker, BINARY_NAME, ERROR_INVALID_BINARY, effects);
    else if (sender->is_audience)
        send_from_audience(relay, speaker, &sending, effects);
    else if (address.readers == LOG_ONE && !has_seat(sender->room, address.index))
        refuse_sending(speaker, &sending, ERROR_PEER_NOT_FOUND, effects);
    else
        send_from_seat(relay, sender, &sending, &address, effects);
}

/* Counts a message of a member. A room whose creator has said something is known to it. */
static void count_message(const struct speaker *speaker, bool is_counted)
{
    struct member *member = *speaker->seat;
    if (member == NULL || member->is_audience)
        return;
    struct room *room = member->room;
    if (room->party->is_unknown && member->index == HOST_INDEX) {
        room->party->is_unknown = false;
        room_note_change(room);
    }
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

static void receive_leave(struct relay *relay, struct speaker speaker, struct effects *effects)
{
    struct member *member = *speaker.seat;
    *speaker.seat = NULL;
    effects_tell_client(effects, speaker.client,
                        (struct event){.type = EVENT_LEFT, .room = member->room});
    relay_3_vacate(relay, member, LEAVING_LEFT, effects);
}

static void receive_from_member(struct relay *relay, struct speaker speaker,
                                const struct envelope *envelope, struct effects *effects)
{
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
        relay_3_receive_from_host(relay, speaker, envelope, effects);
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
