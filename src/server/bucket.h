/*
 * A leaky bucket. Callers add units to the level, which leaks at a constant rate; a level above the
 * caller's limit means that the caller's client asked for too much. The caller chooses the unit. It
 * chooses one of which a whole number leaks in a millisecond, so that no rounding is needed.
 */
#ifndef PARTY_SERVER_BUCKET_H
#define PARTY_SERVER_BUCKET_H

#include <stdint.h>

/*
 * Clocks of two threads may differ: an elapsed time that is negative by less than this counts as 0.
 * Larger differences are time that has passed.
 */
#define BUCKET_CLOCKS_APART_MS (60 * 1000)

struct bucket {
    uint64_t level;
    uint32_t as_of_ms; /* the monotonic clock when the level was updated last */
};

/* Updates the level to `now_ms`; `rate` units leak in a millisecond. */
static inline void bucket_leak(struct bucket *bucket, uint64_t rate, uint32_t now_ms)
{
    uint32_t elapsed_ms = now_ms - bucket->as_of_ms;
    if (bucket->level > 0 && elapsed_ms > UINT32_MAX - BUCKET_CLOCKS_APART_MS)
        return;
    uint64_t leaked = elapsed_ms * rate;
    bucket->level = leaked < bucket->level ? bucket->level - leaked : 0;
    bucket->as_of_ms = now_ms;
}

#endif
