/*
 * Request heads (RFC 9112): every case whole and cut at every place, right before an unreadable
 * page. What is incomplete needs more; what is wrong is refused with its status.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
/* cmocka wants these before it. */
#include <cmocka.h>

#include "proto/http_request.h"

#include "base/attributes.h"
#include "support/guard_page.h"

#define HEAD_MAX 8192
#define HOST "Host: a\r\n"

/* The status of the refusal, 0 for DONE, -1 for NEED_MORE. */
static int judge(struct bytes head)
{
    struct guarded guarded = guarded_copy(head);
    struct http_request request;
    size_t length;
    int status;
    enum http_parse_result result =
        http_request_parse(guarded_view(&guarded), HEAD_MAX, &request, &length, &status);
    guarded_free(&guarded);
    if (result == HTTP_PARSE_DONE)
        return 0;
    return result == HTTP_PARSE_NEED_MORE ? -1 : status;
}

/* The same for a head that comes in pieces of so many bytes. */
static int judge_in_pieces(struct bytes head, size_t step)
{
    struct http_progress progress = {0};
    enum http_parse_result result = HTTP_PARSE_NEED_MORE;
    int status = 0;
    for (size_t end = 0; result == HTTP_PARSE_NEED_MORE && end < head.length;) {
        struct http_request request;
        size_t length;
        end = end + step < head.length ? end + step : head.length;
        struct guarded guarded = guarded_copy(bytes_of(head.data, end));
        result = http_request_continue(guarded_view(&guarded), HEAD_MAX, &progress, &request,
                                       &length, &status);
        guarded_free(&guarded);
    }
    if (result == HTTP_PARSE_DONE)
        return 0;
    return result == HTTP_PARSE_NEED_MORE ? -1 : status;
}

static void good_heads_are_done_when_they_are_whole(void **state)
{
    static const char *const cases[] = {
        "GET / HTTP/1.1\r\n" HOST "\r\n",
        "\r\nGET /a?b HTTP/1.1\r\nhost:a\r\n\r\n",
        "HEAD http://a/b HTTP/1.1\r\n" HOST "\r\n",
        "OPTIONS * HTTP/1.1\r\n" HOST "X: \t a b \t\r\n\r\n",
        "GET / HTTP/1.0\r\n\r\n",
        "GET / HTTP/1.1\r\n" HOST "Empty:\r\nBytes: \x80\xff\r\n\r\n",
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct bytes head = bytes_of_string(cases[i]);
        assert_int_equal(judge(head), 0);
        for (size_t step = 1; step < 5; step++)
            assert_int_equal(judge_in_pieces(head, step), 0);
        for (size_t length = 0; length < head.length; length++)
            assert_int_equal(judge(bytes_of(head.data, length)), -1);
    }
}

