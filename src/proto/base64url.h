/* Base64url without padding (RFC 4648 5, RFC 7515 2). */
#ifndef PARTY_PROTO_BASE64URL_H
#define PARTY_PROTO_BASE64URL_H

#include "base/attributes.h"
#include "base/bytes.h"

/* The most bytes that a text of this length decodes to. */
#define BASE64URL_DECODED_MAX(length) ((length) / 4 * 3 + 2)

/*
 * Decodes a text into `out`. Each byte string has one text only: padding, foreign characters, and
 * bits behind the last byte that are not zero (RFC 4648 3.5) are refused. False: the text is none,
 * or `capacity` is too small; what `out` contains then means nothing.
 */
MUST_CHECK bool base64url_decode(struct bytes text, uint8_t *out, size_t capacity,
                                 size_t *ret_length);

#endif
