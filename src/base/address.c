/* IP addresses. The C library reads and writes their text forms. */
#include "base/address.h"

#include <arpa/inet.h>

__extension__ typedef unsigned __int128 uint128;

#define IPV4_PREFIX_LENGTH 96 /* bits of an IPv4-mapped address before its own four octets */

static const uint8_t ipv4_prefix[12] = {[10] = 0xFF, [11] = 0xFF};

bool address_is_ipv4(struct address address)
{
    return memcmp(address.octets, ipv4_prefix, sizeof ipv4_prefix) == 0;
}

struct address address_of_ipv4(const uint8_t octets[4])
{
    struct address address;
    memcpy(address.octets, ipv4_prefix, sizeof ipv4_prefix);
    memcpy(address.octets + sizeof ipv4_prefix, octets, 4);
    return address;
}

struct address address_of_ipv6(const uint8_t octets[16])
{
    struct address address;
    memcpy(address.octets, octets, sizeof address.octets);
    return address;
}

bool address_parse(struct bytes text, struct address *ret_address)
{
    char string[INET6_ADDRSTRLEN];
    uint8_t octets[16];
    if (text.length == 0 || text.length >= sizeof string ||
        memchr(text.data, '\0', text.length) != NULL)
        return false;
    memcpy(string, text.data, text.length);
    string[text.length] = '\0';
    if (inet_pton(AF_INET, string, octets) == 1)
        *ret_address = address_of_ipv4(octets);
    else if (inet_pton(AF_INET6, string, octets) == 1)
        *ret_address = address_of_ipv6(octets);
    else
        return false;
    return true;
}

void address_write(struct address address, char ret_text[ADDRESS_TEXT_BYTES_MAX])
{
    bool is_ipv4 = address_is_ipv4(address);
    const uint8_t *octets = address.octets + (is_ipv4 ? sizeof ipv4_prefix : 0);
    inet_ntop(is_ipv4 ? AF_INET : AF_INET6, octets, ret_text, ADDRESS_TEXT_BYTES_MAX);
}

bool address_parse_with_port(struct bytes text, struct address *ret_address)
{
    if (text.length > 0 && text.data[0] == '[') {
        const uint8_t *end = memchr(text.data, ']', text.length);
        if (end == NULL)
            return false;
        bool has_port = end + 1 < text.data + text.length;
        if (has_port && end[1] != ':')
            return false;
        return address_parse(bytes_of(text.data + 1, (size_t)(end - text.data - 1)), ret_address);
    }
    /* More than one colon: IPv6 without brackets, which can't have a port. */
    const uint8_t *colon = text.length > 0 ? memchr(text.data, ':', text.length) : NULL;
    if (colon != NULL && memrchr(text.data, ':', text.length) == colon)
        text.length = (size_t)(colon - text.data);
    return address_parse(text, ret_address);
}

static bool read_prefix_length(struct bytes text, unsigned maximum, uint8_t *ret_length)
{
    unsigned length = 0;
    if (text.length == 0 || text.length > 3)
        return false;
    for (size_t i = 0; i < text.length; i++) {
        if (text.data[i] < '0' || text.data[i] > '9')
            return false;
        length = length * 10 + (unsigned)(text.data[i] - '0');
    }
    *ret_length = (uint8_t)length;
    return length <= maximum;
}

static void clear_behind_prefix(struct address *address, unsigned prefix_length)
{
    for (unsigned i = 0; i < sizeof address->octets; i++) {
        unsigned bits = prefix_length > 8 * i ? prefix_length - 8 * i : 0;
        if (bits < 8)
            address->octets[i] &= (uint8_t)(0xFF << (8 - bits));
    }
}

bool address_range_parse(struct bytes text, struct address_range *ret_range)
{
    const uint8_t *slash = text.length > 0 ? memchr(text.data, '/', text.length) : NULL;
    struct bytes address = text;
    if (slash != NULL)
        address.length = (size_t)(slash - text.data);
    if (!address_parse(address, &ret_range->base))
        return false;

    /* The prefix length of an IPv4 range counts from the first bit of the IPv4 address. */
    unsigned offset = memchr(address.data, ':', address.length) == NULL ? IPV4_PREFIX_LENGTH : 0;
    uint8_t length = (uint8_t)(128 - offset);
    if (slash != NULL) {
        struct bytes digits = bytes_of(slash + 1, text.length - address.length - 1);
        if (!read_prefix_length(digits, 128 - offset, &length))
            return false;
    }
    ret_range->prefix_length = (uint8_t)(offset + length);
    clear_behind_prefix(&ret_range->base, ret_range->prefix_length);
    return true;
}

bool address_range_contains(const struct address_range *range, struct address address)
{
    clear_behind_prefix(&address, range->prefix_length);
    return address_equal(address, range->base);
}

struct address address_network(struct address address, unsigned prefix_length)
{
    clear_behind_prefix(&address, prefix_length);
    return address;
}

static const struct address loopback = {{[15] = 1}};

struct address address_subnet(struct address address)
{
    if (!address_is_ipv4(address) && !address_equal(address, loopback))
        clear_behind_prefix(&address, 64);
    return address;
}

bool address_is_loopback(struct address address)
{
    return address_equal(address, loopback) ||
           (address_is_ipv4(address) && address.octets[12] == 127);
}

#define IPV4(a, b) 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF, a, b

bool address_is_private(struct address address)
{
    static const struct address_range ranges[] = {
        {{{IPV4(127, 0)}}, IPV4_PREFIX_LENGTH + 8},
        {{{IPV4(10, 0)}}, IPV4_PREFIX_LENGTH + 8},
        {{{IPV4(172, 16)}}, IPV4_PREFIX_LENGTH + 12},
        {{{IPV4(192, 168)}}, IPV4_PREFIX_LENGTH + 16},
        {{{IPV4(169, 254)}}, IPV4_PREFIX_LENGTH + 16},
        {{{IPV4(100, 64)}}, IPV4_PREFIX_LENGTH + 10},
        {{{[15] = 1}}, 128},
        {{{0xFC}}, 7},
        {{{0xFE, 0x80}}, 10},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(ranges); i++) {
        if (address_range_contains(&ranges[i], address))
            return true;
    }
    return false;
}

uint64_t address_hash(struct address address, const uint64_t keys[2])
{
    uint64_t halves[2];
    memcpy(halves, address.octets, sizeof halves);
    uint128 product = (uint128)(halves[0] ^ keys[0]) * (uint128)(halves[1] ^ keys[1]);
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}
