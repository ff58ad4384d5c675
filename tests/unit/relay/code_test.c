/*
 * Room codes of all protocols: alphabets, folding, owners, regions, lengths, and words that no code
 * may contain.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/attributes.h"
#include "relay/code.h"

static const char letters_3[] = "BCDFGHJKLMNPQRSTVWXZ";

static bool is_letter_3(uint8_t c)
{
    return c != '\0' && strchr(letters_3, ascii_upper(c)) != NULL;
}

/* Whether a text of 4 to 12 characters consists of letters of protocol 3 alone, in any case. */
static bool has_only_letters_3(struct bytes text)
{
    size_t count = 0;
    while (count < text.length && is_letter_3(text.data[count]))
        count++;
    return count == text.length;
}

/* Random bits, the same in every run (splitmix64). */
static uint64_t next_random(uint64_t *state)
{
    uint64_t bits = *state += 0x9E3779B97F4A7C15;
    bits = (bits ^ bits >> 30) * 0xBF58476D1CE4E5B9;
    bits = (bits ^ bits >> 27) * 0x94D049BB133111EB;
    return bits ^ bits >> 31;
}

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

static void every_code_of_protocol_1_reads_back_in_either_case_or_is_of_protocol_3(void **state)
{
    (void)state;
    uint32_t count_of_3 = 0;
    for (uint32_t number = 0; number < CODE_1_COUNT; number++) {
        uint8_t code[CODE_LENGTH_MAX];
        uint64_t upper = CODE_1_COUNT;
        uint64_t lower = CODE_1_COUNT;
        size_t length = code_write(number, code);
        bool is_of_3 = has_only_letters_3(bytes_of(code, length));
        bool is_upper_read = code_read(bytes_of(code, length), &upper);
        for (size_t i = 0; i < length; i++)
            code[i] = ascii_lower(code[i]);
        bool is_lower_read = code_read(bytes_of(code, length), &lower);
        bool is_same = is_of_3 ? upper >= CODE_3_FIRST : upper == number;
        if (!is_upper_read || !is_lower_read || upper != lower || !is_same)
            fail_msg("number %u", number);
        if (code_reads_back(number) == is_of_3)
            fail_msg("number %u is taken for a code of another protocol", number);
        count_of_3 += is_of_3;
    }
    assert_int_equal(count_of_3, 20 * 20 * 20 * 20);
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
    static const char *const codes[] = {"uMFe9D", "uMFeA1", "uMG111", "v11111", "zzzzzy"};
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
    assert_int_equal(code_protocol(CODE_3_FIRST), PROTOCOL_3);
    assert_true(code_read(BYTES("ZZZZZZZZZZZZ"), &number));
    assert_int_equal(code_protocol(number), PROTOCOL_3);
    assert_true(number < (uint64_t)1 << 53); /* a JavaScript number is exact */
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
    assert_memory_equal(text, "WStjeE", CODE_2_LENGTH);
    code_write(code_from_random(PROTOCOL_2, code_region_index(BYTES("iad")), 0), text);
    assert_memory_equal(text, "E64fHZ", CODE_2_LENGTH);
}

static void the_first_letter_is_that_of_a_region(void **state)
{
    (void)state;
    static const uint64_t randoms[] = {0, UINT64_MAX, 0x0123456789ABCDEF};
    for (uint32_t length = 4; length <= 12; length++) {
        for (uint32_t i = 0; i < ARRAY_LENGTH(regions); i++) {
            for (size_t j = 0; j < ARRAY_LENGTH(randoms); j++) {
                uint8_t text[CODE_LENGTH_MAX];
                uint64_t code = code_3_from_random(length, i, randoms[j]);
                assert_int_equal(code_write(code, text), length);
                assert_int_equal(text[0], letters_3[i]);
                assert_true(bytes_equal(code_region(code), bytes_of_string(regions[i])));
            }
        }
    }
    /* The other letters are random: 8,003 is one round of three letters, and 3. */
    uint8_t text[CODE_LENGTH_MAX];
    code_write(code_3_from_random(4, code_region_index(BYTES("fra")), 8003), text);
    assert_memory_equal(text, "JBBF", 4);
}

