/*
 * WebSocket frames on the wire (RFC 6455 5.2), the server's side: frames from clients must be
 * masked, frames to clients are not.
 */
#ifndef PARTY_PROTO_WS_FRAME_H
#define PARTY_PROTO_WS_FRAME_H

#include "base/bytes.h"

enum ws_opcode {
    WS_OPCODE_CONTINUATION = 0x0,
    WS_OPCODE_TEXT = 0x1,
    WS_OPCODE_BINARY = 0x2,
    WS_OPCODE_CLOSE = 0x8,
    WS_OPCODE_PING = 0x9,
    WS_OPCODE_PONG = 0xA,
};

/* Close codes that this server sends or distinguishes (RFC 6455 7.4.1, and 4000 to 4999). */
enum ws_close_code {
    WS_CLOSE_NORMAL = 1000,
    WS_CLOSE_GOING_AWAY = 1001,
    WS_CLOSE_PROTOCOL_ERROR = 1002,
    WS_CLOSE_NO_STATUS = 1005, /* never sent: the close frame had no code */
    WS_CLOSE_INVALID_TEXT = 1007,
    WS_CLOSE_POLICY = 1008,
    WS_CLOSE_TOO_BIG = 1009,
    WS_CLOSE_INTERNAL_ERROR = 1011,
    WS_CLOSE_SERVICE_RESTART = 1012, /* IANA's registry: come back at once */
    WS_CLOSE_TRY_AGAIN_LATER = 1013,
    WS_CLOSE_REPLACED = 4000,
    WS_CLOSE_ROOM_CLOSED = 4001,
    WS_CLOSE_KICKED = 4002,
    WS_CLOSE_GIVEN_UP = 4101,
};

#define WS_CONTROL_PAYLOAD_MAX 125 /* RFC 6455 5.5 */
#define WS_CLOSE_REASON_MAX (WS_CONTROL_PAYLOAD_MAX - 2)
#define WS_FRAME_HEADER_IN_MAX 14
#define WS_FRAME_HEADER_OUT_MAX 10

struct ws_frame_header {
    uint64_t payload_length;
    uint8_t mask[4];
    uint8_t header_length; /* bytes on the wire before the payload */
    uint8_t opcode;        /* a value of enum ws_opcode */
    bool is_final;
};

enum ws_frame_result {
    WS_FRAME_DONE,
    WS_FRAME_NEED_MORE,
    WS_FRAME_INVALID, /* close with 1002 */
};

/*
 * Parses a frame header from a client. Stateless: after NEED_MORE call it again with more bytes. A
 * header that can't become valid is INVALID at its first wrong byte.
 */
enum ws_frame_result ws_frame_parse(struct bytes in, struct ws_frame_header *ret_header);

/* Whether a frame that begins with this byte is a close frame. */
bool ws_frame_is_close(uint8_t first_byte);

/* Unmasks (or masks) in place. `offset` is the position of `data` within the frame's payload. */
void ws_frame_unmask(uint8_t *data, size_t length, const uint8_t mask[4], uint64_t offset);

/* Writes the header of an unfragmented, unmasked frame; returns its length, 2 to 10 bytes. */
size_t ws_frame_write_header(uint8_t out[WS_FRAME_HEADER_OUT_MAX], enum ws_opcode opcode,
                             uint64_t payload_length);

/* What is behind the header that ws_frame_write_header() wrote; nothing behind a broken one. */
struct bytes ws_frame_payload(struct bytes frame);

static inline bool ws_opcode_is_control(uint8_t opcode)
{
    return (opcode & 0x8) != 0;
}

/* Whether a peer may send this code in a close frame (RFC 6455 7.4, IANA's registry). */
bool ws_close_code_is_valid(uint16_t code);

#endif
