/* A reader of WebSocket messages as text, with the part of a message that has come. */
#include "proto/hex.h"
#include "proto/json_fields.h"
#include "proto/ws_message.h"

/* The numbers of a reader: the name in the text, the field, the highest value. */
/* clang-format off */
#define FOR_EACH_READER_NUMBER(X) \
    X("frameReceived", frame_received, (uint64_t)1 << 53) \
    X("utf8Left", utf8.continuation_bytes_left, 3) \
    X("utf8Lowest", utf8.next_lowest, UINT8_MAX) \
    X("utf8Highest", utf8.next_highest, UINT8_MAX) \
    X("isNoText", is_no_text, 1) \
    X("opcode", message_opcode, WS_OPCODE_BINARY) \
    X("hasHeader", has_header, 1) \
    X("isInFrame", is_in_frame, 1) \
    X("payloadLength", frame.payload_length, (uint64_t)1 << 53) \
    X("frameHeaderLength", frame.header_length, WS_FRAME_HEADER_IN_MAX) \
    X("frameOpcode", frame.opcode, WS_OPCODE_PONG) \
    X("isFinal", frame.is_final, 1)
/* clang-format on */

#define NUMBER_NAME(text, field, most) text,

enum { READER_NUMBERS = 12, READER_MASK = READER_NUMBERS, READER_HEADER, READER_CONTROL };
enum { READER_MESSAGE = READER_CONTROL + 1, READER_FIELDS };

static const char *const reader_names[] = {FOR_EACH_READER_NUMBER(NUMBER_NAME) "mask", "header",
                                           "control", "message"};

_Static_assert(ARRAY_LENGTH(reader_names) == READER_FIELDS, "each field has a name");

#define PUT_NUMBER(text, field, most) \
    writer_put_number(writer, ",\"" text "\":", (uint64_t)reader->field);

void ws_reader_write(struct writer *writer, const struct ws_reader *reader)
{
    bool has_message = !reader->message_was_yielded;
    WRITER_PUT(writer, "{\"mask\":");
    hex_write(writer, bytes_of(reader->frame.mask, sizeof reader->frame.mask));
    FOR_EACH_READER_NUMBER(PUT_NUMBER)
    WRITER_PUT(writer, ",\"header\":");
    hex_write(writer, bytes_of(reader->header, reader->header_length));
    WRITER_PUT(writer, ",\"control\":");
    hex_write(writer, bytes_of(reader->control, reader->control_length));
    WRITER_PUT(writer, ",\"message\":");
    hex_write(writer, has_message ? buf_view(&reader->message) : (struct bytes){0});
    writer_put_byte(writer, '}');
}

/* Reads at most `capacity` bytes, and how many they are. */
static bool read_bytes(const struct json_value *value, uint8_t *ret_bytes, size_t capacity,
                       uint8_t *ret_length)
{
    size_t length;
    if (!hex_length(value, &length) || length > capacity)
        return false;
    *ret_length = (uint8_t)length;
    return hex_read(value, ret_bytes, length);
}

static bool read_message(const struct json_value *value, struct buf *message)
{
    size_t length;
    if (!hex_length(value, &length))
        return false;
    if (length == 0)
        return true;
    if (buf_reserve(message, length) != BUF_OK || !hex_read(value, message->data, length))
        return false;
    message->length = length;
    return true;
}

#define READ_NUMBER(text, field, most)                      \
    if (!json_member_whole(&values[at++], (most), &number)) \
        return false;                                       \
    reader->field = (__typeof__(reader->field))number;

static bool read_numbers(const struct json_value *values, struct ws_reader *reader)
{
    uint64_t number;
    int at = 0;
    FOR_EACH_READER_NUMBER(READ_NUMBER)
    return at == READER_NUMBERS;
}

/*
 * What ws_reader_next() relies on: a frame has not more than all of its bytes, and a control frame
 * fits into the memory for it. Numbers of the frame before mean nothing.
 */
static bool frame_is_sound(const struct ws_reader *reader)
{
    const struct ws_frame_header *frame = &reader->frame;
    bool is_control = ws_opcode_is_control(frame->opcode);
    if (is_control && (reader->is_in_frame || reader->has_header) &&
        frame->payload_length > WS_CONTROL_PAYLOAD_MAX)
        return false;
    if (!reader->is_in_frame)
        return true;
    return reader->frame_received <= frame->payload_length &&
           (!is_control || reader->control_length <= reader->frame_received);
}

bool ws_reader_read(const struct json_value *value, struct ws_reader *reader)
{
    struct json_value values[READER_FIELDS];
    size_t unknown_length;
    bool is_object;
    return value->kind == JSON_OBJECT &&
           json_fields_read(value->raw, reader_names, READER_FIELDS, values, &unknown_length,
                            &is_object) == JSON_NEXT_END &&
           read_numbers(values, reader) &&
           hex_read(&values[READER_MASK], reader->frame.mask, sizeof reader->frame.mask) &&
           read_bytes(&values[READER_HEADER], reader->header, sizeof reader->header,
                      &reader->header_length) &&
           read_bytes(&values[READER_CONTROL], reader->control, sizeof reader->control,
                      &reader->control_length) &&
           frame_is_sound(reader) && read_message(&values[READER_MESSAGE], &reader->message);
}
