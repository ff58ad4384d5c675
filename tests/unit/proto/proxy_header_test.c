/*
 * The PROXY protocol: every case whole, cut at every place and with the client's own bytes behind
 * it, right before an unreadable page.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
/* cmocka wants these before it. */
#include <cmocka.h>

#include "proto/proxy_header.h"
#include "support/bytes_entry.h"
#include "support/guard_page.h"

#define SIGNATURE "\x0D\x0A\x0D\x0A\x00\x0D\x0A\x51\x55\x49\x54\x0A"
#define FOUR "\xC0\x00\x02\x01\xC6\x33\x64\x01\x12\x34\x00\x50"
#define SIX                                                            \
    "\x20\x01\x0D\xB8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01" \
    "\x20\x01\x0D\xB8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02" \
    "\x12\x34\x01\xBB"

static enum proxy_result parse(struct bytes in, struct proxy_header *ret_header)
{
    struct guarded guarded = guarded_copy(in);
    enum proxy_result result = proxy_header_parse(guarded_view(&guarded), ret_header);
    guarded_free(&guarded);
    return result;
}

static const struct {
    struct bytes header;
    const char *from; /* NULL: the proxy speaks for itself */
} good[] = {
    {BYTES_ENTRY("PROXY TCP4 192.0.2.1 198.51.100.1 4660 80\r\n"), "192.0.2.1"},
    {BYTES_ENTRY("PROXY TCP4 255.255.255.255 255.255.255.255 65535 0\r\n"), "255.255.255.255"},
    {BYTES_ENTRY("PROXY TCP6 2001:db8::1 2001:db8::2 4660 443\r\n"), "2001:db8::1"},
    {BYTES_ENTRY("PROXY UNKNOWN\r\n"), NULL},
    {BYTES_ENTRY("PROXY UNKNOWN ffff::1 ffff::2 65535 65535\r\n"), NULL},
    {BYTES_ENTRY(SIGNATURE "\x21\x11\x00\x0C" FOUR), "192.0.2.1"},
    {BYTES_ENTRY(SIGNATURE "\x21\x11\x00\x0F" FOUR "\x04\x00\x00"), "192.0.2.1"},
    {BYTES_ENTRY(SIGNATURE "\x21\x21\x00\x24" SIX), "2001:db8::1"},
    {BYTES_ENTRY(SIGNATURE "\x20\x00\x00\x00"), NULL},
    {BYTES_ENTRY(SIGNATURE "\x20\x11\x00\x0C" FOUR), NULL},
    {BYTES_ENTRY(SIGNATURE "\x21\x00\x00\x00"), NULL},
    {BYTES_ENTRY(SIGNATURE "\x21\x00\x00\x02\xAA\xBB"), NULL},
};

static void good_headers_are_read_and_nothing_behind_them(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(good); i++) {
        uint8_t text[256];
        struct bytes header = good[i].header;
        struct proxy_header parsed;
        memcpy(text, header.data, header.length);
        memcpy(text + header.length, "GET /", 5);
        for (size_t behind = 0; behind <= 5; behind += 5) {
            assert_int_equal(parse(bytes_of(text, header.length + behind), &parsed), PROXY_DONE);
            assert_int_equal(parsed.length, header.length);
            assert_int_equal(parsed.has_address, good[i].from != NULL);
        }
        if (good[i].from != NULL) {
            struct address from;
            assert_true(address_parse(bytes_of_string(good[i].from), &from));
            assert_true(address_equal(from, parsed.from));
        }
        for (size_t length = 0; length < header.length; length++)
            assert_int_equal(parse(bytes_of(header.data, length), &parsed), PROXY_NEED_MORE);
    }
}

static void wrong_headers_are_refused(void **state)
{
    static const struct bytes cases[] = {
        BYTES_ENTRY("PROXY \r\n"),
        BYTES_ENTRY("PROXY TCP4\r\n"),
        BYTES_ENTRY("PROXY TCP5 192.0.2.1 198.51.100.1 1 2\r\n"),
        BYTES_ENTRY("PROXY tcp4 192.0.2.1 198.51.100.1 1 2\r\n"),
        BYTES_ENTRY("PROXY TCP4  192.0.2.1 198.51.100.1 1 2\r\n"),
        BYTES_ENTRY("PROXY TCP4 192.0.2.1 198.51.100.1 1\r\n"),
        BYTES_ENTRY("PROXY TCP4 192.0.2.1 198.51.100.1 1 2 \r\n"),
        BYTES_ENTRY("PROXY TCP4 192.0.2.1 198.51.100.1 1 2 3\r\n"),
        BYTES_ENTRY("PROXY TCP4 192.0.2.1 198.51.100.1 1 65536\r\n"),
        BYTES_ENTRY("PROXY TCP4 192.0.2.1 198.51.100.1 01 2\r\n"),
        BYTES_ENTRY("PROXY TCP4 192.0.2.1 198.51.100.1 1 2\rX"),
        BYTES_ENTRY("PROXY TCP4 192.0.2.1 198.51.100 1 2\r\n"),
        BYTES_ENTRY("PROXY TCP4 2001:db8::1 2001:db8::2 1 2\r\n"),
        BYTES_ENTRY("PROXY TCP6 192.0.2.1 198.51.100.1 1 2\r\n"),
        BYTES_ENTRY(
            "PROXY UNKNOWN 34567890123456789012345678901234567890123456789012345678901234567"
            "890123456789012345678901234567"),
        BYTES_ENTRY(SIGNATURE "\x11"),
        BYTES_ENTRY(SIGNATURE "\x22"),
        BYTES_ENTRY(SIGNATURE "\x21\x11\xFF\xFF"),
        BYTES_ENTRY(SIGNATURE "\x21\x11\x00\x0B\xC0\x00\x02\x01\xC6\x33\x64\x01\x12\x34\x00"),
        BYTES_ENTRY(SIGNATURE "\x21\x21\x00\x0C" FOUR),
        BYTES_ENTRY(SIGNATURE "\x21\x31\x00\x01/"),
    };
    struct proxy_header parsed;
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++)
        assert_int_equal(parse(cases[i], &parsed), PROXY_INVALID);
}

static void what_does_not_begin_as_one_is_none(void **state)
{
    static const struct bytes cases[] = {
        BYTES_ENTRY("GET / HTTP/1.1\r\n"),
        BYTES_ENTRY("PUT"),
        BYTES_ENTRY("PROXY\r\n"),
        BYTES_ENTRY("\x16\x03\x01"),
        BYTES_ENTRY("X"),
        BYTES_ENTRY("\r\n\r\nGET"),
        BYTES_ENTRY("proxy "),
    };
    struct proxy_header parsed;
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++)
        assert_int_equal(parse(cases[i], &parsed), PROXY_NONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_headers_are_read_and_nothing_behind_them),
        cmocka_unit_test(wrong_headers_are_refused),
        cmocka_unit_test(what_does_not_begin_as_one_is_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
