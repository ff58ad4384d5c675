/*
 * What URLs are (WHATWG URL Standard), each right before an unreadable page. That all of it is what
 * a browser says, but for the last tests here, is compared in tests/differential too.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
/* cmocka wants these before it. */
#include <cmocka.h>

#include "base/attributes.h"
#include "proto/url.h"
#include "support/guard_page.h"

#define TEN(text) text text text text text text text text text text
#define HUNDRED(text) TEN(TEN(text))

struct url_case {
    const char *text;
    enum url_kind kind;
};

static enum url_kind classify(struct bytes text)
{
    struct guarded guarded = guarded_copy(text);
    enum url_kind kind = url_classify(guarded_view(&guarded));
    guarded_free(&guarded);
    return kind;
}

static void check(const struct url_case *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        enum url_kind kind = classify(bytes_of_string(cases[i].text));
        if (kind != cases[i].kind)
            fail_msg("'%s' is of kind %d, not %d", cases[i].text, kind, cases[i].kind);
    }
}

#define CHECK(cases) check(cases, ARRAY_LENGTH(cases))

static void the_scheme_is_told_and_relative_texts_are_invalid(void **state)
{
    static const struct url_case cases[] = {
        {"https://example.com", URL_HTTPS},
        {"HttpS://example.com/", URL_HTTPS},
        {"http://example.com", URL_HTTP},
        {"HTTP://example.com", URL_HTTP},
        {"httpss://example.com", URL_OTHER},
        {"htt://example.com", URL_OTHER},
        {"ws://example.com", URL_OTHER},
        {"wss://example.com", URL_OTHER},
        {"ftp://example.com", URL_OTHER},
        {"a+b-c.1://example.com", URL_OTHER},
        {"https+x:example.com", URL_OTHER},
        {"javascript:alert(1)", URL_OTHER},
        {"localhost:8080", URL_OTHER},
        {"", URL_INVALID},
        {"https", URL_INVALID},
        {"example.com", URL_INVALID},
        {"/path", URL_INVALID},
        {"//example.com", URL_INVALID},
        {"?https://example.com", URL_INVALID},
        {":", URL_INVALID},
        {"://example.com", URL_INVALID},
        {"1https://example.com", URL_INVALID},
        {"+https://example.com", URL_INVALID},
        {"ht_tp://example.com", URL_INVALID},
        {"http%73://example.com", URL_INVALID},
        {"http\xC5\xBF://example.com", URL_INVALID},
        {"/https://example.com", URL_INVALID},
        {"127.0.0.1:80", URL_INVALID},
    };
    (void)state;
    CHECK(cases);
}

static void any_slashes_may_follow_a_special_scheme(void **state)
{
    static const struct url_case cases[] = {
        {"https:example.com", URL_HTTPS},
        {"https:/example.com", URL_HTTPS},
        {"https:///example.com", URL_HTTPS},
        {"https:////example.com", URL_HTTPS},
        {"https:\\\\example.com", URL_HTTPS},
        {"https:/\\/example.com", URL_HTTPS},
        {"https://example.com\\path", URL_HTTPS},
        {"https://example.com\\@[", URL_HTTPS},
        {"https:", URL_INVALID},
        {"https:/", URL_INVALID},
        {"https://", URL_INVALID},
        {"https:////", URL_INVALID},
        {"https:\\\\", URL_INVALID},
        {"https://?example.com", URL_INVALID},
        {"https:#example.com", URL_INVALID},
        {"ftp:///", URL_INVALID},
    };
    (void)state;
    CHECK(cases);
}

static void the_last_at_sign_ends_the_user(void **state)
{
    static const struct url_case cases[] = {
        {"https://user@example.com", URL_HTTPS},
        {"https://user:secret@example.com", URL_HTTPS},
        {"https://@example.com", URL_HTTPS},
        {"https://:@example.com", URL_HTTPS},
        {"https://a@b@example.com", URL_HTTPS},
        {"https://a:1:2@example.com:80", URL_HTTPS},
        {"https://[@example.com", URL_HTTPS},
        {"https://<>^|%\xC3\xA9@example.com", URL_HTTPS},
        {"https://example.com/@", URL_HTTPS},
        {"https://example.com?@", URL_HTTPS},
        {"https://example.com#@", URL_HTTPS},
        {"https://user@", URL_INVALID},
        {"https://user@/", URL_INVALID},
        {"https://@/", URL_INVALID},
        {"https://@", URL_INVALID},
        {"https://user@:80", URL_INVALID},
        {"https://user@?example.com", URL_INVALID},
        {"https://user@\\example.com", URL_INVALID},
        {"https://[::1@]", URL_INVALID},
    };
    (void)state;
    CHECK(cases);
}

