/* The time of the loops. */
#ifndef PARTY_NET_CLOCK_H
#define PARTY_NET_CLOCK_H

#include <stdint.h>
#include <time.h>

/* Nanoseconds of a clock that never jumps. */
static inline uint64_t clock_now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* Milliseconds of a clock that never jumps, and goes on while the machine sleeps. */
static inline uint64_t clock_boot_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_BOOTTIME, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/*
 * Milliseconds of a clock that never jumps, in 32 bits. The value wraps after 49 days. So only
 * differences mean anything (unsigned subtraction), and only of times less than 24 days apart.
 */
static inline uint32_t clock_now_ms(void)
{
    return (uint32_t)(clock_now_ns() / 1000000);
}

#endif
