/* The reference for WebSocket frames and messages, and traces of what was read. */
#include "fuzz/simple_frames.h"

#include <assert.h>

#include "fuzz/simple_utf8.h"

void trace_init(struct trace *trace)
{
    *trace = (struct trace){0};
    buf_init(&trace->reads, SIZE_MAX);
}

void trace_release(struct trace *trace)
{
    buf_release(&trace->reads);
}

static void append(struct buf *buf, const void *data, size_t length)
{
    enum buf_result result = buf_append(buf, bytes_of(data, length));
    assert(result == BUF_OK);
}

void trace_add(struct trace *trace, const struct ws_read *read)
{
    assert(!trace->has_ended);
    uint32_t kind = read->kind;
    append(&trace->reads, &kind, sizeof kind);
    append(&trace->reads, &read->is_binary, sizeof read->is_binary);
    append(&trace->reads, &read->close_code, sizeof read->close_code);
    append(&trace->reads, &read->payload.length, sizeof read->payload.length);
    append(&trace->reads, read->payload.data, read->payload.length);
    trace->has_ended = kind == WS_READ_CLOSE || kind == WS_READ_ERROR;
}

bool trace_equals(const struct trace *a, const struct trace *b)
{
    return a->has_ended == b->has_ended && a->is_idle == b->is_idle &&
           a->frame_count == b->frame_count &&
           bytes_equal(buf_view(&a->reads), buf_view(&b->reads));
}

struct frame {
    unsigned opcode;
    bool is_final;
    uint64_t length;
    uint8_t mask[4];
};

enum outcome {
    OUTCOME_GOES_ON,
    OUTCOME_ENDS, /* the stream is used up, or it failed or was closed */
};

/* What has been read, and where the stream stands. */
struct progress {
    struct bytes rest;
    size_t message_bytes_max;
    unsigned message_opcode; /* of the unfinished message, or 0 */
    struct buf message;
    struct trace *trace;
};

static enum outcome fail(struct progress *progress, enum ws_close_code code)
{
    trace_add(progress->trace,
              &(struct ws_read){.kind = WS_READ_ERROR, .close_code = (uint16_t)code});
    return OUTCOME_ENDS;
}

/* Bytes that a length takes behind the second byte of a frame. */
static size_t extended_length_bytes(uint8_t second)
{
    unsigned length = second & 0x7F;
    return length == 126 ? 2 : length == 127 ? 8 : 0;
}

/* RFC 6455 5.2 and 5.5, each rule as soon as the bytes that it is about are there. */
static enum outcome take_header(struct progress *progress, struct frame *ret_frame)
{
    const uint8_t *data = progress->rest.data;
    size_t available = progress->rest.length;
    if (available < 1)
        return OUTCOME_ENDS;
    ret_frame->is_final = (data[0] & 0x80) != 0;
    ret_frame->opcode = data[0] & 0x0F;
    bool is_control = ret_frame->opcode >= 8;
    bool is_known = ret_frame->opcode <= 2 || (is_control && ret_frame->opcode <= 10);
    if ((data[0] & 0x70) != 0 || !is_known || (is_control && !ret_frame->is_final))
        return fail(progress, WS_CLOSE_PROTOCOL_ERROR);

    if (available < 2)
        return OUTCOME_ENDS;
    bool is_masked = (data[1] & 0x80) != 0;
    if (!is_masked || (is_control && (data[1] & 0x7F) > 125))
        return fail(progress, WS_CLOSE_PROTOCOL_ERROR);

    size_t extended = extended_length_bytes(data[1]);
    if (available < 2 + extended)
        return OUTCOME_ENDS;
    ret_frame->length = extended == 0 ? data[1] & 0x7F : 0;
    for (size_t i = 0; i < extended; i++)
        ret_frame->length = ret_frame->length * 256 + data[2 + i];
    bool fits_shorter =
        (extended == 2 && ret_frame->length < 126) || (extended == 8 && ret_frame->length < 65536);
    if (fits_shorter || ret_frame->length >> 63 != 0)
        return fail(progress, WS_CLOSE_PROTOCOL_ERROR);

    if (available < 2 + extended + 4)
        return OUTCOME_ENDS;
    memcpy(ret_frame->mask, data + 2 + extended, 4);
    progress->rest = bytes_of(data + 2 + extended + 4, available - 2 - extended - 4);
    return OUTCOME_GOES_ON;
}

/* What there is of the payload, unmasked, at the end of `ret_payload`. */
static void take_payload(struct progress *progress, const struct frame *frame,
                         struct buf *ret_payload)
{
    size_t length =
        frame->length < progress->rest.length ? (size_t)frame->length : progress->rest.length;
    for (size_t i = 0; i < length; i++) {
        uint8_t byte = progress->rest.data[i] ^ frame->mask[i % 4];
        append(ret_payload, &byte, 1);
    }
    progress->rest = bytes_of(progress->rest.data + length, progress->rest.length - length);
}

