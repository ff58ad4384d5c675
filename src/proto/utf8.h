/*
 * Incremental UTF-8 validation (RFC 3629): no overlong forms, no surrogates, nothing above
 * U+10FFFF.
 *
 * Text may be cut anywhere. A fault is reported with the first byte that makes the text impossible,
 * not at the end of the sequence (RFC 6455 8.1 lets a server fail a message that early).
 */
#ifndef PARTY_PROTO_UTF8_H
#define PARTY_PROTO_UTF8_H

#include "base/bytes.h"

/* All zero is the state at a boundary between characters. */
struct utf8_state {
    uint8_t continuation_bytes_left;
    uint8_t next_lowest; /* bounds of the next continuation byte, when one is due */
    uint8_t next_highest;
};

/* Feeds the next part of a text. False as soon as no continuation could make it valid. */
bool utf8_feed(struct utf8_state *state, struct bytes part);

/* Whether the text may end here. */
static inline bool utf8_is_complete(const struct utf8_state *state)
{
    return state->continuation_bytes_left == 0;
}

/* Whether `text` as a whole is valid. */
bool utf8_is_valid(struct bytes text);

/* Writes one code point (a surrogate too, as three bytes); returns the bytes written, at most 4. */
size_t utf8_encode(uint8_t *out, uint32_t code_point);

#endif
