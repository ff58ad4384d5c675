/* Joins frames to messages. ws_frame parses headers; the callers interpret messages. */
#include "proto/ws_message.h"

#include <assert.h>

void ws_reader_init(struct ws_reader *reader, size_t message_bytes_max)
{
    buf_init(&reader->message, message_bytes_max);
    reader->frame = (struct ws_frame_header){0}; /* ws_reader_write() may write it before a frame */
    reader->frame_received = 0;
    reader->utf8 = (struct utf8_state){0};
    reader->is_no_text = false;
    reader->message_opcode = 0;
    reader->header_length = 0;
    reader->control_length = 0;
    reader->has_header = false;
    reader->is_in_frame = false;
    reader->message_was_yielded = false;
    reader->frames_left = UINT32_MAX;
    reader->bytes_at_once = 0;
    reader->bytes_left = INT64_MAX;
}

void ws_reader_release(struct ws_reader *reader)
{
    buf_release(&reader->message);
}

bool ws_reader_free_some(struct ws_reader *reader, size_t limit)
{
    if (!reader->message_was_yielded || reader->message.capacity <= limit)
        return false;
    buf_shrink(&reader->message, limit);
    return reader->message.capacity > limit;
}

bool ws_reader_is_idle(const struct ws_reader *reader)
{
    return !reader->is_in_frame && !reader->has_header && reader->header_length == 0 &&
           reader->message_opcode == 0;
}

bool ws_reader_waits_for_bytes(const struct ws_reader *reader, int64_t bytes)
{
    if (!reader->has_header || ws_opcode_is_control(reader->frame.opcode))
        return false;
    uint64_t length = reader->frame.payload_length;
    return bytes < (int64_t)(length < reader->bytes_at_once ? length : reader->bytes_at_once);
}

static enum ws_read_kind fail(struct ws_read *ret_read, enum ws_close_code code)
{
    *ret_read = (struct ws_read){.kind = WS_READ_ERROR, .close_code = (uint16_t)code};
    return WS_READ_ERROR;
}

/*
 * Moves a header that comes in pieces, byte by byte, to `header` until it is complete or invalid.
 */
static enum ws_frame_result gather_header(struct ws_reader *reader, struct bytes_mut *input)
{
    while (input->length > 0) {
        reader->header[reader->header_length++] = input->data[0];
        bytes_mut_skip(input, 1);
        struct bytes header = bytes_of(reader->header, reader->header_length);
        enum ws_frame_result result = ws_frame_parse(header, &reader->frame);
        if (result != WS_FRAME_NEED_MORE) {
            reader->header_length = 0;
            return result;
        }
    }
    return WS_FRAME_NEED_MORE;
}

static enum ws_frame_result read_header(struct ws_reader *reader, struct bytes_mut *input)
{
    if (reader->header_length > 0)
        return gather_header(reader, input);
    struct bytes view = bytes_of(input->data, input->length);
    enum ws_frame_result result = ws_frame_parse(view, &reader->frame);
    if (result == WS_FRAME_NEED_MORE)
        return gather_header(reader, input);
    if (result == WS_FRAME_DONE)
        bytes_mut_skip(input, reader->frame.header_length);
    return result;
}

/*
 * Whether `frame` may come here (RFC 6455 5.4), and fits the limit. Returns 0, or the code to fail
 * with.
 */
static uint16_t judge_frame(const struct ws_reader *reader)
{
    const struct ws_frame_header *frame = &reader->frame;
    if (ws_opcode_is_control(frame->opcode))
        return 0;
    bool is_continuation = frame->opcode == WS_OPCODE_CONTINUATION;
    if (is_continuation != (reader->message_opcode != 0))
        return WS_CLOSE_PROTOCOL_ERROR;
    if (frame->payload_length > reader->message.maximum - reader->message.length)
        return WS_CLOSE_TOO_BIG;
    return 0;
}

/* Begins the frame: charges it, and expects its payload. */
static void begin_frame(struct ws_reader *reader)
{
    const struct ws_frame_header *frame = &reader->frame;
    reader->has_header = false;
    reader->is_in_frame = true;
    reader->frame_received = 0;
    reader->bytes_left -= (int64_t)(frame->header_length + frame->payload_length);
    if (ws_opcode_is_control(frame->opcode)) {
        reader->control_length = 0;
    } else if (frame->opcode != WS_OPCODE_CONTINUATION) {
        reader->message_opcode = frame->opcode;
        reader->utf8 = (struct utf8_state){0};
        reader->is_no_text = false;
    }
}

/* Reads the next header. Returns 0 if it is valid or incomplete; else the code to fail with. */
static uint16_t read_next_header(struct ws_reader *reader, struct bytes_mut *input)
{
    enum ws_frame_result result = read_header(reader, input);
    if (result == WS_FRAME_NEED_MORE)
        return 0;
    if (result == WS_FRAME_INVALID)
        return WS_CLOSE_PROTOCOL_ERROR;
    reader->has_header = true;
    reader->frames_left--;
    return judge_frame(reader);
}

/* Begins the next frame, or returns why it does not. */
static enum ws_read_kind find_frame(struct ws_reader *reader, struct bytes_mut *input,
                                    struct ws_read *ret_read)
{
    if (!reader->has_header) {
        /*
         * Frames are limited because each costs work: an empty fragment yields nothing and takes
         * six bytes.
         */
        if (reader->frames_left == 0 && input->length > 0)
            return ret_read->kind = WS_READ_OUT_OF_FRAMES;
        uint16_t fault = read_next_header(reader, input);
        if (fault != 0)
            return fail(ret_read, fault);
        if (!reader->has_header)
            return WS_READ_NEED_MORE;
    }
    if (ws_reader_waits_for_bytes(reader, reader->bytes_left))
        return ret_read->kind = WS_READ_OUT_OF_BYTES;
    begin_frame(reader);
    return WS_READ_NEED_MORE;
}

