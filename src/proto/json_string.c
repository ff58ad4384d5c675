/* Compares, decodes and canonicalises JSON strings. */
#include "proto/json.h"

#include <assert.h>

#include "proto/utf8.h"

/* Reads the contents of a validated string character by character. */
struct string_reader {
    const uint8_t *at;
    const uint8_t *end;
};

static struct string_reader read_string(const struct json_value *string)
{
    assert(string->kind == JSON_STRING);
    const uint8_t *first = string->raw.data;
    return (struct string_reader){first + 1, first + string->raw.length - 1};
}

static uint32_t hex_digit_value(uint8_t c)
{
    return c <= '9' ? (uint32_t)(c - '0') : (uint32_t)(ascii_lower(c) - 'a' + 10);
}

static uint32_t read_four_hex(const uint8_t *digits)
{
    uint32_t value = 0;
    for (int i = 0; i < 4; i++)
        value = value << 4 | hex_digit_value(digits[i]);
    return value;
}

static bool is_high_surrogate(uint32_t unit)
{
    return unit >= 0xD800 && unit <= 0xDBFF;
}

static bool is_low_surrogate(uint32_t unit)
{
    return unit >= 0xDC00 && unit <= 0xDFFF;
}

/* Reads the escape behind a backslash: a code point, or a lone surrogate. */
static uint32_t next_escaped(struct string_reader *reader)
{
    uint8_t letter = *reader->at++;
    switch (letter) {
    case 'b':
        return '\b';
    case 'f':
        return '\f';
    case 'n':
        return '\n';
    case 'r':
        return '\r';
    case 't':
        return '\t';
    case 'u':
        break;
    default:
        return letter; /* quote, backslash, slash */
    }
    uint32_t unit = read_four_hex(reader->at);
    reader->at += 4;
    bool may_be_pair = is_high_surrogate(unit) && reader->end - reader->at >= 6 &&
                       reader->at[0] == '\\' && reader->at[1] == 'u';
    if (!may_be_pair)
        return unit;
    uint32_t low = read_four_hex(reader->at + 2);
    if (!is_low_surrogate(low))
        return unit;
    reader->at += 6;
    return 0x10000 + ((unit - 0xD800) << 10) + (low - 0xDC00);
}

bool json_string_equals_decoded(const struct json_value *string, struct bytes text)
{
    struct string_reader reader = read_string(string);
    for (size_t i = 0; i < text.length; i++) {
        if (reader.at == reader.end)
            return false;
        uint32_t character = *reader.at++;
        if (character == '\\')
            character = next_escaped(&reader);
        if (character != text.data[i])
            return false;
    }
    return reader.at == reader.end;
}

/* The escape that a character needs: the letter of a short one, or 'u'; 0: none. */
static uint8_t escape_letter(uint32_t character)
{
    switch (character) {
    case '"':
    case '\\':
        return (uint8_t)character;
    case '\b':
        return 'b';
    case '\f':
        return 'f';
    case '\n':
        return 'n';
    case '\r':
        return 'r';
    case '\t':
        return 't';
    default:
        break;
    }
    bool is_surrogate = is_high_surrogate(character) || is_low_surrogate(character);
    return character < 0x20 || is_surrogate ? 'u' : 0;
}

#define CANONICAL_CHARACTER_MAX 6 /* \uXXXX */

static size_t write_character(uint8_t *out, uint32_t character)
{
    uint8_t letter = escape_letter(character);
    if (letter == 0)
        return utf8_encode(out, character);
    out[0] = '\\';
    out[1] = letter;
    if (letter != 'u')
        return 2;
    for (int i = 0; i < 4; i++)
        out[2 + i] = (uint8_t) "0123456789abcdef"[character >> (12 - 4 * i) & 0xF];
    return CANONICAL_CHARACTER_MAX;
}

static size_t decoded_length(uint32_t character)
{
    uint8_t scratch[4];
    return utf8_encode(scratch, character);
}

bool json_string_canonicalize(const struct json_value *string, uint8_t *out, size_t capacity,
                              struct json_string_sizes *ret_sizes)
{
    struct string_reader reader = read_string(string);
    *ret_sizes = (struct json_string_sizes){0};
    while (reader.at < reader.end) {
        uint8_t form[CANONICAL_CHARACTER_MAX];
        size_t form_length = 1;
        if (*reader.at != '\\') {
            /* A character that a valid string contains unescaped needs no escape. */
            form[0] = *reader.at++;
            ret_sizes->decoded++;
        } else {
            reader.at++;
            uint32_t character = next_escaped(&reader);
            form_length = write_character(form, character);
            ret_sizes->decoded += decoded_length(character);
        }
        if (form_length > capacity - ret_sizes->written)
            return false;
        memcpy(out + ret_sizes->written, form, form_length);
        ret_sizes->written += form_length;
    }
    return true;
}

bool json_string_decode(const struct json_value *string, uint8_t *out, size_t capacity,
                        size_t *ret_length)
{
    struct string_reader reader = read_string(string);
    *ret_length = 0;
    while (reader.at < reader.end) {
        uint8_t form[4] = {*reader.at++};
        size_t form_length = 1;
        if (form[0] == '\\') {
            uint32_t character = next_escaped(&reader);
            if (is_high_surrogate(character) || is_low_surrogate(character))
                return false;
            form_length = utf8_encode(form, character);
        }
        if (form_length > capacity - *ret_length)
            return false;
        memcpy(out + *ret_length, form, form_length);
        *ret_length += form_length;
    }
    return true;
}

/* Reads the rest of a string behind its opening quote, and returns its canonical length. */
static size_t skip_string(struct string_reader *reader)
{
    size_t length = 0;
    uint8_t form[CANONICAL_CHARACTER_MAX];
    while (*reader->at != '"') {
        if (*reader->at++ == '\\')
            length += write_character(form, next_escaped(reader));
        else
            length++;
    }
    reader->at++;
    return length;
}

size_t json_compact_length(struct bytes raw)
{
    struct string_reader reader = {raw.data, raw.data + raw.length};
    size_t length = 0;
    while (reader.at < reader.end) {
        switch (*reader.at++) {
        case ' ':
        case '\t':
        case '\n':
        case '\r':
            break;
        case '"':
            length += 2 + skip_string(&reader);
            break;
        default:
            length++;
        }
    }
    return length;
}
