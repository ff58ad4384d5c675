/*
 * Templates of the page for controllers: each error in its place, placeholders, escapes, filling.
 * What a URL is, is tested with src/proto/url.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/attributes.h"
#include "relay/url_template.h"
#include "support/guard_page.h"

#define NO_ERROR RELAY_ERRORS
#define TEXT_MAX 4096

/* The value of `url` in a message, right before an unreadable page. */
static struct json_value value_in(const struct guarded *guarded)
{
    struct bytes raw = guarded_view(guarded);
    enum json_kind kind = json_validate(raw);
    assert_int_not_equal(kind, JSON_ABSENT);
    return (struct json_value){kind, memchr(raw.data, '\\', raw.length) != NULL, raw};
}

/* How the value is judged; the template and the detail are told where they are asked for. */
static enum relay_error judge(const char *raw, struct bytes instance_id,
                              struct url_template *template, struct bytes *ret_detail)
{
    struct guarded guarded = guarded_copy(bytes_of_string(raw));
    struct json_value value = value_in(&guarded);
    enum relay_error error;
    bool is_right = url_template_read(&value, instance_id, false, template, &error, ret_detail);
    guarded_free(&guarded);
    return is_right ? NO_ERROR : error;
}

static void expect_judgement(const char *raw, enum relay_error expected)
{
    struct url_template template;
    struct bytes detail;
    enum relay_error error = judge(raw, BYTES(""), &template, &detail);
    if (error != expected)
        fail_msg("%s: %s instead of %s", raw, error == NO_ERROR ? "right" : relay_error_text(error),
                 expected == NO_ERROR ? "right" : relay_error_text(expected));
    if (expected != ERROR_URL_PLACEHOLDER)
        assert_int_equal(detail.length, 0);
}

static void only_strings_are_urls(void **state)
{
    (void)state;
    static const char *const values[] = {"null", "true", "false", "0",
                                         "1",    "[]",   "{}",    "[\"https://a.example\"]"};
    for (size_t i = 0; i < ARRAY_LENGTH(values); i++)
        expect_judgement(values[i], ERROR_URL_NO_STRING);
}

/* A value of `before`, then so many times `unit`, then `after`. */
static void expect_judgement_of_many(const char *before, const char *unit, size_t count,
                                     const char *after, enum relay_error expected)
{
    char raw[TEXT_MAX] = "\"";
    strcat(raw, before);
    for (size_t i = 0; i < count; i++)
        strcat(raw, unit);
    strcat(raw, after);
    strcat(raw, "\"");
    expect_judgement(raw, expected);
}

static void decoded_bytes_are_counted(void **state)
{
    (void)state;
    /* The beginning has 12 bytes, so that 500 remain. */
    static const struct {
        const char *unit;
        size_t fitting;
    } cases[] = {
        {"x", 500},
        {"\\u0078", 500},
        {"\\/", 500},
        {"\xC3\xA9", 250},
        {"\\u00e9", 250},
        {"\\\"", 500},
        {"\xF0\x9F\x98\x80", 125},
        {"\\ud83d\\ude00", 125},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        size_t fitting = cases[i].fitting;
        expect_judgement_of_many("https://a.b/", cases[i].unit, fitting, "", NO_ERROR);
        expect_judgement_of_many("https://a.b/", cases[i].unit, fitting, "x", ERROR_URL_TOO_LARGE);
        expect_judgement_of_many("https://a.b/", cases[i].unit, fitting + 1, "",
                                 ERROR_URL_TOO_LARGE);
    }
    /* Placeholders count as they are written. */
    expect_judgement_of_many("https://a.b/", "{instance}", 50, "", NO_ERROR);
    expect_judgement_of_many("https://a.b/", "{instance}", 50, "x", ERROR_URL_TOO_LARGE);
    expect_judgement_of_many("https://a.b/", "{room}", 84, "", ERROR_URL_TOO_LARGE);
}

static void errors_have_their_order(void **state)
{
    (void)state;
    /* Each has the faults of those below it, too. */
    expect_judgement_of_many(" {foo}{:", "x", 505, "", ERROR_URL_TOO_LARGE);
    expect_judgement("\" {foo}{http:\"", ERROR_URL_SPACES);
    expect_judgement("\"{http:}{foo}{\"", ERROR_URL_PLACEHOLDER);
    expect_judgement("\"}{foo}\"", ERROR_URL_PLACEHOLDER);
    expect_judgement("\"{room}}http://\"", ERROR_URL_BRACE);
    expect_judgement("\"http://\"", ERROR_URL_INVALID);
    expect_judgement("\"http://a.example\"", ERROR_URL_NOT_HTTPS);
    expect_judgement("\"https://a.example\"", NO_ERROR);
}

