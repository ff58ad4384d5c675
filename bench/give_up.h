/* Every failure of the load generator ends with one sentence and status 1. */
#ifndef PARTY_BENCH_GIVE_UP_H
#define PARTY_BENCH_GIVE_UP_H

#include <stddef.h>

#include "base/attributes.h"

/* Prints the sentence and ends the process. Any thread may call it; only the first one prints. */
_Noreturn void give_up(const char *format, ...) PRINTF_LIKE(1, 2);

/* Zeroed memory for `count` items; `count` may be 0. */
MUST_CHECK void *allocate_or_give_up(size_t count, size_t size);

#endif
