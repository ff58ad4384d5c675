/*
 * Parses both versions of the PROXY protocol. Ports and extra fields (TLVs) must be in their
 * places; their values are not used.
 */
#include "proto/proxy_header.h"

#define TEXT_LENGTH_MAX 107 /* with the CRLF (section 2.1) */

#define BINARY_HEADER_LENGTH 16
#define COMMAND_LOCAL 0x20 /* the upper half byte is the version, 2 */
#define COMMAND_PROXY 0x21
#define FAMILY_IPV4 0x1
#define FAMILY_IPV6 0x2
#define FAMILY_UNIX 0x3
#define ADDRESSES_LENGTH_IPV4 12 /* two addresses and two ports */
#define ADDRESSES_LENGTH_IPV6 36
#define ADDRESSES_LENGTH_UNIX 216

static const struct bytes text_signature = {(const uint8_t *)"PROXY ", 6};
static const struct bytes binary_signature = {
    (const uint8_t *)"\x0D\x0A\x0D\x0A\x00\x0D\x0A\x51\x55\x49\x54\x0A", 12};

/* NONE: it differs; NEED_MORE: the input is shorter than the signature; DONE: it matches. */
static enum proxy_result match_signature(struct bytes in, struct bytes signature)
{
    size_t length = in.length < signature.length ? in.length : signature.length;
    if (length > 0 && memcmp(in.data, signature.data, length) != 0)
        return PROXY_NONE;
    return length < signature.length ? PROXY_NEED_MORE : PROXY_DONE;
}

/* Takes the next word of a line in which single spaces separate words. */
static struct bytes next_word(struct bytes *line)
{
    const uint8_t *space = line->length > 0 ? memchr(line->data, ' ', line->length) : NULL;
    struct bytes word = *line;
    if (space == NULL) {
        line->length = 0;
        return word;
    }
    word.length = (size_t)(space - line->data);
    line->data = space + 1;
    line->length -= word.length + 1;
    return word;
}

static bool is_port(struct bytes text)
{
    unsigned port = 0;
    if (text.length == 0 || text.length > 5 || (text.length > 1 && text.data[0] == '0'))
        return false;
    for (size_t i = 0; i < text.length; i++) {
        if (text.data[i] < '0' || text.data[i] > '9')
            return false;
        port = port * 10 + (unsigned)(text.data[i] - '0');
    }
    return port <= 65535;
}

/* Parses an address, which must be of the family that the header has named. */
static bool parse_address(struct bytes text, bool is_ipv6, struct address *ret_address)
{
    bool has_colon = text.length > 0 && memchr(text.data, ':', text.length) != NULL;
    return has_colon == is_ipv6 && address_parse(text, ret_address);
}

/* Parses `TCP4 source destination port port`, which follows the signature. */
static enum proxy_result parse_text_line(struct bytes line, struct proxy_header *ret_header)
{
    struct bytes family = next_word(&line);
    if (bytes_equal(family, BYTES("UNKNOWN")))
        return PROXY_DONE; /* section 2.1: ignore the rest of the line */
    bool is_ipv6 = bytes_equal(family, BYTES("TCP6"));
    if (!is_ipv6 && !bytes_equal(family, BYTES("TCP4")))
        return PROXY_INVALID;

    struct address destination;
    bool is_good = parse_address(next_word(&line), is_ipv6, &ret_header->from) &&
                   parse_address(next_word(&line), is_ipv6, &destination) &&
                   is_port(next_word(&line));
    if (!is_good || !is_port(line)) /* the last word is the rest of the line */
        return PROXY_INVALID;
    ret_header->has_address = true;
    return PROXY_DONE;
}

static enum proxy_result parse_text(struct bytes in, struct proxy_header *ret_header)
{
    size_t length = in.length < TEXT_LENGTH_MAX ? in.length : TEXT_LENGTH_MAX;
    const uint8_t *end = memchr(in.data, '\r', length);
    if (end == NULL)
        return length == TEXT_LENGTH_MAX ? PROXY_INVALID : PROXY_NEED_MORE;
    size_t line_length = (size_t)(end - in.data);
    if (line_length + 1 == TEXT_LENGTH_MAX)
        return PROXY_INVALID;
    if (line_length + 1 == in.length)
        return PROXY_NEED_MORE;
    if (end[1] != '\n')
        return PROXY_INVALID;
    ret_header->length = line_length + 2;
    return parse_text_line(
        bytes_of(in.data + text_signature.length, line_length - text_signature.length), ret_header);
}

static enum proxy_result parse_addresses(struct bytes in, size_t length,
                                         struct proxy_header *ret_header)
{
    const uint8_t *addresses = in.data + BINARY_HEADER_LENGTH;
    switch (in.data[13] >> 4) {
    case FAMILY_IPV4:
        if (length < ADDRESSES_LENGTH_IPV4)
            return PROXY_INVALID;
        ret_header->from = address_of_ipv4(addresses);
        ret_header->has_address = true;
        return PROXY_DONE;
    case FAMILY_IPV6:
        if (length < ADDRESSES_LENGTH_IPV6)
            return PROXY_INVALID;
        ret_header->from = address_of_ipv6(addresses);
        ret_header->has_address = true;
        return PROXY_DONE;
    case FAMILY_UNIX:
        return length < ADDRESSES_LENGTH_UNIX ? PROXY_INVALID : PROXY_DONE;
    default:
        return PROXY_DONE; /* unspecified: the connection's own address counts (section 2.2) */
    }
}

static enum proxy_result parse_binary(struct bytes in, struct proxy_header *ret_header)
{
    if (in.length > 12 && in.data[12] != COMMAND_LOCAL && in.data[12] != COMMAND_PROXY)
        return PROXY_INVALID;
    if (in.length < BINARY_HEADER_LENGTH)
        return PROXY_NEED_MORE;
    size_t length = (size_t)in.data[14] << 8 | in.data[15];
    if (BINARY_HEADER_LENGTH + length > PROXY_HEADER_BYTES_MAX)
        return PROXY_INVALID;
    if (in.length < BINARY_HEADER_LENGTH + length)
        return PROXY_NEED_MORE;
    ret_header->length = BINARY_HEADER_LENGTH + length;
    if (in.data[12] == COMMAND_LOCAL)
        return PROXY_DONE;
    return parse_addresses(in, length, ret_header);
}

enum proxy_result proxy_header_parse(struct bytes in, struct proxy_header *ret_header)
{
    *ret_header = (struct proxy_header){0};
    enum proxy_result result = match_signature(in, text_signature);
    if (result == PROXY_DONE)
        return parse_text(in, ret_header);
    if (result == PROXY_NONE)
        result = match_signature(in, binary_signature);
    if (result == PROXY_DONE)
        return parse_binary(in, ret_header);
    return result;
}