static void regions_that_no_code_can_tell_are_none(void **state)
{
    (void)state;
    static const char *const unknown[] = {"", "xxx", "am", "amsx", "local", "fr a"};
    for (size_t i = 0; i < ARRAY_LENGTH(unknown); i++)
        assert_int_equal(code_region_index(bytes_of_string(unknown[i])), CODE_REGION_NONE);
    for (uint64_t i = ARRAY_LENGTH(regions); i < 32; i++)
        assert_int_equal(code_region(CODE_2_FIRST + (i << 30)).length, 0);
    static const char *const regionless[] = {"XBBB", "ZBBB", "XZZZZZZ", "ZZZZZZZZZZZZ"};
    for (size_t i = 0; i < ARRAY_LENGTH(regionless); i++) {
        uint64_t code = 0;
        assert_true(code_read(bytes_of_string(regionless[i]), &code));
        assert_int_equal(code_region(code).length, 0);
    }
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
    assert_int_equal(code_owner(CODE_3_FIRST + 7, 4), 3);
    assert_int_equal(code_owner(CODE_3_FIRST, 3), 1);
}

/* The number is that behind CODE_3_FIRST: the sum of 20^4 and so on, up to the length before. */
static const struct {
    uint64_t number;
    const char *code;
} letter_codes[] = {
    {0, "BBBB"},
    {1, "BBBC"},
    {3, "BBBF"}, /* no E */
    {19, "BBBZ"},
    {20, "BBCB"},
    {400, "BCBB"},
    {8000, "CBBB"},
    {159999, "ZZZZ"},
    {160000, "BBBBB"},
    {160000 + 3200000 - 1, "ZZZZZ"},
    {3360000, "BBBBBB"},
    {67360000, "BBBBBBB"},
    {67360000 - 1, "ZZZZZZ"},
    {215578947360000 - 1, "ZZZZZZZZZZZ"}, /* (20^12 - 20^4) / 19 - 1 */
    {215578947360000, "BBBBBBBBBBBB"},
    {4311578947360000 - 1, "ZZZZZZZZZZZZ"}, /* (20^13 - 20^4) / 19 - 1 */
};

static void letter_codes_of_a_length_follow_the_shorter_ones(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(letter_codes); i++) {
        uint8_t code[CODE_LENGTH_MAX];
        uint64_t number = 0;
        size_t length = strlen(letter_codes[i].code);
        assert_int_equal(code_write(CODE_3_FIRST + letter_codes[i].number, code), length);
        assert_memory_equal(code, letter_codes[i].code, length);
        assert_true(code_read(bytes_of_string(letter_codes[i].code), &number));
        assert_int_equal(number, CODE_3_FIRST + letter_codes[i].number);
    }
    for (uint64_t i = 0; i < 20; i++) {
        uint8_t code[CODE_LENGTH_MAX];
        code_write(CODE_3_FIRST + i, code);
        assert_int_equal(code[3], letters_3[i]);
    }
}

/* Writes a code as somebody may type it, with some letters small and up to 52 separators. */
static size_t type_code(struct bytes code, uint64_t *random, uint8_t ret_text[64])
{
    size_t length = 0;
    size_t separators = next_random(random) % 53;
    for (size_t i = 0; i <= code.length; i++) {
        bool is_last = i == code.length;
        for (; separators > 0 && (is_last || next_random(random) % 4 == 0); separators--)
            ret_text[length++] = next_random(random) % 2 == 0 ? ' ' : '-';
        if (!is_last)
            ret_text[length++] =
                next_random(random) % 2 == 0 ? ascii_lower(code.data[i]) : code.data[i];
    }
    return length;
}

