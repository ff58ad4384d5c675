/*
 * Room codes of both protocols: alphabets, folding, owners, regions, and words that no code may
 * contain.
 */
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
        uint64_t number;
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
        {CODE_1_COUNT - 1, "9999"},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        uint8_t code[CODE_LENGTH_MAX];
        uint64_t number = CODE_1_COUNT;
        assert_int_equal(code_write(cases[i].number, code), CODE_1_LENGTH);
        assert_memory_equal(code, cases[i].code, CODE_1_LENGTH);
        assert_true(code_read(bytes_of_string(cases[i].code), &number));
        assert_int_equal(number, cases[i].number);
    }
}

static void every_code_reads_back_in_either_case(void **state)
{
    (void)state;
    for (uint32_t number = 0; number < CODE_1_COUNT; number++) {
        uint8_t code[CODE_LENGTH_MAX];
        uint64_t upper = CODE_1_COUNT;
        uint64_t lower = CODE_1_COUNT;
        size_t length = code_write(number, code);
        bool is_upper_read = code_read(bytes_of(code, length), &upper);
        for (size_t i = 0; i < length; i++)
            code[i] = ascii_lower(code[i]);
        bool is_lower_read = code_read(bytes_of(code, length), &lower);
        if (!is_upper_read || !is_lower_read || upper != number || lower != number)
            fail_msg("number %u", number);
    }
}

static void characters_outside_of_the_alphabet_are_no_code(void **state)
{
    (void)state;
    static const char alphabet[] = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789abcdefghjklmnpqrstuvwxyz";
    for (uint32_t position = 0; position < CODE_1_LENGTH; position++) {
        for (int c = 0; c < 256; c++) {
            uint8_t code[CODE_1_LENGTH] = {'A', 'A', 'A', 'A'};
            uint64_t number;
            code[position] = (uint8_t)c;
            bool is_expected = c != 0 && strchr(alphabet, c) != NULL;
            assert_int_equal(code_read(bytes_of(code, sizeof code), &number), is_expected);
        }
    }
}

/* Worked out by hand from the alphabet; the number is that behind CODE_2_FIRST. */
static const struct {
    uint64_t number;
    const char *code;
} long_codes[] = {
    {0, "111111"},
    {1, "111112"},
    {8, "111119"},
    {9, "11111A"},
    {16, "11111H"}, /* no I */
    {17, "11111J"},
    {21, "11111N"}, /* no O */
    {22, "11111P"},
    {32, "11111Z"},
    {33, "11111a"},
    {43, "11111k"}, /* no l */
    {44, "11111m"},
    {57, "11111z"},
    {58, "111121"},
    {58 * 58, "111211"},
    {58 * 58 * 58, "112111"},
    {58 * 58 * 58 * 58, "121111"},
    {656356768, "211111"},
    {((uint64_t)1 << 30) - 1, "2dtD34"},
    {(uint64_t)1 << 30, "2dtD35"},
    {((uint64_t)1 << 35) - 1, "uMFe9C"},
};

static void long_codes_are_base58_of_six_digits(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(long_codes); i++) {
        uint8_t code[CODE_LENGTH_MAX];
        uint64_t number = 0;
        assert_int_equal(code_write(CODE_2_FIRST + long_codes[i].number, code), 6);
        assert_memory_equal(code, long_codes[i].code, 6);
        assert_true(code_read(bytes_of_string(long_codes[i].code), &number));
        assert_int_equal(number, CODE_2_FIRST + long_codes[i].number);
    }
}

