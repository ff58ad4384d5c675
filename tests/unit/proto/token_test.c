/* Tokens but for their signature: parts, header, times and claims. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants these before it. */
#include <cmocka.h>
#include <stdio.h>

#include "proto/token.h"
#include "support/base64url.h"
#include "support/bytes_entry.h"
#include "support/guard_page.h"

#define NOW_S 1800000000
#define SIGNATURE_86                              \
    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA" \
    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"

static struct token_parts parts;
static struct token_claims claims;

/* Opens a token where reading one byte too far is a crash. */
static enum token_verdict open_token(struct bytes token, struct bytes algorithm)
{
    struct guarded copy = guarded_copy(token);
    enum token_verdict verdict = token_open(guarded_view(&copy), algorithm, &parts);
    guarded_free(&copy);
    return verdict;
}

static enum token_verdict open_with_header(struct bytes header)
{
    char token[2 * TOKEN_BYTES_MAX];
    size_t length = base64url_write(token, header);
    length += (size_t)sprintf(token + length, ".e30.AAAA");
    return open_token(bytes_of(token, length), BYTES("HS256"));
}

static enum token_verdict read_payload(struct bytes payload, int64_t now_s)
{
    char text[2 * TOKEN_BYTES_MAX];
    size_t length = base64url_write(text, payload);
    struct guarded copy = guarded_copy(bytes_of(text, length));
    enum token_verdict verdict = token_read_claims(guarded_view(&copy), now_s, &claims);
    guarded_free(&copy);
    return verdict;
}

static enum token_verdict read_claims(const char *payload)
{
    return read_payload(bytes_of_string(payload), NOW_S);
}

/* The token of RFC 7515 A.1. */
static void a_token_is_split(void **state)
{
    static const char header[] = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9";
    static const char payload[] = "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFt"
                                  "cGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
    char token[512];
    (void)state;
    int signed_length = sprintf(token, "%s.%s", header, payload);
    int length = signed_length + sprintf(token + signed_length, ".%s",
                                         "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk");
    struct bytes whole = bytes_of(token, (size_t)length);
    assert_int_equal(token_open(whole, BYTES("HS256"), &parts), TOKEN_VERDICT_OK);
    assert_true(bytes_equal(parts.signed_text, bytes_of(token, (size_t)signed_length)));
    assert_true(bytes_equal(parts.payload, bytes_of_string(payload)));
    assert_int_equal(parts.signature_length, 32);
    assert_int_equal(parts.signature[0], 116);
    assert_int_equal(parts.signature[31], 121);
    assert_int_equal(token_open(whole, BYTES("EdDSA"), &parts), TOKEN_VERDICT_BAD_SIGNATURE);
}

