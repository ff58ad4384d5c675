/* Frame headers and masking. ws_message checks sequences of frames. */
#include "proto/ws_frame.h"

#define FINAL_BIT 0x80
#define RESERVED_BITS 0x70
#define OPCODE_BITS 0x0F
#define MASK_BIT 0x80
#define LENGTH_BITS 0x7F
#define LENGTH_IS_16_BIT 126
#define LENGTH_IS_64_BIT 127

static uint64_t read_big_endian(const uint8_t *data, size_t length)
{
    uint64_t value = 0;
    for (size_t i = 0; i < length; i++)
        value = value << 8 | data[i];
    return value;
}

static void write_big_endian(uint8_t *out, size_t length, uint64_t value)
{
    for (size_t i = length; i > 0; i--) {
        out[i - 1] = (uint8_t)value;
        value >>= 8;
    }
}

static bool opcode_is_known(uint8_t opcode)
{
    return opcode <= WS_OPCODE_BINARY || (opcode >= WS_OPCODE_CLOSE && opcode <= WS_OPCODE_PONG);
}

/* The server negotiates no extension, so reserved bits are faults (RFC 6455 5.2). */
static bool first_byte_is_valid(uint8_t byte)
{
    uint8_t opcode = byte & OPCODE_BITS;
    if ((byte & RESERVED_BITS) != 0 || !opcode_is_known(opcode))
        return false;
    /* Control frames are never fragmented (RFC 6455 5.5). */
    return !ws_opcode_is_control(opcode) || (byte & FINAL_BIT) != 0;
}

/* Clients always mask (RFC 6455 5.1); control frames are at most 125 bytes long (5.5). */
static bool second_byte_is_valid(uint8_t byte, uint8_t opcode)
{
    if ((byte & MASK_BIT) == 0)
        return false;
    return !ws_opcode_is_control(opcode) || (byte & LENGTH_BITS) <= WS_CONTROL_PAYLOAD_MAX;
}

/* The shortest form is required, and the top bit of 64 is zero (RFC 6455 5.2). */
static bool extended_length_is_valid(uint64_t length, size_t length_bytes)
{
    if (length_bytes == 2)
        return length >= LENGTH_IS_16_BIT;
    return length > UINT16_MAX && length <= INT64_MAX;
}

bool ws_frame_is_close(uint8_t first_byte)
{
    return first_byte_is_valid(first_byte) && (first_byte & OPCODE_BITS) == WS_OPCODE_CLOSE;
}

enum ws_frame_result ws_frame_parse(struct bytes in, struct ws_frame_header *ret_header)
{
    if (in.length < 1)
        return WS_FRAME_NEED_MORE;
    if (!first_byte_is_valid(in.data[0]))
        return WS_FRAME_INVALID;
    uint8_t opcode = in.data[0] & OPCODE_BITS;
    if (in.length < 2)
        return WS_FRAME_NEED_MORE;
    if (!second_byte_is_valid(in.data[1], opcode))
        return WS_FRAME_INVALID;

    uint64_t payload_length = in.data[1] & LENGTH_BITS;
    size_t at = 2;
    if (payload_length >= LENGTH_IS_16_BIT) {
        size_t length_bytes = payload_length == LENGTH_IS_16_BIT ? 2 : 8;
        if (in.length < at + length_bytes)
            return WS_FRAME_NEED_MORE;
        payload_length = read_big_endian(in.data + at, length_bytes);
        if (!extended_length_is_valid(payload_length, length_bytes))
            return WS_FRAME_INVALID;
        at += length_bytes;
    }
    if (in.length < at + sizeof ret_header->mask)
        return WS_FRAME_NEED_MORE;

    memcpy(ret_header->mask, in.data + at, sizeof ret_header->mask);
    ret_header->payload_length = payload_length;
    ret_header->header_length = (uint8_t)(at + sizeof ret_header->mask);
    ret_header->opcode = opcode;
    ret_header->is_final = (in.data[0] & FINAL_BIT) != 0;
    return WS_FRAME_DONE;
}

void ws_frame_unmask(uint8_t *data, size_t length, const uint8_t mask[4], uint64_t offset)
{
    /*
     * The mask, rotated to the position of `data`, is repeated, so that many bytes are unmasked at
     * once.
     */
    typedef uint32_t vector __attribute__((vector_size(16)));
    uint8_t key[4];
    for (size_t i = 0; i < sizeof key; i++)
        key[i] = mask[(offset + i) & 3];
    uint32_t key_word;
    memcpy(&key_word, key, sizeof key_word);
    const vector key_vector = {key_word, key_word, key_word, key_word};

    size_t at = 0;
    for (; length - at >= sizeof key_vector; at += sizeof key_vector) {
        vector bytes;
        memcpy(&bytes, data + at, sizeof bytes);
        bytes ^= key_vector;
        memcpy(data + at, &bytes, sizeof bytes);
    }
    for (; length - at >= sizeof key_word; at += sizeof key_word) {
        uint32_t word;
        memcpy(&word, data + at, sizeof word);
        word ^= key_word;
        memcpy(data + at, &word, sizeof word);
    }
    for (size_t i = 0; at + i < length; i++)
        data[at + i] ^= key[i];
}

size_t ws_frame_write_header(uint8_t out[WS_FRAME_HEADER_OUT_MAX], enum ws_opcode opcode,
                             uint64_t payload_length)
{
    out[0] = (uint8_t)(FINAL_BIT | opcode);
    if (payload_length < LENGTH_IS_16_BIT) {
        out[1] = (uint8_t)payload_length;
        return 2;
    }
    if (payload_length <= UINT16_MAX) {
        out[1] = LENGTH_IS_16_BIT;
        write_big_endian(out + 2, 2, payload_length);
        return 4;
    }
    out[1] = LENGTH_IS_64_BIT;
    write_big_endian(out + 2, 8, payload_length);
    return 10;
}

struct bytes ws_frame_payload(struct bytes frame)
{
    uint8_t length = frame.length < 2 ? 0 : frame.data[1];
    size_t header_length = length < LENGTH_IS_16_BIT ? 2 : length == LENGTH_IS_16_BIT ? 4 : 10;
    if (frame.length < header_length)
        return (struct bytes){0};
    return bytes_of(frame.data + header_length, frame.length - header_length);
}

bool ws_close_code_is_valid(uint16_t code)
{
    if (code >= 3000 && code <= 4999)
        return true;
    /* 1004 is reserved; 1005, 1006 and 1015 stand for "no close frame came" and are never sent. */
    return code >= 1000 && code <= 1014 && code != 1004 && code != 1005 && code != 1006;
}
