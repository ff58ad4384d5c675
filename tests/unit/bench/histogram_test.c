/* The load generator's histograms, compared with a sorted array of the same values. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
/* cmocka wants these before it. */
#include <cmocka.h>

#include "histogram.h"

#define VALUES 20000

static struct histogram histogram;

static int empty(void **state)
{
    (void)state;
    histogram_clear(&histogram);
    return 0;
}

/* Values of every magnitude from 1 ns to 18 minutes alike; the same ones each time. */
static uint64_t next_value(uint64_t *state)
{
    *state = *state * UINT64_C(6364136223846793005) + 1;
    return (*state >> 20 & ((UINT64_C(1) << HISTOGRAM_BITS_MAX) - 1)) >> (*state >> 59);
}

static int compare(const void *a, const void *b)
{
    uint64_t first = *(const uint64_t *)a;
    uint64_t second = *(const uint64_t *)b;
    return (first > second) - (first < second);
}

static void assert_close(uint64_t told, uint64_t exact)
{
    assert_true(told >= exact);
    assert_true(told - exact <= exact >> HISTOGRAM_PARTS_LOG2);
}

static void nothing_has_no_percentiles(void **state)
{
    (void)state;
    assert_int_equal(histogram_percentile(&histogram, 0.5), 0);
    assert_int_equal(histogram.longest_ns, 0);
}

static void one_value_is_all_percentiles(void **state)
{
    (void)state;
    histogram_add(&histogram, 123456789);
    assert_int_equal(histogram_percentile(&histogram, 0), 123456789);
    assert_int_equal(histogram_percentile(&histogram, 0.5), 123456789);
    assert_int_equal(histogram_percentile(&histogram, 1), 123456789);
}

static void small_values_are_exact(void **state)
{
    (void)state;
    for (uint64_t value = 1; value <= 200; value++)
        histogram_add(&histogram, value);
    for (uint64_t value = 1; value <= 200; value++)
        assert_int_equal(histogram_percentile(&histogram, (double)value / 200), value);
}

static void edges_of_buckets_stay_within_the_error(void **state)
{
    (void)state;
    for (unsigned bits = 1; bits < HISTOGRAM_BITS_MAX; bits++) {
        for (int offset = -1; offset <= 1; offset++) {
            uint64_t value = (UINT64_C(1) << bits) + (uint64_t)offset;
            histogram_clear(&histogram);
            histogram_add(&histogram, value);
            histogram_add(&histogram, UINT64_C(1) << (HISTOGRAM_BITS_MAX - 1));
            assert_close(histogram_percentile(&histogram, 0.5), value);
        }
    }
}

static void percentiles_are_those_of_the_sorted_values(void **state)
{
    static const double shares[] = {0.001, 0.1, 0.5, 0.9, 0.99, 0.999, 1};
    static uint64_t values[VALUES];
    uint64_t random = 1;
    (void)state;
    for (size_t i = 0; i < VALUES; i++) {
        values[i] = next_value(&random);
        histogram_add(&histogram, values[i]);
    }
    qsort(values, VALUES, sizeof values[0], compare);
    for (size_t i = 0; i < sizeof shares / sizeof shares[0]; i++) {
        size_t rank = (size_t)(shares[i] * VALUES + 0.5);
        assert_close(histogram_percentile(&histogram, shares[i]), values[rank - 1]);
    }
    assert_int_equal(histogram.longest_ns, values[VALUES - 1]);
    assert_int_equal(histogram_percentile(&histogram, 1), values[VALUES - 1]);
}

static void what_is_too_long_counts_as_the_longest(void **state)
{
    (void)state;
    histogram_add(&histogram, UINT64_MAX);
    histogram_add(&histogram, 1);
    assert_int_equal(histogram.count, 2);
    assert_int_equal(histogram.longest_ns, UINT64_MAX);
    assert_int_equal(histogram_percentile(&histogram, 1), (UINT64_C(1) << HISTOGRAM_BITS_MAX) - 1);
}

static void merging_adds_up(void **state)
{
    static struct histogram first;
    static struct histogram second;
    uint64_t random = 2;
    (void)state;
    histogram_clear(&first);
    histogram_clear(&second);
    for (size_t i = 0; i < VALUES; i++) {
        uint64_t value = next_value(&random);
        histogram_add(&histogram, value);
        histogram_add(i % 3 == 0 ? &first : &second, value);
    }
    histogram_merge(&first, &second);
    assert_memory_equal(&first, &histogram, sizeof histogram);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(nothing_has_no_percentiles, empty),
        cmocka_unit_test_setup(one_value_is_all_percentiles, empty),
        cmocka_unit_test_setup(small_values_are_exact, empty),
        cmocka_unit_test_setup(edges_of_buckets_stay_within_the_error, empty),
        cmocka_unit_test_setup(percentiles_are_those_of_the_sorted_values, empty),
        cmocka_unit_test_setup(what_is_too_long_counts_as_the_longest, empty),
        cmocka_unit_test_setup(merging_adds_up, empty),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
