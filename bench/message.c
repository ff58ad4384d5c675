/*
 * All frames are masked with one fixed key. The server's work is the same, and our work is done in
 * advance. Events are not parsed, since we trust the server under test to write JSON. We find a
 * field in any order of fields and with any white space.
 */
#include "message.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/writer.h"
#include "give_up.h"
#include "proto/ws_frame.h"

#define FILLER 'x'
#define MASK_BIT 0x80
#define NUMBER_LENGTH 8
#define MEMBER_LENGTH 4

static const uint8_t mask[4] = {0x5a, 0xc3, 0x96, 0x0f};
/* Like BYTES(), for places where only a constant may stand. */
#define BYTES_OF_LITERAL(literal)                       \
    {                                                   \
        (const uint8_t *)(literal), sizeof(literal) - 1 \
    }

static const char hex_digits[] = "0123456789abcdef";

size_t masked_frame_write(uint8_t *out, uint8_t opcode, struct bytes payload)
{
    size_t length = ws_frame_write_header(out, opcode, payload.length);
    out[1] |= MASK_BIT;
    memcpy(out + length, mask, sizeof mask);
    length += sizeof mask;
    if (payload.length > 0)
        memcpy(out + length, payload.data, payload.length);
    ws_frame_unmask(out + length, payload.length, mask, 0);
    return length + payload.length;
}

static void put_hex(uint8_t *out, size_t digits, uint32_t value)
{
    for (size_t i = digits; i > 0; i--) {
        out[i - 1] = (uint8_t)hex_digits[value & 15];
        value >>= 4;
    }
}

static void put_beginning(struct writer *writer, struct bytes to)
{
    WRITER_PUT(writer, "{\"type\":\"send\",");
    if (to.length > 0) {
        WRITER_PUT(writer, "\"to\":");
        writer_put(writer, to);
        WRITER_PUT(writer, ",");
    }
    WRITER_PUT(writer, "\"data\":");
}

size_t message_bytes_around_data(struct bytes to)
{
    uint8_t text[128];
    struct writer writer = writer_over(text, sizeof text);
    put_beginning(&writer, to);
    return writer.length + strlen("}");
}

/* Writes the value `data`, with the number 0. */
static void put_data(struct writer *writer, const struct send_shape *shape)
{
    uint8_t mark[MARK_LENGTH] = {(uint8_t)shape->kind};
    put_hex(mark + 1, MEMBER_LENGTH, shape->member);
    put_hex(mark + 1 + MEMBER_LENGTH, NUMBER_LENGTH, 0);
    WRITER_PUT(writer, "\"");
    writer_put(writer, bytes_of(mark, sizeof mark));
    for (size_t i = DATA_BYTES_LEAST; i < shape->data_bytes; i++)
        writer_put_byte(writer, FILLER);
    WRITER_PUT(writer, "\"");
}

void send_frame_init(struct send_frame *frame, const struct send_shape *shape)
{
    size_t around = message_bytes_around_data(shape->to);
    size_t text_length = around + shape->data_bytes;
    uint8_t *text = allocate_or_give_up(text_length, 1);
    frame->bytes = allocate_or_give_up(MASKED_FRAME_HEADER_MAX + text_length, 1);
    struct writer writer = writer_over(text, text_length);
    put_beginning(&writer, shape->to);
    size_t data_at = writer.length;
    put_data(&writer, shape);
    WRITER_PUT(&writer, "}");
    frame->length = masked_frame_write(frame->bytes, WS_OPCODE_TEXT, writer_view(&writer));
    free(text);
    frame->header_length = frame->length - text_length;
    frame->number_offset = data_at + strlen("\"b") + MEMBER_LENGTH;
}

void send_frame_release(struct send_frame *frame)
{
    free(frame->bytes);
    frame->bytes = NULL;
}

struct bytes send_frame_numbered(struct send_frame *frame, uint32_t number)
{
    uint8_t *digits = frame->bytes + frame->header_length + frame->number_offset;
    put_hex(digits, NUMBER_LENGTH, number);
    ws_frame_unmask(digits, NUMBER_LENGTH, mask, frame->number_offset);
    return bytes_of(frame->bytes, frame->length);
}

size_t message_relayed_length(size_t data_bytes)
{
    static const char around[] = "{\"type\":\"message\",\"from\":\"\",\"data\":}";
    uint8_t header[WS_FRAME_HEADER_OUT_MAX];
    size_t text_length = strlen(around) + CLIENT_ID_LENGTH + data_bytes;
    return ws_frame_write_header(header, WS_OPCODE_TEXT, text_length) + text_length;
}

