/* Reading items, which may be anything. link_item.c writes them. */
#include "cluster/link_item.h"

#include "proto/utf8.h"
#include "proto/ws_frame.h"

#define LENGTH_BYTES 4
#define CLIENT_BYTES 4

_Static_assert(LINK_REASON_MAX == WS_CLOSE_REASON_MAX, "a reason is one of a close frame");

/* The fields of an item that are not read yet. */
struct fields {
    struct bytes rest;
    bool are_too_short;
};

static struct bytes take(struct fields *fields, size_t length)
{
    if (length > fields->rest.length) {
        fields->are_too_short = true;
        length = 0;
    }
    struct bytes taken = bytes_of(fields->rest.data, length);
    fields->rest = bytes_of(fields->rest.data + length, fields->rest.length - length);
    return taken;
}

static uint32_t number_in(struct bytes bytes)
{
    uint32_t number = 0;
    for (size_t i = bytes.length; i-- > 0;)
        number = number << 8 | bytes.data[i];
    return number;
}

static uint32_t take_number(struct fields *fields, size_t length)
{
    return number_in(take(fields, length));
}

static uint64_t take_long_number(struct fields *fields)
{
    uint64_t low = take_number(fields, 4);
    return low | (uint64_t)take_number(fields, 4) << 32;
}

static bool take_flag(struct fields *fields, bool *ret_flag)
{
    uint32_t number = take_number(fields, 1);
    *ret_flag = number == 1;
    return number <= 1;
}

static bool take_client(struct fields *fields, uint32_t *ret_client)
{
    *ret_client = take_number(fields, CLIENT_BYTES);
    return *ret_client != LINK_HANDLE_NONE;
}

/* A field that takes what is left. */
static struct bytes take_rest(struct fields *fields)
{
    return take(fields, fields->rest.length);
}

static bool take_message(struct fields *fields, struct link_item *item)
{
    item->text = take_rest(fields);
    return item->is_binary || utf8_is_valid(item->text);
}

static bool take_address(struct fields *fields, struct link_item *item)
{
    if (!take_flag(fields, &item->has_address))
        return false;
    struct bytes octets = take(fields, item->has_address ? sizeof item->address.octets : 0);
    if (octets.length > 0)
        memcpy(item->address.octets, octets.data, octets.length);
    return true;
}

static bool read_enter(struct fields *fields, struct link_item *item)
{
    if (!take_client(fields, &item->client))
        return false;
    item->protocol = (uint8_t)take_number(fields, 1);
    if (item->protocol < 1 || item->protocol > LINK_PROTOCOL_MAX ||
        !take_flag(fields, &item->is_binary) || !take_address(fields, item))
        return false;
    item->origin = take(fields, take_number(fields, 1));
    return take_message(fields, item);
}

static bool read_say(struct fields *fields, struct link_item *item)
{
    return take_client(fields, &item->client) && take_flag(fields, &item->is_binary) &&
           take_message(fields, item);
}

static bool read_leave(struct fields *fields, struct link_item *item)
{
    if (!take_client(fields, &item->client))
        return false;
    item->departure = (uint8_t)take_number(fields, 1);
    return item->departure < LINK_DEPARTURES;
}

/* A seat, and the clientId that takes what is left. */
static bool take_seat(struct fields *fields, struct link_item *item)
{
    struct link_seat *seat = &item->seat;
    seat->code = take_long_number(fields);
    seat->epoch = take_long_number(fields);
    seat->seen = take_long_number(fields);
    seat->session = take_number(fields, 4);
    seat->attempt = take_number(fields, 4);
    item->text = take_rest(fields);
    return seat->session != 0 && item->text.length > 0 && item->text.length <= LINK_ID_MAX;
}

static bool read_return(struct fields *fields, struct link_item *item)
{
    if (!take_client(fields, &item->client) || !take_address(fields, item))
        return false;
    item->origin = take(fields, take_number(fields, 1));
    item->unasked = take_number(fields, 4);
    item->protocol = LINK_PROTOCOL_MAX;
    return item->unasked != 0 && take_seat(fields, item);
}

static bool read_entered(struct fields *fields, struct link_item *item)
{
    if (!take_client(fields, &item->client))
        return false;
    item->entered = take_number(fields, CLIENT_BYTES);
    item->outcome = (uint8_t)take_number(fields, 1);
    bool is_seated = item->outcome == LINK_OUTCOME_SEATED;
    if (item->outcome >= LINK_OUTCOMES || is_seated != (item->entered != LINK_HANDLE_NONE) ||
        !take_flag(fields, &item->has_seat))
        return false;
    return !item->has_seat || (is_seated && take_seat(fields, item));
}

