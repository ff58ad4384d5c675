/* Writes base64url (RFC 4648 5), as who mints tokens does. */
#ifndef PARTY_TESTS_BASE64URL_H
#define PARTY_TESTS_BASE64URL_H

#include "base/bytes.h"

/* Writes the text of `bytes` and a NUL, and returns the text's length. */
static inline size_t base64url_write(char *out, struct bytes bytes)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    size_t length = (bytes.length * 8 + 5) / 6;
    for (size_t i = 0; i < length; i++) {
        size_t bit = i * 6;
        unsigned pair = (unsigned)bytes.data[bit / 8] << 8;
        if (bit / 8 + 1 < bytes.length)
            pair |= bytes.data[bit / 8 + 1];
        out[i] = digits[pair >> (10 - bit % 8) & 63];
    }
    out[length] = '\0';
    return length;
}

#endif
