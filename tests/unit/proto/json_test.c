/*
 * The JSON validator (RFC 8259), right before an unreadable page; the cases of the conformance
 * folder that JSON_CONFORMANCE names; depth; the walk over an object's members.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
/* cmocka wants these before it. */
#include <cmocka.h>
#include <dirent.h>
#include <math.h>
#include <string.h>

#include "base/attributes.h"
#include "proto/json.h"
#include "proto/utf8.h"
#include "support/guard_page.h"
#include "support/json_goes.h"

/* The same at once and in goes. */
static enum json_kind kind_of(struct bytes text)
{
    struct guarded guarded = guarded_copy(text);
    enum json_kind kind = json_validate(guarded_view(&guarded));
    assert_int_equal(json_kind_in_goes(guarded_view(&guarded), 1), kind);
    assert_int_equal(json_kind_in_goes(guarded_view(&guarded), 3), kind);
    guarded_free(&guarded);
    return kind;
}

static void valid_texts_have_their_kind(void **state)
{
    static const struct {
        const char *text;
        enum json_kind kind;
    } cases[] = {
        {"null", JSON_NULL},
        {" true\n", JSON_TRUE},
        {"false", JSON_FALSE},
        {"0", JSON_NUMBER},
        {"-0.5e+10", JSON_NUMBER},
        {"1E400", JSON_NUMBER},
        {"\"\"", JSON_STRING},
        {"\"\\ud800\"", JSON_STRING},
        {"[]", JSON_ARRAY},
        {"[1,[2],{}]", JSON_ARRAY},
        {"{\"a\":{\"b\":[]}}", JSON_OBJECT},
        {"\t{ }\r", JSON_OBJECT},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_int_equal(kind_of(bytes_of_string(cases[i].text)), cases[i].kind);
}

static void what_is_no_json_is_refused(void **state)
{
    static const char *const cases[] = {
        "",         " ",          "nul",       "nulll",       "True",
        "01",       "+1",         "1.",        ".5",          "1e",
        "1e+",      "--1",        "0x1",       "NaN",         "\"",
        "\"\\\"",   "\"\\x\"",    "\"\\u12\"", "\"\\u12g4\"", "\"\t\"",
        "\"\x01\"", "[",          "[1",        "[1,]",        "[,1]",
        "[1 2]",    "]",          "{",         "{}}",         "{\"a\"}",
        "{\"a\":}", "{\"a\":1,}", "{a:1}",     "{1:2}",       "{\"a\":1 \"b\":2}",
        "[1}",      "{\"a\":[}",  "1 2",       "'a'",         "\xef\xbb\xbf{}",
        "[1]x",     "{\"a\":1}]", "//\n1",     "[1,\n//\n2]",
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        if (kind_of(bytes_of_string(cases[i])) != JSON_ABSENT)
            fail_msg("accepted: %s", cases[i]);
    }
    assert_int_equal(kind_of(BYTES("1\0")), JSON_ABSENT);
    assert_int_equal(kind_of(BYTES("\"\\\0\"")), JSON_ABSENT);
}

static void every_prefix_of_a_text_is_refused(void **state)
{
    (void)state;
    struct bytes text =
        BYTES("{\"a\":[true,false,null,-1.5e3,\"\\u00e9\\n\xc3\xa9 long enough\"]}");
    for (size_t length = 0; length < text.length; length++)
        assert_int_equal(kind_of(bytes_of(text.data, length)), JSON_ABSENT);
    assert_int_equal(kind_of(text), JSON_OBJECT);
}

/* `depth` arrays or objects in each other. */
static enum json_kind kind_of_nesting(uint32_t depth, const char *open, const char *close)
{
    char *text = calloc(depth, strlen(open) + strlen(close) + 1);
    size_t length = 0;
    for (uint32_t i = 0; i < depth; i++)
        length += (size_t)sprintf(text + length, "%s", i + 1 < depth || *open == '[' ? open : "{");
    for (uint32_t i = 0; i < depth; i++)
        length += (size_t)sprintf(text + length, "%s", close);
    enum json_kind kind = kind_of(bytes_of(text, length));
    free(text);
    return kind;
}

static void nesting_is_bounded_exactly(void **state)
{
    (void)state;
    assert_int_equal(kind_of_nesting(JSON_DEPTH_MAX, "[", "]"), JSON_ARRAY);
    assert_int_equal(kind_of_nesting(JSON_DEPTH_MAX + 1, "[", "]"), JSON_ABSENT);
    assert_int_equal(kind_of_nesting(JSON_DEPTH_MAX, "{\"a\":", "}"), JSON_OBJECT);
    assert_int_equal(kind_of_nesting(JSON_DEPTH_MAX + 1, "{\"a\":", "}"), JSON_ABSENT);
}

static void members_are_views_of_what_was_written(void **state)
{
    (void)state;
    struct bytes text = BYTES(" { \"a\" : [1, 2] ,\"b\\u0063\":-0}");
    struct json_walk walk;
    struct json_value key;
    struct json_value value;
    json_walk_begin(&walk, text);
    assert_int_equal(json_walk_next(&walk, &key, &value), JSON_NEXT_MEMBER);
    assert_true(bytes_equal(key.raw, BYTES("\"a\"")));
    assert_true(bytes_equal(value.raw, BYTES("[1, 2]")));
    assert_int_equal(json_walk_next(&walk, &key, &value), JSON_NEXT_MEMBER);
    assert_true(json_string_equals(&key, BYTES("bc")));
    assert_false(json_string_equals(&key, BYTES("b")));
    assert_true(bytes_equal(value.raw, BYTES("-0")));
    assert_true(json_member_number(&value) == 0);
    assert_int_equal(json_walk_next(&walk, &key, &value), JSON_NEXT_END);
}

static void a_go_is_over_in_the_middle_of_a_value(void **state)
{
    (void)state;
    struct bytes text = BYTES("{\"a\":[10,[20,{\"b\":30}],40],\"c\":5}");
    struct json_walk walk;
    struct json_value key;
    struct json_value value;
    json_walk_begin(&walk, text);
    int goes = 0;
    do {
        json_walk_allow(&walk, 6);
        goes++;
    } while (json_walk_next(&walk, &key, &value) == JSON_NEXT_PAUSED);
    assert_in_range(goes, 4, 6);
    assert_true(bytes_equal(key.raw, BYTES("\"a\"")));
    assert_true(bytes_equal(value.raw, BYTES("[10,[20,{\"b\":30}],40]")));
    json_walk_allow(&walk, text.length);
    assert_int_equal(json_walk_next(&walk, &key, &value), JSON_NEXT_MEMBER);
    assert_true(bytes_equal(value.raw, BYTES("5")));
    assert_int_equal(json_walk_next(&walk, &key, &value), JSON_NEXT_END);
}

/* A text with a million of one byte in it, in goes of a thousand: none of them does much more. */
static void expect_even_goes(const char *before, char filling, const char *after, bool is_valid)
{
    enum { FILLING = 1000000, GO = 1000 };
    size_t length = strlen(before) + FILLING + strlen(after);
    uint8_t *text = malloc(length);
    assert_non_null(text);
    memcpy(text, before, strlen(before));
    memset(text + strlen(before), filling, FILLING);
    memcpy(text + strlen(before) + FILLING, after, strlen(after));
    struct json_walk walk;
    struct json_value key;
    struct json_value value;
    enum json_next next;
    size_t goes = 0;
    json_walk_begin(&walk, bytes_of(text, length));
    do {
        json_walk_allow(&walk, GO);
        next = json_walk_next(&walk, &key, &value);
        goes++;
    } while (next == JSON_NEXT_MEMBER || next == JSON_NEXT_PAUSED);
    assert_int_equal(next, is_valid ? JSON_NEXT_END : JSON_NEXT_INVALID);
    assert_in_range(goes, FILLING / GO, FILLING / GO + 4);
    free(text);
}

static void a_go_is_over_in_the_middle_of_a_long_run(void **state)
{
    (void)state;
    expect_even_goes("", '7', "", true);
    expect_even_goes("{\"a\":-", '1', ".5e7}", true);
    expect_even_goes("{\"a\":0.", '0', "}", true);
    expect_even_goes("[1e+", '0', "]", true);
    expect_even_goes("[1e+", '0', "x]", false);
    expect_even_goes("", ' ', "{}", true);
    expect_even_goes("", '\n', "", false);
    expect_even_goes("{", ' ', "}", true);
    expect_even_goes("{\"a\"", '\t', ":1}", true);
    expect_even_goes("{\"a\":", '\r', "1}", true);
    expect_even_goes("{\"a\":[1", ' ', ",2]}", true);
    expect_even_goes("{\"a\":[", ' ', "]}", true);
    expect_even_goes("{\"a\":{", ' ', "\"b\":1}}", true);
    expect_even_goes("{}", ' ', "", true);
    expect_even_goes("{}", ' ', "x", false);
    expect_even_goes("{\"", 'k', "\":{\"b\":1}}", true);
    expect_even_goes("{\"a\":\"", 'x', "\"}", true);
    expect_even_goes("{\"a\":[\"\\u12", '3', "\\n\"]}", true);
    expect_even_goes("\"\\", '\\', "\"", false);
    expect_even_goes("\"", '\\', "\"", true);
}

static void a_number_that_nobody_means_is_none(void **state)
{
    (void)state;
    char text[JSON_NUMBER_BYTES_MAX + 16] = "{\"a\":";
    for (size_t length = JSON_NUMBER_BYTES_MAX; length <= JSON_NUMBER_BYTES_MAX + 1; length++) {
        memset(text + 5, '0', length);
        memcpy(text + 5, "3.", 2);
        strcpy(text + 5 + length, "}");
        struct json_walk walk;
        struct json_value key;
        struct json_value value;
        json_walk_begin(&walk, bytes_of_string(text));
        assert_int_equal(json_walk_next(&walk, &key, &value), JSON_NEXT_MEMBER);
        double number = json_member_number(&value);
        if (length == JSON_NUMBER_BYTES_MAX)
            assert_true(number == 3);
        else
            assert_true(isnan(number));
    }
}

static void strings_have_one_canonical_form(void **state)
{
    static const struct {
        const char *raw;
        const char *canonical;
        size_t decoded;
    } cases[] = {
        {"\"abc\"", "abc", 3},
        {"\"\\u0061\\/\"", "a/", 2},
        {"\"\\u0000\"", "\\u0000", 1},
        {"\"\\u0008\\u000C\\n\\r\\t\"", "\\b\\f\\n\\r\\t", 5},
        {"\"\\\"\\\\\"", "\\\"\\\\", 2},
        {"\"\\ud83d\\ude00\"", "\xf0\x9f\x98\x80", 4},
        {"\"\\uD83D\"", "\\ud83d", 3},
        {"\"\\uDE00\\uD83D\"", "\\ude00\\ud83d", 6},
        {"\"\\u00e9\\u20AC\"", "\xc3\xa9\xe2\x82\xac", 5},
        {"\"\x7f\"", "\x7f", 1},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct guarded raw = guarded_copy(bytes_of_string(cases[i].raw));
        struct json_value string = {JSON_STRING, strchr(cases[i].raw, '\\') != NULL,
                                    guarded_view(&raw)};
        uint8_t out[32];
        struct json_string_sizes sizes;
        struct bytes expected = bytes_of_string(cases[i].canonical);
        assert_true(json_string_canonicalize(&string, out, sizeof out, &sizes));
        assert_true(bytes_equal(bytes_of(out, sizes.written), expected));
        assert_int_equal(sizes.decoded, cases[i].decoded);
        assert_false(json_string_canonicalize(&string, out, expected.length - 1, &sizes));
        guarded_free(&raw);
    }
}

static bool accepts_file(const char *folder, const char *name)
{
    char path[4096];
    static char content[512 * 1024];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    size_t length = fread(content, 1, sizeof content, file);
    fclose(file);
    struct bytes text = bytes_of(content, length);
    return utf8_is_valid(text) && kind_of(text) != JSON_ABSENT;
}

static void the_conformance_cases_are_judged_right(void **state)
{
    (void)state;
    const char *folder = getenv("JSON_CONFORMANCE");
    DIR *directory = folder == NULL ? NULL : opendir(folder);
    if (directory == NULL) {
        print_message("# skipped: JSON_CONFORMANCE names no folder\n");
        skip();
    }
    size_t count = 0;
    for (struct dirent *entry; (entry = readdir(directory)) != NULL;) {
        if (strstr(entry->d_name, ".json") == NULL)
            continue;
        count++;
        bool is_accepted = accepts_file(folder, entry->d_name);
        bool is_wrong =
            (entry->d_name[0] == 'y' && !is_accepted) || (entry->d_name[0] == 'n' && is_accepted);
        if (is_wrong)
            fail_msg("%s: %s", entry->d_name, is_accepted ? "accepted" : "refused");
    }
    closedir(directory);
    print_message("# %zu cases\n", count);
    assert_true(count > 0);
}

static void numbers_are_whole_or_rounded_up(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool is_whole; /* from 0 to 8 */
        bool has_ceiling;
        uint32_t ceiling; /* at most 8 */
    } cases[] = {
        {"{\"a\":0}", true, true, 0},      {"{\"a\":-0}", true, true, 0},
        {"{\"a\":8}", true, true, 8},      {"{\"a\":8.0}", true, true, 8},
        {"{\"a\":80e-1}", true, true, 8},  {"{\"a\":0.5}", false, true, 1},
        {"{\"a\":7.001}", false, true, 8}, {"{\"a\":7}", true, true, 7},
        {"{\"a\":8.5}", false, true, 8},   {"{\"a\":9}", false, true, 8},
        {"{\"a\":1e400}", false, true, 8}, {"{\"a\":-1}", false, false, 0},
        {"{\"a\":-0.5}", false, false, 0}, {"{\"a\":\"1\"}", false, false, 0},
        {"{\"a\":null}", false, false, 0}, {"{\"a\":[1]}", false, false, 0},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        struct json_walk walk;
        struct json_value key;
        struct json_value value;
        uint64_t whole;
        uint32_t ceiling = 0;
        json_walk_begin(&walk, bytes_of_string(cases[i].text));
        assert_int_equal(json_walk_next(&walk, &key, &value), JSON_NEXT_MEMBER);
        assert_int_equal(json_member_whole(&value, 8, &whole), cases[i].is_whole);
        if (cases[i].is_whole)
            assert_int_equal(whole, cases[i].ceiling);
        assert_int_equal(json_member_ceiling(&value, 8, &ceiling), cases[i].has_ceiling);
        assert_int_equal(ceiling, cases[i].ceiling);
    }
}

