/*
 * IP addresses as values. An IPv4 address is kept IPv4-mapped (RFC 4291 2.5.5.2), so that a peer of
 * a dual-stack socket, a line of text and a proxy's word for the same machine are the same bytes.
 */
#ifndef PARTY_BASE_ADDRESS_H
#define PARTY_BASE_ADDRESS_H

#include "base/attributes.h"
#include "base/bytes.h"

struct address {
    uint8_t octets[16]; /* in network order */
};

/* All addresses whose first `prefix_length` bits (0 to 128) are those of `base`. */
struct address_range {
    struct address base;
    uint8_t prefix_length;
};

struct address address_of_ipv4(const uint8_t octets[4]);
struct address address_of_ipv6(const uint8_t octets[16]);

static inline bool address_equal(struct address a, struct address b)
{
    return memcmp(a.octets, b.octets, sizeof a.octets) == 0;
}

/* Reads `192.0.2.1` or `2001:db8::1`, nothing around it. */
MUST_CHECK bool address_parse(struct bytes text, struct address *ret_address);

#define ADDRESS_TEXT_BYTES_MAX 46 /* and its end */

/* Writes what address_parse() reads. */
void address_write(struct address address, char ret_text[ADDRESS_TEXT_BYTES_MAX]);

/*
 * Reads an address as proxies write it: with a port or without, IPv6 in brackets or bare
 * (`192.0.2.1:80`, `[2001:db8::1]:80`, `[2001:db8::1]`). The port is dropped.
 */
MUST_CHECK bool address_parse_with_port(struct bytes text, struct address *ret_address);

/* Reads `10.0.0.0/8`, `2001:db8::/32`, or one address. Bits behind the prefix are dropped. */
MUST_CHECK bool address_range_parse(struct bytes text, struct address_range *ret_range);

bool address_range_contains(const struct address_range *range, struct address address);

bool address_is_ipv4(struct address address);

/* A hash under two secret random keys: whoever chooses addresses can't choose where they go. */
uint64_t address_hash(struct address address, const uint64_t keys[2]);

/* The first `prefix_length` bits (0 to 128), zeros behind them. */
struct address address_network(struct address address, unsigned prefix_length);

/*
 * The subnet that a client is counted by: an IPv4 address, or the /64 of an IPv6 one, since whoever
 * has one address of a /64 has all of it. `::1` stays what it is.
 */
struct address address_subnet(struct address address);

/* Whether it reaches this machine, from itself alone: 127.0.0.0/8 and ::1. */
bool address_is_loopback(struct address address);

/*
 * Whether it is nobody's alone, but of this machine or of a network that the world does not reach:
 * loopback, private and link-local ones (RFC 6890; of IPv4 those between a carrier and its
 * customers, RFC 6598, as well).
 */
bool address_is_private(struct address address);

#endif