static void long_codes_are_taken_as_they_are(void **state)
{
    (void)state;
    static const char alphabet[] = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
    for (uint32_t position = 0; position < CODE_2_LENGTH; position++) {
        for (int c = 0; c < 256; c++) {
            uint8_t code[CODE_2_LENGTH] = {'1', '1', '1', '1', '1', '1'};
            uint64_t number;
            code[position] = (uint8_t)c;
            bool is_expected = c != 0 && strchr(alphabet, c) != NULL;
            /* Of 35 bits the first digit is `u` at most, or less. */
            if (position == 0 && c > 'u')
                is_expected = false;
            assert_int_equal(code_read(bytes_of(code, sizeof code), &number), is_expected);
            uint8_t again[CODE_LENGTH_MAX];
            if (!is_expected)
                continue;
            assert_int_equal(code_write(number, again), sizeof code);
            assert_memory_equal(again, code, sizeof code);
        }
    }
}

static void numbers_above_35_bits_have_no_code(void **state)
{
    (void)state;
    static const char *const codes[] = {"uMFe9D", "uMFeA1", "uMG111", "v11111", "zzzzzz"};
    for (size_t i = 0; i < ARRAY_LENGTH(codes); i++) {
        uint64_t number;
        assert_false(code_read(bytes_of_string(codes[i]), &number));
    }
}

static void a_number_says_which_protocol_its_room_speaks(void **state)
{
    (void)state;
    uint64_t number;
    assert_int_equal(code_protocol(0), PROTOCOL_1);
    assert_int_equal(code_protocol(CODE_1_COUNT - 1), PROTOCOL_1);
    assert_int_equal(code_protocol(CODE_2_FIRST), PROTOCOL_2);
    assert_int_equal(code_protocol(CODE_2_FIRST + CODE_2_COUNT - 1), PROTOCOL_2);
    assert_true(code_read(BYTES("9999"), &number));
    assert_int_equal(code_protocol(number), PROTOCOL_1);
    assert_true(code_read(BYTES("111111"), &number));
    assert_int_equal(code_protocol(number), PROTOCOL_2);
}

static void random_bits_make_codes_of_either_protocol(void **state)
{
    (void)state;
    assert_int_equal(code_from_random(PROTOCOL_1, CODE_REGION_NONE, 77), 77);
    assert_int_equal(code_from_random(PROTOCOL_1, CODE_REGION_NONE, UINT64_MAX), CODE_1_COUNT - 1);
    assert_int_equal(code_from_random(PROTOCOL_1, 3, CODE_1_COUNT + 5), 5);
    assert_int_equal(code_from_random(PROTOCOL_2, CODE_REGION_NONE, 77), CODE_2_FIRST + 77);
    assert_int_equal(code_from_random(PROTOCOL_2, CODE_REGION_NONE, UINT64_MAX),
                     CODE_2_FIRST + CODE_2_COUNT - 1);
}

/* The order is part of the protocol. */
static const char *const regions[] = {
    "ams", "arn", "bom", "cdg", "dfw", "ewr", "fra", "gru", "iad",
    "jnb", "lax", "lhr", "nrt", "ord", "sin", "sjc", "syd", "yyz",
};

static void the_five_highest_bits_are_those_of_a_region(void **state)
{
    (void)state;
    static const uint64_t randoms[] = {0, UINT64_MAX, 0x0123456789ABCDEF};
    const uint64_t low_bits = ((uint64_t)1 << 30) - 1;
    for (uint32_t i = 0; i < ARRAY_LENGTH(regions); i++) {
        assert_int_equal(code_region_index(bytes_of_string(regions[i])), i);
        for (size_t j = 0; j < ARRAY_LENGTH(randoms); j++) {
            uint64_t code = code_from_random(PROTOCOL_2, i, randoms[j]);
            assert_int_equal(code, CODE_2_FIRST + ((uint64_t)i << 30) + (randoms[j] & low_bits));
            assert_true(bytes_equal(code_region(code), bytes_of_string(regions[i])));
        }
    }
    uint8_t text[CODE_LENGTH_MAX];
    code_write(code_from_random(PROTOCOL_2, code_region_index(BYTES("yyz")), UINT64_MAX), text);
    assert_memory_equal(text, "WStjeE", sizeof text);
    code_write(code_from_random(PROTOCOL_2, code_region_index(BYTES("iad")), 0), text);
    assert_memory_equal(text, "E64fHZ", sizeof text);
}