static void what_has_not_three_parts_is_malformed(void **state)
{
    /* {"alg":"HS256"} */
    static const struct bytes malformed[] = {
        BYTES_ENTRY(""),
        BYTES_ENTRY("."),
        BYTES_ENTRY(".."),
        BYTES_ENTRY("..."),
        BYTES_ENTRY("\0.\0.\0"),
        BYTES_ENTRY("eyJhbGciOiJIUzI1NiJ9"),
        BYTES_ENTRY("eyJhbGciOiJIUzI1NiJ9.e30"),
        BYTES_ENTRY("eyJhbGciOiJIUzI1NiJ9e30.AAAA"),
        BYTES_ENTRY(".e30.AAAA"),
        BYTES_ENTRY("eyJhbGciOiJIUzI1NiJ9.e30.AAAA."),
        BYTES_ENTRY("eyJhbGciOiJIUzI1NiJ9.e30.AAAA.AAAA"),
        BYTES_ENTRY("eyJhbGciOiJIUzI1NiJ9.e30.AAAA.AAAA.AAAA"),
        BYTES_ENTRY(" eyJhbGciOiJIUzI1NiJ9.e30.AAAA"),
        BYTES_ENTRY("eyJhbGciOiJIUzI1NiJ9.e30.AAAA "),
        BYTES_ENTRY("eyJhbGciOiJIUzI1NiJ9.e30.AAAA\n"),
        BYTES_ENTRY("eyJhbGciOiJIUzI1NiJ9=.e30.AAAA"),
        BYTES_ENTRY("eyJhbGciOiJIUzI1NiJ9.e30.AAA="),
        BYTES_ENTRY("eyJhbGciOiJIUzI1NiJ9.e30.AAB"), /* bits that are left over */
        BYTES_ENTRY("eyJhbGciOiJIUzI1NiJ9.e30.A"),
        BYTES_ENTRY("eyJhbGciOiJIUzI1NiJ9.e30.AA+A"),
        BYTES_ENTRY("eyJhbGciOiJIUzI1NiJ9.e30." SIGNATURE_86 "A"),
        BYTES_ENTRY("eyJhbGciOiJIUzI1NiJ9.e30." SIGNATURE_86 "AA"),
        BYTES_ENTRY("{\"alg\":\"HS256\"}.{}.AAAA"),
    };
    (void)state;
    for (size_t i = 0; i < sizeof malformed / sizeof malformed[0]; i++)
        assert_int_equal(open_token(malformed[i], BYTES("HS256")), TOKEN_VERDICT_MALFORMED);
    assert_int_equal(open_token(BYTES("eyJhbGciOiJIUzI1NiJ9.e30.AAAA"), BYTES("HS256")),
                     TOKEN_VERDICT_OK);
    assert_int_equal(open_token(BYTES("eyJhbGciOiJIUzI1NiJ9.e30."), BYTES("HS256")),
                     TOKEN_VERDICT_OK);
    assert_int_equal(parts.signature_length, 0);
    assert_int_equal(open_token(BYTES("eyJhbGciOiJIUzI1NiJ9.e30." SIGNATURE_86), BYTES("HS256")),
                     TOKEN_VERDICT_OK);
    assert_int_equal(parts.signature_length, TOKEN_SIGNATURE_BYTES);
}

static void a_token_has_a_longest_length(void **state)
{
    char token[TOKEN_BYTES_MAX + 1];
    (void)state;
    memset(token, 'A', sizeof token);
    memcpy(token, "eyJhbGciOiJIUzI1NiJ9.", 21);
    token[TOKEN_BYTES_MAX - 5] = '.';
    assert_int_equal(open_token(bytes_of(token, TOKEN_BYTES_MAX), BYTES("HS256")),
                     TOKEN_VERDICT_OK);
    token[TOKEN_BYTES_MAX - 5] = 'A';
    token[TOKEN_BYTES_MAX - 4] = '.';
    assert_int_equal(open_token(bytes_of(token, TOKEN_BYTES_MAX + 1), BYTES("HS256")),
                     TOKEN_VERDICT_MALFORMED);
}

