/* Room codes: the alphabet, folding, owners, and words that no code may contain. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/attributes.h"
#include "relay/code.h"

static void codes_are_written_most_significant_character_first(void **state)
{
    (void)state;
    static const struct {
        uint32_t number;
        const char *code;
    } cases[] = {
        {0, "AAAA"},
        {1, "AAAB"},
        {7, "AAAH"},
        {8, "AAAJ"},
        {13, "AAAP"},
        {23, "AAAZ"},
        {24, "AAA2"},
        {31, "AAA9"},
        {32, "AABA"},
        {32 * 32, "ABAA"},
        {32 * 32 * 32, "BAAA"},
        {CODE_COUNT - 1, "9999"},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        uint8_t code[CODE_LENGTH];
        uint32_t number = CODE_COUNT;
        code_write(cases[i].number, code);
        assert_memory_equal(code, cases[i].code, CODE_LENGTH);
        assert_true(code_read(bytes_of_string(cases[i].code), &number));
        assert_int_equal(number, cases[i].number);
    }
}

static void every_code_reads_back_in_either_case(void **state)
{
    (void)state;
    for (uint32_t number = 0; number < CODE_COUNT; number++) {
        uint8_t code[CODE_LENGTH];
        uint32_t upper = CODE_COUNT;
        uint32_t lower = CODE_COUNT;
        code_write(number, code);
        bool is_upper_read = code_read(bytes_of(code, sizeof code), &upper);
        for (int i = 0; i < CODE_LENGTH; i++)
            code[i] = ascii_lower(code[i]);
        bool is_lower_read = code_read(bytes_of(code, sizeof code), &lower);
        if (!is_upper_read || !is_lower_read || upper != number || lower != number)
            fail_msg("number %u", number);
    }
}

static void characters_outside_of_the_alphabet_are_no_code(void **state)
{
    (void)state;
    static const char alphabet[] = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789abcdefghjklmnpqrstuvwxyz";
    for (uint32_t position = 0; position < CODE_LENGTH; position++) {
        for (int c = 0; c < 256; c++) {
            uint8_t code[CODE_LENGTH] = {'A', 'A', 'A', 'A'};
            uint32_t number;
            code[position] = (uint8_t)c;
            bool is_expected = c != 0 && strchr(alphabet, c) != NULL;
            assert_int_equal(code_read(bytes_of(code, sizeof code), &number), is_expected);
        }
    }
}

static void texts_of_another_length_are_no_code(void **state)
{
    (void)state;
    static const char *const texts[] = {"", "A", "AAA", "AAAAA", "AAAAAA", "AAAA "};
    for (size_t i = 0; i < ARRAY_LENGTH(texts); i++) {
        uint32_t number;
        assert_false(code_read(bytes_of_string(texts[i]), &number));
    }
}

static void owner_is_the_number_modulo_the_loops(void **state)
{
    (void)state;
    assert_int_equal(code_owner(0, 1), 0);
    assert_int_equal(code_owner(CODE_COUNT - 1, 1), 0);
    assert_int_equal(code_owner(7, 4), 3);
    assert_int_equal(code_owner(8, 4), 0);
    assert_int_equal(code_owner(8, 3), 2);
}

static void obscene_words_are_found_anywhere_and_in_disguise(void **state)
{
    (void)state;
    static const struct {
        const char *code;
        bool is_obscene;
    } cases[] = {
        {"CUNT", true},  {"ASSX", true},  {"XASS", true},  {"A55X", true},  {"4SSX", true},
        {"8UTT", true},  {"BUT7", true},  {"BVTT", true},  {"SH4T", true},  {"S3XX", true},
        {"C2CK", false}, {"CQCK", true},  {"SHLT", true},  {"JL22", true},  {"AN6X", false},
        {"N69X", false}, {"NL6X", true},  {"NL9X", true},  {"AAAA", false}, {"A3KX", false},
        {"ASXS", false}, {"9999", false}, {"2345", false}, {"XXAX", false}, {"SLUT", true},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        if (code_is_obscene((const uint8_t *)cases[i].code) != cases[i].is_obscene)
            fail_msg("%s", cases[i].code);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(codes_are_written_most_significant_character_first),
        cmocka_unit_test(every_code_reads_back_in_either_case),
        cmocka_unit_test(characters_outside_of_the_alphabet_are_no_code),
        cmocka_unit_test(texts_of_another_length_are_no_code),
        cmocka_unit_test(owner_is_the_number_modulo_the_loops),
        cmocka_unit_test(obscene_words_are_found_anywhere_and_in_disguise),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