static void letter_codes_of_each_length_read_back_however_they_are_typed(void **state)
{
    (void)state;
    uint64_t random = 1;
    for (uint32_t length = 4; length <= 12; length++) {
        for (int i = 0; i < 1000; i++) {
            uint8_t code[CODE_LENGTH_MAX];
            uint8_t typed[64];
            uint64_t read = 0;
            uint64_t number = code_3_from_random(length, CODE_REGION_NONE, next_random(&random));
            assert_int_equal(code_write(number, code), length);
            assert_true(has_only_letters_3(bytes_of(code, length)));
            assert_true(code_reads_back(number));
            size_t typed_length = type_code(bytes_of(code, length), &random, typed);
            if (!code_read(bytes_of(typed, typed_length), &read) || read != number)
                fail_msg("%.*s", (int)typed_length, typed);
        }
    }
}

static void spaces_and_hyphens_are_skipped_in_letter_codes_alone(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *read_as; /* NULL: it is no code */
    } cases[] = {
        {"bcdf", "BCDF"},
        {"BC-DF", "BCDF"},
        {" b c - d f--", "BCDF"},
        {"bcd fgh", "BCDFGH"},
        {"bcdf ghjk lmnp", "BCDFGHJKLMNP"},
        {"bcdfghjklmnpq", NULL},
        {"bcdf-ghjk-lmnp-q", NULL},
        {"b-cd", NULL},
        {"", NULL},
        {"----", NULL},
        {"      ", NULL},
        {"BC_DF", NULL},
        {"BC\tDF", NULL},
        {"BCDF\n", NULL},
        {"BC\u00a0DF", NULL},
        {"BC\u2010DF", NULL},
        {"BCDFA", NULL},
        {"BCDFY", NULL},
        {"BCD2 ", NULL},
        {"AB CD", NULL},
        {"AB-CD", NULL},
        {"111 111", NULL},
        {"uMFe9C ", NULL},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        uint64_t read = 0;
        uint64_t number = 0;
        bool is_read = code_read(bytes_of_string(cases[i].text), &read);
        bool is_expected = cases[i].read_as != NULL;
        if (is_expected)
            assert_true(code_read(bytes_of_string(cases[i].read_as), &number));
        if (is_read != is_expected || read != number)
            fail_msg("'%s'", cases[i].text);
    }
}

static void texts_above_64_bytes_are_no_code(void **state)
{
    (void)state;
    uint8_t text[65];
    uint64_t number;
    memset(text, '-', sizeof text);
    memcpy(text, "BCDF", 4);
    assert_true(code_read(bytes_of(text, 64), &number));
    assert_false(code_read(bytes_of(text, 65), &number));
}

static void escapes_are_decoded_in_a_path(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *read_as; /* NULL: it is no code */
    } cases[] = {
        {"BCDF", "BCDF"},   {"bc%20df", "BCDF"},      {"%62%2Dc%2ddf", "BCDF"}, {"bc+df", NULL},
        {"%41aaa", "AAAA"}, {"uMF%65%39C", "uMFe9C"}, {"bc%2df", NULL},         {"bcdf%2", NULL},
        {"bcdf%", NULL},    {"bcdf%zz", NULL},        {"bcdf%00", NULL},        {"bc%2520df", NULL},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        uint64_t read = 0;
        uint64_t number = 0;
        bool is_read = code_read_escaped(bytes_of_string(cases[i].text), &read);
        bool is_expected = cases[i].read_as != NULL;
        if (is_expected)
            assert_true(code_read(bytes_of_string(cases[i].read_as), &number));
        if (is_read != is_expected || read != number)
            fail_msg("'%s'", cases[i].text);
    }
}

