/* Writing items. link_item_read.c reads them. */
#include "cluster/link_item.h"

#include <assert.h>

#include "base/writer.h"
#include "proto/ws_frame.h"

#define LENGTH_BYTES 4
#define CLIENT_BYTES 4
#define COUNTS_BYTES 8
#define LINK_ROOM_BYTES 22 /* of the fields of a struct link_room */
#define LINK_SEAT_BYTES 32 /* of the fields of a struct link_seat */

static void put_16(struct writer *writer, uint16_t number)
{
    writer_put_byte(writer, (uint8_t)number);
    writer_put_byte(writer, (uint8_t)(number >> 8));
}

static void put_32(struct writer *writer, uint32_t number)
{
    put_16(writer, (uint16_t)number);
    put_16(writer, (uint16_t)(number >> 16));
}

static void put_64(struct writer *writer, uint64_t number)
{
    put_32(writer, (uint32_t)number);
    put_32(writer, (uint32_t)(number >> 32));
}

static void put_client(struct writer *writer, uint32_t client)
{
    assert(client != LINK_HANDLE_NONE);
    put_32(writer, client);
}

/* Begins an item behind what the buffer has. Its fields will have so many bytes. */
static bool begin(struct buf *buf, enum link_item_kind kind, size_t field_bytes,
                  struct writer *ret_writer)
{
    if (field_bytes > UINT32_MAX - 1 || buf_reserve(buf, LENGTH_BYTES + 1 + field_bytes) != BUF_OK)
        return false;
    *ret_writer = writer_over(buf->data + buf->length, LENGTH_BYTES + 1 + field_bytes);
    put_32(ret_writer, (uint32_t)(1 + field_bytes));
    writer_put_byte(ret_writer, (uint8_t)kind);
    return true;
}

static void end(struct buf *buf, const struct writer *writer)
{
    assert(writer->length == writer->capacity);
    buf->length += writer->length;
}

static void put_address(struct writer *writer, const struct link_item *item)
{
    writer_put_byte(writer, item->has_address);
    if (item->has_address)
        writer_put(writer, bytes_of(item->address.octets, sizeof item->address.octets));
}

static size_t address_bytes(const struct link_item *item)
{
    return 1 + (item->has_address ? sizeof item->address.octets : 0);
}

bool link_put_enter(struct buf *buf, const struct link_item *item)
{
    struct writer writer;
    assert(item->protocol >= 1 && item->protocol <= LINK_PROTOCOL_MAX);
    assert(item->origin.length <= LINK_ORIGIN_MAX);
    size_t fixed_bytes = CLIENT_BYTES + 2 + address_bytes(item) + 1 + item->origin.length;
    if (!begin(buf, LINK_ENTER, fixed_bytes + item->text.length, &writer))
        return false;
    put_client(&writer, item->client);
    writer_put_byte(&writer, item->protocol);
    writer_put_byte(&writer, item->is_binary);
    put_address(&writer, item);
    writer_put_byte(&writer, (uint8_t)item->origin.length);
    writer_put(&writer, item->origin);
    writer_put(&writer, item->text);
    end(buf, &writer);
    return true;
}

bool link_put_ask(struct buf *buf, const struct link_item *item)
{
    struct writer writer;
    if (!begin(buf, LINK_ASK, CLIENT_BYTES + 8 + address_bytes(item), &writer))
        return false;
    put_client(&writer, item->client);
    put_64(&writer, item->room_code);
    put_address(&writer, item);
    end(buf, &writer);
    return true;
}

bool link_put_answer(struct buf *buf, const struct link_item *item)
{
    const struct link_room *room = &item->room;
    struct writer writer;
    assert(!room->is_found || (room->protocol >= 1 && room->protocol <= LINK_PROTOCOL_MAX));
    assert(item->origin.length <= LINK_ORIGIN_MAX);
    size_t fixed_bytes = CLIENT_BYTES + LINK_ROOM_BYTES + 1 + item->origin.length;
    if (!begin(buf, LINK_ANSWER, fixed_bytes + item->text.length, &writer))
        return false;
    put_client(&writer, item->client);
    writer_put_byte(&writer, room->is_unknown);
    writer_put_byte(&writer, room->is_untold);
    writer_put_byte(&writer, room->is_found);
    writer_put_byte(&writer, room->is_locked);
    writer_put_byte(&writer, room->has_password);
    writer_put_byte(&writer, room->protocol);
    put_32(&writer, room->clients);
    put_32(&writer, room->away);
    put_32(&writer, room->audience);
    put_32(&writer, room->members_max);
    writer_put_byte(&writer, (uint8_t)item->origin.length);
    writer_put(&writer, item->origin);
    writer_put(&writer, item->text);
    end(buf, &writer);
    return true;
}

bool link_put_say(struct buf *buf, uint32_t client, bool is_binary, struct bytes text)
{
    struct writer writer;
    if (!begin(buf, LINK_SAY, CLIENT_BYTES + 1 + text.length, &writer))
        return false;
    put_client(&writer, client);
    writer_put_byte(&writer, is_binary);
    writer_put(&writer, text);
    end(buf, &writer);
    return true;
}