/* RFC 6455 7.4.2 and IANA's registry. */
static bool may_be_sent(unsigned code)
{
    static const unsigned registered[] = {1000, 1001, 1002, 1003, 1007, 1008,
                                          1009, 1010, 1011, 1012, 1013, 1014};
    for (size_t i = 0; i < ARRAY_LENGTH(registered); i++) {
        if (code == registered[i])
            return true;
    }
    return code >= 3000 && code <= 4999;
}

static enum outcome read_close(struct progress *progress, struct bytes payload)
{
    struct ws_read read = {.kind = WS_READ_CLOSE, .close_code = WS_CLOSE_NO_STATUS};
    if (payload.length == 1)
        return fail(progress, WS_CLOSE_PROTOCOL_ERROR);
    if (payload.length >= 2) {
        read.close_code = (uint16_t)(payload.data[0] * 256 + payload.data[1]);
        read.payload = bytes_of(payload.data + 2, payload.length - 2);
        if (!may_be_sent(read.close_code))
            return fail(progress, WS_CLOSE_PROTOCOL_ERROR);
        if (!simple_utf8_is_valid(read.payload))
            return fail(progress, WS_CLOSE_INVALID_TEXT);
    }
    trace_add(progress->trace, &read);
    return OUTCOME_ENDS;
}

static enum outcome read_control(struct progress *progress, const struct frame *frame)
{
    struct buf payload;
    buf_init(&payload, SIZE_MAX);
    take_payload(progress, frame, &payload);
    enum outcome outcome = OUTCOME_GOES_ON;
    if (payload.length < frame->length) {
        outcome = OUTCOME_ENDS;
    } else if (frame->opcode == WS_OPCODE_CLOSE) {
        outcome = read_close(progress, buf_view(&payload));
    } else {
        bool is_ping = frame->opcode == WS_OPCODE_PING;
        trace_add(progress->trace, &(struct ws_read){.kind = is_ping ? WS_READ_PING : WS_READ_PONG,
                                                     .payload = buf_view(&payload)});
    }
    buf_release(&payload);
    return outcome;
}

static void finish_message(struct progress *progress)
{
    trace_add(progress->trace, &(struct ws_read){
                                   .kind = WS_READ_MESSAGE,
                                   .is_binary = progress->message_opcode == WS_OPCODE_BINARY,
                                   .payload = buf_view(&progress->message),
                               });
    buf_release(&progress->message);
    progress->message_opcode = 0;
}

/* RFC 6455 5.4, 5.6 and 8.1. */
static enum outcome read_data(struct progress *progress, const struct frame *frame)
{
    bool continues = frame->opcode == WS_OPCODE_CONTINUATION;
    bool is_in_message = progress->message_opcode != 0;
    if (continues != is_in_message)
        return fail(progress, WS_CLOSE_PROTOCOL_ERROR);
    if (progress->message.length + frame->length > progress->message_bytes_max)
        return fail(progress, WS_CLOSE_TOO_BIG);
    if (!continues)
        progress->message_opcode = frame->opcode;

    size_t length_before = progress->message.length;
    take_payload(progress, frame, &progress->message);
    struct bytes message = buf_view(&progress->message);
    bool is_text = progress->message_opcode == WS_OPCODE_TEXT;
    if (is_text && simple_utf8_possible_length(message) < message.length)
        return fail(progress, WS_CLOSE_INVALID_TEXT);
    if (message.length - length_before < frame->length)
        return OUTCOME_ENDS;
    if (!frame->is_final)
        return OUTCOME_GOES_ON;
    if (is_text && !simple_utf8_is_valid(message))
        return fail(progress, WS_CLOSE_INVALID_TEXT);
    finish_message(progress);
    return OUTCOME_GOES_ON;
}

void simple_frames_read(struct bytes stream, size_t message_bytes_max, struct trace *ret_trace)
{
    trace_init(ret_trace);
    struct progress progress = {
        .rest = stream,
        .message_bytes_max = message_bytes_max,
        .trace = ret_trace,
    };
    buf_init(&progress.message, SIZE_MAX);
    enum outcome outcome;
    do {
        struct frame frame;
        ret_trace->is_idle = progress.rest.length == 0 && progress.message_opcode == 0;
        outcome = take_header(&progress, &frame);
        if (outcome == OUTCOME_GOES_ON) {
            ret_trace->is_idle = false;
            ret_trace->frame_count++;
            bool is_control = frame.opcode >= 8;
            outcome = is_control ? read_control(&progress, &frame) : read_data(&progress, &frame);
        }
    } while (outcome == OUTCOME_GOES_ON);
    if (ret_trace->has_ended)
        ret_trace->is_idle = false;
    buf_release(&progress.message);
}
