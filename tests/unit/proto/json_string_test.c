/*
 * JSON strings as values: equality with their escapes decoded, and the one canonical form, as
 * JSON.stringify writes it. Strings and output both end right before an unreadable page.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
/* cmocka wants these before it. */
#include <cmocka.h>

#include "base/attributes.h"
#include "proto/json.h"
#include "support/bytes_entry.h"
#include "support/guard_page.h"

#define OUTPUT_MAX 64

static struct json_value string_in(const struct guarded *guarded)
{
    struct bytes raw = guarded_view(guarded);
    bool has_escapes = memchr(raw.data, '\\', raw.length) != NULL;
    return (struct json_value){JSON_STRING, has_escapes, raw};
}

static void strings_equal_what_their_escapes_decode_to(void **state)
{
    static const struct {
        struct bytes raw;
        struct bytes text;
        bool is_equal;
    } cases[] = {
        {BYTES_ENTRY("\"\""), BYTES_ENTRY(""), true},
        {BYTES_ENTRY("\"\""), BYTES_ENTRY("a"), false},
        {BYTES_ENTRY("\"a\""), BYTES_ENTRY(""), false},
        {BYTES_ENTRY("\"type\""), BYTES_ENTRY("type"), true},
        {BYTES_ENTRY("\"types\""), BYTES_ENTRY("type"), false},
        {BYTES_ENTRY("\"typ\""), BYTES_ENTRY("type"), false},
        {BYTES_ENTRY("\"Type\""), BYTES_ENTRY("type"), false},
        {BYTES_ENTRY("\"\\u0074ype\""), BYTES_ENTRY("type"), true},
        {BYTES_ENTRY("\"typ\\u0065\""), BYTES_ENTRY("type"), true},
        {BYTES_ENTRY("\"typ\\u0065s\""), BYTES_ENTRY("type"), false},
        {BYTES_ENTRY("\"\\u0074yp\""), BYTES_ENTRY("type"), false},
        {BYTES_ENTRY("\"\\u0174ype\""), BYTES_ENTRY("type"), false},
        {BYTES_ENTRY("\"\\u006A\\u006a\""), BYTES_ENTRY("jj"), true},
        {BYTES_ENTRY("\"\\u0000\""), BYTES_ENTRY("\0"), true},
        {BYTES_ENTRY("\"\\u0000\""), BYTES_ENTRY(""), false},
        {BYTES_ENTRY("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\""), BYTES_ENTRY("\"\\/\b\f\n\r\t"), true},
        {BYTES_ENTRY("\"n\""), BYTES_ENTRY("\n"), false},
        {BYTES_ENTRY("\"\\ud83d\\ude00\""), BYTES_ENTRY("??"), false},
        {BYTES_ENTRY("\"\\ud800\""), BYTES_ENTRY("?"), false},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        struct guarded raw = guarded_copy(cases[i].raw);
        struct json_value string = string_in(&raw);
        if (json_string_equals(&string, cases[i].text) != cases[i].is_equal)
            fail_msg("case %zu: %.*s", i, (int)cases[i].raw.length, cases[i].raw.data);
        guarded_free(&raw);
    }
}