struct bytes event_field(struct bytes text, struct bytes name)
{
    const uint8_t *end = text.data + text.length;
    const uint8_t *at = text.data;
    while ((at = memmem(at, (size_t)(end - at), name.data, name.length)) != NULL) {
        const uint8_t *next = at + name.length;
        bool is_quoted = at > text.data && at[-1] == '"' && next < end && *next == '"';
        at = next;
        if (!is_quoted)
            continue;
        for (next++; next < end && (*next == ' ' || *next == ':');)
            next++;
        return bytes_of(next, (size_t)(end - next));
    }
    return (struct bytes){0};
}

enum event_type event_type(struct bytes text)
{
    static const struct bytes names[] = {
        [EVENT_MESSAGE] = BYTES_OF_LITERAL("\"message\""),
        [EVENT_CREATED] = BYTES_OF_LITERAL("\"created\""),
        [EVENT_JOINED] = BYTES_OF_LITERAL("\"joined\""),
        [EVENT_PEER_JOINED] = BYTES_OF_LITERAL("\"peer_joined\""),
        [EVENT_PEER_LEFT] = BYTES_OF_LITERAL("\"peer_left\""),
        [EVENT_PEER_AWAY] = BYTES_OF_LITERAL("\"peer_away\""),
        [EVENT_PEER_BACK] = BYTES_OF_LITERAL("\"peer_back\""),
        [EVENT_HOST] = BYTES_OF_LITERAL("\"host\""),
        [EVENT_SKIPPED] = BYTES_OF_LITERAL("\"skipped\""),
        [EVENT_STATE] = BYTES_OF_LITERAL("\"state\""),
        [EVENT_PONG] = BYTES_OF_LITERAL("\"pong\""),
        [EVENT_AUDIENCE] = BYTES_OF_LITERAL("\"audience\""),
        [EVENT_ERROR] = BYTES_OF_LITERAL("\"error\""),
    };
    struct bytes type = event_field(text, BYTES("type"));
    for (int i = 0; i < (int)ARRAY_LENGTH(names); i++) {
        if (type.length >= names[i].length &&
            memcmp(type.data, names[i].data, names[i].length) == 0)
            return (enum event_type)i;
    }
    return EVENT_UNKNOWN;
}

static bool read_hex(const uint8_t *digits, size_t count, uint32_t *ret_value)
{
    uint32_t value = 0;
    for (size_t i = 0; i < count; i++) {
        uint8_t digit = digits[i];
        uint32_t number = digit <= '9' ? (uint32_t)digit - '0' : (uint32_t)digit - 'a' + 10;
        if (number > 15)
            return false;
        value = value << 4 | number;
    }
    *ret_value = value;
    return true;
}

static bool read_mark(const uint8_t *mark, struct message *ret_message)
{
    uint32_t member;
    if (!read_hex(mark + 1, MEMBER_LENGTH, &member) ||
        !read_hex(mark + 1 + MEMBER_LENGTH, NUMBER_LENGTH, &ret_message->number))
        return false;
    ret_message->kind = mark[0];
    ret_message->member = (uint16_t)member;
    return true;
}

bool message_read(struct bytes text, size_t *place, struct message *ret_message)
{
    static const struct bytes beginning = BYTES_OF_LITERAL("{\"type\":\"message\",");
    static const struct bytes before_mark = BYTES_OF_LITERAL("\"data\":\"");
    size_t at = *place;
    if (text.length >= at + MARK_LENGTH && at >= beginning.length + before_mark.length &&
        memcmp(text.data, beginning.data, beginning.length) == 0 &&
        memcmp(text.data + at - before_mark.length, before_mark.data, before_mark.length) == 0)
        return read_mark(text.data + at, ret_message);

    if (event_type(text) != EVENT_MESSAGE)
        return false;
    struct bytes data = event_field(text, BYTES("data"));
    if (data.length < 1 + MARK_LENGTH)
        return false;
    *place = text.length - data.length + 1;
    return read_mark(data.data + 1, ret_message);
}

struct client_id long_client_id_of(uint32_t member)
{
    struct client_id id;
    snprintf(id.json, sizeof id.json, "\"p%07u-of-bench\"", member);
    return id;
}

struct client_id client_id_of(uint32_t member)
{
    struct client_id id;
    snprintf(id.json, sizeof id.json, "\"p%07u\"", member);
    return id;
}