static void a_header_needs_the_algorithm(void **state)
{
    static const struct {
        struct bytes header;
        enum token_verdict verdict;
    } cases[] = {
        {BYTES_ENTRY("{\"alg\":\"HS256\"}"), TOKEN_VERDICT_OK},
        {BYTES_ENTRY(" {\"alg\" : \"HS256\"}\r\n"), TOKEN_VERDICT_OK},
        {BYTES_ENTRY("{\"typ\":[1],\"kid\":7,\"jwk\":{\"alg\":\"none\"},\"alg\":\"HS256\"}"),
         TOKEN_VERDICT_OK},
        {BYTES_ENTRY("{\"\\u0061lg\":\"HS\\u003256\"}"), TOKEN_VERDICT_OK},
        {BYTES_ENTRY("{\"alg\":\"none\",\"alg\":\"HS256\"}"), TOKEN_VERDICT_OK},
        {BYTES_ENTRY("{\"alg\":\"HS256\",\"alg\":\"none\"}"), TOKEN_VERDICT_BAD_SIGNATURE},
        {BYTES_ENTRY("{\"alg\":\"none\"}"), TOKEN_VERDICT_BAD_SIGNATURE},
        {BYTES_ENTRY("{\"alg\":\"hs256\"}"), TOKEN_VERDICT_BAD_SIGNATURE},
        {BYTES_ENTRY("{\"alg\":\"HS256 \"}"), TOKEN_VERDICT_BAD_SIGNATURE},
        {BYTES_ENTRY("{\"alg\":\"HS256\\u0000\"}"), TOKEN_VERDICT_BAD_SIGNATURE},
        {BYTES_ENTRY("{\"alg\":\"HS512\"}"), TOKEN_VERDICT_BAD_SIGNATURE},
        {BYTES_ENTRY("{\"alg\":\"\"}"), TOKEN_VERDICT_BAD_SIGNATURE},
        {BYTES_ENTRY("{\"alg\":null}"), TOKEN_VERDICT_MALFORMED},
        {BYTES_ENTRY("{\"alg\":256}"), TOKEN_VERDICT_MALFORMED},
        {BYTES_ENTRY("{\"alg\":[\"HS256\"]}"), TOKEN_VERDICT_MALFORMED},
        {BYTES_ENTRY("{\"Alg\":\"HS256\"}"), TOKEN_VERDICT_MALFORMED},
        {BYTES_ENTRY("{}"), TOKEN_VERDICT_MALFORMED},
        {BYTES_ENTRY("[]"), TOKEN_VERDICT_MALFORMED},
        {BYTES_ENTRY("\"HS256\""), TOKEN_VERDICT_MALFORMED},
        {BYTES_ENTRY("{\"alg\":\"HS256\""), TOKEN_VERDICT_MALFORMED},
        {BYTES_ENTRY("{\"alg\":\"HS256\"}}"), TOKEN_VERDICT_MALFORMED},
        {BYTES_ENTRY("{\"alg\":\"HS256\",}"), TOKEN_VERDICT_MALFORMED},
        {BYTES_ENTRY("{\"alg\":\"HS256\",\"a\":\"\xFF\"}"), TOKEN_VERDICT_MALFORMED},
        {BYTES_ENTRY("\xEF\xBB\xBF{\"alg\":\"HS256\"}"), TOKEN_VERDICT_MALFORMED},
        {BYTES_ENTRY("{\"alg\":\"HS256\",\"crit\":[\"exp\"]}"), TOKEN_VERDICT_MALFORMED},
        {BYTES_ENTRY("{\"crit\":[],\"alg\":\"HS256\"}"), TOKEN_VERDICT_MALFORMED},
        {BYTES_ENTRY("{\"alg\":\"HS256\",\"crit\":null}"), TOKEN_VERDICT_MALFORMED},
        {BYTES_ENTRY("{\"alg\":\"HS256\",\"cr\\u0069t\":[\"b64\"],\"b64\":false}"),
         TOKEN_VERDICT_MALFORMED},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_int_equal(open_with_header(cases[i].header), cases[i].verdict);
}

static void times_have_borders(void **state)
{
    static const struct {
        const char *payload;
        int64_t now_s;
        enum token_verdict verdict;
    } cases[] = {
        {"{\"exp\":1300819380}", 1300819379, TOKEN_VERDICT_OK},
        {"{\"exp\":1300819380}", 1300819380, TOKEN_VERDICT_EXPIRED},
        {"{\"exp\":1300819380.5}", 1300819380, TOKEN_VERDICT_OK},
        {"{\"exp\":1300819380.5}", 1300819381, TOKEN_VERDICT_EXPIRED},
        {"{\"exp\":1.30081938e9}", 1300819379, TOKEN_VERDICT_OK},
        {"{\"exp\":1e400}", INT64_MAX, TOKEN_VERDICT_OK},
        {"{\"exp\":0}", 0, TOKEN_VERDICT_EXPIRED},
        {"{\"exp\":-1}", 0, TOKEN_VERDICT_EXPIRED},
        {"{\"exp\":-1e400}", INT64_MIN, TOKEN_VERDICT_EXPIRED},
        {"{\"exp\":4294967297}", 2, TOKEN_VERDICT_OK},
        {"{\"exp\":1,\"exp\":20}", 10, TOKEN_VERDICT_OK},
        {"{\"exp\":20,\"exp\":1}", 10, TOKEN_VERDICT_EXPIRED},
        {"{\"exp\":20,\"nbf\":10}", 10, TOKEN_VERDICT_OK},
        {"{\"exp\":20,\"nbf\":10}", 9, TOKEN_VERDICT_EXPIRED},
        {"{\"exp\":20,\"nbf\":10.5}", 10, TOKEN_VERDICT_EXPIRED},
        {"{\"exp\":20,\"nbf\":-10.5}", 10, TOKEN_VERDICT_OK},
        {"{\"exp\":20,\"nbf\":1e400}", 10, TOKEN_VERDICT_EXPIRED},
        {"{\"exp\":20,\"nbf\":30}", 25, TOKEN_VERDICT_EXPIRED},
        {"{\"exp\":20,\"iat\":99}", 10, TOKEN_VERDICT_OK},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_int_equal(read_payload(bytes_of_string(cases[i].payload), cases[i].now_s),
                         cases[i].verdict);
}

static void claims_that_mean_nothing_are_malformed(void **state)
{
    static const char *const malformed[] = {
        "",
        "{}",
        "null",
        "[]",
        "1900000000",
        "{\"exp\":1900000000",
        "{\"exp\":1900000000}x",
        "{\"exp\":\"1900000000\"}",
        "{\"exp\":null}",
        "{\"exp\":true}",
        "{\"exp\":[1900000000]}",
        "{\"exp\":NaN}",
        "{\"Exp\":1900000000}",
        "{\"a\":{\"exp\":1900000000}}",
        "{\"exp\":1900000000,\"exp\":null}",
        "{\"exp\":1900000000,\"nbf\":\"1\"}",
        "{\"exp\":1900000000,\"nbf\":null}",
        "{\"exp\":1900000000,\"aud\":\"somebody\"}",
        "{\"exp\":1900000000,\"aud\":[]}",
        "{\"exp\":1900000000,\"aud\":null}",
        "{\"exp\":1900000000,\"maxClients\":0}",
        "{\"exp\":1900000000,\"maxClients\":0.99}",
        "{\"exp\":1900000000,\"maxClients\":-1}",
        "{\"exp\":1900000000,\"maxClients\":-1e400}",
        "{\"exp\":1900000000,\"maxClients\":\"8\"}",
        "{\"exp\":1900000000,\"maxClients\":null}",
        "{\"exp\":1900000000,\"maxClients\":[8]}",
        "{\"exp\":1900000000,\"maxClients\":8,\"maxClients\":0}",
        "{\"exp\":1900000000,\"origin\":\"\"}",
        "{\"exp\":1900000000,\"origin\":null}",
        "{\"exp\":1900000000,\"origin\":[\"https://game.example\"]}",
        "{\"exp\":1900000000,\"origin\":\"game.example\"}",
        "{\"exp\":1900000000,\"origin\":\"https://game.example/\"}",
        "{\"exp\":1900000000,\"origin\":\"https://game.example\\u0000\"}",
        "{\"exp\":1900000000,\"origin\":\"https://\\ud800.example\"}",
        "{\"exp\":1900000000,\"a\":\"\xC3\"}",
        "{\"exp\":1900000000,\"a\":\"\xED\xA0\x80\"}",
        /* Malformed comes before expired. */
        "{\"exp\":1,\"maxClients\":0}",
    };
    (void)state;
    for (size_t i = 0; i < sizeof malformed / sizeof malformed[0]; i++)
        assert_int_equal(read_claims(malformed[i]), TOKEN_VERDICT_MALFORMED);
    assert_int_equal(token_read_claims(BYTES("e30="), NOW_S, &claims), TOKEN_VERDICT_MALFORMED);
    assert_int_equal(token_read_claims(BYTES("e31"), NOW_S, &claims), TOKEN_VERDICT_MALFORMED);
}

static void a_number_of_too_many_digits_is_none(void **state)
{
    char payload[2100];
    (void)state;
    for (int zeros = 1000; zeros <= 1030; zeros++) {
        bool is_number = zeros + 2 <= 1024;
        sprintf(payload, "{\"exp\":9.%0*d}", zeros, 0);
        assert_int_equal(read_payload(bytes_of_string(payload), 8),
                         is_number ? TOKEN_VERDICT_OK : TOKEN_VERDICT_MALFORMED);
        sprintf(payload, "{\"exp\":9,\"maxClients\":9.%0*d}", zeros, 0);
        assert_int_equal(read_payload(bytes_of_string(payload), 8),
                         is_number ? TOKEN_VERDICT_OK : TOKEN_VERDICT_MALFORMED);
    }
}

static void a_token_says_how_many_may_come(void **state)
{
    static const struct {
        const char *payload;
        uint32_t max_clients;
    } cases[] = {
        {"{\"exp\":1900000000}", 0},
        {"{\"exp\":1900000000,\"maxClients\":1}", 1},
        {"{\"exp\":1900000000,\"maxClients\":1.5}", 2},
        {"{\"exp\":1900000000,\"maxClients\":8}", 8},
        {"{\"exp\":1900000000,\"maxClients\":8e0}", 8},
        {"{\"exp\":1900000000,\"maxClients\":4294967294}", UINT32_MAX - 1},
        {"{\"exp\":1900000000,\"maxClients\":4294967296}", UINT32_MAX},
        {"{\"exp\":1900000000,\"maxClients\":1e400}", UINT32_MAX},
        {"{\"exp\":1900000000,\"maxClients\":2,\"maxClients\":3}", 3},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        memset(&claims, 0xFF, sizeof claims);
        assert_int_equal(read_claims(cases[i].payload), TOKEN_VERDICT_OK);
        assert_int_equal(claims.max_clients, cases[i].max_clients);
        assert_int_equal(claims.origin_length, 0);
    }
}

static void assert_origin(const char *payload, const char *origin)
{
    assert_int_equal(read_claims(payload), TOKEN_VERDICT_OK);
    assert_int_equal(claims.origin_length, strlen(origin));
    assert_memory_equal(claims.origin, origin, claims.origin_length);
}

static void a_token_says_whose_game_it_is(void **state)
{
    char payload[512];
    char origin[TOKEN_ORIGIN_BYTES_MAX + 2];
    (void)state;
    assert_origin("{\"exp\":1900000000,\"origin\":\"https://game.example\"}",
                  "https://game.example");
    assert_origin("{\"exp\":1900000000,\"origin\":\"https:\\/\\/*.game.example:8443\"}",
                  "https://*.game.example:8443");
    assert_origin("{\"exp\":1900000000,\"origin\":\"null\"}", "null");
    assert_origin("{\"exp\":1900000000,\"origin\":1,\"origin\":\"file://\"}", "file://");
    for (size_t length = TOKEN_ORIGIN_BYTES_MAX - 1; length < sizeof origin; length++) {
        bool is_short = length <= TOKEN_ORIGIN_BYTES_MAX;
        memset(origin, 'a', length);
        memcpy(origin, "https://", 8);
        origin[length] = '\0';
        sprintf(payload, "{\"exp\":1900000000,\"origin\":\"%s\"}", origin);
        if (is_short)
            assert_origin(payload, origin);
        else
            assert_int_equal(read_claims(payload), TOKEN_VERDICT_MALFORMED);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_token_is_split),
        cmocka_unit_test(what_has_not_three_parts_is_malformed),
        cmocka_unit_test(a_token_has_a_longest_length),
        cmocka_unit_test(a_header_needs_the_algorithm),
        cmocka_unit_test(times_have_borders),
        cmocka_unit_test(claims_that_mean_nothing_are_malformed),
        cmocka_unit_test(a_number_of_too_many_digits_is_none),
        cmocka_unit_test(a_token_says_how_many_may_come),
        cmocka_unit_test(a_token_says_whose_game_it_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