static void wrong_heads_are_refused(void **state)
{
    static const struct {
        const char *head;
        int status;
    } cases[] = {
        {"GET / HTTP/1.1\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\n" HOST HOST "\r\n", 400},
        {"GET / HTTP/1.1\n" HOST "\n", 400},
        {"GET /\r\n", 400},
        {"GET  / HTTP/1.1\r\n", 400},
        {"GET / x HTTP/1.1\r\n", 400},
        {"G@T / HTTP/1.1\r\n", 400},
        {"GET a HTTP/1.1\r\n", 400},
        {"GET x?u=http://h/health HTTP/1.1\r\n", 400},
        {"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400},
        {"GET / HTTP/1.1 \r\n", 400},
        {"GET / HTTP/11\r\n", 400},
        {"GET / http/1.1\r\n", 400},
        {"GET / HTTP/2.0\r\n", 505},
        {"GET / HTTP/1.1\r\n" HOST " folded\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nHost : a\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\n: a\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nno colon\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nX: a\x01\r\n", 400},
        {"GET / HTTP/1.1\r\nX: a\rb\r\n", 400},
        {"GET / HTTP/1.1\r\n" HOST "Content-Length: x\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\n" HOST "Content-Length:\r\n\r\n", 400},
        {"\x16\x03\x01", 400},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct bytes head = bytes_of_string(cases[i].head);
        if (judge(head) != cases[i].status || judge_in_pieces(head, 1) != cases[i].status)
            fail_msg("not %d: %s", cases[i].status, cases[i].head);
    }
}

static void the_limit_of_a_head_is_exact(void **state)
{
    static char head[HEAD_MAX + 2];
    const char *start = "GET / HTTP/1.1\r\n" HOST "X: ";
    (void)state;
    memset(head, 'x', sizeof head);
    memcpy(head, start, strlen(start));
    memcpy(head + HEAD_MAX - 4, "\r\n\r\n", 4);
    assert_int_equal(judge(bytes_of(head, HEAD_MAX)), 0);
    memset(head + HEAD_MAX - 4, 'x', 4);
    memcpy(head + HEAD_MAX - 3, "\r\n\r\n", 4);
    assert_int_equal(judge(bytes_of(head, HEAD_MAX + 1)), 431);
    assert_int_equal(judge(bytes_of(head, HEAD_MAX - 1)), -1);
}

static void what_a_head_says_is_read(void **state)
{
    (void)state;
    struct bytes head = BYTES("GET http://h:1/p/q?x=1 HTTP/1.1\r\n" HOST
                              "connection: keep-alive , Upgrade\r\nUPGRADE: h2c, WebSocket\r\n"
                              "If-None-Match: \"a\", W/\"b\"\r\nIf-None-Match: \"c\"\r\n"
                              "Origin:  https://o \r\nSec-WebSocket-Key: k\r\n"
                              "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: a, b\r\n"
                              "Sec-WebSocket-Protocol: c\r\nContent-Length: 00\r\n\r\nrest");
    struct http_request request;
    size_t length;
    int status;
    assert_int_equal(http_request_parse(head, HEAD_MAX, &request, &length, &status),
                     HTTP_PARSE_DONE);
    assert_int_equal(length, head.length - 4);
    assert_int_equal(request.method, HTTP_METHOD_GET);
    assert_true(bytes_equal(request.path, BYTES("/p/q")));
    assert_true(bytes_equal(request.host, BYTES("a")));
    assert_true(bytes_equal(request.if_none_match, BYTES("\"a\", W/\"b\"")));
    assert_true(bytes_equal(request.origin, BYTES("https://o")));
    assert_true(request.connection_has_upgrade && request.upgrades_to_websocket);
    assert_true(request.keeps_alive && !request.has_body && request.has_host);
    assert_int_equal(request.websocket_key_count, 1);
    assert_int_equal(request.websocket_protocol_count, 2);
    assert_true(bytes_equal(request.websocket_version, BYTES("13")));
}

static void paths_are_told_from_all_forms_of_targets(void **state)
{
    static const struct {
        const char *head;
        const char *path;
        const char *query;
    } cases[] = {
        {"GET /a/b?c=/d#e HTTP/1.1\r\n" HOST "\r\n", "/a/b", "c=/d"},
        {"GET HTTP://h:1/a HTTP/1.1\r\n" HOST "\r\n", "/a", ""},
        {"GET http://h HTTP/1.1\r\n" HOST "\r\n", "/", ""},
        {"GET http://h?next=/health HTTP/1.1\r\n" HOST "\r\n", "/", "next=/health"},
        {"GET http://h#a?b HTTP/1.1\r\n" HOST "\r\n", "/", ""},
        {"GET ws://h/ HTTP/1.1\r\n" HOST "\r\n", "/", ""},
        {"GET ws://h/ABCD?x=1 HTTP/1.1\r\n" HOST "\r\n", "/ABCD", "x=1"},
        {"GET wss://h:443/a HTTP/1.1\r\n" HOST "\r\n", "/a", ""},
        {"GET WS://h HTTP/1.1\r\n" HOST "\r\n", "/", ""},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct http_request request;
        size_t length;
        int status;
        struct bytes head = bytes_of_string(cases[i].head);
        assert_int_equal(http_request_parse(head, HEAD_MAX, &request, &length, &status),
                         HTTP_PARSE_DONE);
        assert_true(bytes_equal(request.path, bytes_of_string(cases[i].path)));
        assert_true(bytes_equal(request.query, bytes_of_string(cases[i].query)));
    }
}

static void connections_end_as_the_client_asks(void **state)
{
    static const struct {
        const char *head;
        bool keeps_alive;
    } cases[] = {
        {"GET / HTTP/1.1\r\n" HOST "\r\n", true},
        {"GET / HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n", false},
        {"GET / HTTP/1.0\r\n\r\n", false},
        {"GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", true},
        {"GET / HTTP/1.0\r\nConnection: close\r\nConnection: keep-alive\r\n\r\n", false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct http_request request;
        size_t length;
        int status;
        assert_int_equal(http_request_parse(bytes_of_string(cases[i].head), HEAD_MAX, &request,
                                            &length, &status),
                         HTTP_PARSE_DONE);
        assert_int_equal(request.keeps_alive, cases[i].keeps_alive);
    }
}

static void the_last_forwarded_addresses_are_kept_in_order(void **state)
{
    static const char head[] = "GET / HTTP/1.1\r\n" HOST "X-Forwarded-For: a\r\n"
                               "x-forwarded-for: b, c\r\nX-Forwarded-For: d\r\n"
                               "X-Forwarded-For: e\r\nX-Forwarded-For: f\r\n\r\n";
    static const char *const expected[] = {"b, c", "d", "e", "f"};
    struct http_request request;
    size_t length;
    int status;
    (void)state;
    assert_int_equal(http_request_parse(BYTES(head), HEAD_MAX, &request, &length, &status),
                     HTTP_PARSE_DONE);
    assert_int_equal(request.forwarded_for_count, 4);
    for (size_t i = 0; i < 4; i++)
        assert_true(bytes_equal(request.forwarded_for[i], bytes_of_string(expected[i])));
}

static void what_was_forwarded_says_so(void **state)
{
    static const char *const names[] = {
        "X-Forwarded-For",    "X-Forwarded-Host", "X-Forwarded-Proto",
        "X-Forwarded-Prefix", "Forwarded",        "Via",
        "x-real-ip",          "CF-Connecting-IP", "True-Client-IP",
        "Fly-Client-IP",      "X-Client-IP",      "X-Forwarded-Port",
        "X-Forwarded-Server"};
    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char head[128];
        struct http_request request;
        size_t length;
        int status;
        for (int is_there = 0; is_there <= 1; is_there++) {
            snprintf(head, sizeof head, "GET / HTTP/1.1\r\n" HOST "%s%s: a\r\n\r\n",
                     is_there ? "" : "X", names[i]);
            assert_int_equal(
                http_request_parse(bytes_of_string(head), HEAD_MAX, &request, &length, &status),
                HTTP_PARSE_DONE);
            assert_int_equal(request.is_forwarded, is_there);
        }
    }
}

static void path_prefixes_have_no_end_and_nothing_strange(void **state)
{
    static const char *const good[] = {"/a", "/relay", "/a/b-c/d_e.f~g", "/%7Ea"};
    static const char *const bad[] = {"",     "/",    "a",     "/a/",   "//a", "/a b",
                                      "/a?b", "/a#b", "/a\"b", "/a\nb", "/<a>"};
    uint8_t longest[HTTP_PATH_PREFIX_MAX + 1];
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        assert_true(http_path_prefix_is_plain(bytes_of_string(good[i])));
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_false(http_path_prefix_is_plain(bytes_of_string(bad[i])));
    memset(longest, 'a', sizeof longest);
    longest[0] = '/';
    assert_true(http_path_prefix_is_plain(bytes_of(longest, HTTP_PATH_PREFIX_MAX)));
    assert_false(http_path_prefix_is_plain(bytes_of(longest, HTTP_PATH_PREFIX_MAX + 1)));
}

static void the_first_forwarded_host_and_scheme_count(void **state)
{
    static const char head[] = "GET / HTTP/1.1\r\n" HOST "X-Forwarded-Host: , a.example:1, b\r\n"
                               "X-Forwarded-Host: c\r\nX-Forwarded-Proto: HTTPS, http\r\n\r\n";
    struct http_request request;
    size_t length;
    int status;
    (void)state;
    assert_int_equal(http_request_parse(BYTES(head), HEAD_MAX, &request, &length, &status),
                     HTTP_PARSE_DONE);
    assert_true(bytes_equal(request.forwarded_host, BYTES("a.example:1")));
    assert_true(request.forwarded_https);
}

static void first_line_of_a_forwarded_scheme_counts(void **state)
{
    static const char head[] =
        "GET / HTTP/1.1\r\n" HOST "X-Forwarded-Proto: https\r\nX-Forwarded-Proto: http\r\n\r\n";
    struct http_request request;
    size_t length;
    int status;
    (void)state;
    assert_int_equal(http_request_parse(BYTES(head), HEAD_MAX, &request, &length, &status),
                     HTTP_PARSE_DONE);
    assert_true(request.forwarded_https);
}

static void target_with_a_scheme_names_a_host(void **state)
{
    static const char *const targets[] = {"ws://", "http://", "wss:///a", "https://?a", "ws://#a"};
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(targets); i++) {
        char head[256];
        struct http_request request;
        size_t length;
        int status;
        snprintf(head, sizeof head, "GET %s HTTP/1.1\r\n" HOST "\r\n", targets[i]);
        assert_int_equal(
            http_request_parse(bytes_of_string(head), HEAD_MAX, &request, &length, &status),
            HTTP_PARSE_INVALID);
        assert_int_equal(status, 400);
    }
}