static void no_text_is_a_code_of_two_protocols(void **state)
{
    (void)state;
    uint64_t random = 2;
    uint32_t counts[4] = {0};
    for (int i = 0; i < 200000; i++) {
        static const char characters[] = "BCDFGHJKLMNPQRSTVWXZbcdfghjkmnpqAE2y";
        uint8_t text[14];
        uint8_t again[CODE_LENGTH_MAX];
        uint64_t number = 0;
        size_t length = next_random(&random) % sizeof text;
        for (size_t j = 0; j < length; j++)
            text[j] = (uint8_t)characters[next_random(&random) % (sizeof characters - 1)];
        int protocol = length == 4 ? 1 : length == 6 ? 2 : 0;
        if (has_only_letters_3(bytes_of(text, length)))
            protocol = length >= 4 && length <= 12 ? 3 : 0;
        bool is_read = code_read(bytes_of(text, length), &number);
        /* What is left are characters that are none of this protocol, and more than 35 bits. */
        if (is_read ? (int)code_protocol(number) != protocol : protocol == 3)
            fail_msg("%.*s", (int)length, text);
        if (!is_read)
            continue;
        counts[protocol]++;
        assert_int_equal(code_write(number, again), length);
        for (size_t j = 0; protocol != 2 && j < length; j++)
            text[j] = ascii_upper(text[j]);
        assert_memory_equal(again, text, length);
        assert_true(code_reads_back(number));
    }
    for (int protocol = 1; protocol <= 3; protocol++)
        assert_true(counts[protocol] > 1000);
}

static void long_codes_of_letters_alone_do_not_read_back(void **state)
{
    (void)state;
    uint64_t random = 3;
    uint32_t count_of_3 = 0;
    for (int i = 0; i < 100000; i++) {
        uint8_t text[CODE_LENGTH_MAX];
        uint64_t code = code_from_random(PROTOCOL_2, CODE_REGION_NONE, next_random(&random));
        bool is_of_3 = has_only_letters_3(bytes_of(text, code_write(code, text)));
        if (code_reads_back(code) == is_of_3)
            fail_msg("%.6s", text);
        count_of_3 += is_of_3;
    }
    assert_true(count_of_3 > 1000);
    assert_true(code_reads_back(CODE_2_FIRST));
    assert_true(code_reads_back(CODE_2_FIRST + CODE_2_COUNT - 1));
}

static void random_bits_make_letter_codes_of_any_length(void **state)
{
    (void)state;
    uint64_t last = 0;
    assert_int_equal(code_3_from_random(4, CODE_REGION_NONE, 77), CODE_3_FIRST + 77);
    assert_int_equal(code_3_from_random(4, CODE_REGION_NONE, 160000 + 5), CODE_3_FIRST + 5);
    assert_int_equal(code_3_from_random(5, CODE_REGION_NONE, 0), CODE_3_FIRST + 160000);
    assert_true(code_read(BYTES("zzzzzzzzzzzz"), &last));
    assert_int_equal(code_3_from_random(12, CODE_REGION_NONE, 4096000000000000 - 1), last);
    assert_int_equal(code_3_from_random(12, CODE_REGION_NONE, 4096000000000000),
                     CODE_3_FIRST + 215578947360000);
}

/*
 * So many letters give 20^letters texts: 8,000 for three, 160,000 for four, 3,200,000 for five,
 * 64,000,000 for six, 1,280,000,000 for seven. With n rooms the chance is n in so many. It is below
 * 1 in 20,000 while n is below the texts divided by 20,000: below 0.4, 8, 160, 3,200. It is below 1
 * in 1,000,000 while n is below the texts divided by 1,000,000: below 0.16, 3.2, 64, 1,280. With a
 * region, one letter fewer is random.
 */
