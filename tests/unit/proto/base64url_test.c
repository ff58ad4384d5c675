/* Base64url: what it decodes to, and that each byte string has one text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants these before it. */
#include <cmocka.h>

#include "proto/base64url.h"
#include "support/base64url.h"
#include "support/bytes_entry.h"
#include "support/guard_page.h"

#define LENGTH_MAX 64

/* Decodes where reading or writing one byte too far is a crash. */
static bool decode(struct bytes text, size_t capacity, uint8_t *out, size_t *ret_length)
{
    static const uint8_t nothing[LENGTH_MAX];
    struct guarded in = guarded_copy(text);
    struct guarded decoded = guarded_copy(bytes_of(nothing, capacity));
    bool is_decoded = base64url_decode(guarded_view(&in), decoded.bytes.data, capacity, ret_length);
    if (is_decoded)
        memcpy(out, decoded.bytes.data, *ret_length);
    guarded_free(&in);
    guarded_free(&decoded);
    return is_decoded;
}

static bool is_refused(struct bytes text)
{
    uint8_t out[LENGTH_MAX];
    size_t length;
    return !decode(text, sizeof out, out, &length);
}

/* RFC 4648 10 without its padding, and RFC 7515 C. */
static void known_texts_are_decoded(void **state)
{
    static const struct {
        struct bytes text;
        struct bytes bytes;
    } cases[] = {
        {BYTES_ENTRY(""), BYTES_ENTRY("")},
        {BYTES_ENTRY("Zg"), BYTES_ENTRY("f")},
        {BYTES_ENTRY("Zm8"), BYTES_ENTRY("fo")},
        {BYTES_ENTRY("Zm9v"), BYTES_ENTRY("foo")},
        {BYTES_ENTRY("Zm9vYg"), BYTES_ENTRY("foob")},
        {BYTES_ENTRY("Zm9vYmE"), BYTES_ENTRY("fooba")},
        {BYTES_ENTRY("Zm9vYmFy"), BYTES_ENTRY("foobar")},
        {BYTES_ENTRY("A-z_4ME"), BYTES_ENTRY("\x03\xEC\xFF\xE0\xC1")},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint8_t out[LENGTH_MAX];
        size_t length;
        assert_true(decode(cases[i].text, cases[i].bytes.length, out, &length));
        assert_true(bytes_equal(bytes_of(out, length), cases[i].bytes));
        assert_true(length <= BASE64URL_DECODED_MAX(cases[i].text.length));
        if (length > 0)
            assert_false(decode(cases[i].text, length - 1, out, &length));
    }
}

static void every_byte_string_comes_back(void **state)
{
    uint8_t bytes[LENGTH_MAX];
    (void)state;
    for (size_t length = 0; length < sizeof bytes; length++) {
        for (unsigned seed = 0; seed < 32; seed++) {
            char text[2 * LENGTH_MAX];
            uint8_t out[LENGTH_MAX];
            size_t decoded;
            for (size_t i = 0; i < length; i++)
                bytes[i] = (uint8_t)((i + 1) * (2 * seed + 1) * 37 + seed);
            size_t written = base64url_write(text, bytes_of(bytes, length));
            assert_true(decode(bytes_of(text, written), length, out, &decoded));
            assert_int_equal(decoded, length);
            assert_memory_equal(out, bytes, length);
        }
    }
}

static void only_the_alphabet_is_read(void **state)
{
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    uint8_t text[4] = "AAAA";
    (void)state;
    for (size_t position = 0; position < sizeof text; position++) {
        for (unsigned c = 0; c <= UINT8_MAX; c++) {
            text[position] = (uint8_t)c;
            bool is_digit = c != 0 && memchr(alphabet, (int)c, sizeof alphabet - 1) != NULL;
            assert_int_equal(is_refused(bytes_of(text, sizeof text)), !is_digit);
        }
        text[position] = 'A';
    }
}

static void other_texts_of_the_same_bytes_are_refused(void **state)
{
    static const struct bytes texts[] = {
        BYTES_ENTRY("A"),        BYTES_ENTRY("AAAAA"),      BYTES_ENTRY("Z"),
        BYTES_ENTRY("Zm9vY"),    BYTES_ENTRY("Zg=="),       BYTES_ENTRY("Zg="),
        BYTES_ENTRY("Zm8="),     BYTES_ENTRY("Zm9v="),      BYTES_ENTRY("Zm9v===="),
        BYTES_ENTRY(" Zm9v"),    BYTES_ENTRY("Zm9v\n"),     BYTES_ENTRY("Zm 9v"),
        BYTES_ENTRY("Zm9vYg\0"), BYTES_ENTRY("A+z/4ME"),    BYTES_ENTRY("Zh"),
        BYTES_ENTRY("Zm9"),      BYTES_ENTRY("Zw\xC3\xA9"),
    };
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        assert_true(is_refused(texts[i]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_texts_are_decoded),
        cmocka_unit_test(every_byte_string_comes_back),
        cmocka_unit_test(only_the_alphabet_is_read),
        cmocka_unit_test(other_texts_of_the_same_bytes_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