static bool read_frame(struct fields *fields, struct link_item *item)
{
    item->counts = take_long_number(fields);
    item->text = take(fields, take_number(fields, LENGTH_BYTES));
    struct bytes clients = take_rest(fields);
    item->clients = clients.data;
    item->client_count = (uint32_t)(clients.length / CLIENT_BYTES);
    if (item->text.length == 0 || clients.length % CLIENT_BYTES != 0 || item->client_count == 0 ||
        item->client_count > LINK_CLIENTS_MAX)
        return false;
    for (uint32_t i = 0; i < item->client_count; i++) {
        if (link_item_client(item, i) == LINK_HANDLE_NONE)
            return false;
    }
    return true;
}

static bool read_close(struct fields *fields, struct link_item *item)
{
    if (!take_client(fields, &item->client))
        return false;
    item->code = (uint16_t)take_number(fields, 2);
    item->text = take_rest(fields);
    if (item->code == 0)
        return item->text.length == 0;
    return ws_close_code_is_valid(item->code) && item->text.length <= LINK_REASON_MAX &&
           utf8_is_valid(item->text);
}

static bool read_ask(struct fields *fields, struct link_item *item)
{
    if (!take_client(fields, &item->client))
        return false;
    item->room_code = take_long_number(fields);
    return take_address(fields, item);
}

/* Whether it is the inside of a JSON string, as rooms keep their URLs: they escape nothing else. */
static bool is_url_text(struct bytes text)
{
    for (size_t i = 0; i < text.length; i++) {
        bool is_escaped = text.data[i] == '\\';
        i += is_escaped;
        if (i == text.length || text.data[i] < ' ')
            return false;
        bool wants_escape = text.data[i] == '"' || text.data[i] == '\\';
        if (is_escaped != wants_escape)
            return false;
    }
    return utf8_is_valid(text);
}

static bool read_answer(struct fields *fields, struct link_item *item)
{
    struct link_room *room = &item->room;
    if (!take_client(fields, &item->client) || !take_flag(fields, &room->is_unknown) ||
        !take_flag(fields, &room->is_untold) || !take_flag(fields, &room->is_found) ||
        !take_flag(fields, &room->is_locked) || !take_flag(fields, &room->has_password))
        return false;
    room->protocol = (uint8_t)take_number(fields, 1);
    room->clients = take_number(fields, 4);
    room->away = take_number(fields, 4);
    room->audience = take_number(fields, 4);
    room->members_max = take_number(fields, 4);
    item->origin = take(fields, take_number(fields, 1));
    item->text = take_rest(fields);
    bool has_protocol = room->protocol >= 1 && room->protocol <= LINK_PROTOCOL_MAX;
    return (has_protocol || !room->is_found) && utf8_is_valid(item->origin) &&
           is_url_text(item->text);
}

static bool read_fields(struct fields *fields, struct link_item *item)
{
    switch (item->kind) {
    case LINK_ENTER:
        return read_enter(fields, item);
    case LINK_SAY:
        return read_say(fields, item);
    case LINK_LEAVE:
        return read_leave(fields, item);
    case LINK_ENTERED:
        return read_entered(fields, item);
    case LINK_FRAME:
        return read_frame(fields, item);
    case LINK_CLOSE:
        return read_close(fields, item);
    case LINK_ASK:
        return read_ask(fields, item);
    case LINK_ANSWER:
        return read_answer(fields, item);
    case LINK_RETURN:
        return read_return(fields, item);
    case LINK_KINDS:
        break;
    }
    return false; /* no kind, or none of this version */
}

uint32_t link_item_client(const struct link_item *item, uint32_t place)
{
    return number_in(bytes_of(item->clients + (size_t)place * CLIENT_BYTES, CLIENT_BYTES));
}

enum link_reading link_item_next(struct bytes *stream, size_t item_bytes_max,
                                 struct link_item *ret_item)
{
    if (stream->length < LENGTH_BYTES)
        return LINK_NEEDS_MORE;
    uint32_t length = number_in(bytes_of(stream->data, LENGTH_BYTES));
    if (item_bytes_max < LENGTH_BYTES || length > item_bytes_max - LENGTH_BYTES)
        return LINK_BROKEN;
    if (stream->length - LENGTH_BYTES < length)
        return LINK_NEEDS_MORE;
    struct fields fields = {.rest = bytes_of(stream->data + LENGTH_BYTES, length)};
    *ret_item = (struct link_item){.kind = (enum link_item_kind)take_number(&fields, 1)};
    if (!read_fields(&fields, ret_item) || fields.are_too_short || fields.rest.length > 0)
        return LINK_BROKEN;
    *stream =
        bytes_of(stream->data + LENGTH_BYTES + length, stream->length - LENGTH_BYTES - length);
    return LINK_ITEM;
}
