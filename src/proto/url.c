/*
 * Classifies URLs. Comments name states, parsers and terms of the WHATWG URL Standard, which has no
 * permanent section numbers. Nothing after the authority can make a URL invalid, so path, query and
 * fragment are not read.
 */
#include "proto/url.h"

#include "base/address.h"
#include "base/attributes.h"

#define PORT_MAX 65535
#define IPV4_PARTS_MAX 4
#define NOT_A_DIGIT 16 /* above all digits of the radices in use */

static bool is_letter(uint8_t c)
{
    uint8_t lower = ascii_lower(c);
    return lower >= 'a' && lower <= 'z';
}

static bool is_digit(uint8_t c)
{
    return c >= '0' && c <= '9';
}

static unsigned digit_value(uint8_t c)
{
    uint8_t lower = ascii_lower(c);
    if (is_digit(c))
        return (unsigned)(c - '0');
    return lower >= 'a' && lower <= 'f' ? (unsigned)(lower - 'a') + 10 : NOT_A_DIGIT;
}

static bool is_slash(uint8_t c, bool is_special)
{
    return c == '/' || (is_special && c == '\\');
}

static struct bytes without_first(struct bytes text, size_t count)
{
    return bytes_of(text.data + count, text.length - count);
}

static bool has_space_or_control(struct bytes text)
{
    for (size_t i = 0; i < text.length; i++) {
        if (text.data[i] <= ' ')
            return true;
    }
    return false;
}

/* Takes the scheme and its colon off (scheme start state, scheme state). */
static bool take_scheme(struct bytes *text, struct bytes *ret_scheme)
{
    const uint8_t *colon = text->length > 0 ? memchr(text->data, ':', text->length) : NULL;
    if (colon == NULL || !is_letter(text->data[0]))
        return false; /* a relative URL, for which there is no base */
    *ret_scheme = bytes_of(text->data, (size_t)(colon - text->data));
    for (size_t i = 1; i < ret_scheme->length; i++) {
        uint8_t c = ret_scheme->data[i];
        if (!is_letter(c) && !is_digit(c) && c != '+' && c != '-' && c != '.')
            return false;
    }
    *text = without_first(*text, ret_scheme->length + 1);
    return true;
}

/* The special schemes without `file`, which has rules of its own. */
static bool is_special_scheme(struct bytes scheme)
{
    static const char *const special[] = {"http", "https", "ws", "wss", "ftp"};
    for (size_t i = 0; i < ARRAY_LENGTH(special); i++) {
        if (bytes_equal_ignore_case(scheme, bytes_of_string(special[i])))
            return true;
    }
    return false;
}

/* The part before path, query and fragment. */
static struct bytes authority_of(struct bytes text, bool is_special)
{
    size_t length = 0;
    while (length < text.length && text.data[length] != '?' && text.data[length] != '#' &&
           !is_slash(text.data[length], is_special))
        length++;
    return bytes_of(text.data, length);
}

/* Forbidden host code points; url_classify() has refused those up to U+0020. */
static bool is_forbidden_in_host(uint8_t c)
{
    return c != 0 && strchr("#/:<>?@[\\]^|", c) != NULL;
}

/* Forbidden domain code points, and bytes that are not ASCII. */
static bool is_forbidden_in_domain(uint8_t c)
{
    return c <= ' ' || c >= 0x7F || c == '%' || is_forbidden_in_host(c);
}

/* Takes the first byte off the text, percent-decoded. */
static uint8_t take_decoded_byte(struct bytes *text)
{
    uint8_t byte = text->data[0];
    size_t length = 1;
    if (byte == '%' && text->length >= 3) {
        unsigned high = digit_value(text->data[1]);
        unsigned low = digit_value(text->data[2]);
        if (high != NOT_A_DIGIT && low != NOT_A_DIGIT) {
            byte = (uint8_t)(high << 4 | low);
            length = 3;
        }
    }
    *text = without_first(*text, length);
    return byte;
}

/* Takes the part before the first dot off the domain, with the dot. */
static struct bytes take_label(struct bytes *domain)
{
    const uint8_t *dot = domain->length > 0 ? memchr(domain->data, '.', domain->length) : NULL;
    size_t length = dot != NULL ? (size_t)(dot - domain->data) : domain->length;
    struct bytes label = bytes_of(domain->data, length);
    *domain = without_first(*domain, dot != NULL ? length + 1 : length);
    return label;
}

