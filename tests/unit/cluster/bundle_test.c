/* Bundles: letters are read as they were put, and of what is no bundle nothing beyond it. */
#include "cluster/bundle.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
/* cmocka wants these before it. */
#include <cmocka.h>

#include "support/guard_page.h"

/* How many letters are read of the first `length` bytes, none of which is beyond them. */
static uint32_t count_letters(const uint8_t *data, size_t length)
{
    struct guarded copy = guarded_copy(bytes_of(data, length));
    struct bytes rest = guarded_view(&copy);
    struct bytes letter;
    uint32_t count = 0;
    while (bundle_next(&rest, &letter)) {
        assert_true(letter.length <= length);
        count++;
    }
    guarded_free(&copy);
    return count;
}

static void letters_are_read_as_they_were_put(void **state)
{
    uint8_t data[100];
    struct writer writer = writer_over(data, sizeof data);
    struct bytes letter;
    (void)state;
    bundle_put(&writer, BYTES("first"));
    bundle_put(&writer, BYTES(""));
    bundle_put(&writer, BYTES("third"));
    assert_int_equal(writer.length, 3 * BUNDLE_LENGTH_BYTES + 10);
    assert_int_equal(bundle_bytes(BYTES("third")), BUNDLE_LENGTH_BYTES + 5);
    struct bytes rest = writer_view(&writer);
    assert_true(bundle_next(&rest, &letter) && bytes_equal(letter, BYTES("first")));
    assert_true(bundle_next(&rest, &letter) && bytes_equal(letter, BYTES("")));
    assert_true(bundle_next(&rest, &letter) && bytes_equal(letter, BYTES("third")));
    assert_false(bundle_next(&rest, &letter));
}

static void a_letter_that_is_not_whole_is_none(void **state)
{
    uint8_t data[100];
    struct writer writer = writer_over(data, sizeof data);
    (void)state;
    bundle_put(&writer, BYTES("first"));
    bundle_put(&writer, BYTES("second"));
    for (size_t length = 0; length < BUNDLE_LENGTH_BYTES + 5; length++)
        assert_int_equal(count_letters(data, length), 0);
    for (size_t length = BUNDLE_LENGTH_BYTES + 5; length < writer.length; length++)
        assert_int_equal(count_letters(data, length), 1);
    assert_int_equal(count_letters(data, writer.length), 2);
    memset(data, 0xFF, BUNDLE_LENGTH_BYTES);
    assert_int_equal(count_letters(data, writer.length), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(letters_are_read_as_they_were_put),
        cmocka_unit_test(a_letter_that_is_not_whole_is_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
