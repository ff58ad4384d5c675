/* The newest change of each record waits, however many there are. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants these before it. */
#include <cmocka.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/pending.h"

static void set(struct pending *pending, uint64_t key, const char *text)
{
    struct change change = {.key = key};
    if (text != NULL) {
        change.text = (uint8_t *)strdup(text);
        change.length = strlen(text);
    }
    assert_true(pending_set(pending, change));
}

static void expect(const struct pending *pending, uint64_t key, const char *text)
{
    const struct change *change = pending_find(pending, key);
    assert_non_null(change);
    assert_int_equal(change->length, strlen(text));
    assert_memory_equal(change->text, text, change->length);
}

static void the_newest_change_of_a_key_stays(void **state)
{
    (void)state;
    struct pending pending = {0};
    assert_null(pending_find(&pending, 1));
    set(&pending, 1, "old");
    set(&pending, 2, "other");
    set(&pending, 1, "newest");
    expect(&pending, 1, "newest");
    assert_int_equal(pending.count, 2);
    assert_int_equal(pending.bytes, strlen("newest") + strlen("other"));
    set(&pending, 1, NULL);
    assert_null(pending_find(&pending, 1)->text);
    assert_int_equal(pending.bytes, strlen("other"));
    pending_release(&pending);
    assert_int_equal(pending.count, 0);
}

/* Codes are numbers close to each other, and multiples of powers of two. */
static void many_keys_are_found(void **state)
{
    (void)state;
    struct pending pending = {0};
    char text[32];
    for (uint64_t step = 1; step <= (uint64_t)1 << 40; step <<= 20) {
        for (uint64_t i = 1; i <= 3000; i++) {
            snprintf(text, sizeof text, "%" PRIu64, i * step);
            set(&pending, i * step, text);
        }
        for (uint64_t i = 1; i <= 3000; i++) {
            snprintf(text, sizeof text, "%" PRIu64, i * step);
            expect(&pending, i * step, text);
        }
    }
    size_t at = 0;
    size_t count = 0;
    while (pending_next(&pending, &at) != NULL)
        count++;
    assert_int_equal(count, pending.count);
    pending_release(&pending);
}

static void a_merge_keeps_the_newer_change(void **state)
{
    (void)state;
    struct pending into = {0};
    struct pending from = {0};
    set(&into, 1, "new");
    set(&into, 3, NULL);
    set(&from, 1, "old");
    set(&from, 2, "only");
    set(&from, 3, "removed since");
    assert_true(pending_merge(&into, &from));
    assert_int_equal(from.count, 0);
    assert_int_equal(into.count, 3);
    expect(&into, 1, "new");
    expect(&into, 2, "only");
    assert_null(pending_find(&into, 3)->text);
    assert_int_equal(into.bytes, strlen("new") + strlen("only"));
    pending_release(&into);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_newest_change_of_a_key_stays),
        cmocka_unit_test(many_keys_are_found),
        cmocka_unit_test(a_merge_keeps_the_newer_change),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