static void whole_numbers_are_exact_up_to_two_to_the_53(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t whole; /* UINT64_MAX: it is none */
    } cases[] = {
        {"{\"a\":999999999999999}", 999999999999999}, /* the most digits that are read as such */
        {"{\"a\":1000000000000001}", 1000000000000001},
        {"{\"a\":9007199254740992}", 9007199254740992},
        {"{\"a\":9007199254740994}", UINT64_MAX},
        {"{\"a\":99999999999999999999999999}", UINT64_MAX},
        {"{\"a\":12e2}", 1200},
        {"{\"a\":12.0}", 12},
        {"{\"a\":-0}", 0},
        {"{\"a\":\"12\"}", UINT64_MAX},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        struct json_walk walk;
        struct json_value key;
        struct json_value value;
        uint64_t whole = 0;
        bool is_whole = cases[i].whole != UINT64_MAX;
        json_walk_begin(&walk, bytes_of_string(cases[i].text));
        assert_int_equal(json_walk_next(&walk, &key, &value), JSON_NEXT_MEMBER);
        assert_int_equal(json_member_whole(&value, (uint64_t)1 << 53, &whole), is_whole);
        if (is_whole)
            assert_int_equal(whole, cases[i].whole);
    }
}

static void elements_of_an_array_are_views(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum json_kind kinds[8];
        const char *raws[8]; /* NULL: no more */
    } cases[] = {
        {"{\"a\":[]}", {JSON_ABSENT}, {NULL}},
        {"{\"a\":[ \t\r\n ]}", {JSON_ABSENT}, {NULL}},
        {"{\"a\":[1]}", {JSON_NUMBER}, {"1", NULL}},
        {"{\"a\":[ -1.5e3 , null,true\n,false]}",
         {JSON_NUMBER, JSON_NULL, JSON_TRUE, JSON_FALSE},
         {"-1.5e3", "null", "true", "false", NULL}},
        {"{\"a\":[\"\",\"a,]b\",\"\\\"]\",\"\\\\\"]}",
         {JSON_STRING, JSON_STRING, JSON_STRING, JSON_STRING},
         {"\"\"", "\"a,]b\"", "\"\\\"]\"", "\"\\\\\"", NULL}},
        {"{\"a\":[[],[1,[2,3]] ,{\"b\":[4,5]},{}]}",
         {JSON_ARRAY, JSON_ARRAY, JSON_OBJECT, JSON_OBJECT},
         {"[]", "[1,[2,3]]", "{\"b\":[4,5]}", "{}", NULL}},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        struct json_walk walk;
        struct json_value key;
        struct json_value array;
        struct json_value element;
        json_walk_begin(&walk, bytes_of_string(cases[i].text));
        assert_int_equal(json_walk_next(&walk, &key, &array), JSON_NEXT_MEMBER);
        struct bytes rest = array.raw;
        size_t count = 0;
        for (; json_array_next(&rest, &element); count++) {
            assert_non_null(cases[i].raws[count]);
            assert_int_equal(element.kind, cases[i].kinds[count]);
            assert_true(bytes_equal(element.raw, bytes_of_string(cases[i].raws[count])));
            bool has_escapes = strchr(cases[i].raws[count], '\\') != NULL;
            assert_int_equal(element.has_escapes, has_escapes);
        }
        assert_null(cases[i].raws[count]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(valid_texts_have_their_kind),
        cmocka_unit_test(what_is_no_json_is_refused),
        cmocka_unit_test(every_prefix_of_a_text_is_refused),
        cmocka_unit_test(nesting_is_bounded_exactly),
        cmocka_unit_test(members_are_views_of_what_was_written),
        cmocka_unit_test(numbers_are_whole_or_rounded_up),
        cmocka_unit_test(whole_numbers_are_exact_up_to_two_to_the_53),
        cmocka_unit_test(elements_of_an_array_are_views),
        cmocka_unit_test(a_go_is_over_in_the_middle_of_a_value),
        cmocka_unit_test(a_go_is_over_in_the_middle_of_a_long_run),
        cmocka_unit_test(a_number_that_nobody_means_is_none),
        cmocka_unit_test(strings_have_one_canonical_form),
        cmocka_unit_test(the_conformance_cases_are_judged_right),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