static void domains_hold_what_is_not_forbidden(void **state)
{
    static const struct url_case cases[] = {
        {"https://a", URL_HTTPS},
        {"https://a_b-.c", URL_HTTPS},
        {"https://-", URL_HTTPS},
        {"https://ab--cd", URL_HTTPS},
        {"https://.", URL_HTTPS},
        {"https://..", URL_HTTPS},
        {"https://a..b", URL_HTTPS},
        {"https://a.", URL_HTTPS},
        {"https://!$&'()*+,;=`{}~\"", URL_HTTPS},
        {"https://a" TEN("123456789"), URL_HTTPS},
        {"https://xn--4ca.example", URL_HTTPS},
        {"https://a<b", URL_INVALID},
        {"https://a>b", URL_INVALID},
        {"https://a[b", URL_INVALID},
        {"https://a]b", URL_INVALID},
        {"https://a^b", URL_INVALID},
        {"https://a|b", URL_INVALID},
        {"https://a\x7F", URL_INVALID},
        {"wss://a|b", URL_INVALID},
    };
    (void)state;
    CHECK(cases);
}

static void domains_are_percent_decoded_once(void **state)
{
    static const struct url_case cases[] = {
        {"https://%61", URL_HTTPS},         {"https://example%2Ecom", URL_HTTPS},
        {"https://%2e", URL_HTTPS},         {"https://%31%30%2E1", URL_HTTPS},
        {"https://a%2e256", URL_INVALID},   {"https://%30%78g", URL_HTTPS},
        {"https://a%", URL_INVALID},        {"https://a%4", URL_INVALID},
        {"https://a%4g", URL_INVALID},      {"https://a%g4", URL_INVALID},
        {"https://%2541", URL_INVALID},     {"https://%%34%31", URL_INVALID},
        {"https://a%00", URL_INVALID},      {"https://a%09b", URL_INVALID},
        {"https://a%20b", URL_INVALID},     {"https://a%7F", URL_INVALID},
        {"https://a%2Fb", URL_INVALID},     {"https://a%5Cb", URL_INVALID},
        {"https://a%40b", URL_INVALID},     {"https://a%3A80", URL_INVALID},
        {"https://a%3F", URL_INVALID},      {"https://a%23", URL_INVALID},
        {"https://%5B::1%5D", URL_INVALID}, {"https://%5B1%5D", URL_INVALID},
    };
    (void)state;
    CHECK(cases);
}

static void what_ends_in_a_number_is_an_ipv4_address(void **state)
{
    static const struct url_case cases[] = {
        {"https://127.0.0.1", URL_HTTPS},
        {"https://127.0.0.1.", URL_HTTPS},
        {"https://255.255.255.255", URL_HTTPS},
        {"https://0", URL_HTTPS},
        {"https://4294967295", URL_HTTPS},
        {"https://1.16777215", URL_HTTPS},
        {"https://1.2.65535", URL_HTTPS},
        {"https://0x", URL_HTTPS},
        {"https://0X7F.1", URL_HTTPS},
        {"https://0xffffffff", URL_HTTPS},
        {"https://0x" TEN("00000000") "1", URL_HTTPS},
        {"https://037777777777", URL_HTTPS},
        {"https://0377.1", URL_HTTPS},
        {"https://1.2.3.4.a", URL_HTTPS},
        {"https://1.2.3.4..", URL_HTTPS},
        {"https://a.1..", URL_HTTPS},
        {"https://1a", URL_HTTPS},
        {"https://a1", URL_HTTPS},
        {"https://a.0xg", URL_HTTPS},
        {"https://1.-1", URL_HTTPS},
        {"https://256.0.0.1", URL_INVALID},
        {"https://1.2.3.256", URL_INVALID},
        {"https://1.2.65536", URL_INVALID},
        {"https://1.16777216", URL_INVALID},
        {"https://4294967296", URL_INVALID},
        {"https://18446744073709551616", URL_INVALID},
        {"https://" TEN("9999999999"), URL_INVALID},
        {"https://0x100000000", URL_INVALID},
        {"https://0x10000000000000001", URL_INVALID},
        {"https://040000000000", URL_INVALID},
        {"https://0x100.1", URL_INVALID},
        {"https://1.2.3.4.5", URL_INVALID},
        {"https://0.0.0.0.0", URL_INVALID},
        {"https://1..2", URL_INVALID},
        {"https://.1", URL_INVALID},
        {"https://a.1", URL_INVALID},
        {"https://a.1.", URL_INVALID},
        {"https://a.0x", URL_INVALID},
        {"https://a.0xff", URL_INVALID},
        {"https://08", URL_INVALID},
        {"https://a.09", URL_INVALID},
        {"https://09.1", URL_INVALID},
        {"https://0xg.1", URL_INVALID},
        {"ftp://1.2.3.4.5", URL_INVALID},
    };
    (void)state;
    CHECK(cases);
}

