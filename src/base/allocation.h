/* What memory costs, for accounts that are to be right for small pieces, too. */
#ifndef PARTY_BASE_ALLOCATION_H
#define PARTY_BASE_ALLOCATION_H

#include <stddef.h>

/* glibc's heap: each piece has a word of its own, is a multiple of 16 bytes, and has at least 32.
 */
static inline size_t allocation_cost(size_t length)
{
    size_t cost = (length + sizeof(size_t) + 15) / 16 * 16;
    return cost < 32 ? 32 : cost;
}

#endif
