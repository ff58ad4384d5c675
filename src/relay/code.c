/* Room codes as text and as numbers. room_table knows which codes are in use. */
#include "relay/code.h"

#include "base/attributes.h"
#include "obscene_codes.h" /* `obscene_words`, which the build generates from obscene_codes.txt */

#define REGION_SHIFT 30 /* in a code of protocol 2, the five bits above are the region's index */

static const char alphabet_1[] = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"; /* no 0 O 1 I */
static const char alphabet_2[] = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";

/* The protocol defines the order of regions. */
static const char regions[][4] = {
    "ams", "arn", "bom", "cdg", "dfw", "ewr", "fra", "gru", "iad",
    "jnb", "lax", "lhr", "nrt", "ord", "sin", "sjc", "syd", "yyz",
};

uint64_t code_from_random(enum protocol protocol, uint32_t region, uint64_t random)
{
    if (protocol == PROTOCOL_1)
        return random % CODE_1_COUNT;
    uint64_t number = random % CODE_2_COUNT;
    if (region != CODE_REGION_NONE)
        number = (uint64_t)region << REGION_SHIFT | number % ((uint64_t)1 << REGION_SHIFT);
    return CODE_2_FIRST + number;
}

size_t code_write(uint64_t code, uint8_t ret_text[CODE_LENGTH_MAX])
{
    bool is_long = code_protocol(code) == PROTOCOL_2;
    const char *alphabet = is_long ? alphabet_2 : alphabet_1;
    uint64_t base = is_long ? sizeof alphabet_2 - 1 : sizeof alphabet_1 - 1;
    size_t length = is_long ? CODE_2_LENGTH : CODE_1_LENGTH;
    uint64_t number = is_long ? code - CODE_2_FIRST : code;
    for (size_t i = length; i > 0; i--) {
        ret_text[i - 1] = (uint8_t)alphabet[number % base];
        number /= base;
    }
    return length;
}

bool code_read(struct bytes text, uint64_t *ret_code)
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
    uint64_t index = code_protocol(code) == PROTOCOL_2 ? (code - CODE_2_FIRST) >> REGION_SHIFT
                                                       : ARRAY_LENGTH(regions);
    return index < ARRAY_LENGTH(regions) ? bytes_of_string(regions[index]) : (struct bytes){0};
}