/* Where http will do for a page in the same network: protocol 3. */
static void a_page_in_the_same_network_needs_no_https(void **state)
{
    static const struct {
        const char *raw;
        bool is_near;
    } cases[] = {
        {"\"http://192.168.1.2:8000/?r={room}\"", true},
        {"\"http://localhost/{room}\"", true},
        {"\"http://tv.local/\"", true},
        {"\"http://{room}.local/\"", true},
        {"\"http://example.com/{room}\"", false},
        {"\"http://{room}/\"", false},
        {"\"http://8.8.8.8/\"", false},
        {"\"ws://localhost/\"", false},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        struct guarded guarded = guarded_copy(bytes_of_string(cases[i].raw));
        struct json_value value = value_in(&guarded);
        struct url_template template;
        enum relay_error error;
        struct bytes detail;
        bool is_read = url_template_read(&value, BYTES(""), true, &template, &error, &detail);
        assert_int_equal(is_read, cases[i].is_near);
        if (!is_read)
            assert_int_equal(error, ERROR_URL_NOT_HTTPS);
        assert_false(url_template_read(&value, BYTES(""), false, &template, &error, &detail));
        guarded_free(&guarded);
    }
}

static void spaces_and_controls_are_refused_however_they_are_written(void **state)
{
    (void)state;
    static const char *const texts[] = {
        " ",        "\\t",      "\\n",      "\\r",  "\\u0000", "\\u0001",
        "\\u001f",  "\\u0020",  "\\u007f",  "\x7F", "\\u0080", "\\u009F",
        "\xC2\x80", "\xC2\x85", "\xC2\x9F", "\\b",  "\\f",
    };
    for (size_t i = 0; i < ARRAY_LENGTH(texts); i++) {
        expect_judgement_of_many("https://a.example/", texts[i], 1, "", ERROR_URL_SPACES);
        expect_judgement_of_many("https://a.example/", texts[i], 1, "x", ERROR_URL_SPACES);
        expect_judgement_of_many("", texts[i], 1, "https://a.example/", ERROR_URL_SPACES);
    }
    static const char *const others[] = {"!", "\xC2\xA0", "\xC3\x80", "\xE2\x82\x80", "~"};
    for (size_t i = 0; i < ARRAY_LENGTH(others); i++)
        expect_judgement_of_many("https://a.example/", others[i], 1, "x", NO_ERROR);
}

static void unknown_placeholders_are_told_the_first_first(void **state)
{
    (void)state;
    static const struct {
        const char *raw;
        const char *detail;
    } cases[] = {
        {"\"https://a.example/{foo}\"", "{foo}"},
        {"\"https://a.example/{room}{b}{c}\"", "{b}"},
        {"\"{ROOM}\"", "{ROOM}"},
        {"\"{rooms}\"", "{rooms}"},
        {"\"{roo}\"", "{roo}"},
        {"\"{}\"", "{}"},
        {"\"{{x}}\"", "{x}"},
        {"\"}}{x\\u0079}\"", "{xy}"},
        {"\"{\\\"\\\\}\"", "{\"\\}"},
        {"\"{\xC3\xA9}\"", "{\xC3\xA9}"},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        struct url_template template;
        struct bytes detail;
        enum relay_error error = judge(cases[i].raw, BYTES(""), &template, &detail);
        assert_int_equal(error, ERROR_URL_PLACEHOLDER);
        if (!bytes_equal(detail, bytes_of_string(cases[i].detail)))
            fail_msg("%s: %.*s", cases[i].raw, (int)detail.length, detail.data);
    }
}

static void braces_that_belong_to_no_placeholder_are_stray(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "{", "}", "{room", "room}", "{room}{", "{room}}", "{{room}", "}room{", "{{room}}",
    };
    for (size_t i = 0; i < ARRAY_LENGTH(texts); i++) {
        expect_judgement_of_many("https://a.example/", texts[i], 1, "", ERROR_URL_BRACE);
        expect_judgement_of_many("", texts[i], 1, "", ERROR_URL_BRACE);
    }
}

static void what_is_filled_in_must_be_a_url(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum relay_error error;
    } cases[] = {
        {"", ERROR_URL_INVALID},
        {"{room}", ERROR_URL_INVALID},
        {"https://", ERROR_URL_INVALID},
        {"https://{instance}", ERROR_URL_INVALID}, /* empty */
        {"https://{room}", NO_ERROR},
        {"https://{room}:443/", NO_ERROR},
        {"https://a.example:{room}/", ERROR_URL_INVALID},
        {"https://a.example:44{instance}3/", NO_ERROR},
        {"https:{instance}//a.example", NO_ERROR},
        {"h{instance}ttps://a.example", NO_ERROR},
        {"{room}://a.example", ERROR_URL_NOT_HTTPS},
        {"mailto:{room}", ERROR_URL_NOT_HTTPS},
        {"https:\\u002f\\/a.example", NO_ERROR},
        {"https://a.example/\\ud800", ERROR_URL_INVALID},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++)
        expect_judgement_of_many(cases[i].text, "", 0, "", cases[i].error);
}

