/* What texts and codes mean: values of JSON as strings and numbers, and what somebody typed. */
#include "relay/relay_model_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

char *format_text(const char *format, ...)
{
    char *text;
    va_list arguments;
    va_start(arguments, format);
    assert_true(vasprintf(&text, format, arguments) >= 0);
    va_end(arguments);
    return text;
}

char *canonical_form(struct simple_value string)
{
    struct simple_string decoded = simple_json_decode(string.raw);
    char *form = simple_string_stringify(&decoded);
    simple_string_release(&decoded);
    return form;
}

bool is_non_empty_string(struct simple_value value)
{
    return value.kind == JSON_STRING && value.raw.length > 2;
}

double number_of(struct simple_value value)
{
    char *text = strndup((const char *)value.raw.data, value.raw.length);
    assert_non_null(text);
    double number = strtod(text, NULL);
    free(text);
    return number;
}

size_t decoded_length(struct simple_value string)
{
    struct simple_string decoded = simple_json_decode(string.raw);
    size_t length = simple_string_utf8_length(&decoded);
    simple_string_release(&decoded);
    return length;
}

/* The number of a code, digit by digit; false when a character is none. */
static bool read_digits(const char *code, const char *digits, uint64_t *ret_number)
{
    *ret_number = 0;
    for (; *code != '\0'; code++) {
        const char *found = strchr(digits, *code);
        if (found == NULL)
            return false;
        *ret_number = *ret_number * strlen(digits) + (uint64_t)(found - digits);
    }
    return true;
}

/* The same of a code of protocol 3. */
static bool read_letters(const struct simple_string *typed, char ret_code[CODE_LENGTH_MAX + 1],
                         uint64_t *ret_number)
{
    size_t length = 0;
    for (size_t i = 0; i < typed->length; i++) {
        uint16_t unit = typed->units[i];
        if (unit == ' ' || unit == '-')
            continue;
        if (unit == 0 || unit >= 0x80 || length == 12)
            return false;
        ret_code[length++] = (char)ascii_upper((uint8_t)unit);
    }
    ret_code[length] = '\0';
    if (typed->length > 64 || length < 4 || !read_digits(ret_code, LETTERS_3, ret_number))
        return false;
    *ret_number += (uint64_t)1 << 36; /* numbers of codes of 4 letters begin there */
    for (uint64_t count = 20 * 20 * 20 * 20; length > 4; length--, count *= 20)
        *ret_number += count;
    return true;
}

bool read_code(struct simple_value typed, char ret_code[CODE_LENGTH_MAX + 1], uint64_t *ret_number)
{
    struct simple_string decoded = simple_json_decode(typed.raw);
    if (read_letters(&decoded, ret_code, ret_number)) {
        simple_string_release(&decoded);
        return true;
    }
    size_t length = decoded.length;
    bool is_ascii = length == 4 || length == 6;
    for (size_t i = 0; is_ascii && i < length; i++) {
        uint16_t unit = decoded.units[i];
        is_ascii = unit > 0 && unit < 0x80;
        if (length == 4 && unit >= 'a' && unit <= 'z')
            unit = (uint16_t)(unit - 'a' + 'A');
        ret_code[i] = (char)unit;
        ret_code[i + 1] = '\0';
    }
    simple_string_release(&decoded);
    if (!is_ascii)
        return false;
    if (length == 4)
        return read_digits(ret_code, "ABCDEFGHJKLMNPQRSTUVWXYZ23456789", ret_number);
    const uint64_t count = (uint64_t)1 << 35;
    bool is_read = read_digits(
        ret_code, "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz", ret_number);
    *ret_number += count; /* numbers of codes of 6 characters begin there */
    return is_read && *ret_number < 2 * count;
}
