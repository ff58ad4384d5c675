/*
 * UTF-8 (RFC 3629), compared with the definition: every sequence of up to three bytes, and
 * four-byte ones at their borders, whole and byte by byte.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
/* cmocka wants these before it. */
#include <cmocka.h>

#include "proto/utf8.h"

static bool is_scalar(uint32_t code_point)
{
    return code_point < 0xD800 || (code_point > 0xDFFF && code_point <= 0x10FFFF);
}

static bool is_valid_byte_by_byte(struct bytes text)
{
    struct utf8_state state = {0};
    for (size_t i = 0; i < text.length; i++) {
        if (!utf8_feed(&state, bytes_of(text.data + i, 1)))
            return false;
    }
    return utf8_is_complete(&state);
}

static void every_code_point_but_surrogates_is_valid(void **state)
{
    (void)state;
    for (uint32_t code_point = 0; code_point <= 0x10FFFF; code_point++) {
        uint8_t text[4];
        struct bytes view = bytes_of(text, utf8_encode(text, code_point));
        assert_int_equal(utf8_is_valid(view), is_scalar(code_point));
        assert_int_equal(is_valid_byte_by_byte(view), is_scalar(code_point));
        if (view.length > 1)
            assert_false(utf8_is_valid(bytes_of(text, view.length - 1)));
    }
}

/* How many of all sequences of three bytes are valid texts, counted from the definition. */
static void no_other_sequence_is_valid(void **state)
{
    (void)state;
    uint32_t ones = 0x80;
    uint32_t twos = 0x800 - 0x80;
    uint32_t threes = 0x10000 - 0x800 - 0x800; /* less the surrogates */
    uint32_t expected = ones * ones * ones + 2 * ones * twos + threes;
    uint32_t count = 0;
    for (uint32_t i = 0; i < 1u << 24; i++) {
        uint8_t text[3] = {(uint8_t)(i >> 16), (uint8_t)(i >> 8), (uint8_t)i};
        count += utf8_is_valid(bytes_of(text, sizeof text));
    }
    assert_int_equal(count, expected);
}

static void faults_show_with_the_first_impossible_byte(void **state)
{
    static const struct bytes cases[] = {
        {(const uint8_t *)"\x80", 1},         {(const uint8_t *)"\xc0", 1},
        {(const uint8_t *)"\xc1", 1},         {(const uint8_t *)"\xf5", 1},
        {(const uint8_t *)"\xe0\x9f", 2},     {(const uint8_t *)"\xed\xa0", 2},
        {(const uint8_t *)"\xf0\x8f", 2},     {(const uint8_t *)"\xf4\x90", 2},
        {(const uint8_t *)"\xe2\x82\x28", 3}, {(const uint8_t *)"eight by\xffte", 9},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct utf8_state before = {0};
        struct utf8_state at = {0};
        assert_true(utf8_feed(&before, bytes_of(cases[i].data, cases[i].length - 1)));
        assert_false(utf8_feed(&at, cases[i]));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_code_point_but_surrogates_is_valid),
        cmocka_unit_test(no_other_sequence_is_valid),
        cmocka_unit_test(faults_show_with_the_first_impossible_byte),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
