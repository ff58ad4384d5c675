/* Patterns of origins. */
#include "proto/origin.h"

static bool is_letter_or_digit(uint8_t c)
{
    uint8_t lower = ascii_lower(c);
    return (lower >= 'a' && lower <= 'z') || (c >= '0' && c <= '9');
}

/* Splits `https://host` into the scheme with its slashes, and the rest. */
static bool split_scheme(struct bytes origin, struct bytes *ret_scheme, struct bytes *ret_rest)
{
    const uint8_t *found = origin.length > 0 ? memmem(origin.data, origin.length, "://", 3) : NULL;
    if (found == NULL)
        return false;
    size_t length = (size_t)(found - origin.data) + 3;
    *ret_scheme = bytes_of(origin.data, length);
    *ret_rest = bytes_of(origin.data + length, origin.length - length);
    return true;
}

static bool is_scheme(struct bytes scheme)
{
    size_t length = scheme.length - 3;
    for (size_t i = 0; i < length; i++) {
        if (!is_letter_or_digit(scheme.data[i]) && memchr("+-.", scheme.data[i], 3) == NULL)
            return false;
    }
    return length > 0;
}

static bool has_wildcard(struct bytes host)
{
    return host.length > 2 && host.data[0] == '*' && host.data[1] == '.';
}

/* `host`, `host:port` or `[::1]:port`; that it can be resolved is not asked. */
static bool is_host(struct bytes host)
{
    for (size_t i = 0; i < host.length; i++) {
        if (!is_letter_or_digit(host.data[i]) && memchr("-._:[]", host.data[i], 6) == NULL)
            return false;
    }
    return host.length > 0;
}

/* What a star may stand for: no port, no address. */
static bool are_labels(struct bytes text)
{
    for (size_t i = 0; i < text.length; i++) {
        if (!is_letter_or_digit(text.data[i]) && memchr("-._", text.data[i], 3) == NULL)
            return false;
    }
    return text.length > 0 && text.data[0] != '.';
}

bool origin_pattern_is_valid(struct bytes pattern)
{
    struct bytes scheme;
    struct bytes host;
    if (bytes_equal(pattern, BYTES("null")))
        return true;
    if (!split_scheme(pattern, &scheme, &host) || !is_scheme(scheme))
        return false;
    if (has_wildcard(host))
        host = bytes_of(host.data + 2, host.length - 2);
    return is_host(host);
}

static bool has_suffix(struct bytes text, struct bytes suffix)
{
    if (text.length < suffix.length)
        return false;
    return bytes_equal_ignore_case(bytes_of(text.data + text.length - suffix.length, suffix.length),
                                   suffix);
}

bool origin_matches(struct bytes origin, struct bytes pattern)
{
    struct bytes scheme;
    struct bytes pattern_scheme;
    struct bytes host;
    struct bytes pattern_host;
    if (!split_scheme(pattern, &pattern_scheme, &pattern_host) || !has_wildcard(pattern_host))
        return bytes_equal_ignore_case(origin, pattern);
    if (!split_scheme(origin, &scheme, &host) || !bytes_equal_ignore_case(scheme, pattern_scheme))
        return false;
    /* Everything from the dot on; what stands before it is some labels of a name. */
    struct bytes suffix = bytes_of(pattern_host.data + 1, pattern_host.length - 1);
    if (host.length <= suffix.length || !has_suffix(host, suffix))
        return false;
    return are_labels(bytes_of(host.data, host.length - suffix.length));
}