static void codes_are_as_short_as_guessing_allows(void **state)
{
    (void)state;
    static const struct {
        uint64_t rooms;
        uint32_t near;
        uint32_t far;
    } cases[] = {
        {1, 4, 5},    {3, 4, 5},     {4, 4, 6},     {7, 4, 6},     {8, 5, 6},     {63, 5, 6},
        {64, 5, 7},   {159, 5, 7},   {160, 6, 7},   {1279, 6, 7},  {1280, 6, 8},  {3199, 6, 8},
        {3200, 7, 8}, {25599, 7, 8}, {25600, 7, 9}, {63999, 7, 9}, {64000, 8, 9},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        uint64_t rooms = cases[i].rooms;
        assert_int_equal(code_length_needed(rooms, true, CODE_REGION_NONE), cases[i].near);
        assert_int_equal(code_length_needed(rooms, false, CODE_REGION_NONE), cases[i].far);
        for (uint32_t region = 0; region < ARRAY_LENGTH(regions); region++) {
            assert_int_equal(code_length_needed(rooms, true, region), cases[i].near + 1);
            assert_int_equal(code_length_needed(rooms, false, region), cases[i].far + 1);
        }
    }
    /* 20^11 / 1,000,000 = 204,800,000 */
    assert_int_equal(code_length_needed(204799999, false, CODE_REGION_NONE), 11);
    assert_int_equal(code_length_needed(204800000, false, CODE_REGION_NONE), 12);
    assert_int_equal(code_length_needed(UINT64_MAX, false, CODE_REGION_NONE), 12);
    assert_int_equal(code_length_needed(UINT64_MAX, true, 17), 12);
}

static void obscene_words_are_found_anywhere_and_in_disguise(void **state)
{
    (void)state;
    static const struct {
        const char *code;
        bool is_obscene;
    } cases[] = {
        {"CUNT", true},     {"ASSX", true},           {"XASS", true},
        {"A55X", true},     {"4SSX", true},           {"8UTT", true},
        {"BUT7", true},     {"BVTT", true},           {"SH4T", true},
        {"S3XX", true},     {"C2CK", false},          {"CQCK", true},
        {"SHLT", true},     {"JL22", true},           {"AN6X", false},
        {"N69X", false},    {"NL6X", true},           {"NL9X", true},
        {"AAAA", false},    {"A3KX", false},          {"ASXS", false},
        {"9999", false},    {"2345", false},          {"XXAX", false},
        {"SLUT", true},     {"cUNt11", true},         {"11asS1", true},
        {"1a551z", true},   {"111111", false},        {"E64fHZ", false},
        {"fuck11", true},   {"11SLuT", true},         {"11poon", true},
        {"bcdfg", false},   {"bkkkb", true},          {"fvck", true},
        {"zz-sh-lt", true}, {"bcdf ghjk lwtf", true}, {"bcdf ghjk lwtg", false},
        {"XXBX", false},    {"bxxxb", true},
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
        cmocka_unit_test(every_code_of_protocol_1_reads_back_in_either_case_or_is_of_protocol_3),
        cmocka_unit_test(characters_outside_of_the_alphabet_are_no_code),
        cmocka_unit_test(long_codes_are_base58_of_six_digits),
        cmocka_unit_test(long_codes_are_taken_as_they_are),
        cmocka_unit_test(numbers_above_35_bits_have_no_code),
        cmocka_unit_test(a_number_says_which_protocol_its_room_speaks),
        cmocka_unit_test(random_bits_make_codes_of_either_protocol),
        cmocka_unit_test(the_five_highest_bits_are_those_of_a_region),
        cmocka_unit_test(the_first_letter_is_that_of_a_region),
        cmocka_unit_test(regions_that_no_code_can_tell_are_none),
        cmocka_unit_test(texts_of_another_length_are_no_code),
        cmocka_unit_test(letter_codes_of_a_length_follow_the_shorter_ones),
        cmocka_unit_test(letter_codes_of_each_length_read_back_however_they_are_typed),
        cmocka_unit_test(spaces_and_hyphens_are_skipped_in_letter_codes_alone),
        cmocka_unit_test(texts_above_64_bytes_are_no_code),
        cmocka_unit_test(escapes_are_decoded_in_a_path),
        cmocka_unit_test(no_text_is_a_code_of_two_protocols),
        cmocka_unit_test(long_codes_of_letters_alone_do_not_read_back),
        cmocka_unit_test(random_bits_make_letter_codes_of_any_length),
        cmocka_unit_test(codes_are_as_short_as_guessing_allows),
        cmocka_unit_test(owner_is_the_number_modulo_the_loops),
        cmocka_unit_test(obscene_words_are_found_anywhere_and_in_disguise),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
