/* Room codes as text and as numbers. room_table knows which codes are in use. */
#include "relay/code.h"

#include <assert.h>

#include "base/attributes.h"
#include "obscene_codes.h" /* `obscene_words`, which the build generates from obscene_codes.txt */
#include "proto/http_query.h"

#define REGION_SHIFT 30 /* in a code of protocol 2, the five bits above are the region's index */

static const char alphabet_1[] = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"; /* no 0 O 1 I */
static const char alphabet_2[] = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
static const char alphabet_3[] = "BCDFGHJKLMNPQRSTVWXZ"; /* no vowels and no Y */

/* One random guess in so many may hit a live room of protocol 3; see code_length_needed(). */
#define GUESSES_PER_HIT_NEAR 20000
#define GUESSES_PER_HIT_FAR 1000000

/* The protocol defines the order of regions. */
static const char regions[][4] = {
    "ams", "arn", "bom", "cdg", "dfw", "ewr", "fra", "gru", "iad",
    "jnb", "lax", "lhr", "nrt", "ord", "sin", "sjc", "syd", "yyz",
};
_Static_assert(ARRAY_LENGTH(regions) < sizeof alphabet_3, "each region has a letter");

/* How a code is written: digits of an alphabet, which spell the code less `first`. */
struct spelling {
    const char *alphabet;
    uint64_t base;
    size_t length;
    uint64_t first;
};

static uint64_t count_of_3(size_t letters)
{
    uint64_t count = 1;
    while (letters-- > 0)
        count *= sizeof alphabet_3 - 1;
    return count;
}

/* The spelling of the codes of protocol 3 with so many letters. */
static struct spelling spelling_3(size_t length)
{
    struct spelling spelling = {alphabet_3, sizeof alphabet_3 - 1, length, CODE_3_FIRST};
    for (size_t shorter = CODE_3_LENGTH_LEAST; shorter < length; shorter++)
        spelling.first += count_of_3(shorter);
    return spelling;
}

static struct spelling spelling_of(uint64_t code)
{
    if (code_protocol(code) == PROTOCOL_1)
        return (struct spelling){alphabet_1, sizeof alphabet_1 - 1, CODE_1_LENGTH, 0};
    if (code_protocol(code) == PROTOCOL_2)
        return (struct spelling){alphabet_2, sizeof alphabet_2 - 1, CODE_2_LENGTH, CODE_2_FIRST};
    size_t length = CODE_3_LENGTH_LEAST;
    while (length < CODE_3_LENGTH_MOST && code >= spelling_3(length + 1).first)
        length++;
    return spelling_3(length);
}

uint64_t code_from_random(enum protocol protocol, uint32_t region, uint64_t random)
{
    assert(protocol != PROTOCOL_3);
    if (protocol == PROTOCOL_1)
        return random % CODE_1_COUNT;
    uint64_t number = random % CODE_2_COUNT;
    if (region != CODE_REGION_NONE)
        number = (uint64_t)region << REGION_SHIFT | number % ((uint64_t)1 << REGION_SHIFT);
    return CODE_2_FIRST + number;
}

uint64_t code_3_from_random(uint32_t length, uint32_t region, uint64_t random)
{
    assert(length >= CODE_3_LENGTH_LEAST && length <= CODE_3_LENGTH_MOST);
    uint64_t number = random % count_of_3(length);
    if (region != CODE_REGION_NONE) {
        uint64_t count = count_of_3(length - 1);
        number = region * count + random % count;
    }
    return spelling_3(length).first + number;
}

uint32_t code_length_needed(uint64_t room_count, bool is_near, uint32_t region)
{
    uint64_t guesses_per_hit = is_near ? GUESSES_PER_HIT_NEAR : GUESSES_PER_HIT_FAR;
    uint32_t fixed = region == CODE_REGION_NONE ? 0 : 1;
    uint32_t length = CODE_3_LENGTH_LEAST;
    /* room_count * guesses_per_hit >= count_of_3(), in a form that does not overflow */
    while (length < CODE_3_LENGTH_MOST &&
           room_count > (count_of_3(length - fixed) - 1) / guesses_per_hit)
        length++;
    return length;
}

size_t code_write(uint64_t code, uint8_t ret_text[CODE_LENGTH_MAX])
{
    struct spelling spelling = spelling_of(code);
    uint64_t number = code - spelling.first;
    for (size_t i = spelling.length; i > 0; i--) {
        ret_text[i - 1] = (uint8_t)spelling.alphabet[number % spelling.base];
        number /= spelling.base;
    }
    return spelling.length;
}

