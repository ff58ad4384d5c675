/* Samples of the last minutes: taken late, slept through, and added up over loops. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
/* cmocka wants these before it. */
#include <cmocka.h>

#include "server/history.h"

#define FIRST 1000 /* the interval in which the loops of these tests begin */

/* Within an interval, counted from the first one. */
static uint64_t within(uint64_t interval, uint64_t part_in_ten)
{
    return (FIRST + interval) * HISTORY_INTERVAL_NS + HISTORY_INTERVAL_NS / 10 * part_in_ten;
}

static void advance(struct history *history, uint64_t now_ns, struct history_state state)
{
    if (history_is_due(history, now_ns))
        history_advance(history, now_ns, &state);
}

static struct history_state state_of(uint32_t rooms, uint64_t messages)
{
    return (struct history_state){rooms, 10 * rooms, messages, 3 * messages};
}

static void expect_sample(struct history_sample sample, uint32_t rooms, uint64_t messages)
{
    assert_int_equal(sample.rooms, rooms);
    assert_int_equal(sample.clients, 10 * rooms);
    assert_int_equal(sample.messages, messages);
    assert_int_equal(sample.deliveries, 3 * messages);
}

static void a_loop_that_begins_knows_nothing(void **state)
{
    (void)state;
    struct history history;
    struct history_sample samples[HISTORY_SAMPLES];
    history_begin(&history, within(0, 3));
    assert_int_equal(history_list(&history, samples), 0);
    assert_false(history_is_due(&history, within(0, 9)));
    assert_true(history_is_due(&history, within(1, 0)));
    assert_int_equal(history_age_ns(&history, within(0, 3)), within(0, 3) - within(0, 0));
}

static void a_sample_is_what_was_at_its_end(void **state)
{
    (void)state;
    struct history history;
    struct history_sample samples[HISTORY_SAMPLES];
    history_begin(&history, within(0, 3));
    advance(&history, within(0, 9), state_of(7, 70)); /* not due */
    advance(&history, within(1, 0), state_of(1, 5));
    advance(&history, within(2, 8), state_of(2, 12));
    advance(&history, within(2, 9), state_of(9, 99)); /* not due */
    assert_int_equal(history_list(&history, samples), 2);
    expect_sample(samples[0], 1, 5);
    expect_sample(samples[1], 2, 7);
    assert_int_equal(history_age_ns(&history, within(2, 9)), within(2, 9) - within(2, 0));
}

static void what_was_slept_through_is_as_it_was_before(void **state)
{
    (void)state;
    struct history history;
    struct history_sample samples[HISTORY_SAMPLES];
    history_begin(&history, within(0, 0));
    advance(&history, within(4, 5), state_of(3, 8));
    advance(&history, within(5, 5), state_of(4, 9));
    assert_int_equal(history_list(&history, samples), 5);
    expect_sample(samples[0], 3, 8);
    for (int i = 1; i < 4; i++)
        expect_sample(samples[i], 3, 0);
    expect_sample(samples[4], 4, 1);
}

static void it_forgets_what_is_too_old(void **state)
{
    (void)state;
    struct history history;
    struct history_sample samples[HISTORY_SAMPLES];
    history_begin(&history, within(0, 0));
    for (uint32_t i = 1; i <= 1000; i++) {
        advance(&history, within(i, 1), state_of(i, i * (uint64_t)i));
        size_t count = history_list(&history, samples);
        assert_int_equal(count, i < HISTORY_SAMPLES ? i : HISTORY_SAMPLES);
        for (uint32_t j = 0; j < count; j++) {
            uint32_t at = i - (uint32_t)count + 1 + j;
            expect_sample(samples[j], at, 2 * at - 1);
        }
    }
}

static void sleep_of_any_length_is_survived(void **state)
{
    static const uint64_t lengths[] = {HISTORY_SAMPLES - 1,
                                       HISTORY_SAMPLES,
                                       HISTORY_SLOTS - 1,
                                       HISTORY_SLOTS,
                                       HISTORY_SLOTS + 1,
                                       2 * HISTORY_SLOTS,
                                       1000,
                                       UINT64_C(3) << 30};
    (void)state;
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        struct history history;
        struct history_sample samples[HISTORY_SAMPLES];
        history_begin(&history, within(0, 0));
        advance(&history, within(1, 0), state_of(1, 5));
        advance(&history, within(1 + lengths[i], 1), state_of(2, 11));
        size_t count = history_list(&history, samples);
        uint64_t known = 1 + lengths[i];
        assert_int_equal(count, known < HISTORY_SAMPLES ? known : HISTORY_SAMPLES);
        expect_sample(samples[count - 1], 2, 0);
        if (lengths[i] < HISTORY_SAMPLES)
            expect_sample(samples[count - lengths[i]], 2, 6);
        advance(&history, within(2 + lengths[i], 1), state_of(3, 12));
        count = history_list(&history, samples);
        expect_sample(samples[count - 1], 3, 1);
        expect_sample(samples[count - 2], 2, 0);
    }
}

/* One of two loops is asked an interval later than the other. */
static void samples_of_loops_are_added_by_their_time(void **state)
{
    (void)state;
    for (uint32_t late = 0; late < 2; late++) {
        struct history loops[2];
        struct history_sample samples[HISTORY_SAMPLES];
        for (uint32_t loop = 0; loop < 2; loop++) {
            history_begin(&loops[loop], within(loop, 0)); /* nor do they begin together */
            for (uint32_t i = 1; i <= 100 + (loop == late); i++)
                advance(&loops[loop], within(i, loop), state_of(1000 * loop + i, i));
        }
        struct history total = loops[late];
        history_add(&total, &loops[1 - late]);
        assert_int_equal(history_list(&total, samples), HISTORY_SAMPLES);
        for (uint32_t i = 0; i < HISTORY_SAMPLES; i++)
            expect_sample(samples[i], 1000 + 2 * (100 - HISTORY_SAMPLES + 1 + i), 2);
        assert_int_equal(history_age_ns(&total, within(100, 1)), within(100, 1) - within(100, 0));
    }
}

static void what_a_loop_does_not_know_is_not_added(void **state)
{
    (void)state;
    struct history old;
    struct history young;
    struct history_sample samples[HISTORY_SAMPLES];
    history_begin(&old, within(0, 0));
    history_begin(&young, within(7, 0));
    advance(&old, within(10, 1), state_of(1, 0));
    advance(&young, within(10, 1), state_of(2, 0));
    history_add(&old, &young);
    assert_int_equal(history_list(&old, samples), 3);
    for (int i = 0; i < 3; i++)
        expect_sample(samples[i], 3, 0);
    history_begin(&young, within(20, 0)); /* nothing in common */
    struct history both = old;
    history_add(&both, &young);
    assert_int_equal(history_list(&both, samples), 0);
    both = young;
    history_add(&both, &old);
    assert_int_equal(history_list(&both, samples), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_loop_that_begins_knows_nothing),
        cmocka_unit_test(a_sample_is_what_was_at_its_end),
        cmocka_unit_test(what_was_slept_through_is_as_it_was_before),
        cmocka_unit_test(it_forgets_what_is_too_old),
        cmocka_unit_test(sleep_of_any_length_is_survived),
        cmocka_unit_test(samples_of_loops_are_added_by_their_time),
        cmocka_unit_test(what_a_loop_does_not_know_is_not_added),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
