/*
 * Incremental UTF-8 validation (RFC 3629): no overlong forms, no surrogates, nothing above
 * U+10FFFF.
 *
 * A text may come in parts that end anywhere. A fault is reported with the first byte that makes
 * the text invalid, not at the end of the sequence (RFC 6455 8.1 lets a server fail a message that
 * early).
 */
#ifndef PARTY_PROTO_UTF8_H
#define PARTY_PROTO_UTF8_H

#include "base/bytes.h"

/* All zero is the state between two characters. */
struct utf8_state {
    uint8_t continuation_bytes_left;
    uint8_t next_lowest; /* bounds of the next continuation byte, if one is due */
    uint8_t next_highest;
};

/* Feeds the next part of a text. False: no continuation can make the text valid. */
bool utf8_feed(struct utf8_state *state, struct bytes part);

/* Whether the text may end here. */
static inline bool utf8_is_complete(const struct utf8_state *state)
{
    return state->continuation_bytes_left == 0;
}

/* Whether a whole text is valid. */
bool utf8_is_valid(struct bytes text);

/* Writes a code point, or a surrogate as three bytes. Returns the length, at most 4. */
size_t utf8_encode(uint8_t *out, uint32_t code_point);

#endif
