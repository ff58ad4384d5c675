/* The opening handshake (RFC 6455 4.2): every reason to refuse it, the accept value, subprotocols.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
/* cmocka wants these before it. */
#include <cmocka.h>

#include "base/attributes.h"
#include "proto/ws_handshake.h"

#define HOST "Host: a\r\n"
#define UPGRADE "Upgrade: websocket\r\nConnection: Upgrade\r\n"
#define VERSION "Sec-WebSocket-Version: 13\r\n"
#define KEY "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"

static struct http_request parse(const char *head)
{
    struct http_request request;
    size_t length;
    int status;
    assert_int_equal(http_request_parse(bytes_of_string(head), HTTP_REQUEST_HEAD_MAX, &request,
                                        &length, &status),
                     HTTP_PARSE_DONE);
    return request;
}

static void each_fault_has_its_status(void **state)
{
    static const struct {
        const char *head;
        int status;
    } cases[] = {
        {"GET / HTTP/1.1\r\n" HOST UPGRADE VERSION KEY "\r\n", 101},
        {"POST / HTTP/1.1\r\n" HOST UPGRADE VERSION KEY "\r\n", 405},
        {"GET / HTTP/1.0\r\n" HOST UPGRADE VERSION KEY "\r\n", 400},
        {"GET / HTTP/1.1\r\n" HOST "Upgrade: websocket\r\n" VERSION KEY "\r\n", 400},
        {"GET / HTTP/1.1\r\n" HOST "Connection: Upgrade\r\n" VERSION KEY "\r\n", 400},
        {"GET / HTTP/1.1\r\n" HOST UPGRADE VERSION "\r\n", 400},
        {"GET / HTTP/1.1\r\n" HOST UPGRADE VERSION KEY KEY "\r\n", 400},
        {"GET / HTTP/1.1\r\n" HOST UPGRADE VERSION "Sec-WebSocket-Key: c2hvcnQ=\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\n" HOST UPGRADE VERSION
         "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25j****\r\n\r\n",
         400},
        {"GET / HTTP/1.1\r\n" HOST UPGRADE KEY "Sec-WebSocket-Version: 8\r\n\r\n", 426},
        {"GET / HTTP/1.1\r\n" HOST UPGRADE KEY "\r\n", 426},
        {"GET / HTTP/1.1\r\n" HOST UPGRADE VERSION KEY "Content-Length: 1\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\n" HOST UPGRADE VERSION KEY "Sec-WebSocket-Protocol: a b\r\n\r\n", 400},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct http_request request = parse(cases[i].head);
        assert_true(ws_handshake_is_wanted(&request));
        if (ws_handshake_check(&request) != cases[i].status)
            fail_msg("not %d: %s", cases[i].status, cases[i].head);
    }
    struct http_request plain = parse("GET / HTTP/1.1\r\n" HOST "Upgrade: h2c\r\n\r\n");
    assert_false(ws_handshake_is_wanted(&plain));
}

static void what_a_proxy_took_away_is_told(void **state)
{
    static const char end[] = ". A proxy on its way must pass that on\n";
    static const char upgrade[] = "the header Upgrade: websocket";
    static const char connection[] = "the header Connection: Upgrade";
    const struct {
        const char *head;
        const char *lack[3];
    } cases[] = {
        {"GET / HTTP/1.1\r\n" HOST UPGRADE VERSION KEY, {NULL}},
        {"GET / HTTP/1.1\r\n" HOST "Connection: Upgrade\r\n" VERSION KEY, {upgrade}},
        {"GET / HTTP/1.1\r\n" HOST "Upgrade: h2c\r\nConnection: Upgrade\r\n" VERSION KEY,
         {upgrade}},
        {"GET / HTTP/1.1\r\n" HOST "Upgrade: websocket\r\n" VERSION KEY, {connection}},
        {"GET / HTTP/1.1\r\n" HOST VERSION KEY, {upgrade, connection}},
        {"GET / HTTP/1.0\r\n" HOST UPGRADE VERSION KEY, {"HTTP/1.1"}},
        {"GET / HTTP/1.0\r\n" HOST "Connection: close\r\n" VERSION KEY,
         {"HTTP/1.1", upgrade, connection}},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        char head[512];
        uint8_t text[256];
        char expected[256] = "";
        snprintf(head, sizeof head, "%s\r\n", cases[i].head);
        struct http_request request = parse(head);
        struct writer writer = writer_over(text, sizeof text);
        ws_handshake_write_lack(&writer, &request);
        for (size_t part = 0; part < 3 && cases[i].lack[part] != NULL; part++) {
            strcat(expected, part == 0 ? "This WebSocket handshake lacks " : " and ");
            strcat(expected, cases[i].lack[part]);
        }
        if (cases[i].lack[0] != NULL)
            strcat(expected, end);
        assert_true(bytes_equal(writer_view(&writer), bytes_of_string(expected)));
    }
}

