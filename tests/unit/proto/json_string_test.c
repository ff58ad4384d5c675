/*
 * JSON strings as values: equality with their escapes decoded, what they are in UTF-8, and the one
 * canonical form, as JSON.stringify writes it; and the length that values have in compact form.
 * Strings and output both end right before an unreadable page.
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

static const struct {
    struct bytes raw;
    struct bytes text;
} decoded_cases[] = {
    {BYTES_ENTRY("\"\""), BYTES_ENTRY("")},
    {BYTES_ENTRY("\"abc\""), BYTES_ENTRY("abc")},
    {BYTES_ENTRY("\"\\u0061\\u0000b\""), BYTES_ENTRY("a\0b")},
    {BYTES_ENTRY("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\""), BYTES_ENTRY("\"\\/\b\f\n\r\t")},
    {BYTES_ENTRY("\"\\u007f\\u0080\\u07FF\\u0800\\uffff\""),
     BYTES_ENTRY("\x7f\xc2\x80\xdf\xbf\xe0\xa0\x80\xef\xbf\xbf")},
    {BYTES_ENTRY("\"\xc3\xa9\\u00E9\""), BYTES_ENTRY("\xc3\xa9\xc3\xa9")},
    {BYTES_ENTRY("\"\\ud83d\\uDE00\xf0\x9f\x98\x80\""),
     BYTES_ENTRY("\xf0\x9f\x98\x80\xf0\x9f\x98\x80")},
    {BYTES_ENTRY("\"\\ud800\\udc00\\udbff\\udfff\""),
     BYTES_ENTRY("\xf0\x90\x80\x80\xf4\x8f\xbf\xbf")},
    {BYTES_ENTRY("\"\\ud7ff\\ue000\""), BYTES_ENTRY("\xed\x9f\xbf\xee\x80\x80")},
    {BYTES_ENTRY("\"\\\\ud800\""), BYTES_ENTRY("\\ud800")},
};

static void strings_are_decoded_to_utf8(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(decoded_cases); i++) {
        struct guarded raw = guarded_copy(decoded_cases[i].raw);
        struct bytes expected = decoded_cases[i].text;
        struct guarded out = guarded_copy(expected);
        struct json_value string = string_in(&raw);
        size_t length;
        memset(out.bytes.data, 0, out.bytes.length);
        if (!json_string_decode(&string, out.bytes.data, out.bytes.length, &length))
            fail_msg("case %zu did not fit", i);
        if (!bytes_equal(bytes_of(out.bytes.data, length), expected))
            fail_msg("case %zu: %.*s", i, (int)length, out.bytes.data);
        guarded_free(&out);
        guarded_free(&raw);
    }
}

static void what_does_not_fit_decoded_is_refused_and_what_does_was_written(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(decoded_cases); i++) {
        struct guarded raw = guarded_copy(decoded_cases[i].raw);
        struct json_value string = string_in(&raw);
        for (size_t capacity = 0; capacity < decoded_cases[i].text.length; capacity++) {
            uint8_t zeros[OUTPUT_MAX] = {0};
            struct guarded out = guarded_copy(bytes_of(zeros, capacity));
            size_t length;
            if (json_string_decode(&string, out.bytes.data, capacity, &length))
                fail_msg("case %zu fitted into %zu bytes", i, capacity);
            assert_in_range(length, 0, capacity);
            assert_memory_equal(out.bytes.data, decoded_cases[i].text.data, length);
            guarded_free(&out);
        }
        guarded_free(&raw);
    }
}

static void surrogates_that_stand_alone_cannot_be_decoded(void **state)
{
    static const struct {
        struct bytes raw;
        struct bytes before;
    } cases[] = {
        {BYTES_ENTRY("\"\\ud800\""), BYTES_ENTRY("")},
        {BYTES_ENTRY("\"a\\uDBFFb\""), BYTES_ENTRY("a")},
        {BYTES_ENTRY("\"ab\\udc00\\ud800\""), BYTES_ENTRY("ab")},
        {BYTES_ENTRY("\"\\n\\udfff\""), BYTES_ENTRY("\n")},
        {BYTES_ENTRY("\"\\ud800\\u0041\""), BYTES_ENTRY("")},
        {BYTES_ENTRY("\"\\ud83d\\ud83d\\ude00\""), BYTES_ENTRY("")},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        struct guarded raw = guarded_copy(cases[i].raw);
        struct json_value string = string_in(&raw);
        uint8_t out[OUTPUT_MAX];
        size_t length;
        if (json_string_decode(&string, out, sizeof out, &length))
            fail_msg("case %zu was decoded", i);
        assert_true(bytes_equal(bytes_of(out, length), cases[i].before));
        guarded_free(&raw);
    }
}

/* The second of each is what JSON.stringify makes of the first, numbers left alone. */
static void compact_length_is_that_of_the_compact_form(void **state)
{
    static const struct {
        struct bytes raw;
        struct bytes compact;
    } cases[] = {
        {BYTES_ENTRY("null"), BYTES_ENTRY("null")},
        {BYTES_ENTRY("-0.0e+10"), BYTES_ENTRY("-0.0e+10")},
        {BYTES_ENTRY("\"\""), BYTES_ENTRY("\"\"")},
        {BYTES_ENTRY("[ 1 ,\t2,\r\n3 ]"), BYTES_ENTRY("[1,2,3]")},
        {BYTES_ENTRY("{ \"a b\" : \"c\td\" }"), BYTES_ENTRY("{\"a b\":\"c\td\"}")},
        {BYTES_ENTRY("{\"\\u0061\":[\"\\u00e9\\/\"]}"), BYTES_ENTRY("{\"a\":[\"\xc3\xa9/\"]}")},
        {BYTES_ENTRY("\"\\ud83d\\ude00\""), BYTES_ENTRY("\"\xf0\x9f\x98\x80\"")},
        {BYTES_ENTRY("\"\\uD83D\""), BYTES_ENTRY("\"\\ud83d\"")},
        {BYTES_ENTRY("\"\\u0022\\u005c\\u000A\""), BYTES_ENTRY("\"\\\"\\\\\\n\"")},
        {BYTES_ENTRY("\"\\u0000\\u001f\\u007f\""), BYTES_ENTRY("\"\\u0000\\u001f\x7f\"")},
        {BYTES_ENTRY("[\"\\\\\", \"\\\"\", \" \"]"), BYTES_ENTRY("[\"\\\\\",\"\\\"\",\" \"]")},
        {BYTES_ENTRY("[\"\\\\\" , \" ] \" ]"), BYTES_ENTRY("[\"\\\\\",\" ] \"]")},
        {BYTES_ENTRY("[ [ ] , { } ]"), BYTES_ENTRY("[[],{}]")},
        {BYTES_ENTRY("\"\xe2\x82\xac \""), BYTES_ENTRY("\"\xe2\x82\xac \"")},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        struct guarded raw = guarded_copy(cases[i].raw);
        size_t length = json_compact_length(guarded_view(&raw));
        if (length != cases[i].compact.length)
            fail_msg("case %zu: %zu instead of %zu", i, length, cases[i].compact.length);
        assert_int_equal(json_compact_length(cases[i].compact), length);
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
        cmocka_unit_test(strings_are_decoded_to_utf8),
        cmocka_unit_test(what_does_not_fit_decoded_is_refused_and_what_does_was_written),
        cmocka_unit_test(surrogates_that_stand_alone_cannot_be_decoded),
        cmocka_unit_test(compact_length_is_that_of_the_compact_form),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