static bool read_3(struct bytes text, uint64_t *ret_code)
{
    size_t length = 0;
    uint64_t number = 0;
    for (size_t i = 0; i < text.length; i++) {
        if (text.data[i] == ' ' || text.data[i] == '-')
            continue;
        const char *found = memchr(alphabet_3, ascii_upper(text.data[i]), sizeof alphabet_3 - 1);
        if (found == NULL || length == CODE_3_LENGTH_MOST)
            return false;
        number = number * (sizeof alphabet_3 - 1) + (uint64_t)(found - alphabet_3);
        length++;
    }
    if (length < CODE_3_LENGTH_LEAST)
        return false;
    *ret_code = spelling_3(length).first + number;
    return true;
}

static bool read_1_or_2(struct bytes text, uint64_t *ret_code)
{
    bool is_long = text.length == CODE_2_LENGTH;
    if (!is_long && text.length != CODE_1_LENGTH)
        return false;
    const char *alphabet = is_long ? alphabet_2 : alphabet_1;
    size_t base = is_long ? sizeof alphabet_2 - 1 : sizeof alphabet_1 - 1;
    uint64_t number = 0;
    for (size_t i = 0; i < text.length; i++) {
        uint8_t c = is_long ? text.data[i] : ascii_upper(text.data[i]);
        const char *found = memchr(alphabet, c, base);
        if (found == NULL)
            return false;
        number = number * base + (uint64_t)(found - alphabet);
    }
    /* Six characters of base58 reach a little further than 35 bits. */
    if (is_long && number >= CODE_2_COUNT)
        return false;
    *ret_code = is_long ? CODE_2_FIRST + number : number;
    return true;
}

bool code_read(struct bytes text, uint64_t *ret_code)
{
    if (text.length > CODE_TYPED_BYTES_MAX)
        return false;
    return read_3(text, ret_code) || read_1_or_2(text, ret_code);
}

bool code_read_escaped(struct bytes text, uint64_t *ret_code)
{
    uint8_t decoded[CODE_TYPED_BYTES_MAX];
    size_t length;
    return http_percent_decode(text, decoded, sizeof decoded, &length) &&
           code_read(bytes_of(decoded, length), ret_code);
}

bool code_reads_back(uint64_t code)
{
    uint8_t text[CODE_LENGTH_MAX];
    uint64_t read = 0;
    return code_read(bytes_of(text, code_write(code, text)), &read) && read == code;
}

/* The letter that people may read a character of a code as. */
static uint8_t fold_look_alike(uint8_t c)
{
    static const char from[] = "123456789LQV";
    static const char to[] = "IZEASGTBGIOU";
    const char *found = memchr(from, c, sizeof from - 1);
    return found == NULL ? c : (uint8_t)to[found - from];
}

bool code_is_obscene(uint64_t code)
{
    uint8_t as_written[CODE_LENGTH_MAX];
    uint8_t folded[CODE_LENGTH_MAX];
    size_t length = code_write(code, as_written);
    for (size_t i = 0; i < length; i++) {
        as_written[i] = ascii_upper(as_written[i]);
        folded[i] = fold_look_alike(as_written[i]);
    }
    for (size_t i = 0; i < ARRAY_LENGTH(obscene_words); i++) {
        size_t word_length = strlen(obscene_words[i]);
        if (memmem(as_written, length, obscene_words[i], word_length) != NULL ||
            memmem(folded, length, obscene_words[i], word_length) != NULL)
            return true;
    }
    return false;
}

uint32_t code_region_index(struct bytes region)
{
    for (uint32_t i = 0; i < ARRAY_LENGTH(regions); i++) {
        if (bytes_equal_ignore_case(region, bytes_of_string(regions[i])))
            return i;
    }
    return CODE_REGION_NONE;
}

struct bytes code_region(uint64_t code)
{
    uint64_t index = ARRAY_LENGTH(regions);
    struct spelling spelling = spelling_of(code);
    if (code_protocol(code) == PROTOCOL_2)
        index = (code - CODE_2_FIRST) >> REGION_SHIFT;
    else if (code_protocol(code) == PROTOCOL_3)
        index = (code - spelling.first) / count_of_3(spelling.length - 1);
    return index < ARRAY_LENGTH(regions) ? bytes_of_string(regions[index]) : (struct bytes){0};
}