static void regions_that_no_code_can_tell_are_none(void **state)
{
    (void)state;
    static const char *const unknown[] = {"", "xxx", "am", "amsx", "local", "fr a"};
    for (size_t i = 0; i < ARRAY_LENGTH(unknown); i++)
        assert_int_equal(code_region_index(bytes_of_string(unknown[i])), CODE_REGION_NONE);
    for (uint64_t i = ARRAY_LENGTH(regions); i < 32; i++)
        assert_int_equal(code_region(CODE_2_FIRST + (i << 30)).length, 0);
    assert_int_equal(code_region(0).length, 0);
    assert_int_equal(code_region(CODE_1_COUNT - 1).length, 0);
}

static void texts_of_another_length_are_no_code(void **state)
{
    (void)state;
    static const char *const texts[] = {"", "A", "AAA", "AAAAA", "AAAAAAA", "AAAA "};
    for (size_t i = 0; i < ARRAY_LENGTH(texts); i++) {
        uint64_t number;
        assert_false(code_read(bytes_of_string(texts[i]), &number));
    }
}

static void owner_is_the_number_modulo_the_loops(void **state)
{
    (void)state;
    assert_int_equal(code_owner(0, 1), 0);
    assert_int_equal(code_owner(CODE_1_COUNT - 1, 1), 0);
    assert_int_equal(code_owner(7, 4), 3);
    assert_int_equal(code_owner(8, 4), 0);
    assert_int_equal(code_owner(8, 3), 2);
    assert_int_equal(code_owner(CODE_2_FIRST + 7, 4), 3);
    assert_int_equal(code_owner(CODE_2_FIRST, 3), 2);
    assert_int_equal(code_owner(CODE_2_FIRST + CODE_2_COUNT - 1, 64), 63);
}

static void obscene_words_are_found_anywhere_and_in_disguise(void **state)
{
    (void)state;
    static const struct {
        const char *code;
        bool is_obscene;
    } cases[] = {
        {"CUNT", true},   {"ASSX", true},   {"XASS", true},   {"A55X", true},    {"4SSX", true},
        {"8UTT", true},   {"BUT7", true},   {"BVTT", true},   {"SH4T", true},    {"S3XX", true},
        {"C2CK", false},  {"CQCK", true},   {"SHLT", true},   {"JL22", true},    {"AN6X", false},
        {"N69X", false},  {"NL6X", true},   {"NL9X", true},   {"AAAA", false},   {"A3KX", false},
        {"ASXS", false},  {"9999", false},  {"2345", false},  {"XXAX", false},   {"SLUT", true},
        {"cUNt11", true}, {"11asS1", true}, {"1a551z", true}, {"111111", false}, {"E64fHZ", false},
        {"fuck11", true}, {"11SLuT", true}, {"11poon", true},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        uint64_t number = 0;
        assert_true(code_read(bytes_of_string(cases[i].code), &number));
        if (code_is_obscene(number) != cases[i].is_obscene)
            fail_msg("%s", cases[i].code);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(codes_are_written_most_significant_character_first),
        cmocka_unit_test(every_code_reads_back_in_either_case),
        cmocka_unit_test(characters_outside_of_the_alphabet_are_no_code),
        cmocka_unit_test(long_codes_are_base58_of_six_digits),
        cmocka_unit_test(long_codes_are_taken_as_they_are),
        cmocka_unit_test(numbers_above_35_bits_have_no_code),
        cmocka_unit_test(a_number_says_which_protocol_its_room_speaks),
        cmocka_unit_test(random_bits_make_codes_of_either_protocol),
        cmocka_unit_test(the_five_highest_bits_are_those_of_a_region),
        cmocka_unit_test(regions_that_no_code_can_tell_are_none),
        cmocka_unit_test(texts_of_another_length_are_no_code),
        cmocka_unit_test(owner_is_the_number_modulo_the_loops),
        cmocka_unit_test(obscene_words_are_found_anywhere_and_in_disguise),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