/* Takes the part of the frame's payload that the input contains, and unmasks it. */
static struct bytes take_payload(struct ws_reader *reader, struct bytes_mut *input)
{
    uint64_t left = reader->frame.payload_length - reader->frame_received;
    size_t length = left < input->length ? (size_t)left : input->length;
    struct bytes part = bytes_of(input->data, length);
    ws_frame_unmask(input->data, length, reader->frame.mask, reader->frame_received);
    reader->frame_received += length;
    bytes_mut_skip(input, length);
    return part;
}

static enum ws_read_kind yield_close(struct bytes payload, struct ws_read *ret_read)
{
    if (payload.length == 0) {
        *ret_read = (struct ws_read){.kind = WS_READ_CLOSE, .close_code = WS_CLOSE_NO_STATUS};
        return WS_READ_CLOSE;
    }
    if (payload.length == 1)
        return fail(ret_read, WS_CLOSE_PROTOCOL_ERROR);
    uint16_t code = (uint16_t)(payload.data[0] << 8 | payload.data[1]);
    struct bytes reason = bytes_of(payload.data + 2, payload.length - 2);
    if (!ws_close_code_is_valid(code))
        return fail(ret_read, WS_CLOSE_PROTOCOL_ERROR);
    if (!utf8_is_valid(reason))
        return fail(ret_read, WS_CLOSE_INVALID_TEXT);
    *ret_read = (struct ws_read){.kind = WS_READ_CLOSE, .close_code = code, .payload = reason};
    return WS_READ_CLOSE;
}

static enum ws_read_kind read_control(struct ws_reader *reader, struct bytes_mut *input,
                                      struct ws_read *ret_read)
{
    struct bytes part = take_payload(reader, input);
    bool is_whole = reader->frame_received == reader->frame.payload_length;
    if (!is_whole || reader->control_length > 0) {
        assert(reader->control_length + part.length <= sizeof reader->control);
        memcpy(reader->control + reader->control_length, part.data, part.length);
        reader->control_length += (uint8_t)part.length;
        part = bytes_of(reader->control, reader->control_length);
    }
    if (!is_whole)
        return WS_READ_NEED_MORE;

    reader->is_in_frame = false;
    if (reader->frame.opcode == WS_OPCODE_CLOSE)
        return yield_close(part, ret_read);
    bool is_ping = reader->frame.opcode == WS_OPCODE_PING;
    *ret_read = (struct ws_read){.kind = is_ping ? WS_READ_PING : WS_READ_PONG, .payload = part};
    return ret_read->kind;
}

/* Yields a complete message: `last_part` alone, or all parts if earlier ones were kept. */
static enum ws_read_kind yield_message(struct ws_reader *reader, struct bytes last_part,
                                       struct ws_read *ret_read)
{
    bool is_binary = reader->message_opcode == WS_OPCODE_BINARY;
    bool is_utf8 = !reader->is_no_text && utf8_is_complete(&reader->utf8);
    if (!is_binary && !is_utf8)
        return fail(ret_read, WS_CLOSE_INVALID_TEXT);
    bool is_gathered = reader->message.length > 0;
    *ret_read = (struct ws_read){
        .kind = WS_READ_MESSAGE,
        .is_binary = is_binary,
        .is_utf8 = is_utf8,
        .payload = is_gathered ? buf_view(&reader->message) : last_part,
    };
    reader->message_opcode = 0;
    reader->message_was_yielded = is_gathered;
    return WS_READ_MESSAGE;
}

static enum ws_read_kind read_data(struct ws_reader *reader, struct bytes_mut *input,
                                   struct ws_read *ret_read)
{
    struct bytes part = take_payload(reader, input);
    /*
     * Binary messages are checked as they come, too: checking a long one at its end would take
     * long.
     */
    if (!reader->is_no_text && !utf8_feed(&reader->utf8, part)) {
        if (reader->message_opcode == WS_OPCODE_TEXT)
            return fail(ret_read, WS_CLOSE_INVALID_TEXT);
        reader->is_no_text = true;
    }

    bool frame_is_whole = reader->frame_received == reader->frame.payload_length;
    bool message_is_whole = frame_is_whole && reader->frame.is_final;
    if (!message_is_whole || reader->message.length > 0) {
        if (buf_append(&reader->message, part) != BUF_OK)
            return fail(ret_read, WS_CLOSE_INTERNAL_ERROR);
    }
    if (frame_is_whole)
        reader->is_in_frame = false;
    if (message_is_whole)
        return yield_message(reader, part, ret_read);
    return WS_READ_NEED_MORE;
}

enum ws_read_kind ws_reader_next(struct ws_reader *reader, struct bytes_mut *input,
                                 struct ws_read *ret_read)
{
    if (reader->message_was_yielded) {
        buf_release(&reader->message);
        reader->message_was_yielded = false;
    }
    ret_read->kind = WS_READ_NEED_MORE;
    for (;;) {
        if (!reader->is_in_frame) {
            enum ws_read_kind kind_instead = find_frame(reader, input, ret_read);
            if (!reader->is_in_frame)
                return kind_instead;
        } else if (input->length == 0) {
            return WS_READ_NEED_MORE;
        }
        enum ws_read_kind kind = ws_opcode_is_control(reader->frame.opcode)
                                     ? read_control(reader, input, ret_read)
                                     : read_data(reader, input, ret_read);
        if (kind != WS_READ_NEED_MORE || reader->is_in_frame)
            return kind;
    }
}
