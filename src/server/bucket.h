/*
 * A leaky bucket: what is poured in leaks out evenly. Whoever fills it above its brim has asked for
 * too much. The unit is the owner's; where one unit leaks in a millisecond, or a whole number does,
 * nothing is ever rounded.
 */
#ifndef PARTY_SERVER_BUCKET_H
#define PARTY_SERVER_BUCKET_H

#include <stdint.h>

/* Another thread's clock may be a little ahead; longer differences are time that has passed. */
#define BUCKET_CLOCKS_APART_MS (60 * 1000)

struct bucket {
    uint64_t level;
    uint32_t as_of_ms; /* of the monotonic clock */
};

/* Brings the level up to date: `rate` units leak in a millisecond. */
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