static void the_accept_value_is_that_of_the_rfc(void **state)
{
    (void)state;
    uint8_t accept[WS_ACCEPT_LENGTH];
    ws_handshake_accept(BYTES("dGhlIHNhbXBsZSBub25jZQ=="), accept); /* RFC 6455 1.3 */
    assert_memory_equal(accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", WS_ACCEPT_LENGTH);
}

static void expect_choice(const char *headers, const struct ws_subprotocols *subprotocols,
                          const char *expected)
{
    char head[256];
    snprintf(head, sizeof head, "GET / HTTP/1.1\r\n" HOST "%s\r\n", headers);
    struct http_request request = parse(head);
    struct bytes chosen = ws_handshake_choose_protocol(&request, subprotocols);
    if (!bytes_equal(chosen, bytes_of_string(expected)))
        fail_msg("%s chooses '%.*s'", headers, (int)chosen.length, chosen.data);
}

static void the_preferred_subprotocol_wins(void **state)
{
    (void)state;
    static const struct bytes known[] = {{(const uint8_t *)"ours.v1", 7},
                                         {(const uint8_t *)"ours.v2", 7},
                                         {(const uint8_t *)"ours.v3", 7}};
    static const struct ws_subprotocols subprotocols = {
        .known = known,
        .known_count = 3,
        .preferred = {(const uint8_t *)"ours.v3", 7},
        .own = {(const uint8_t *)"ours.", 5}};
    static const struct {
        const char *offered;
        const char *chosen;
    } cases[] = {
        {"ours.v2, ours.v3", "ours.v3"},    {"ours.v3, ours.v2", "ours.v3"},
        {"x, ours.v1, ours.v3", "ours.v3"}, {"ours.v1, ours.v2", "ours.v1"},
        {"ours.v2, ours.v1", "ours.v2"},    {"ours.v33, ours.v2", "ours.v2"},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        char headers[128];
        snprintf(headers, sizeof headers, "Sec-WebSocket-Protocol: %s\r\n", cases[i].offered);
        expect_choice(headers, &subprotocols, cases[i].chosen);
    }
}

static void a_known_subprotocol_wins_over_the_first(void **state)
{
    static const struct bytes known[] = {{(const uint8_t *)"ours.v1", 7},
                                         {(const uint8_t *)"ours.v2", 7}};
    static const struct ws_subprotocols subprotocols = {
        .known = known, .known_count = 2, .own = {(const uint8_t *)"ours.", 5}};
    static const struct {
        const char *headers;
        const char *chosen;
    } cases[] = {
        {"", ""},
        {"Sec-WebSocket-Protocol: x, y\r\nSec-WebSocket-Protocol: ours.v1\r\n", "ours.v1"},
        {"Sec-WebSocket-Protocol: ours.v2, ours.v1\r\n", "ours.v2"},
        {"Sec-WebSocket-Protocol: ours.v3, ours.v1\r\n", "ours.v1"},
        {"Sec-WebSocket-Protocol: ,x, y\r\n", "x"},
        {"Sec-WebSocket-Protocol: ours.v3\r\n", ""},
        {"Sec-WebSocket-Protocol: ours.\r\n", ""},
        {"Sec-WebSocket-Protocol: ours.v11, ours.v3, y\r\n", "y"},
        {"Sec-WebSocket-Protocol: ours, y\r\n", "ours"},
        {"Sec-WebSocket-Protocol: OURS.v1\r\n", "OURS.v1"},
        {"Sec-WebSocket-Protocol: ours.V1\r\n", ""},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        expect_choice(cases[i].headers, &subprotocols, cases[i].chosen);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_fault_has_its_status),
        cmocka_unit_test(what_a_proxy_took_away_is_told),
        cmocka_unit_test(the_accept_value_is_that_of_the_rfc),
        cmocka_unit_test(the_preferred_subprotocol_wins),
        cmocka_unit_test(a_known_subprotocol_wins_over_the_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
