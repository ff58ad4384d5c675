/* Addresses as text, ranges, networks, and which are private. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
/* cmocka wants these before it. */
#include <cmocka.h>

#include "base/address.h"

static struct address address_from(const char *text)
{
    struct address address;
    assert_true(address_parse(bytes_of_string(text), &address));
    return address;
}

static void the_same_ipv4_address_is_the_same_bytes(void **state)
{
    static const uint8_t octets[4] = {192, 0, 2, 1};
    (void)state;
    assert_true(address_equal(address_from("192.0.2.1"), address_of_ipv4(octets)));
    assert_true(address_equal(address_from("192.0.2.1"), address_from("::ffff:192.0.2.1")));
    assert_true(address_equal(address_from("192.0.2.1"), address_from("::ffff:c000:201")));
    assert_false(address_equal(address_from("192.0.2.1"), address_from("::192.0.2.1")));
}

static void what_is_no_address_is_refused(void **state)
{
    static const char *const cases[] = {
        "",
        " ",
        "192.0.2",
        "192.0.2.256",
        "192.0.2.1 ",
        " 192.0.2.1",
        "192.0.2.1:1",
        "[2001:db8::1]",
        "2001:db8::g",
        "localhost",
        "unknown",
        "::1%lo",
        "1",
        "0x7f.0.0.1",
        "::1::",
        "2001:0db8:0000:0000:0000:0000:0000:0000:0000:0000:0001",
    };
    struct address address;
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++)
        assert_false(address_parse(bytes_of_string(cases[i]), &address));
    assert_false(address_parse(BYTES("192.0.2.1\0"), &address));
}

static void ports_and_brackets_are_dropped(void **state)
{
    static const struct {
        const char *text;
        const char *address; /* NULL: refused */
    } cases[] = {
        {"192.0.2.1", "192.0.2.1"},
        {"192.0.2.1:8080", "192.0.2.1"},
        {"2001:db8::1", "2001:db8::1"},
        {"[2001:db8::1]", "2001:db8::1"},
        {"[2001:db8::1]:443", "2001:db8::1"},
        {"[2001:db8::1", NULL},
        {"[2001:db8::1]443", NULL},
        {"[]", NULL},
        {":80", NULL},
        {"", NULL},
        {"unknown", NULL},
        {"_hidden:80", NULL},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        struct address address;
        bool is_good = address_parse_with_port(bytes_of_string(cases[i].text), &address);
        assert_int_equal(is_good, cases[i].address != NULL);
        if (is_good)
            assert_true(address_equal(address, address_from(cases[i].address)));
    }
}

static void ranges_contain_what_shares_their_prefix(void **state)
{
    static const struct {
        const char *range;
        const char *address;
        bool is_inside;
    } cases[] = {
        {"10.0.0.0/8", "10.255.0.1", true},
        {"10.0.0.0/8", "11.0.0.1", false},
        {"10.1.2.3/8", "10.9.9.9", true}, /* bits behind the prefix are dropped */
        {"10.0.0.0/9", "10.127.0.0", true},
        {"10.0.0.0/9", "10.128.0.0", false},
        {"127.0.0.1", "127.0.0.1", true},
        {"127.0.0.1", "127.0.0.2", false},
        {"127.0.0.1/32", "127.0.0.1", true},
        {"0.0.0.0/0", "8.8.8.8", true},
        {"0.0.0.0/0", "2001:db8::1", false},
        {"::/0", "2001:db8::1", true},
        {"::/0", "192.0.2.1", true}, /* mapped addresses are in there too */
        {"2001:db8::/32", "2001:db8:ffff::1", true},
        {"2001:db8::/32", "2001:db9::1", false},
        {"::1", "::1", true},
        {"::1/128", "::2", false},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        struct address_range range;
        assert_true(address_range_parse(bytes_of_string(cases[i].range), &range));
        assert_int_equal(address_range_contains(&range, address_from(cases[i].address)),
                         cases[i].is_inside);
    }
}

static void what_is_no_range_is_refused(void **state)
{
    static const char *const cases[] = {
        "",
        "/",
        "10.0.0.0/",
        "10.0.0.0/33",
        "10.0.0.0/-1",
        "10.0.0.0/8 ",
        "10.0.0.0/8/8",
        "::1/129",
        "::1/999",
        "::1/0128",
        "/8",
        "proxy",
        "10.0.0.0/x",
    };
    struct address_range range;
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++)
        assert_false(address_range_parse(bytes_of_string(cases[i]), &range));
}

static void a_network_is_what_is_left_without_the_bits_behind_its_prefix(void **state)
{
    (void)state;
    assert_true(address_equal(address_network(address_from("2001:db8:1:2:3:4:5:6"), 64),
                              address_from("2001:db8:1:2::")));
    assert_true(address_equal(address_network(address_from("2001:db8:1:1ff::"), 56),
                              address_from("2001:db8:1:100::")));
    assert_true(address_equal(address_network(address_from("::1"), 0), address_from("::")));
    assert_true(address_equal(address_network(address_from("::1"), 128), address_from("::1")));
}

static void a_place_is_one_ipv4_address_or_a_64_of_ipv6(void **state)
{
    (void)state;
    assert_true(address_equal(address_subnet(address_from("2001:db8:1:2:3:4:5:6")),
                              address_subnet(address_from("2001:db8:1:2:ffff::"))));
    assert_false(address_equal(address_subnet(address_from("2001:db8:1:2::1")),
                               address_subnet(address_from("2001:db8:1:3::1"))));
    assert_false(address_equal(address_subnet(address_from("192.0.2.1")),
                               address_subnet(address_from("192.0.2.2"))));
    assert_true(address_is_private(address_subnet(address_from("::1"))));
}

static void addresses_that_the_world_does_not_reach_are_private(void **state)
{
    (void)state;
    static const char *const private[] = {
        "127.0.0.1",   "127.255.255.255", "10.0.0.0",    "10.255.255.255",
        "172.16.0.1",  "172.31.0.1",      "192.168.0.1", "192.168.255.255",
        "169.254.1.1", "100.64.0.1",      "100.127.0.1", "::ffff:10.1.2.3",
        "::1",         "fc00::1",         "fdff::1",     "fe80::1",
        "febf::1",
    };
    static const char *const public[] = {
        "126.255.255.255",
        "128.0.0.1",
        "9.255.255.255",
        "11.0.0.0",
        "172.15.255.255",
        "172.32.0.0",
        "192.167.255.1",
        "192.169.0.0",
        "169.253.0.1",
        "100.63.255.255",
        "100.128.0.0",
        "0.0.0.0",
        "::",
        "::2",
        "2001:db8::1",
        "fbff::1",
        "fec0::1",
        "::ffff:8.8.8.8",
    };
    for (size_t i = 0; i < ARRAY_LENGTH(private); i++)
        assert_true(address_is_private(address_from(private[i])));
    for (size_t i = 0; i < ARRAY_LENGTH(public); i++)
        assert_false(address_is_private(address_from(public[i])));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_ipv4_address_is_the_same_bytes),
        cmocka_unit_test(what_is_no_address_is_refused),
        cmocka_unit_test(ports_and_brackets_are_dropped),
        cmocka_unit_test(ranges_contain_what_shares_their_prefix),
        cmocka_unit_test(what_is_no_range_is_refused),
        cmocka_unit_test(a_network_is_what_is_left_without_the_bits_behind_its_prefix),
        cmocka_unit_test(a_place_is_one_ipv4_address_or_a_64_of_ipv6),
        cmocka_unit_test(addresses_that_the_world_does_not_reach_are_private),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
