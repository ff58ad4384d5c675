#include "recovery/recovery_text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

struct json_value text_member(struct bytes text, const char *name)
{
    struct json_walk walk;
    struct json_value key;
    struct json_value value;
    json_walk_begin(&walk, text);
    while (json_walk_next(&walk, &key, &value) == JSON_NEXT_MEMBER) {
        if (json_string_equals(&key, bytes_of_string(name)))
            return value;
    }
    return (struct json_value){.kind = JSON_ABSENT};
}

/* The digits at `at`, of a number that doesn't reach to the end of its text. */
static uint64_t read_digits(const uint8_t *at, const uint8_t **ret_end)
{
    uint64_t number = 0;
    const uint8_t *digit = at;
    while (*digit >= '0' && *digit <= '9')
        number = number * 10 + (uint64_t)(*digit++ - '0');
    *ret_end = digit;
    return number;
}

uint64_t text_number(struct bytes text, const char *name)
{
    struct json_value value = text_member(text, name);
    if (value.kind != JSON_NUMBER)
        return TEXT_NO_NUMBER;
    const uint8_t *end;
    uint64_t number = read_digits(value.raw.data, &end);
    return end == value.raw.data + value.raw.length ? number : TEXT_NO_NUMBER;
}

bool text_is_true(struct bytes text, const char *name)
{
    return text_member(text, name).kind == JSON_TRUE;
}

bool text_has_string(struct bytes text, const char *name, const char *value)
{
    struct json_value member = text_member(text, name);
    return member.kind == JSON_STRING && json_string_equals(&member, bytes_of_string(value));
}

void text_string(struct bytes text, const char *name, char out[TEXT_STRING_MAX])
{
    struct json_value value = text_member(text, name);
    out[0] = '\0';
    if (value.kind != JSON_STRING || value.has_escapes || value.raw.length - 2 >= TEXT_STRING_MAX)
        return;
    memcpy(out, value.raw.data + 1, value.raw.length - 2);
    out[value.raw.length - 2] = '\0';
}

uint32_t text_list(struct bytes text, const char *name, uint32_t out[TEXT_LIST_MAX])
{
    struct json_value value = text_member(text, name);
    uint32_t count = 0;
    if (value.kind != JSON_ARRAY)
        return 0;
    const uint8_t *at = value.raw.data + 1;
    while (count < TEXT_LIST_MAX && *at >= '0' && *at <= '9') {
        out[count++] = (uint32_t)read_digits(at, &at);
        if (*at == ',')
            at++;
    }
    return count;
}

char *text_format(const char *format, ...)
{
    char *text;
    va_list arguments;
    va_start(arguments, format);
    if (vasprintf(&text, format, arguments) < 0)
        abort();
    va_end(arguments);
    return text;
}
