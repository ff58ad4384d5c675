/*
 * Compares names of parameters as they are written: nobody has a reason to escape the names in use.
 */
#include "proto/http_query.h"

static int hex_digit(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = ascii_lower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool http_percent_decode(struct bytes text, uint8_t *out, size_t capacity, size_t *ret_length)
{
    size_t length = 0;
    for (size_t i = 0; i < text.length; i++) {
        uint8_t c = text.data[i];
        if (c == '%') {
            int high = i + 2 < text.length ? hex_digit(text.data[i + 1]) : -1;
            int low = i + 2 < text.length ? hex_digit(text.data[i + 2]) : -1;
            if (high < 0 || low < 0)
                return false;
            c = (uint8_t)(high << 4 | low);
            i += 2;
        }
        if (length == capacity)
            return false;
        out[length++] = c;
    }
    *ret_length = length;
    return true;
}

/* Takes the first parameter off a query. False: none is left. */
static bool next_parameter(struct bytes *query, struct bytes *ret_parameter)
{
    if (query->length == 0)
        return false;
    const uint8_t *end = memchr(query->data, '&', query->length);
    size_t length = end == NULL ? query->length : (size_t)(end - query->data);
    size_t taken = end == NULL ? length : length + 1;
    *ret_parameter = bytes_of(query->data, length);
    *query = bytes_of(query->data + taken, query->length - taken);
    return true;
}

static bool has_name(struct bytes parameter, struct bytes name, struct bytes *ret_value)
{
    const uint8_t *sign = memchr(parameter.data, '=', parameter.length);
    size_t length = sign == NULL ? parameter.length : (size_t)(sign - parameter.data);
    size_t skipped = sign == NULL ? length : length + 1;
    *ret_value = bytes_of(parameter.data + skipped, parameter.length - skipped);
    return bytes_equal(bytes_of(parameter.data, length), name);
}

bool http_query_find(struct bytes query, struct bytes name, struct bytes *ret_value)
{
    struct bytes parameter;
    while (next_parameter(&query, &parameter)) {
        if (parameter.length > 0 && has_name(parameter, name, ret_value))
            return true;
    }
    return false;
}

void http_query_write_without(struct writer *writer, struct bytes query, struct bytes name)
{
    struct bytes parameter;
    struct bytes value;
    bool is_first = true;
    while (next_parameter(&query, &parameter)) {
        if (parameter.length > 0 && has_name(parameter, name, &value))
            continue;
        writer_put_byte(writer, is_first ? '?' : '&');
        is_first = false;
        writer_put(writer, parameter);
    }
}