bool link_put_leave(struct buf *buf, uint32_t client, uint8_t departure)
{
    struct writer writer;
    assert(departure < LINK_DEPARTURES);
    if (!begin(buf, LINK_LEAVE, CLIENT_BYTES + 1, &writer))
        return false;
    put_client(&writer, client);
    writer_put_byte(&writer, departure);
    end(buf, &writer);
    return true;
}

static void put_seat(struct writer *writer, const struct link_item *item)
{
    assert(item->text.length > 0 && item->text.length <= LINK_ID_MAX && item->seat.session != 0);
    put_64(writer, item->seat.code);
    put_64(writer, item->seat.epoch);
    put_64(writer, item->seat.seen);
    put_32(writer, item->seat.session);
    put_32(writer, item->seat.attempt);
    writer_put(writer, item->text);
}

bool link_put_return(struct buf *buf, const struct link_item *item)
{
    struct writer writer;
    size_t fixed_bytes = CLIENT_BYTES + address_bytes(item) + 1 + item->origin.length + 4;
    assert(item->origin.length <= LINK_ORIGIN_MAX && item->unasked != 0);
    if (!begin(buf, LINK_RETURN, fixed_bytes + LINK_SEAT_BYTES + item->text.length, &writer))
        return false;
    put_client(&writer, item->client);
    put_address(&writer, item);
    writer_put_byte(&writer, (uint8_t)item->origin.length);
    writer_put(&writer, item->origin);
    put_32(&writer, item->unasked);
    put_seat(&writer, item);
    end(buf, &writer);
    return true;
}

bool link_put_entered(struct buf *buf, const struct link_item *item)
{
    struct writer writer;
    size_t seat_bytes = item->has_seat ? LINK_SEAT_BYTES + item->text.length : 0;
    bool is_seated = item->entered != LINK_HANDLE_NONE;
    assert(item->outcome < LINK_OUTCOMES && (is_seated || !item->has_seat));
    assert((item->outcome == LINK_OUTCOME_SEATED) == is_seated);
    if (!begin(buf, LINK_ENTERED, 2 * CLIENT_BYTES + 2 + seat_bytes, &writer))
        return false;
    put_client(&writer, item->client);
    put_32(&writer, item->entered);
    writer_put_byte(&writer, item->outcome);
    writer_put_byte(&writer, item->has_seat);
    if (item->has_seat)
        put_seat(&writer, item);
    end(buf, &writer);
    return true;
}

bool link_put_close(struct buf *buf, uint32_t client, uint16_t code, struct bytes reason)
{
    struct writer writer;
    assert(code == 0 || ws_close_code_is_valid(code));
    assert(reason.length <= (code != 0 ? LINK_REASON_MAX : 0));
    if (!begin(buf, LINK_CLOSE, CLIENT_BYTES + 2 + reason.length, &writer))
        return false;
    put_client(&writer, client);
    put_16(&writer, code);
    writer_put(&writer, reason);
    end(buf, &writer);
    return true;
}

size_t link_put_frame(struct buf *buf, struct bytes frame, uint64_t counts, uint32_t client)
{
    struct writer writer;
    size_t item_begin = buf->length;
    assert(frame.length > 0);
    if (frame.length > UINT32_MAX - LINK_ITEM_OVERHEAD ||
        !begin(buf, LINK_FRAME, COUNTS_BYTES + LENGTH_BYTES + frame.length + CLIENT_BYTES, &writer))
        return SIZE_MAX;
    put_64(&writer, counts);
    put_32(&writer, (uint32_t)frame.length);
    writer_put(&writer, frame);
    put_client(&writer, client);
    end(buf, &writer);
    return item_begin;
}

static uint32_t number_at(const struct buf *buf, size_t place)
{
    const uint8_t *data = buf->data + place;
    return (uint32_t)data[3] << 24 | (uint32_t)data[2] << 16 | (uint32_t)data[1] << 8 | data[0];
}

bool link_add_client(struct buf *buf, size_t item_begin, uint32_t client)
{
    uint32_t length = number_at(buf, item_begin);
    uint32_t frame_length = number_at(buf, item_begin + LENGTH_BYTES + 1 + COUNTS_BYTES);
    uint32_t clients_length = length - 1 - COUNTS_BYTES - LENGTH_BYTES - frame_length;
    assert(item_begin + LENGTH_BYTES + length == buf->length);
    if (clients_length == CLIENT_BYTES * LINK_CLIENTS_MAX ||
        buf_reserve(buf, CLIENT_BYTES) != BUF_OK)
        return false;
    struct writer added = writer_over(buf->data + buf->length, CLIENT_BYTES);
    struct writer raised = writer_over(buf->data + item_begin, LENGTH_BYTES);
    put_client(&added, client);
    put_32(&raised, length + CLIENT_BYTES);
    buf->length += CLIENT_BYTES;
    return true;
}

const uint8_t *link_frame_at(const struct buf *buf, size_t item_begin)
{
    return buf->data + item_begin + LENGTH_BYTES + 1 + COUNTS_BYTES + LENGTH_BYTES;
}