/* The IPv4 number parser. A number that is too large for an address stays too large. */
static bool parse_ipv4_number(struct bytes text, uint64_t *ret_number)
{
    unsigned radix = 10;
    if (text.length == 0)
        return false;
    if (bytes_have_prefix(text, BYTES("0x"))) {
        radix = 16;
        text = without_first(text, 2);
    } else if (text.data[0] == '0') {
        radix = 8;
        text = without_first(text, 1);
    }

    *ret_number = 0; /* the value of `0x` and `0` */
    for (size_t i = 0; i < text.length; i++) {
        unsigned digit = digit_value(text.data[i]);
        if (digit >= radix)
            return false;
        if (*ret_number <= UINT32_MAX)
            *ret_number = *ret_number * radix + digit;
    }
    return true;
}

static bool are_digits(struct bytes text)
{
    for (size_t i = 0; i < text.length; i++) {
        if (!is_digit(text.data[i]))
            return false;
    }
    return true;
}

/* The ends-in-a-number checker, for a domain whose last dot is already removed. */
static bool ends_in_a_number(struct bytes domain)
{
    const uint8_t *dot = memrchr(domain.data, '.', domain.length);
    if (dot != NULL)
        domain = without_first(domain, (size_t)(dot - domain.data) + 1);
    uint64_t number;
    return domain.length > 0 && (are_digits(domain) || parse_ipv4_number(domain, &number));
}

/* The IPv4 parser, for a domain that ends in a number; so an empty rest follows the last part. */
static bool parse_ipv4(struct bytes domain, struct address *ret_address)
{
    uint8_t octets[IPV4_PARTS_MAX] = {0};
    for (unsigned parts = 1; parts <= IPV4_PARTS_MAX; parts++) {
        uint64_t number;
        if (!parse_ipv4_number(take_label(&domain), &number))
            return false;
        if (domain.length > 0 && number > UINT8_MAX)
            return false;
        if (domain.length > 0) {
            octets[parts - 1] = (uint8_t)number;
            continue;
        }
        /* The last part fills all remaining octets. */
        if (number >= UINT64_C(1) << 8 * (IPV4_PARTS_MAX + 1 - parts))
            return false;
        for (unsigned at = IPV4_PARTS_MAX; at >= parts; at--, number >>= 8)
            octets[at - 1] = (uint8_t)number;
        *ret_address = address_of_ipv4(octets);
        return true;
    }
    return false;
}

/*
 * The IPv6 parser accepts what inet_pton() does: no zone, `::` for one group or more, and an
 * embedded IPv4 address of four parts without leading zeros. An IPv4 address alone has no colon.
 */
static bool parse_ipv6(struct bytes text, struct address *ret_address)
{
    return text.length > 0 && memchr(text.data, ':', text.length) != NULL &&
           address_parse(text, ret_address);
}

/* Reads `[address]`, of which the first bracket is known to be there. */
static bool parse_bracketed_ipv6(struct bytes host, struct address *ret_address)
{
    return host.data[host.length - 1] == ']' &&
           parse_ipv6(bytes_of(host.data + 1, host.length - 2), ret_address);
}

bool url_domain_is_below(struct bytes domain, struct bytes last)
{
    if (domain.length > 0 && domain.data[domain.length - 1] == '.')
        domain.length--;
    if (domain.length < last.length)
        return false;
    size_t rest = domain.length - last.length;
    return bytes_equal_ignore_case(without_first(domain, rest), last) &&
           (rest == 0 || domain.data[rest - 1] == '.');
}

/* RFC 6761 6.3 and RFC 6762 3: names of this machine, and of others in the same network. */
static bool is_near_domain(struct bytes domain)
{
    return url_domain_is_below(domain, BYTES("localhost")) ||
           (url_domain_is_below(domain, BYTES("local")) && domain.length > sizeof "local");
}

/*
 * The host parser for special schemes. It accepts an empty host, which callers must check.
 * `ret_is_near`: the host is this machine, or in a private network.
 */
static bool is_domain_or_address(struct bytes host, bool *ret_is_near)
{
    struct address address;
    if (host.length > 0 && host.data[0] == '[') {
        bool is_address = parse_bracketed_ipv6(host, &address);
        *ret_is_near = is_address && address_is_private(address);
        return is_address;
    }
    uint8_t decoded[URL_LENGTH_MAX];
    size_t length = 0;
    while (host.length > 0) {
        uint8_t byte = take_decoded_byte(&host);
        if (is_forbidden_in_domain(byte))
            return false;
        decoded[length++] = byte;
    }

    /* Domain to ASCII changes only the case: labels may have any length, even 0. */
    if (length > 0 && decoded[length - 1] == '.')
        length--;
    struct bytes domain = bytes_of(decoded, length);
    *ret_is_near = is_near_domain(domain);
    if (!ends_in_a_number(domain))
        return true;
    bool is_address = parse_ipv4(domain, &address);
    *ret_is_near = is_address && address_is_private(address);
    return is_address;
}

