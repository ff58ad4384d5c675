/* Codes as text and number. Who has which code is room_table's business. */
#include "relay/code.h"

#include "base/attributes.h"
#include "obscene_codes.h" /* obscene_words: made from obscene_codes.txt by the build */

static const char alphabet[] = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"; /* no 0 O 1 I */

void code_write(uint32_t number, uint8_t ret_code[CODE_LENGTH])
{
    for (int i = CODE_LENGTH; i > 0; i--) {
        ret_code[i - 1] = (uint8_t)alphabet[number % 32];
        number /= 32;
    }
}

bool code_read(struct bytes text, uint32_t *ret_number)
{
    if (text.length != CODE_LENGTH)
        return false;
    uint32_t number = 0;
    for (int i = 0; i < CODE_LENGTH; i++) {
        const char *found = memchr(alphabet, ascii_upper(text.data[i]), sizeof alphabet - 1);
        if (found == NULL)
            return false;
        number = number * 32 + (uint32_t)(found - alphabet);
    }
    *ret_number = number;
    return true;
}

/* The letter that a character of the alphabet may be read as. */
static uint8_t fold_look_alike(uint8_t c)
{
    static const char from[] = "23456789LQV";
    static const char to[] = "ZEASGTBGIOU";
    const char *found = memchr(from, c, sizeof from - 1);
    return found == NULL ? c : (uint8_t)to[found - from];
}

bool code_is_obscene(const uint8_t code[CODE_LENGTH])
{
    uint8_t as_written[CODE_LENGTH];
    uint8_t folded[CODE_LENGTH];
    for (int i = 0; i < CODE_LENGTH; i++) {
        as_written[i] = code[i];
        folded[i] = fold_look_alike(code[i]);
    }
    for (size_t i = 0; i < ARRAY_LENGTH(obscene_words); i++) {
        size_t length = strlen(obscene_words[i]);
        if (memmem(as_written, CODE_LENGTH, obscene_words[i], length) != NULL ||
            memmem(folded, CODE_LENGTH, obscene_words[i], length) != NULL)
            return true;
    }
    return false;
}
