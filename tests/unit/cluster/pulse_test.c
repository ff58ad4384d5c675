/* Pulses: what is written is read, what is wrong is refused, and the time that a way takes. */
#include "cluster/pulse.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
/* cmocka wants these before it. */
#include <cmocka.h>

#include "support/guard_page.h"

#define SECOND_US 1000000

static bool read_copy(struct bytes message, struct pulse *ret_pulse)
{
    struct guarded copy = guarded_copy(message);
    bool is_read = pulse_read(guarded_view(&copy), ret_pulse);
    guarded_free(&copy);
    return is_read;
}

static void a_pulse_is_read_as_it_was_written(void **state)
{
    const struct pulse pulse = {UINT64_MAX, UINT64_MAX - 1, 1, UINT64_C(0x0102030405060708)};
    uint8_t text[PULSE_BYTES + 1] = {0};
    struct writer writer = writer_over(text, sizeof text);
    struct pulse again;
    (void)state;
    pulse_write(&writer, &pulse);
    assert_int_equal(writer.length, PULSE_BYTES);
    assert_true(read_copy(bytes_of(text, PULSE_BYTES), &again));
    assert_memory_equal(&pulse, &again, sizeof pulse);
    assert_false(read_copy(bytes_of(text, PULSE_BYTES + 1), &again));
    for (size_t length = 0; length < PULSE_BYTES; length++)
        assert_false(read_copy(bytes_of(text, length), &again));
    for (size_t i = 0; i < sizeof "pulse"; i++) { /* the version, too */
        text[i]++;
        assert_false(read_copy(bytes_of(text, PULSE_BYTES), &again));
        text[i]--;
    }
    memset(text + 14, 0, 8); /* sent at no time */
    assert_false(read_copy(bytes_of(text, PULSE_BYTES), &again));
}

static void both_ends_learn_how_long_the_way_takes(void **state)
{
    struct pulse_end a = {0};
    struct pulse_end b = {0};
    uint64_t trip_us;
    uint64_t a_us = 5 * SECOND_US;
    uint64_t b_us = 777 * (uint64_t)SECOND_US; /* clocks are not compared */
    struct pulse pulse;
    (void)state;
    assert_false(pulse_round_trip(&a, a_us, &trip_us));
    for (int i = 0; i < 3;
         i++) { /* 300 us there, 500 us back; each keeps the other's for a while */
        pulse = pulse_next(&a, a_us);
        pulse_take(&b, &pulse, b_us += 300);
        a_us += 300 + SECOND_US;
        pulse = pulse_next(&b, b_us += SECOND_US);
        pulse_take(&a, &pulse, a_us += 500);
        b_us += 500 + SECOND_US / 2;
        a_us += SECOND_US / 2;
    }
    assert_true(pulse_round_trip(&a, a_us, &trip_us));
    assert_int_equal(trip_us, 800);
    assert_true(pulse_round_trip(&b, b_us, &trip_us));
    assert_int_equal(trip_us, 800);
    assert_true(pulse_round_trip(&a, a.measured_us + PULSE_OLD_US, &trip_us));
    assert_false(pulse_round_trip(&a, a.measured_us + PULSE_OLD_US + 1, &trip_us));
}

static void a_pulse_that_can_not_be_measures_nothing(void **state)
{
    const uint64_t now_us = UINT64_C(100) * SECOND_US;
    const struct pulse wrong[] = {
        {1, 1, 0, 0},                         /* it has heard nothing */
        {1, 1, now_us + 1, 0},                /* it has heard what was not sent yet */
        {1, 1, now_us - 5, 6},                /* it has kept it for longer than it is old */
        {1, 1, now_us - 5, UINT64_MAX},       /* so it has */
        {1, 1, now_us - PULSE_OLD_US - 1, 1}, /* what it has heard is old */
    };
    uint64_t trip_us;
    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct pulse_end end = {0};
        pulse_take(&end, &wrong[i], now_us);
        assert_false(pulse_round_trip(&end, now_us, &trip_us));
        assert_int_equal(pulse_next(&end, now_us + 3).kept_us, 3);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_pulse_is_read_as_it_was_written),
        cmocka_unit_test(both_ends_learn_how_long_the_way_takes),
        cmocka_unit_test(a_pulse_that_can_not_be_measures_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