static void ipv6_addresses_stand_in_brackets(void **state)
{
    static const struct url_case cases[] = {
        {"https://[::]", URL_HTTPS},
        {"https://[::1]", URL_HTTPS},
        {"https://[1::]", URL_HTTPS},
        {"https://[::1]:8080/", URL_HTTPS},
        {"https://user@[::1]", URL_HTTPS},
        {"https://[2001:DB8::ffff]", URL_HTTPS},
        {"https://[1:2:3:4:5:6:7:8]", URL_HTTPS},
        {"https://[1:2:3:4:5:6:7::]", URL_HTTPS},
        {"https://[::2:3:4:5:6:7:8]", URL_HTTPS},
        {"https://[1:2:3::5:6:7:8]", URL_HTTPS},
        {"https://[::1.2.3.4]", URL_HTTPS},
        {"https://[1:2:3:4:5::1.2.3.4]", URL_HTTPS},
        {"https://[1:2:3:4:5:6:255.255.255.255]", URL_HTTPS},
        {"https://[0000:0000:0000:0000:0000:0000:100.100.100.100]", URL_HTTPS},
        {"https://[", URL_INVALID},
        {"https://[]", URL_INVALID},
        {"https://[:]", URL_INVALID},
        {"https://[:::]", URL_INVALID},
        {"https://[:1]", URL_INVALID},
        {"https://[1:]", URL_INVALID},
        {"https://[1]", URL_INVALID},
        {"https://[1.2.3.4]", URL_INVALID},
        {"https://[1::2::3]", URL_INVALID},
        {"https://[1:2:3:4:5:6:7]", URL_INVALID},
        {"https://[1:2:3:4:5:6:7:8:9]", URL_INVALID},
        {"https://[1:2:3:4:5:6:7:8::]", URL_INVALID},
        {"https://[1:2:3:4::5:6:7:8]", URL_INVALID},
        {"https://[1:2:3:4:5:6:7:8:]", URL_INVALID},
        {"https://[::12345]", URL_INVALID},
        {"https://[::00001]", URL_INVALID},
        {"https://[::g]", URL_INVALID},
        {"https://[::1.2.3]", URL_INVALID},
        {"https://[::1.2.3.4.5]", URL_INVALID},
        {"https://[::1.2.3.256]", URL_INVALID},
        {"https://[::1.2.3.04]", URL_INVALID},
        {"https://[::00.2.3.4]", URL_INVALID},
        {"https://[::1.2..4]", URL_INVALID},
        {"https://[::1.2.3.]", URL_INVALID},
        {"https://[::.2.3.4]", URL_INVALID},
        {"https://[::1.2.3.0xf]", URL_INVALID},
        {"https://[::1.2.3.4:5]", URL_INVALID},
        {"https://[1:2:3:4:5:6:7:1.2.3.4]", URL_INVALID},
        {"https://[1:2:3:4:5:6::1.2.3.4]", URL_INVALID},
        {"https://[fe80::1%eth0]", URL_INVALID},
        {"https://[fe80::1%25eth0]", URL_INVALID},
        {"https://[fe80::1%251]", URL_INVALID},
        {"https://[%3A%3A1]", URL_INVALID},
        {"https://[::1", URL_INVALID},
        {"https://[::1/]", URL_INVALID},
        {"https://::1", URL_INVALID},
        {"https://::1]", URL_INVALID},
        {"https://[[::1]]", URL_INVALID},
        {"https://[::1]a", URL_INVALID},
        {"https://a[::1]", URL_INVALID},
        {"https://[::1].", URL_INVALID},
        {"https://[" TEN("0000:") "]", URL_INVALID},
    };
    (void)state;
    CHECK(cases);
}