static void forwarded_schemes_of_websockets_are_those_of_pages(void **state)
{
    static const struct {
        const char *scheme;
        bool is_https;
    } cases[] = {{"https", true}, {"wss", true},  {"WSS", true},      {"wss, http", true},
                 {"http", false}, {"ws", false},  {"ws, wss", false}, {"ftp", false},
                 {"", false},     {"wsss", false}};
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        char head[256];
        struct http_request request;
        size_t length;
        int status;
        snprintf(head, sizeof head, "GET / HTTP/1.1\r\n" HOST "X-Forwarded-Proto: %s\r\n\r\n",
                 cases[i].scheme);
        assert_int_equal(
            http_request_parse(bytes_of_string(head), HEAD_MAX, &request, &length, &status),
            HTTP_PARSE_DONE);
        assert_int_equal(request.forwarded_https, cases[i].is_https);
    }
}

static void only_what_a_host_is_made_of_is_plain(void **state)
{
    static const char *const plain[] = {"a", "a-b.Example:80", "[2001:db8::1]:3000", "x_y"};
    static const char *const others[] = {"", "a b", "a/b", "a@b", "a\"b", "<a>", "a;b", "\xC3\xA4"};
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(plain); i++)
        assert_true(http_host_is_plain(bytes_of_string(plain[i])));
    for (size_t i = 0; i < ARRAY_LENGTH(others); i++)
        assert_false(http_host_is_plain(bytes_of_string(others[i])));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_heads_are_done_when_they_are_whole),
        cmocka_unit_test(wrong_heads_are_refused),
        cmocka_unit_test(the_limit_of_a_head_is_exact),
        cmocka_unit_test(what_a_head_says_is_read),
        cmocka_unit_test(paths_are_told_from_all_forms_of_targets),
        cmocka_unit_test(connections_end_as_the_client_asks),
        cmocka_unit_test(the_last_forwarded_addresses_are_kept_in_order),
        cmocka_unit_test(the_first_forwarded_host_and_scheme_count),
        cmocka_unit_test(first_line_of_a_forwarded_scheme_counts),
        cmocka_unit_test(target_with_a_scheme_names_a_host),
        cmocka_unit_test(forwarded_schemes_of_websockets_are_those_of_pages),
        cmocka_unit_test(what_was_forwarded_says_so),
        cmocka_unit_test(path_prefixes_have_no_end_and_nothing_strange),
        cmocka_unit_test(only_what_a_host_is_made_of_is_plain),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