static void the_instance_is_part_of_what_is_judged(void **state)
{
    (void)state;
    struct url_template template;
    struct bytes detail;
    const char *of_host = "\"https://{instance}/\"";
    const char *of_port = "\"https://a.example:{instance}/\"";
    assert_int_equal(judge(of_host, BYTES("i7"), &template, &detail), NO_ERROR);
    assert_int_equal(judge(of_port, BYTES("443"), &template, &detail), NO_ERROR);
    assert_int_equal(judge(of_port, BYTES("i7"), &template, &detail), ERROR_URL_INVALID);
}

static void expect_filled(const char *raw, struct bytes instance_id, const char *filled)
{
    struct url_template template;
    struct bytes detail;
    uint8_t zeros[URL_FILLED_BYTES_MAX] = {0};
    struct guarded out = guarded_copy(bytes_of(zeros, sizeof zeros));
    assert_int_equal(judge(raw, instance_id, &template, &detail), NO_ERROR);
    size_t length = url_template_fill(&template, BYTES("abcdef"), instance_id, out.bytes.data);
    struct bytes url = bytes_of(out.bytes.data, length);
    if (!bytes_equal(url, bytes_of_string(filled)))
        fail_msg("%s: %.*s", raw, (int)length, out.bytes.data);
    guarded_free(&out);
}

static void placeholders_are_filled_wherever_they_are(void **state)
{
    (void)state;
    struct bytes instance = BYTES("d8-x.y_z");
    expect_filled("\"https://a.example\"", instance, "https://a.example");
    expect_filled("\"https://a.example/{room}\"", instance, "https://a.example/abcdef");
    expect_filled("\"https://{room}.a/{room}{room}?i={instance}#{room}\"", instance,
                  "https://abcdef.a/abcdefabcdef?i=d8-x.y_z#abcdef");
    expect_filled("\"https://a.example/{instance}/{room}\"", BYTES(""),
                  "https://a.example//abcdef");
    expect_filled("\"https://a.example/\\u007broom\\u007d\"", instance, "https://a.example/abcdef");
    expect_filled("\"https://a.example/%7Broom%7D\"", instance, "https://a.example/%7Broom%7D");
}

static void filled_url_is_the_inside_of_a_json_string(void **state)
{
    (void)state;
    expect_filled("\"https://a.example/\\\"\\\\\\/\"", BYTES(""), "https://a.example/\\\"\\\\/");
    expect_filled("\"https://a.example/\\u0022\\u005C\"", BYTES(""), "https://a.example/\\\"\\\\");
    expect_filled("\"https://a.example/\\u00e9\\ud83d\\ude00\"", BYTES(""),
                  "https://a.example/\xC3\xA9\xF0\x9F\x98\x80");
}

/* The longest that a template can become: nothing but {instance}, and nothing but quotes. */
static void longest_templates_fit_when_they_are_filled(void **state)
{
    (void)state;
    char raw[TEXT_MAX] = "\"https://a.b/";
    char filled[TEXT_MAX] = "https://a.b/";
    char instance[INSTANCE_BYTES_MAX + 1] = "";
    memset(instance, 'i', INSTANCE_BYTES_MAX);
    for (size_t i = 0; i < 50; i++) {
        strcat(raw, "{instance}");
        strcat(filled, instance);
    }
    strcat(raw, "\"");
    expect_filled(raw, bytes_of_string(instance), filled);

    strcpy(raw, "\"https://a.b/");
    strcpy(filled, "https://a.b/");
    for (size_t i = 0; i < 500; i++) {
        strcat(raw, "\\\"");
        strcat(filled, "\\\"");
    }
    strcat(raw, "\"");
    expect_filled(raw, BYTES(""), filled);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_strings_are_urls),
        cmocka_unit_test(decoded_bytes_are_counted),
        cmocka_unit_test(errors_have_their_order),
        cmocka_unit_test(a_page_in_the_same_network_needs_no_https),
        cmocka_unit_test(spaces_and_controls_are_refused_however_they_are_written),
        cmocka_unit_test(unknown_placeholders_are_told_the_first_first),
        cmocka_unit_test(braces_that_belong_to_no_placeholder_are_stray),
        cmocka_unit_test(what_is_filled_in_must_be_a_url),
        cmocka_unit_test(the_instance_is_part_of_what_is_judged),
        cmocka_unit_test(placeholders_are_filled_wherever_they_are),
        cmocka_unit_test(filled_url_is_the_inside_of_a_json_string),
        cmocka_unit_test(longest_templates_fit_when_they_are_filled),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