/* The opaque-host parser, for all other schemes. */
static bool is_opaque_host(struct bytes host)
{
    struct address address;
    if (host.length > 0 && host.data[0] == '[')
        return parse_bracketed_ipv6(host, &address);
    for (size_t i = 0; i < host.length; i++) {
        if (is_forbidden_in_host(host.data[i]))
            return false;
    }
    return true;
}

/* The port state: a port may be empty, and begin with any number of zeros. */
static bool is_port(struct bytes text)
{
    unsigned port = 0;
    if (!are_digits(text))
        return false;
    for (size_t i = 0; i < text.length && port <= PORT_MAX; i++)
        port = port * 10 + digit_value(text.data[i]);
    return port <= PORT_MAX;
}

/* Splits host and port at the first colon outside of brackets (host state). */
static bool split_port(struct bytes *host, struct bytes *ret_port)
{
    bool is_inside_brackets = false;
    for (size_t i = 0; i < host->length; i++) {
        uint8_t c = host->data[i];
        if (c == ':' && !is_inside_brackets) {
            *ret_port = without_first(*host, i + 1);
            host->length = i;
            return true;
        }
        if (c == '[' || c == ']')
            is_inside_brackets = c == '[';
    }
    return false;
}

/* The part behind the user. */
static struct bytes without_user(struct bytes authority)
{
    const uint8_t *at = memrchr(authority.data, '@', authority.length);
    return at == NULL ? authority : without_first(authority, (size_t)(at - authority.data) + 1);
}

/*
 * Checks user, host and port (authority state, host state). A host may be empty only without user
 * and port.
 */
static bool is_authority(struct bytes authority, bool is_special, bool *ret_is_near)
{
    struct bytes host = without_user(authority);
    struct bytes port = BYTES("");
    bool has_user = host.length < authority.length;
    bool has_port = split_port(&host, &port);
    if (host.length == 0)
        return !is_special && !has_port && !has_user;
    return is_port(port) &&
           (is_special ? is_domain_or_address(host, ret_is_near) : is_opaque_host(host));
}

/* `C:` or `C|`, which begins the path in the place of a host (file host state). */
static bool is_windows_drive_letter(struct bytes text)
{
    return text.length == 2 && is_letter(text.data[0]) &&
           (text.data[1] == ':' || text.data[1] == '|');
}

/* Checks what follows `file:` (file state and later ones). It has neither user nor port. */
static bool is_rest_of_file(struct bytes rest)
{
    if (rest.length < 2 || !is_slash(rest.data[0], true) || !is_slash(rest.data[1], true))
        return true;
    struct bytes host = authority_of(without_first(rest, 2), true);
    bool is_near;
    return is_windows_drive_letter(host) || is_domain_or_address(host, &is_near);
}

/* The authority of a URL with a special scheme, of which this is the part behind the colon. */
static struct bytes special_authority(struct bytes rest)
{
    /* Any number of slashes, even none (special authority ignore slashes state). */
    while (rest.length > 0 && is_slash(rest.data[0], true))
        rest = without_first(rest, 1);
    return authority_of(rest, true);
}

/* Checks what follows the colon of a scheme. */
static bool is_rest(struct bytes rest, struct bytes scheme, bool *ret_is_near)
{
    if (bytes_equal_ignore_case(scheme, BYTES("file")))
        return is_rest_of_file(rest);
    bool is_special = is_special_scheme(scheme);
    if (!is_special && !bytes_have_prefix(rest, BYTES("//")))
        return true; /* a path, or an opaque path */
    if (!is_special)
        return is_authority(authority_of(without_first(rest, 2), false), false, ret_is_near);
    return is_authority(special_authority(rest), true, ret_is_near);
}

enum url_kind url_classify(struct bytes text)
{
    struct bytes scheme;
    bool is_near = false;
    if (text.length > URL_LENGTH_MAX || has_space_or_control(text))
        return URL_INVALID;
    if (!take_scheme(&text, &scheme) || !is_rest(text, scheme, &is_near))
        return URL_INVALID;
    if (bytes_equal_ignore_case(scheme, BYTES("https")))
        return URL_HTTPS;
    if (!bytes_equal_ignore_case(scheme, BYTES("http")))
        return URL_OTHER;
    return is_near ? URL_HTTP_NEAR : URL_HTTP;
}

struct bytes url_host(struct bytes text)
{
    struct bytes scheme;
    struct bytes port;
    if (!take_scheme(&text, &scheme))
        return (struct bytes){0};
    struct bytes host = without_user(special_authority(text));
    (void)split_port(&host, &port);
    return host;
}
