/* Bytes as hexadecimal digits in a JSON string, and back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants these before it. */
#include <cmocka.h>

#include "proto/hex.h"

static struct json_value string(const char *text)
{
    return (struct json_value){.kind = JSON_STRING, .raw = bytes_of_string(text)};
}

static void all_bytes_are_read_as_they_were_written(void **state)
{
    (void)state;
    uint8_t bytes[256];
    uint8_t read[256];
    uint8_t text[2 * sizeof bytes + 2];
    size_t length;
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)i;
    struct writer writer = writer_over(text, sizeof text);
    hex_write(&writer, bytes_of(bytes, sizeof bytes));
    assert_int_equal(writer.length, sizeof text);
    assert_memory_equal(text, "\"000102", 7);
    assert_memory_equal(text + sizeof text - 7, "fdfeff\"", 7);
    struct json_value value = {.kind = JSON_STRING, .raw = bytes_of(text, sizeof text)};
    assert_true(hex_length(&value, &length));
    assert_int_equal(length, sizeof bytes);
    assert_true(hex_read(&value, read, sizeof read));
    assert_memory_equal(read, bytes, sizeof bytes);
}

static void a_number_has_its_highest_byte_first(void **state)
{
    (void)state;
    uint8_t text[18];
    uint64_t number = 0;
    struct writer writer = writer_over(text, sizeof text);
    hex_write_64(&writer, 0x0123456789abcdef);
    assert_int_equal(writer.length, sizeof text);
    assert_memory_equal(text, "\"0123456789abcdef\"", sizeof text);
    struct json_value value = string("\"fedcba9876543210\"");
    assert_true(hex_read_64(&value, &number));
    assert_int_equal(number, 0xfedcba9876543210);
}

static void other_texts_are_refused(void **state)
{
    (void)state;
    static const char *const wrong[] = {"\"6\"",   "\"6g\"", "\"6A\"",   "\"/0\"", "\" 6\"",
                                        "\"616\"", "\"\"",   "\"6162\"", "\"0`\"", "\":0\""};
    uint8_t byte;
    uint64_t number;
    size_t length = 7;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct json_value value = string(wrong[i]);
        print_message("# %s\n", wrong[i]);
        assert_false(hex_read(&value, &byte, 1));
        assert_false(hex_read_64(&value, &number));
    }
    struct json_value empty = string("\"\"");
    assert_true(hex_length(&empty, &length));
    assert_int_equal(length, 0);
    assert_true(hex_read(&empty, NULL, 0));
    struct json_value absent = {0};
    struct json_value digits = {.kind = JSON_NUMBER, .raw = BYTES("1234")};
    assert_false(hex_length(&absent, &length));
    assert_false(hex_length(&digits, &length));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_bytes_are_read_as_they_were_written),
        cmocka_unit_test(a_number_has_its_highest_byte_first),
        cmocka_unit_test(other_texts_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
