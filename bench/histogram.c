/* The parts of the histogram that are off the hot path. */
#include "histogram.h"

#include <math.h>
#include <string.h>

#define PARTS (1u << HISTOGRAM_PARTS_LOG2)

void histogram_clear(struct histogram *histogram)
{
    memset(histogram, 0, sizeof *histogram);
}

void histogram_merge(struct histogram *into, const struct histogram *from)
{
    into->count += from->count;
    if (from->longest_ns > into->longest_ns)
        into->longest_ns = from->longest_ns;
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++)
        into->counts[i] += from->counts[i];
}

/* The largest value that falls into a bucket; the inverse of histogram_add(). */
static uint64_t upper_edge(unsigned index)
{
    unsigned shift = index < 2 * PARTS ? 0 : index / PARTS - 1;
    uint64_t part = index - ((uint64_t)shift << HISTOGRAM_PARTS_LOG2);
    return ((part + 1) << shift) - 1;
}

uint64_t histogram_percentile(const struct histogram *histogram, double share)
{
    /* In binary, a share such as 0.07 is a little larger. It must not reach the next rank. */
    uint64_t rank = (uint64_t)ceil(share * (double)histogram->count - 1e-6);
    if (rank < 1)
        rank = 1;
    uint64_t below = 0;
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
        below += histogram->counts[i];
        if (below < rank)
            continue;
        uint64_t edge = upper_edge(i);
        return edge < histogram->longest_ns ? edge : histogram->longest_ns;
    }
    return histogram->longest_ns;
}
