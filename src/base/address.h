/*
 * IP addresses as values. An IPv4 address is kept IPv4-mapped (RFC 4291 2.5.5.2). So the peer
 * address of a dual-stack socket, a text, and a proxy's report give the same bytes for the same
 * machine.
 */
#ifndef PARTY_BASE_ADDRESS_H
#define PARTY_BASE_ADDRESS_H

#include "base/attributes.h"
#include "base/bytes.h"

struct address {
    uint8_t octets[16]; /* in network order */
};

/* All addresses whose first `prefix_length` bits (0 to 128) equal those of `base`. */
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

/* Reads `192.0.2.1` or `2001:db8::1`, with nothing around it. */
MUST_CHECK bool address_parse(struct bytes text, struct address *ret_address);

#define ADDRESS_TEXT_BYTES_MAX 46 /* with the NUL */

/* Writes the form that address_parse() reads. */
void address_write(struct address address, char ret_text[ADDRESS_TEXT_BYTES_MAX]);

/*
 * Reads an address as proxies write it: with or without a port, IPv6 with or without brackets
 * (`192.0.2.1:80`, `[2001:db8::1]:80`, `[2001:db8::1]`). The port is dropped.
 */
MUST_CHECK bool address_parse_with_port(struct bytes text, struct address *ret_address);

/* Reads `10.0.0.0/8`, `2001:db8::/32`, or one address. Bits behind the prefix are dropped. */
MUST_CHECK bool address_range_parse(struct bytes text, struct address_range *ret_range);

bool address_range_contains(const struct address_range *range, struct address address);

bool address_is_ipv4(struct address address);

/*
 * A hash with two secret random keys, so that whoever chooses addresses can't choose their buckets.
 */
uint64_t address_hash(struct address address, const uint64_t keys[2]);

/* The first `prefix_length` bits (0 to 128), with zeros behind them. */
struct address address_network(struct address address, unsigned prefix_length);

/*
 * The subnet that a client is counted by: an IPv4 address, or the /64 of an IPv6 address, since a
 * client that has one address of a /64 has all of it. `::1` is a subnet of its own.
 */
struct address address_subnet(struct address address);

/* Whether the address is 127.0.0.0/8 or ::1: only this machine reaches itself there. */
bool address_is_loopback(struct address address);

/*
 * Whether the address is of this machine or of a network that the internet does not reach, so that
 * it may belong to several machines: loopback, private and link-local addresses (RFC 6890), and
 * IPv4 addresses between a carrier and its customers (RFC 6598).
 */
bool address_is_private(struct address address);

#endif
