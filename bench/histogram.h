/*
 * Histograms of times in nanoseconds, log-linear as in HdrHistogram. Each power of two has the same
 * number of equal buckets. So every value is kept with the same relative error, in memory of fixed
 * size.
 */
#ifndef PARTY_BENCH_HISTOGRAM_H
#define PARTY_BENCH_HISTOGRAM_H

#include <stdint.h>

#define HISTOGRAM_PARTS_LOG2                                                                    \
    7                         /* 128 buckets a power of two: what is told is at most 1/128 high \
                               */
#define HISTOGRAM_BITS_MAX 40 /* 18 minutes; a longer time counts as this long */
#define HISTOGRAM_BUCKETS \
    ((HISTOGRAM_BITS_MAX - HISTOGRAM_PARTS_LOG2 + 1) * (1u << HISTOGRAM_PARTS_LOG2))

struct histogram {
    uint64_t count;
    uint64_t longest_ns; /* exact */
    uint64_t counts[HISTOGRAM_BUCKETS];
};

void histogram_clear(struct histogram *histogram);

/* Adds one value, in a few instructions. */
static inline void histogram_add(struct histogram *histogram, uint64_t value_ns)
{
    const uint64_t most = (UINT64_C(1) << HISTOGRAM_BITS_MAX) - 1;
    uint64_t value = value_ns < most ? value_ns : most;
    /* The first row of buckets has the values below 128 themselves. The buckets of each next row
     * are twice as wide. */
    unsigned bits = 64 - (unsigned)__builtin_clzll(value | 1);
    unsigned row = bits > HISTOGRAM_PARTS_LOG2 ? bits - HISTOGRAM_PARTS_LOG2 : 0;
    unsigned shift = row > 0 ? row - 1 : 0;
    unsigned index = (shift << HISTOGRAM_PARTS_LOG2) + (unsigned)(value >> shift);
    histogram->counts[index]++;
    histogram->count++;
    if (value_ns > histogram->longest_ns)
        histogram->longest_ns = value_ns;
}

/* Adds all values of `from`. */
void histogram_merge(struct histogram *into, const struct histogram *from);

/*
 * The value that a share of all values (0 to 1) doesn't exceed. It is the upper edge of its bucket,
 * but never more than the longest value. 0 when there are no values.
 */
uint64_t histogram_percentile(const struct histogram *histogram, double share);

#endif
