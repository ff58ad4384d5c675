/* Matches origins with patterns. */
#include "proto/origin.h"

#include "base/attributes.h"

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

/* RFC 3986 3.1. */
static bool is_scheme(struct bytes scheme)
{
    size_t length = scheme.length - 3;
    for (size_t i = 0; i < length; i++) {
        if (!is_letter_or_digit(scheme.data[i]) && memchr("+-.", scheme.data[i], 3) == NULL)
            return false;
    }
    return length > 0 && ascii_lower(scheme.data[0]) >= 'a';
}

/* Whether origins with this scheme, one of the web, always have a host. */
static bool scheme_has_hosts(struct bytes scheme)
{
    return bytes_equal_ignore_case(scheme, BYTES("https://")) ||
           bytes_equal_ignore_case(scheme, BYTES("http://")) ||
           bytes_equal_ignore_case(scheme, BYTES("wss://")) ||
           bytes_equal_ignore_case(scheme, BYTES("ws://"));
}

static bool has_wildcard(struct bytes host)
{
    return host.length > 2 && host.data[0] == '*' && host.data[1] == '.';
}

/*
 * Removes the port with its colon; empty: there is none. The colons of `[::1]` do not begin a port.
 */
static struct bytes take_port(struct bytes *host)
{
    size_t at = host->length;
    while (at > 0 && host->data[at - 1] >= '0' && host->data[at - 1] <= '9')
        at--;
    bool has_port = at > 0 && at < host->length && host->data[at - 1] == ':' &&
                    memchr(host->data + at, ']', host->length - at) == NULL;
    if (!has_port)
        return (struct bytes){0};
    struct bytes port = bytes_of(host->data + at - 1, host->length - at + 1);
    host->length = at - 1;
    return port;
}

/*
 * Whether a port, with its colon, is as browsers write it: 1 to 65535 without leading zeros; or
 * empty.
 */
static bool is_port(struct bytes port)
{
    uint32_t number = 0;
    if (port.length > 1 && port.data[1] == '0')
        return false;
    for (size_t i = 1; i < port.length && number <= UINT16_MAX; i++)
        number = number * 10 + (port.data[i] - '0');
    return number <= UINT16_MAX;
}

/* The port that browsers leave out (URL standard 4.2, default ports). */
static bool is_default_port(struct bytes scheme, struct bytes port)
{
    static const struct {
        const char *scheme;
        const char *port;
    } defaults[] = {{"https://", ":443"}, {"http://", ":80"}, {"wss://", ":443"}, {"ws://", ":80"}};
    for (size_t i = 0; i < ARRAY_LENGTH(defaults); i++) {
        if (bytes_equal(port, bytes_of_string(defaults[i].port)) &&
            bytes_equal_ignore_case(scheme, bytes_of_string(defaults[i].scheme)))
            return true;
    }
    return false;
}

/*
 * Splits an origin into scheme and host, and drops the scheme's default port. False: it has no
 * scheme.
 */
static bool split_origin(struct bytes origin, struct bytes *ret_scheme, struct bytes *ret_host)
{
    if (!split_scheme(origin, ret_scheme, ret_host))
        return false;
    struct bytes name = *ret_host;
    if (is_default_port(*ret_scheme, take_port(&name)))
        *ret_host = name;
    return true;
}

/* Whether the text is `host`, `host:port` or `[::1]:port`; the host need not exist. */
static bool is_host(struct bytes host)
{
    struct bytes port = take_port(&host);
    bool is_address = host.length > 2 && host.data[0] == '[' && host.data[host.length - 1] == ']';
    if (is_address)
        host = bytes_of(host.data + 1, host.length - 2);
    for (size_t i = 0; i < host.length; i++) {
        bool is_mark =
            memchr("-._", host.data[i], 3) != NULL || (is_address && host.data[i] == ':');
        if (!is_letter_or_digit(host.data[i]) && !is_mark)
            return false;
    }
    return host.length > 0 && is_port(port);
}

/* Whether a star may stand for the text: labels of a name, but no port and no address. */
static bool are_labels(struct bytes text)
{
    for (size_t i = 0; i < text.length; i++) {
        if (!is_letter_or_digit(text.data[i]) && memchr("-._", text.data[i], 3) == NULL)
            return false;
    }
    return text.length > 0 && text.data[0] != '.';
}

/* Finds a part of a URL that an origin does not have, and returns what to write instead. */
static const char *find_more_than_host(struct bytes rest)
{
    static const struct {
        char mark;
        const char *fault;
    } marks[] = {
        {'@', "origins without a user, such as https://game.example"},
        {'?', "origins without a query, such as https://game.example"},
        {'#', "origins without a fragment, such as https://game.example"},
        {'/', "origins without a path or a slash at the end, such as https://game.example"},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(marks); i++) {
        if (rest.length > 0 && memchr(rest.data, marks[i].mark, rest.length) != NULL)
            return marks[i].fault;
    }
    return NULL;
}

const char *origin_pattern_fault(struct bytes pattern)
{
    static const char wanted[] = "origins such as https://game.example or https://*.game.example";
    struct bytes scheme;
    struct bytes host;
    if (bytes_equal(pattern, BYTES("null")))
        return NULL;
    if (!split_scheme(pattern, &scheme, &host) || !is_scheme(scheme))
        return wanted;
    const char *fault = find_more_than_host(host);
    if (fault != NULL)
        return fault;
    if (host.length == 0 && !scheme_has_hosts(scheme))
        return NULL;
    if (has_wildcard(host))
        host = bytes_of(host.data + 2, host.length - 2);
    return is_host(host) ? NULL : wanted;
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
    if (!split_origin(pattern, &pattern_scheme, &pattern_host))
        return bytes_equal_ignore_case(origin, pattern);
    if (!split_origin(origin, &scheme, &host) || !bytes_equal_ignore_case(scheme, pattern_scheme))
        return false;
    if (!has_wildcard(pattern_host))
        return bytes_equal_ignore_case(host, pattern_host);
    /* The suffix begins with the dot; only labels of a name may precede it. */
    struct bytes suffix = bytes_of(pattern_host.data + 1, pattern_host.length - 1);
    if (host.length <= suffix.length || !has_suffix(host, suffix))
        return false;
    return are_labels(bytes_of(host.data, host.length - suffix.length));
}
