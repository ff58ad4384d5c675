/*
 * Events of protocol 3. `data` and `url` are copied unchanged: both are known to be valid JSON. A
 * binary message is no JSON.
 */
#include "relay/dialect_3.h"

#include "relay/dialect_parts.h"
#include "relay/party.h"

#define BINARY_FROM_SEAT 0
#define BINARY_FROM_AUDIENCE 1
#define BINARY_HEAD 5 /* the first byte, and the index of who has a seat */
#define MESSAGE_FROM_SEAT "{\"type\":\"message\",\"from\":"
#define MESSAGE_FROM_AUDIENCE "{\"type\":\"message\",\"audience\":true"

/* 16 hexadecimal digits. */
static void write_epoch(struct writer *writer, uint64_t epoch)
{
    WRITER_PUT(writer, ",\"epoch\":\"");
    for (int shift = 60; shift >= 0; shift -= 4)
        writer_put_byte(writer, (uint8_t) "0123456789abcdef"[epoch >> shift & 15]);
    writer_put_byte(writer, '"');
}

/* What `created` and `joined` tell a member of its seat. */
static void write_seat(struct writer *writer, const struct event *event)
{
    writer_put_number(writer, ",\"index\":", event->peer->index);
    writer_put_number(writer, ",\"hold\":", event->room->party->hold_ms / 1000);
    write_epoch(writer, member_seat(event->peer)->epoch);
}

static void write_created(struct writer *writer, const struct event *event)
{
    WRITER_PUT(writer, "{\"type\":\"created\",\"room\":\"");
    dialect_write_code(writer, event->room);
    writer_put_byte(writer, '"');
    write_seat(writer, event);
    dialect_write_url(writer, event->room);
    WRITER_PUT(writer, ",\"instance\":\"");
    writer_put(writer, event->instance->id);
    WRITER_PUT(writer, "\",\"region\":\"");
    writer_put(writer, event->instance->region);
    WRITER_PUT(writer, "\"}");
}

static void write_indices(struct writer *writer, struct member *const *members, uint32_t count,
                          const struct member *except)
{
    bool is_first = true;
    for (uint32_t i = 0; i < count; i++) {
        if (members[i] == except)
            continue;
        if (!is_first)
            writer_put_byte(writer, ',');
        is_first = false;
        writer_put_decimal(writer, members[i]->index);
    }
}

static void write_host(struct writer *writer, const struct room *room)
{
    if (room->host_index == INDEX_NONE)
        WRITER_PUT(writer, ",\"host\":null");
    else
        writer_put_number(writer, ",\"host\":", room->host_index);
}

/* The room as it is, for a client that does not know it. */
static void write_room(struct writer *writer, const struct event *event)
{
    const struct room *room = event->room;
    write_host(writer, room);
    if (!event->peer->is_audience) {
        WRITER_PUT(writer, ",\"peers\":[");
        write_indices(writer, room->members, room->member_count, event->peer);
        WRITER_PUT(writer, "],\"away\":[");
        write_indices(writer, room_absent(room), room->absent_count, event->peer);
        writer_put_byte(writer, ']');
    }
    writer_put_flag(writer, ",\"locked\":", room->party->is_locked);
    writer_put_number(writer, ",\"maxClients\":", room->members_max);
    /* It follows behind `joined`, uncounted: without this, a client could take it for an event. */
    writer_put_flag(writer, ",\"state\":", room_state(room) != NULL);
}

static void write_joined(struct writer *writer, const struct event *event)
{
    WRITER_PUT(writer, "{\"type\":\"joined\",\"room\":\"");
    dialect_write_code(writer, event->room);
    writer_put_byte(writer, '"');
    if (!event->peer->is_audience)
        write_seat(writer, event);
    writer_put_flag(writer, ",\"recovered\":", event->is_recovered);
    if (!event->peer->is_audience) {
        writer_put_number(writer, ",\"seen\":", event->number);
        writer_put_number(writer, ",\"heard\":", member_seat(event->peer)->heard);
    }
    if (event->unasked != 0)
        writer_put_number(writer, ",\"unasked\":", event->unasked);
    dialect_write_url(writer, event->room);
    if (!event->is_recovered)
        write_room(writer, event);
    writer_put_byte(writer, '}');
}

static void write_message(struct writer *writer, const struct event *event)
{
    if (event->peer->is_audience)
        WRITER_PUT(writer, MESSAGE_FROM_AUDIENCE);
    else
        writer_put_number(writer, MESSAGE_FROM_SEAT, event->peer->index);
    dialect_write_data(writer, event->data);
    writer_put_byte(writer, '}');
}

static void write_binary(struct writer *writer, const struct event *event)
{
    if (event->peer->is_audience) {
        writer_put_byte(writer, BINARY_FROM_AUDIENCE);
    } else {
        uint32_t index = event->peer->index;
        uint8_t head[BINARY_HEAD] = {BINARY_FROM_SEAT, (uint8_t)(index >> 24),
                                     (uint8_t)(index >> 16), (uint8_t)(index >> 8), (uint8_t)index};
        writer_put(writer, bytes_of(head, sizeof head));
    }
    writer_put(writer, event->data);
}

static void write_peer(struct writer *writer, const char *type, const struct member *peer)
{
    WRITER_PUT(writer, "{\"type\":\"");
    writer_put_string(writer, type);
    writer_put_number(writer, "\",\"index\":", peer->index);
    writer_put_byte(writer, '}');
}

static void write_peer_left(struct writer *writer, const struct event *event)
{
    static const char *const reasons[] = {
        [LEAVING_LEFT] = "left", [LEAVING_EXPIRED] = "expired", [LEAVING_KICKED] = "kicked"};
    writer_put_number(writer, "{\"type\":\"peer_left\",\"index\":", event->peer->index);
    WRITER_PUT(writer, ",\"why\":\"");
    writer_put_string(writer, reasons[event->leaving]);
    WRITER_PUT(writer, "\"}");
}

