/* What an allocation costs the heap, so that accounts are right for small ones, too. */
#ifndef PARTY_BASE_ALLOCATION_H
#define PARTY_BASE_ALLOCATION_H

#include <stddef.h>

/*
 * In glibc's heap an allocation has a word of its own, is a multiple of 16 bytes, and has at least
 * 32.
 */
static inline size_t allocation_cost(size_t length)
{
    size_t cost = (length + sizeof(size_t) + 15) / 16 * 16;
    return cost < 32 ? 32 : cost;
}

#endif
