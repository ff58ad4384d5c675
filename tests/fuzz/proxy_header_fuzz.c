/*
 * PROXY headers, both versions, against a reference that reads a whole header.
 *
 * - The header is fed as it would arrive, more and more of it: a verdict, once it is final, never
 *   changes, and the header's length lies within what was fed.
 * - On the whole input, the verdict, the length and the client's address are those of the
 *   reference, which splits the line of version 1 with sscanf() and has inet_ntop() write the
 *   address back.
 */
#include <arpa/inet.h>
#include <stdio.h>

#include "fuzz/fuzz_input.h"
#include "proto/proxy_header.h"

#define LINE_LENGTH_MAX 107
#define CUTS_MAX 40

struct verdict {
    enum proxy_result result;
    struct proxy_header header;
};

static struct verdict judge(struct bytes in)
{
    struct bytes_mut copy = fuzz_copy(in);
    struct verdict verdict;
    verdict.result = proxy_header_parse(bytes_of(copy.data, copy.length), &verdict.header);
    free(copy.data);
    if (verdict.result != PROXY_DONE)
        verdict.header = (struct proxy_header){0};
    return verdict;
}

static bool verdicts_are_equal(const struct verdict *a, const struct verdict *b)
{
    if (a->result != b->result || a->header.length != b->header.length)
        return false;
    if (a->header.has_address != b->header.has_address)
        return false;
    return !a->header.has_address || address_equal(a->header.from, b->header.from);
}

static void check_prefixes(struct bytes in, const struct verdict *whole)
{
    size_t stride = 1 + in.length / CUTS_MAX;
    struct verdict before = {.result = PROXY_NEED_MORE};
    for (size_t cut = in.length % stride; cut < in.length; cut += stride) {
        struct verdict verdict = judge(bytes_of(in.data, cut));
        if (before.result != PROXY_NEED_MORE)
            assert(verdicts_are_equal(&verdict, &before));
        before = verdict;
    }
    if (before.result != PROXY_NEED_MORE)
        assert(verdicts_are_equal(&before, whole));
    if (whole->result != PROXY_DONE)
        return;
    assert(whole->header.length > 0 && whole->header.length <= in.length);
    assert(whole->header.length <= PROXY_HEADER_BYTES_MAX);
    struct verdict exact = judge(bytes_of(in.data, whole->header.length));
    struct verdict short_by_one = judge(bytes_of(in.data, whole->header.length - 1));
    assert(verdicts_are_equal(&exact, whole));
    assert(short_by_one.result == PROXY_NEED_MORE);
}

/* Whether `in` may yet become something that begins with `signature`, or has. */
static bool may_begin_with(struct bytes in, const void *signature, size_t length)
{
    return memcmp(in.data, signature, in.length < length ? in.length : length) == 0;
}

static bool is_number_to(const char *text, long most)
{
    char again[16];
    long number = strtol(text, NULL, 10);
    snprintf(again, sizeof again, "%ld", number);
    return number >= 0 && number <= most && strcmp(text, again) == 0;
}

static bool read_address(int family, const char *text, struct address *ret_address)
{
    uint8_t octets[16];
    if (inet_pton(family, text, octets) != 1)
        return false;
    *ret_address = family == AF_INET ? address_of_ipv4(octets) : address_of_ipv6(octets);
    return true;
}

/* The line of version 1 without its CRLF, as a string, when it has addresses. */
static bool read_line(const char *line, struct proxy_header *header)
{
    char words[4][LINE_LENGTH_MAX + 1];
    char again[5 * LINE_LENGTH_MAX];
    struct address destination;
    char family;
    if (sscanf(line, "PROXY TCP%c %107s %107s %107s %107s", &family, words[0], words[1], words[2],
               words[3]) != 5)
        return false;
    /* sscanf() takes any white space between words, and what follows the last. */
    snprintf(again, sizeof again, "PROXY TCP%c %s %s %s %s", family, words[0], words[1], words[2],
             words[3]);
    if (strcmp(again, line) != 0 || (family != '4' && family != '6'))
        return false;
    int version = family == '4' ? AF_INET : AF_INET6;
    header->has_address = true;
    return read_address(version, words[0], &header->from) &&
           read_address(version, words[1], &destination) && is_number_to(words[2], 65535) &&
           is_number_to(words[3], 65535);
}

static enum proxy_result expect_text(struct bytes in, struct proxy_header *header)
{
    char line[LINE_LENGTH_MAX + 1] = "";
    size_t length = 0;
    while (length < in.length && in.data[length] != '\r')
        length++;
    /* Enough bytes for the longest line have come, and it has not ended. */
    if (length > LINE_LENGTH_MAX - 2 && in.length >= LINE_LENGTH_MAX)
        return PROXY_INVALID;
    if (length + 2 > in.length)
        return PROXY_NEED_MORE;
    if (in.data[length + 1] != '\n')
        return PROXY_INVALID;
    memcpy(line, in.data, length);
    header->length = length + 2;
    /* Whatever follows UNKNOWN is to be ignored. */
    if (strcmp(line, "PROXY UNKNOWN") == 0 ? length == 13
                                           : strncmp(line, "PROXY UNKNOWN ", 14) == 0)
        return PROXY_DONE;
    return strlen(line) == length && read_line(line, header) ? PROXY_DONE : PROXY_INVALID;
}

/* Bytes that the addresses of a family take; 0 where they are not looked at. */
static size_t addresses_length(unsigned family)
{
    static const size_t lengths[] = {0, 4 + 4 + 2 + 2, 16 + 16 + 2 + 2, 108 + 108};
    return family < sizeof lengths / sizeof lengths[0] ? lengths[family] : 0;
}

static enum proxy_result expect_binary(struct bytes in, struct proxy_header *header)
{
    if (in.length > 12 && in.data[12] != 0x20 && in.data[12] != 0x21)
        return PROXY_INVALID;
    if (in.length < 16)
        return PROXY_NEED_MORE;
    size_t length = in.data[14] * 256u + in.data[15];
    if (16 + length > PROXY_HEADER_BYTES_MAX)
        return PROXY_INVALID;
    if (16 + length > in.length)
        return PROXY_NEED_MORE;
    header->length = 16 + length;
    bool speaks_for_itself = in.data[12] == 0x20;
    unsigned family = in.data[13] >> 4;
    if (speaks_for_itself)
        return PROXY_DONE;
    if (length < addresses_length(family))
        return PROXY_INVALID;
    header->has_address = family == 1 || family == 2;
    if (family == 1)
        header->from = address_of_ipv4(in.data + 16);
    if (family == 2)
        header->from = address_of_ipv6(in.data + 16);
    return PROXY_DONE;
}

static struct verdict expect(struct bytes in)
{
    static const char binary[] = "\r\n\r\n\0\r\nQUIT\n";
    struct verdict expected = {.result = PROXY_NONE};
    if (in.length == 0)
        expected.result = PROXY_NEED_MORE;
    else if (may_begin_with(in, "PROXY ", 6))
        expected.result = in.length < 6 ? PROXY_NEED_MORE : expect_text(in, &expected.header);
    else if (may_begin_with(in, binary, 12))
        expected.result = in.length < 12 ? PROXY_NEED_MORE : expect_binary(in, &expected.header);
    if (expected.result != PROXY_DONE)
        expected.header = (struct proxy_header){0};
    return expected;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes in = bytes_of(data, size);
    struct verdict whole = judge(in);
    struct verdict expected = expect(in);
    assert(verdicts_are_equal(&whole, &expected));
    check_prefixes(in, &whole);
    return 0;
}