static const struct {
    struct bytes raw;
    struct bytes canonical;
    size_t decoded;
} canonical_cases[] = {
    {BYTES_ENTRY("\"\""), BYTES_ENTRY(""), 0},
    {BYTES_ENTRY("\"\\u0061\""), BYTES_ENTRY("a"), 1},
    {BYTES_ENTRY("\"\\/\""), BYTES_ENTRY("/"), 1},
    {BYTES_ENTRY("\"\\u002F\""), BYTES_ENTRY("/"), 1},
    {BYTES_ENTRY("\"\\u0022\\u005c\""), BYTES_ENTRY("\\\"\\\\"), 2},
    {BYTES_ENTRY("\"\\u0008\\u0009\\u000a\\u000C\\u000d\""), BYTES_ENTRY("\\b\\t\\n\\f\\r"), 5},
    {BYTES_ENTRY("\"\\u0000\\u000B\\u001F\""), BYTES_ENTRY("\\u0000\\u000b\\u001f"), 3},
    {BYTES_ENTRY("\"\\u0020\\u007F\""), BYTES_ENTRY(" \x7f"), 2},
    {BYTES_ENTRY("\"\\u0080\\u07ff\""), BYTES_ENTRY("\xc2\x80\xdf\xbf"), 4},
    {BYTES_ENTRY("\"\\u0800\\uFFFF\""), BYTES_ENTRY("\xe0\xa0\x80\xef\xbf\xbf"), 6},
    {BYTES_ENTRY("\"\\u2028\""), BYTES_ENTRY("\xe2\x80\xa8"), 3},
    {BYTES_ENTRY("\"\xf0\x9f\x98\x80\""), BYTES_ENTRY("\xf0\x9f\x98\x80"), 4},
    {BYTES_ENTRY("\"\\uD83D\\uDE00\""), BYTES_ENTRY("\xf0\x9f\x98\x80"), 4},
    {BYTES_ENTRY("\"\\ud800\\udc00\\udbff\\udfff\""),
     BYTES_ENTRY("\xf0\x90\x80\x80\xf4\x8f\xbf\xbf"), 8},
    {BYTES_ENTRY("\"\\uD800\""), BYTES_ENTRY("\\ud800"), 3},
    {BYTES_ENTRY("\"\\uDFFF\""), BYTES_ENTRY("\\udfff"), 3},
    {BYTES_ENTRY("\"\\ud83dx\""), BYTES_ENTRY("\\ud83dx"), 4},
    {BYTES_ENTRY("\"\\ud83d\\n\""), BYTES_ENTRY("\\ud83d\\n"), 4},
    {BYTES_ENTRY("\"\\ud83d\\u0041\""), BYTES_ENTRY("\\ud83dA"), 4},
    {BYTES_ENTRY("\"\\ud83d\\ud83d\\ude00\""), BYTES_ENTRY("\\ud83d\xf0\x9f\x98\x80"), 7},
    {BYTES_ENTRY("\"\\ude00\\ud83d\""), BYTES_ENTRY("\\ude00\\ud83d"), 6},
    {BYTES_ENTRY("\"\\\\ud83d\\\\ude00\""), BYTES_ENTRY("\\\\ud83d\\\\ude00"), 12},
};

static void every_string_has_one_canonical_form(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(canonical_cases); i++) {
        struct guarded raw = guarded_copy(canonical_cases[i].raw);
        struct bytes expected = canonical_cases[i].canonical;
        struct guarded out = guarded_copy(expected);
        struct json_value string = string_in(&raw);
        struct json_string_sizes sizes;
        memset(out.bytes.data, 0, out.bytes.length);
        if (!json_string_canonicalize(&string, out.bytes.data, out.bytes.length, &sizes))
            fail_msg("case %zu did not fit", i);
        if (!bytes_equal(bytes_of(out.bytes.data, sizes.written), expected))
            fail_msg("case %zu: %.*s", i, (int)sizes.written, out.bytes.data);
        assert_int_equal(sizes.decoded, canonical_cases[i].decoded);
        assert_true(sizes.written <= 6 * sizes.decoded);
        guarded_free(&out);
        guarded_free(&raw);
    }
}

static void too_small_an_output_is_refused_and_never_overrun(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(canonical_cases); i++) {
        struct guarded raw = guarded_copy(canonical_cases[i].raw);
        struct json_value string = string_in(&raw);
        for (size_t capacity = 0; capacity < canonical_cases[i].canonical.length; capacity++) {
            uint8_t zeros[OUTPUT_MAX] = {0};
            struct guarded out = guarded_copy(bytes_of(zeros, capacity));
            struct json_string_sizes sizes;
            if (json_string_canonicalize(&string, out.bytes.data, capacity, &sizes))
                fail_msg("case %zu fitted into %zu bytes", i, capacity);
            guarded_free(&out);
        }
        guarded_free(&raw);
    }
}

static void canonical_forms_are_their_own_canonical_form(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(canonical_cases); i++) {
        char quoted[OUTPUT_MAX];
        struct bytes form = canonical_cases[i].canonical;
        int length =
            snprintf(quoted, sizeof quoted, "\"%.*s\"", (int)form.length, (const char *)form.data);
        struct guarded raw = guarded_copy(bytes_of(quoted, (size_t)length));
        assert_int_equal(json_validate(guarded_view(&raw)), JSON_STRING);
        struct json_value string = string_in(&raw);
        uint8_t out[OUTPUT_MAX];
        struct json_string_sizes sizes;
        assert_true(json_string_canonicalize(&string, out, sizeof out, &sizes));
        assert_true(bytes_equal(bytes_of(out, sizes.written), form));
        guarded_free(&raw);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(strings_equal_what_their_escapes_decode_to),
        cmocka_unit_test(every_string_has_one_canonical_form),
        cmocka_unit_test(too_small_an_output_is_refused_and_never_overrun),
        cmocka_unit_test(canonical_forms_are_their_own_canonical_form),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
