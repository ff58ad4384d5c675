/* The reference for UTF-8 (RFC 3629 3). */
#include "fuzz/simple_utf8.h"

/* Bytes of a character with this first byte; 0 when no character has it. */
static size_t length_by_lead(uint8_t lead)
{
    if ((lead & 0x80) == 0)
        return 1;
    if ((lead & 0xE0) == 0xC0)
        return 2;
    if ((lead & 0xF0) == 0xE0)
        return 3;
    return (lead & 0xF8) == 0xF0 ? 4 : 0;
}

/* Whether some code point from `first` to `last` is to be written in `length` bytes. */
static bool range_has_character(uint32_t first, uint32_t last, size_t length)
{
    static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
    if (first < smallest[length])
        first = smallest[length];
    if (last > 0x10FFFF)
        last = 0x10FFFF;
    bool all_are_surrogates = first >= 0xD800 && last <= 0xDFFF;
    return first <= last && !all_are_surrogates;
}

/* Whether some character begins with the bytes of `start`, of which there is at least one. */
static bool begins_character(struct bytes start)
{
    size_t length = length_by_lead(start.data[0]);
    if (length == 0 || start.length > length)
        return false;
    uint32_t first = length == 1 ? start.data[0] : start.data[0] & (0x7Fu >> length);
    uint32_t last = first;
    for (size_t i = 1; i < length; i++) {
        first <<= 6; /* what is not there yet may be anything from 0x80 to 0xBF */
        last = last << 6 | 0x3F;
        if (i >= start.length)
            continue;
        if ((start.data[i] & 0xC0) != 0x80)
            return false;
        first |= start.data[i] & 0x3F;
        last = (last & ~0x3Fu) | (start.data[i] & 0x3F);
    }
    return range_has_character(first, last, length);
}

/* As simple_utf8_possible_length(); also how much of it is whole characters. */
static size_t possible_length(struct bytes text, size_t *ret_whole)
{
    size_t whole = 0;
    size_t end = 0;
    for (; end < text.length; end++) {
        struct bytes start = bytes_of(text.data + whole, end + 1 - whole);
        if (!begins_character(start))
            break;
        if (start.length == length_by_lead(start.data[0]))
            whole = end + 1;
    }
    *ret_whole = whole;
    return end;
}

size_t simple_utf8_possible_length(struct bytes text)
{
    size_t whole;
    return possible_length(text, &whole);
}

bool simple_utf8_is_valid(struct bytes text)
{
    size_t whole;
    possible_length(text, &whole);
    return whole == text.length;
}

size_t simple_utf8_decode(struct bytes text, uint32_t *ret_code_point)
{
    if (text.length == 0)
        return 0;
    size_t length = length_by_lead(text.data[0]);
    if (length == 0 || length > text.length || !begins_character(bytes_of(text.data, length)))
        return 0;
    uint32_t code_point = length == 1 ? text.data[0] : text.data[0] & (0x7Fu >> length);
    for (size_t i = 1; i < length; i++)
        code_point = code_point << 6 | (text.data[i] & 0x3F);
    *ret_code_point = code_point;
    return length;
}
