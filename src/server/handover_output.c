/* Writes and reads the unsent output of connections. */
#include "server/handover_output.h"

#include <stdlib.h>

#include "net/outbox.h"
#include "proto/hex.h"

#define PAYLOADS_AT_FIRST 16

static bool is_shared(const struct conn *conn, const struct outbox_part *part)
{
    return conn->seat != NULL && part->payload != NULL && !payload_is_lasting(part->payload) &&
           part->payload->references > 1;
}

/* Takes the numbers away that were given before. */
struct output_allowance output_allow(const struct loop *loop)
{
    size_t bytes = HANDOVER_OUTPUT_MAX / loop->server->loop_count;
    uint32_t at = 0;
    const struct conn *conn;
    while ((conn = loop_next_connection(loop, &at)) != NULL) {
        const struct outbox_chunk *place = NULL;
        struct outbox_part part;
        while (outbox_next_part(&conn->out, &place, &part)) {
            if (is_shared(conn, &part))
                part.payload->number = 0;
        }
    }
    return (struct output_allowance){.bytes_left =
                                         bytes > RESTING_OUTPUT_MAX ? bytes : RESTING_OUTPUT_MAX};
}

/* The bytes that are written for the connection beside those that were written for others. */
static size_t cost_of(const struct conn *conn)
{
    const struct outbox_chunk *place = NULL;
    struct outbox_part part;
    size_t cost = 0;
    while (outbox_next_part(&conn->out, &place, &part)) {
        if (!is_shared(conn, &part))
            cost += part.bytes.length;
        else if (part.payload->number == 0)
            cost += part.payload->length;
    }
    return cost;
}

bool output_take(struct output_allowance *allowance, const struct conn *conn)
{
    const struct outbox_chunk *place = NULL;
    struct outbox_part part;
    size_t cost = cost_of(conn);
    if (cost > allowance->bytes_left)
        return false;
    allowance->bytes_left -= cost;
    while (outbox_next_part(&conn->out, &place, &part)) {
        if (is_shared(conn, &part) && part.payload->number == 0)
            part.payload->number = ++allowance->payloads;
    }
    return true;
}

const struct payload *output_payload(const struct conn *conn, uint32_t number)
{
    const struct outbox_chunk *place = NULL;
    struct outbox_part part;
    while (outbox_next_part(&conn->out, &place, &part)) {
        if (is_shared(conn, &part) && part.payload->number == number)
            return part.payload;
    }
    return NULL;
}

void output_put_payload(struct writer *writer, const struct payload *payload)
{
    writer_put_number(writer, "{\"payload\":", payload->number);
    WRITER_PUT(writer, ",\"bytes\":");
    hex_write(writer, bytes_of(payload->data, payload->length));
    WRITER_PUT(writer, "}\n");
}

static bool shares_any(const struct conn *conn)
{
    const struct outbox_chunk *place = NULL;
    struct outbox_part part;
    while (outbox_next_part(&conn->out, &place, &part)) {
        if (is_shared(conn, &part))
            return true;
    }
    return false;
}

/*
 * Parts that are not shared become one string as long as they follow each other: a frame may be in
 * two of them, and what is restored from one string is dropped as a whole.
 */
static void put_parts(struct writer *writer, const struct conn *conn)
{
    const struct outbox_chunk *place = NULL;
    struct outbox_part part;
    bool is_first = true;
    bool is_in_string = false;
    while (outbox_next_part(&conn->out, &place, &part)) {
        bool goes_on = is_in_string && !is_shared(conn, &part);
        if (is_in_string && !goes_on)
            writer_put_byte(writer, '"');
        if (!is_first && !goes_on)
            writer_put_byte(writer, ',');
        is_first = false;
        is_in_string = !is_shared(conn, &part);
        if (is_in_string) {
            if (!goes_on)
                writer_put_byte(writer, '"');
            hex_write_digits(writer, part.bytes);
        } else {
            writer_put_number(writer, "[", part.payload->number);
            writer_put_number(writer, ",", part.payload->length - part.bytes.length);
            writer_put_byte(writer, ']');
        }
    }
    if (is_in_string)
        writer_put_byte(writer, '"');
}

void output_put(struct writer *writer, const struct conn *conn)
{
    bool is_array = shares_any(conn);
    if (conn->out.length == 0)
        return;
    WRITER_PUT(writer, ",\"output\":");
    if (is_array)
        writer_put_byte(writer, '[');
    put_parts(writer, conn);
    if (is_array)
        writer_put_byte(writer, ']');
}

