/* Decodes base64url. */
#include "proto/base64url.h"

#define NO_DIGIT 64

static uint32_t digit_value(uint8_t c)
{
    if (c >= 'A' && c <= 'Z')
        return (uint32_t)(c - 'A');
    if (c >= 'a' && c <= 'z')
        return (uint32_t)(c - 'a') + 26;
    if (c >= '0' && c <= '9')
        return (uint32_t)(c - '0') + 52;
    if (c == '-')
        return 62;
    return c == '_' ? 63 : NO_DIGIT;
}

bool base64url_decode(struct bytes text, uint8_t *out, size_t capacity, size_t *ret_length)
{
    uint32_t bits = 0; /* those of the digits so far that are not written yet */
    unsigned bit_count = 0;
    size_t written = 0;
    for (size_t i = 0; i < text.length; i++) {
        uint32_t digit = digit_value(text.data[i]);
        if (digit == NO_DIGIT)
            return false;
        bits = bits << 6 | digit;
        bit_count += 6;
        if (bit_count < 8)
            continue;
        if (written == capacity)
            return false;
        bit_count -= 8;
        out[written++] = (uint8_t)(bits >> bit_count);
        bits &= (1u << bit_count) - 1;
    }
    *ret_length = written;
    /* Six bits are left over of a single digit, which can't be a byte. */
    return bit_count < 6 && bits == 0;
}