static void write_settings(struct writer *writer, const struct room *room)
{
    const struct party *party = room->party;
    writer_put_flag(writer, "{\"type\":\"room\",\"locked\":", party->is_locked);
    writer_put_number(writer, ",\"maxClients\":", room->members_max);
    writer_put_number(writer, ",\"maxAudience\":", party_audience_max(party));
    writer_put_flag(writer, ",\"password\":", access_has_password(party->access));
    writer_put_byte(writer, '}');
}

static void write_state(struct writer *writer, const char *begin, struct bytes data)
{
    writer_put_string(writer, begin);
    dialect_write_data(writer, data);
    writer_put_byte(writer, '}');
}

/* The protocol of the room that a client of protocol 3 can't join; 0: that is not the error. */
static uint64_t protocol_of_room(enum relay_error error)
{
    if (error == ERROR_USES_PROTOCOL_1)
        return 1;
    return error == ERROR_USES_PROTOCOL_2 ? 2 : 0;
}

static void write_error(struct writer *writer, const struct event *event)
{
    uint64_t protocol = protocol_of_room(event->error);
    WRITER_PUT(writer, "{\"type\":\"error\",\"code\":\"");
    writer_put_string(writer, relay_error_code(event->error));
    WRITER_PUT(writer, "\",\"message\":\"");
    dialect_write_error_text(writer, event);
    writer_put_byte(writer, '"');
    if (event->of != NULL) {
        WRITER_PUT(writer, ",\"of\":\"");
        writer_put_string(writer, event->of);
        writer_put_byte(writer, '"');
    }
    if (protocol > 0)
        writer_put_number(writer, ",\"protocol\":", protocol);
    if (event->data.length > 0) {
        WRITER_PUT(writer, ",\"to\":");
        writer_put(writer, event->data);
    }
    if (event->number > 0)
        writer_put_number(writer, ",\"n\":", event->number);
    writer_put_byte(writer, '}');
}

static void write_counted(struct writer *writer, const char *begin, uint64_t number)
{
    writer_put_number(writer, begin, number);
    writer_put_byte(writer, '}');
}

/* Those that tell of the room, or of the client alone. */
static void write_rest(struct writer *writer, const struct event *event)
{
    switch (event->type) {
    case EVENT_LEFT:
        WRITER_PUT(writer, "{\"type\":\"left\"}");
        break;
    case EVENT_HOST:
        WRITER_PUT(writer, "{\"type\":\"host\",\"index\":");
        writer_put_decimal(writer, event->room->host_index);
        writer_put_byte(writer, '}');
        break;
    case EVENT_ROOM:
        write_settings(writer, event->room);
        break;
    case EVENT_SKIPPED:
        write_counted(writer, "{\"type\":\"skipped\",\"count\":", event->number);
        break;
    case EVENT_AUDIENCE:
        write_counted(writer, "{\"type\":\"audience\",\"count\":", event->number);
        break;
    case EVENT_PONG:
        if (event->peer->is_audience)
            WRITER_PUT(writer, "{\"type\":\"pong\"}");
        else
            write_counted(writer, "{\"type\":\"pong\",\"heard\":", event->number);
        break;
    default:
        write_error(writer, event);
        break;
    }
}

void dialect_3_write(struct writer *writer, const struct event *event)
{
    switch (event->type) {
    case EVENT_MESSAGE:
        write_message(writer, event);
        break;
    case EVENT_BINARY:
        write_binary(writer, event);
        break;
    case EVENT_CREATED:
        write_created(writer, event);
        break;
    case EVENT_JOINED:
        write_joined(writer, event);
        break;
    case EVENT_PEER_JOINED:
        write_peer(writer, "peer_joined", event->peer);
        break;
    case EVENT_PEER_AWAY:
        write_peer(writer, "peer_away", event->peer);
        break;
    case EVENT_PEER_BACK:
        write_peer(writer, "peer_back", event->peer);
        break;
    case EVENT_PEER_LEFT:
        write_peer_left(writer, event);
        break;
    case EVENT_STATE:
        write_state(writer, "{\"type\":\"state\"", event->data);
        break;
    case EVENT_PRIVATE_STATE:
        write_state(writer, "{\"type\":\"private_state\"", event->data);
        break;
    default:
        write_rest(writer, event);
        break;
    }
}

/* The number that a message of JSON has behind "from". */
static uint32_t read_from(struct bytes digits)
{
    uint32_t from = 0;
    for (size_t i = 0; i < digits.length && digits.data[i] >= '0' && digits.data[i] <= '9'; i++)
        from = from * 10 + (digits.data[i] - '0');
    return from;
}

static bool begins_with(struct bytes written, struct bytes begin)
{
    return written.length > begin.length && memcmp(written.data, begin.data, begin.length) == 0;
}

bool dialect_3_is_message(struct bytes written, uint32_t *ret_from)
{
    struct bytes from = BYTES(MESSAGE_FROM_SEAT);
    const uint8_t *data = written.data;
    *ret_from = INDEX_NONE;
    if (begins_with(written, from))
        *ret_from = read_from(bytes_of(data + from.length, written.length - from.length));
    else if (written.length >= BINARY_HEAD && data[0] == BINARY_FROM_SEAT)
        *ret_from = (uint32_t)data[1] << 24 | (uint32_t)data[2] << 16 | (uint32_t)data[3] << 8 |
                    (uint32_t)data[4];
    else
        return begins_with(written, BYTES(MESSAGE_FROM_AUDIENCE)) ||
               (written.length > 0 && data[0] == BINARY_FROM_AUDIENCE);
    return true;
}