static void forget_payloads(struct output_payloads *payloads)
{
    for (uint32_t i = 0; i < payloads->count; i++)
        payload_release(payloads->items[i].payload);
    payloads->count = 0;
}

void output_payloads_release(struct output_payloads *payloads)
{
    forget_payloads(payloads);
    free(payloads->items);
    *payloads = (struct output_payloads){0};
}

static bool grow(struct output_payloads *payloads)
{
    uint32_t capacity = payloads->capacity == 0 ? PAYLOADS_AT_FIRST : 2 * payloads->capacity;
    struct restored_payload *items = realloc(payloads->items, capacity * sizeof *items);
    if (items == NULL)
        return false;
    payloads->items = items;
    payloads->capacity = capacity;
    return true;
}

bool output_read_payload(struct output_payloads *payloads, const struct json_value *number,
                         const struct json_value *bytes)
{
    uint64_t given;
    size_t length;
    if (!json_member_whole(number, UINT32_MAX, &given) || !hex_length(bytes, &length))
        return false;
    if (given == 1)
        forget_payloads(payloads); /* another loop's follow */
    if (given != (uint64_t)payloads->count + 1 ||
        (payloads->count == payloads->capacity && !grow(payloads)))
        return false;
    payloads->items[payloads->count++] = (struct restored_payload){.bytes = *bytes};
    return true;
}

/* NULL: the bytes are wrong or too many, or memory is short. */
static struct payload *read_bytes(struct output_payloads *payloads, struct loop *loop,
                                  const struct json_value *value)
{
    size_t length;
    if (!hex_length(value, &length) || length == 0 || length > UINT32_MAX ||
        length > payloads->bytes_left)
        return NULL;
    struct payload *payload = payload_new((uint32_t)length, &loop->charged);
    if (payload == NULL)
        return NULL;
    payloads->bytes_left -= length;
    if (hex_read(value, payload->data, length))
        return payload;
    payload_release(payload);
    return NULL;
}

/*
 * The payload of this number, for a queue of the loop. The number of loops may have changed, so
 * another loop may have it already: each has its own, since a payload belongs to one thread.
 */
static struct payload *find_payload(struct output_payloads *payloads, struct loop *loop,
                                    const struct json_value *number)
{
    uint64_t given;
    if (!json_member_whole(number, payloads->count, &given) || given == 0)
        return NULL;
    struct restored_payload *restored = &payloads->items[given - 1];
    if (restored->payload == NULL || restored->loop != loop) {
        payload_release(restored->payload);
        restored->payload = read_bytes(payloads, loop, &restored->bytes);
        restored->loop = loop;
    }
    return restored->payload;
}

/* Reads [number, bytes that were sent], where only the front of a queue can be partly sent. */
static bool read_reference(struct output_payloads *payloads, struct loop *loop, struct conn *conn,
                           struct bytes pair)
{
    struct json_value number;
    struct json_value sent;
    struct json_value more;
    uint64_t length;
    if (conn->seat == NULL || !json_array_next(&pair, &number) || !json_array_next(&pair, &sent) ||
        json_array_next(&pair, &more))
        return false;
    bool is_first = conn->out.length == 0;
    struct payload *payload = find_payload(payloads, loop, &number);
    if (payload == NULL || !json_member_whole(&sent, is_first ? payload->length - 1 : 0, &length) ||
        !outbox_append_payload(&conn->out, &loop->pool, payload))
        return false;
    outbox_consume(&conn->out, &loop->pool, (size_t)length);
    return true;
}

static bool read_part(struct output_payloads *payloads, struct loop *loop, struct conn *conn,
                      const struct json_value *value)
{
    if (value->kind == JSON_ARRAY)
        return read_reference(payloads, loop, conn, value->raw);
    struct payload *payload = read_bytes(payloads, loop, value);
    bool is_queued = payload != NULL && outbox_append_payload(&conn->out, &loop->pool, payload);
    payload_release(payload);
    return is_queued;
}

bool output_read(struct output_payloads *payloads, struct loop *loop, struct conn *conn,
                 const struct json_value *value)
{
    struct bytes rest = value->raw;
    struct json_value part;
    if (value->kind == JSON_ABSENT)
        return true;
    if (value->kind != JSON_ARRAY) {
        if (!read_part(payloads, loop, conn, value))
            return false;
    } else {
        while (json_array_next(&rest, &part)) {
            if (!read_part(payloads, loop, conn, &part))
                return false;
        }
    }
    if (conn->out.length > 0)
        loop_mark_dirty(loop, conn);
    return conn->out.length > 0;
}