static void ports_are_digits_up_to_65535(void **state)
{
    static const struct url_case cases[] = {
        {"https://a:", URL_HTTPS},
        {"https://a:/", URL_HTTPS},
        {"https://a:0", URL_HTTPS},
        {"https://a:443", URL_HTTPS},
        {"https://a:65535", URL_HTTPS},
        {"https://a:65535?", URL_HTTPS},
        {"https://a:80#", URL_HTTPS},
        {"https://a:80\\:", URL_HTTPS},
        {"https://a:" HUNDRED("0") "65535", URL_HTTPS},
        {"https://a:" HUNDRED("0") "65536", URL_INVALID},
        {"https://a:65536", URL_INVALID},
        {"https://a:655350", URL_INVALID},
        {"https://a:4294967376", URL_INVALID},
        {"https://a:18446744073709551696", URL_INVALID},
        {"https://a:" TEN("9999999999"), URL_INVALID},
        {"https://a:-1", URL_INVALID},
        {"https://a:+1", URL_INVALID},
        {"https://a:8a", URL_INVALID},
        {"https://a:0x50", URL_INVALID},
        {"https://a:%38", URL_INVALID},
        {"https://a:80:80", URL_INVALID},
        {"https://a::80", URL_INVALID},
        {"https://a:\xEF\xBC\x98", URL_INVALID},
        {"https://:80", URL_INVALID},
        {"https://:", URL_INVALID},
        {"https://[::1]80", URL_INVALID},
    };
    (void)state;
    CHECK(cases);
}

static void other_schemes_have_opaque_hosts_and_paths(void **state)
{
    static const struct url_case cases[] = {
        {"a:", URL_OTHER},
        {"a:b", URL_OTHER},
        {"a:/", URL_OTHER},
        {"a:/[", URL_OTHER},
        {"a:\\\\[", URL_OTHER},
        {"a:[:x]@<>^|%", URL_OTHER},
        {"mailto:user@example.com", URL_OTHER},
        {"data:,\xC3\xA9", URL_OTHER},
        {"blob:https://[", URL_OTHER},
        {"a://", URL_OTHER},
        {"a:///", URL_OTHER},
        {"a://?", URL_OTHER},
        {"a://#", URL_OTHER},
        {"a://b", URL_OTHER},
        {"a://1.2.3.4.5", URL_OTHER},
        {"a://%", URL_OTHER},
        {"a://%00%2F%zz", URL_OTHER},
        {"a://\xC3\xA9\x7F", URL_OTHER},
        {"a://b:65535", URL_OTHER},
        {"a://b:", URL_OTHER},
        {"a://[::1]:80", URL_OTHER},
        {"a://u@b", URL_OTHER},
        {"a://u\\@b", URL_OTHER},
        {"a://b\\", URL_INVALID},
        {"a://b\\/", URL_INVALID},
        {"a://b<", URL_INVALID},
        {"a://b>", URL_INVALID},
        {"a://b[", URL_INVALID},
        {"a://b]", URL_INVALID},
        {"a://b[:]", URL_INVALID},
        {"a://b^", URL_INVALID},
        {"a://b|", URL_INVALID},
        {"a://b:65536", URL_INVALID},
        {"a://b:c", URL_INVALID},
        {"a://:80", URL_INVALID},
        {"a://:", URL_INVALID},
        {"a://@", URL_INVALID},
        {"a://u@", URL_INVALID},
        {"a://u@/b", URL_INVALID},
        {"a://u@:80", URL_INVALID},
        {"a://[::1", URL_INVALID},
        {"a://[::g]", URL_INVALID},
        {"a://[]", URL_INVALID},
    };
    (void)state;
    CHECK(cases);
}

