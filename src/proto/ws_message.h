/*
 * WebSocket messages from a client: frames put together, unmasked, checked (RFC 6455 5.4 to 8.1).
 *
 * Bytes in, values out, one at a time:
 *
 *     struct ws_read read;
 *     while (ws_reader_next(&reader, &input, &read) != WS_READ_NEED_MORE)
 *         ... read.kind, read.payload ...
 *
 * Input is changed in place (unmasked) and consumed from the front. A message that lies whole in
 * the input is yielded as a view of it: nothing is copied and nothing is allocated. Only what is
 * incomplete when the input ends is kept by the reader, unmasked and checked as far as it goes.
 * After WS_READ_CLOSE and WS_READ_ERROR the reader must not be fed again.
 */
#ifndef PARTY_PROTO_WS_MESSAGE_H
#define PARTY_PROTO_WS_MESSAGE_H

#include "base/buf.h"
#include "proto/utf8.h"
#include "proto/ws_frame.h"

struct ws_reader {
    struct buf message; /* payload of the data message so far; its cap is the message limit */
    struct ws_frame_header frame;
    uint64_t frame_received;  /* payload bytes of `frame` seen so far */
    struct utf8_state utf8;   /* of the message so far */
    bool is_no_text;          /* a binary message, and what came of it is not UTF-8 */
    uint8_t message_opcode;   /* TEXT or BINARY while a message is unfinished, else 0 */
    uint8_t header_length;    /* bytes in `header` */
    uint8_t control_length;   /* bytes in `control` */
    bool has_header;          /* `frame` is valid, and waits to begin */
    bool is_in_frame;         /* `frame` is valid, its payload is arriving */
    uint32_t frames_left;     /* that may still begin; the caller's to set, without end at first */
    uint32_t bytes_at_once;   /* that a longer frame than this needs to begin */
    int64_t bytes_left;       /* for frames that begin, as `frames_left`; below 0: a debt */
    bool message_was_yielded; /* `message` is dropped at the next call */
    uint8_t header[WS_FRAME_HEADER_IN_MAX];
    uint8_t control[WS_CONTROL_PAYLOAD_MAX];
};

enum ws_read_kind {
    WS_READ_NEED_MORE,     /* the input is used up */
    WS_READ_OUT_OF_FRAMES, /* input is left, and no frame may begin: set `frames_left`, go on */
    WS_READ_OUT_OF_BYTES,  /* a frame may not begin: set `bytes_left`, go on */
    WS_READ_MESSAGE,       /* `payload` whole; `is_utf8` is always true of text */
    WS_READ_PING,          /* to be answered with a pong of the same payload */
    WS_READ_PONG,
    WS_READ_CLOSE, /* `close_code` (1005 when there was none) and `payload`, the reason */
    WS_READ_ERROR, /* fail the connection with `close_code` */
};

struct ws_read {
    enum ws_read_kind kind;
    bool is_binary;
    bool is_utf8;
    uint16_t close_code;
    struct bytes payload; /* valid until the next call, or until the input's memory changes */
};

/* A reader at the start of a stream of frames. `message_bytes_max` caps a message, fragments
 * summed. */
void ws_reader_init(struct ws_reader *reader, size_t message_bytes_max);

/* Frees what an unfinished message holds. */
void ws_reader_release(struct ws_reader *reader);

/* The next thing in the input; see above. Also returns ret_read->kind. */
enum ws_read_kind ws_reader_next(struct ws_reader *reader, struct bytes_mut *input,
                                 struct ws_read *ret_read);

/*
 * Whether a frame has come that may not begin with so many `bytes_left`. Control frames never wait,
 * though they are paid for: a goodbye is not held up by what was said before it.
 */
bool ws_reader_waits_for_bytes(const struct ws_reader *reader, int64_t bytes);

/*
 * Frees a part of the message that was yielded last and is not needed any more, at most so many
 * bytes. False: nothing, or no more than that, is left for the next call to free.
 */
bool ws_reader_free_some(struct ws_reader *reader, size_t most);

/*
 * Whether the reader stands between two messages and holds nothing, so that a fresh one could take
 * its place. A message that was yielded last counts as gone.
 */
bool ws_reader_is_idle(const struct ws_reader *reader);

#endif
