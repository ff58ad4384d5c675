/*
 * WebSocket messages from a client: the reader joins, unmasks and checks frames (RFC 6455 5.4 to
 * 8.1).
 *
 * Bytes go in, and values come out, one at a time:
 *
 *     struct ws_read read;
 *     while (ws_reader_next(&reader, &input, &read) != WS_READ_NEED_MORE)
 *         ... read.kind, read.payload ...
 *
 * The reader unmasks the input in place and consumes it from the front. If the input contains a
 * whole message, the reader yields a view of it, without a copy and without allocation. It keeps
 * only an incomplete rest, unmasked and checked as far as it goes. After WS_READ_CLOSE and
 * WS_READ_ERROR it must not be fed again.
 */
#ifndef PARTY_PROTO_WS_MESSAGE_H
#define PARTY_PROTO_WS_MESSAGE_H

#include "base/buf.h"
#include "base/writer.h"
#include "proto/json.h"
#include "proto/utf8.h"
#include "proto/ws_frame.h"

struct ws_reader {
    /* Payload of the unfinished data message; its maximum is the message limit. */
    struct buf message;
    struct ws_frame_header frame;
    uint64_t frame_received; /* payload bytes of `frame` that have come */
    struct utf8_state utf8;  /* state of the unfinished message */
    bool is_no_text;         /* the message is binary and not UTF-8 */
    uint8_t message_opcode;  /* TEXT or BINARY while a message is unfinished, else 0 */
    uint8_t header_length;   /* bytes in `header` */
    uint8_t control_length;  /* bytes in `control` */
    bool has_header;         /* `frame` is valid, and has not begun */
    bool is_in_frame;        /* `frame` is valid, and its payload is arriving */
    uint32_t frames_left; /* frames that may still begin; the caller sets it, unlimited at first */
    uint32_t bytes_at_once; /* a longer frame needs only so many `bytes_left` to begin */
    int64_t
        bytes_left; /* bytes of frames that may still begin; the caller sets it; below 0: a debt */
    bool message_was_yielded; /* the next call frees `message` */
    uint8_t header[WS_FRAME_HEADER_IN_MAX];
    uint8_t control[WS_CONTROL_PAYLOAD_MAX];
};

enum ws_read_kind {
    WS_READ_NEED_MORE, /* the input is used up */
    /* Input is left, and no frame may begin: set `frames_left`, and repeat. */
    WS_READ_OUT_OF_FRAMES,
    WS_READ_OUT_OF_BYTES, /* a frame may not begin: set `bytes_left`, and repeat */
    WS_READ_MESSAGE,      /* `payload` is the whole message; `is_utf8` is always true for text */
    WS_READ_PING,         /* answer with a pong that has the same payload */
    WS_READ_PONG,
    WS_READ_CLOSE, /* `close_code` (1005: none) and `payload`, the reason */
    WS_READ_ERROR, /* fail the connection with `close_code` */
};

struct ws_read {
    enum ws_read_kind kind;
    bool is_binary;
    bool is_utf8;
    uint16_t close_code;
    struct bytes payload; /* valid until the next call, or until the input's memory changes */
};

/*
 * Initialises a reader for the start of a stream. `message_bytes_max` limits a message, the sum of
 * its fragments.
 */
void ws_reader_init(struct ws_reader *reader, size_t message_bytes_max);

/* Frees what an unfinished message holds. */
void ws_reader_release(struct ws_reader *reader);

/* Yields the next value in the input; see above. Also returns ret_read->kind. */
enum ws_read_kind ws_reader_next(struct ws_reader *reader, struct bytes_mut *input,
                                 struct ws_read *ret_read);

/*
 * Whether a frame has come that may not begin with so many `bytes_left`. Control frames never wait,
 * though they are charged: a close frame must not wait for the messages before it.
 */
bool ws_reader_waits_for_bytes(const struct ws_reader *reader, int64_t bytes);

/*
 * Frees a part of the message that was yielded last, at most `limit` bytes; the caller must not
 * need the message any more. True: more than that is left to free.
 */
bool ws_reader_free_some(struct ws_reader *reader, size_t limit);

/*
 * Whether the reader is between two messages and holds nothing that a new reader would lack. A
 * message that was yielded last does not count.
 */
bool ws_reader_is_idle(const struct ws_reader *reader);

/* Writes the reader as a JSON object, with the unfinished message and frame. */
void ws_reader_write(struct writer *writer, const struct ws_reader *reader);

/*
 * Reads that into a reader that ws_reader_init() has made. False: the value is none, or memory is
 * short; release the reader.
 */
MUST_CHECK bool ws_reader_read(const struct json_value *value, struct ws_reader *reader);

#endif