static void files_have_a_host_or_none_but_no_user_and_no_port(void **state)
{
    static const struct url_case cases[] = {
        {"file:", URL_OTHER},
        {"FILE:a", URL_OTHER},
        {"file:/", URL_OTHER},
        {"file:/a|b", URL_OTHER},
        {"file:a:[", URL_OTHER},
        {"file:C|", URL_OTHER},
        {"file://", URL_OTHER},
        {"file:///", URL_OTHER},
        {"file:////a|b", URL_OTHER},
        {"file://?", URL_OTHER},
        {"file:\\\\a", URL_OTHER},
        {"file:///C:/", URL_OTHER},
        {"file://C:", URL_OTHER},
        {"file://c|", URL_OTHER},
        {"file://C:/a", URL_OTHER},
        {"file://C|\\a", URL_OTHER},
        {"file://C:?", URL_OTHER},
        {"file://localhost/a", URL_OTHER},
        {"file://[::1]/", URL_OTHER},
        {"file://1.2.3.4/", URL_OTHER},
        {"file://1.2.3.4.5/", URL_INVALID},
        {"file://[::1/", URL_INVALID},
        {"file://[::1]:80/", URL_INVALID},
        {"file://C:a", URL_INVALID},
        {"file://C||", URL_INVALID},
        {"file://%43:/", URL_INVALID},
        {"file://1:/", URL_INVALID},
        {"file://:", URL_INVALID},
        {"file:/\\a|b", URL_INVALID},
        {"file://localhost:80/", URL_INVALID},
        {"file://user@localhost/", URL_INVALID},
        {"file://@/", URL_INVALID},
        {"file://a%", URL_INVALID},
    };
    (void)state;
    CHECK(cases);
}

static void anything_may_follow_the_authority(void **state)
{
    static const struct url_case cases[] = {
        {"https://a/[]<>^|%:@\\", URL_HTTPS},
        {"https://a/%zz/../../..", URL_HTTPS},
        {"https://a?[]<>^|%:@", URL_HTTPS},
        {"https://a#[]<>^|%:@#", URL_HTTPS},
        {"https://a/\x7F\xC2\x80\xC3\xA9", URL_HTTPS},
        {"https://a?\xF0\x9F\x98\x80", URL_HTTPS},
        {"http://a/https://[", URL_HTTP},
    };
    (void)state;
    CHECK(cases);
}

static void some_hosts_are_in_the_same_network(void **state)
{
    static const struct url_case cases[] = {
        {"http://localhost", URL_HTTP_NEAR},
        {"http://LocalHost.:80/", URL_HTTP_NEAR},
        {"http://a.localhost", URL_HTTP_NEAR},
        {"http://alocalhost", URL_HTTP},
        {"http://localhost.a", URL_HTTP},
        {"http://tv.local", URL_HTTP_NEAR},
        {"http://a.b.LOCAL.", URL_HTTP_NEAR},
        {"http://%6c%6fcalhost", URL_HTTP_NEAR},
        {"http://local", URL_HTTP},
        {"http://.local", URL_HTTP},
        {"http://notlocal", URL_HTTP},
        {"http://127.0.0.1:3000/?r=1", URL_HTTP_NEAR},
        {"http://127.1", URL_HTTP_NEAR},
        {"http://0x7f000001", URL_HTTP_NEAR},
        {"http://10.0.0.1", URL_HTTP_NEAR},
        {"http://172.16.0.1", URL_HTTP_NEAR},
        {"http://172.32.0.1", URL_HTTP},
        {"http://192.168.1", URL_HTTP_NEAR}, /* 192.168.0.1 */
        {"http://192.169.0.1", URL_HTTP},
        {"http://3232235777", URL_HTTP_NEAR}, /* 192.168.1.1 */
        {"http://169.254.7.7", URL_HTTP_NEAR},
        {"http://8.8.8.8", URL_HTTP},
        {"http://[::1]", URL_HTTP_NEAR},
        {"http://[fd00::2]:80", URL_HTTP_NEAR},
        {"http://[fe80::1]", URL_HTTP_NEAR},
        {"http://[2001:db8::1]", URL_HTTP},
        {"http://[::ffff:192.168.0.1]", URL_HTTP_NEAR},
        {"http://localhost@example.com", URL_HTTP},
        {"http://example.com@localhost", URL_HTTP_NEAR},
        {"http://example.com\\@localhost", URL_HTTP},
        {"https://localhost", URL_HTTPS},
        {"ws://localhost", URL_OTHER},
        {"a://localhost", URL_OTHER},
        {"http://localhost:65536", URL_INVALID},
    };
    (void)state;
    CHECK(cases);
}

static void the_host_is_found_as_it_is_written(void **state)
{
    static const struct {
        const char *text;
        const char *host;
    } cases[] = {
        {"http://a.example/b", "a.example"},      {"https:\\\\u:p@A:80?c@d", "A"},
        {"http:a@b@[::1]:3000/", "[::1]"},        {"HTTP:///127.1#@", "127.1"},
        {"http://localhost.:/x:1", "localhost."},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        struct bytes host = url_host(bytes_of_string(cases[i].text));
        assert_int_equal(host.length, strlen(cases[i].host));
        assert_memory_equal(host.data, cases[i].host, host.length);
    }
}

