/* The generator's time: nanoseconds of a clock that never jumps. */
#ifndef PARTY_BENCH_CLOCK_NS_H
#define PARTY_BENCH_CLOCK_NS_H

#include <stdint.h>
#include <time.h>

#define NANOSECONDS UINT64_C(1000000000) /* in a second */

static inline uint64_t clock_now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * NANOSECONDS + (uint64_t)now.tv_nsec;
}

#endif