/* Where the header says that the standard says something else. */
static void differences_are_those_that_are_listed(void **state)
{
    static const struct url_case cases[] = {
        {"https://\xC3\xA9.example", URL_INVALID},
        {"https://%C3%A9.example", URL_INVALID},
        {"https://example\xE3\x80\x82"
         "com",
         URL_INVALID},
        {"https://a\xC2\xAD", URL_INVALID},
        {"file://\xC3\xA9/", URL_INVALID},
        {"https://%FF", URL_INVALID},
        {"https://xn--", URL_HTTPS},
        {"https://xn--a.example", URL_HTTPS},
        {" https://a", URL_INVALID},
        {"https://a ", URL_INVALID},
        {"https://a/ b", URL_INVALID},
        {"https://a/\t", URL_INVALID},
        {"ht\ntps://a", URL_INVALID},
        {"\x1Fhttps://a", URL_INVALID},
        {"a:b c", URL_INVALID},
    };
    (void)state;
    CHECK(cases);
    assert_int_equal(classify(bytes_of("https://a/\0", 11)), URL_INVALID);
    assert_int_equal(classify(bytes_of("a://\0", 5)), URL_INVALID);
    assert_int_equal(classify(bytes_of("https://a\xFF", 10)), URL_INVALID);
    assert_int_equal(classify(bytes_of("https://a/\xFF", 11)), URL_HTTPS);
    assert_int_equal(url_classify((struct bytes){0}), URL_INVALID);
}

static void what_is_too_long_is_invalid(void **state)
{
    uint8_t text[URL_LENGTH_MAX + 1];
    (void)state;
    memset(text, 'a', sizeof text);
    memcpy(text, "https://", 8);
    assert_int_equal(classify(bytes_of(text, URL_LENGTH_MAX)), URL_HTTPS);
    assert_int_equal(classify(bytes_of(text, URL_LENGTH_MAX + 1)), URL_INVALID);
    /* The longest host there can be. */
    memcpy(text, "https:a", 7);
    assert_int_equal(classify(bytes_of(text, URL_LENGTH_MAX)), URL_HTTPS);
}

/* Each text that ends early, and each with any byte in any place, is judged without a fault. */
static void nothing_is_read_behind_the_end(void **state)
{
    static const char *const texts[] = {
        "https://u:p@%61.0x7f.08.:0080/a?b#c",
        "http:\\\\[1:2::255.0.0.1]:80\\",
        "a://u@[::1]:80/",
        "file://C:/a",
        "file://%41/",
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(texts); i++) {
        struct guarded guarded = guarded_copy(bytes_of_string(texts[i]));
        struct bytes_mut text = guarded.bytes;
        for (size_t start = 0; start <= text.length; start++)
            (void)url_classify(bytes_of(text.data + start, text.length - start));
        for (size_t at = 0; at < text.length; at++) {
            uint8_t before = text.data[at];
            for (unsigned byte = 0; byte <= UINT8_MAX; byte++) {
                text.data[at] = (uint8_t)byte;
                (void)url_classify(guarded_view(&guarded));
            }
            text.data[at] = before;
        }
        guarded_free(&guarded);
        for (size_t length = 0; length < strlen(texts[i]); length++)
            (void)classify(bytes_of(texts[i], length));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_scheme_is_told_and_relative_texts_are_invalid),
        cmocka_unit_test(any_slashes_may_follow_a_special_scheme),
        cmocka_unit_test(the_last_at_sign_ends_the_user),
        cmocka_unit_test(domains_hold_what_is_not_forbidden),
        cmocka_unit_test(domains_are_percent_decoded_once),
        cmocka_unit_test(what_ends_in_a_number_is_an_ipv4_address),
        cmocka_unit_test(ipv6_addresses_stand_in_brackets),
        cmocka_unit_test(ports_are_digits_up_to_65535),
        cmocka_unit_test(other_schemes_have_opaque_hosts_and_paths),
        cmocka_unit_test(files_have_a_host_or_none_but_no_user_and_no_port),
        cmocka_unit_test(anything_may_follow_the_authority),
        cmocka_unit_test(some_hosts_are_in_the_same_network),
        cmocka_unit_test(the_host_is_found_as_it_is_written),
        cmocka_unit_test(differences_are_those_that_are_listed),
        cmocka_unit_test(what_is_too_long_is_invalid),
        cmocka_unit_test(nothing_is_read_behind_the_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
