/* How every failure of the load generator ends: with one sentence, and status 1. */
#ifndef PARTY_BENCH_GIVE_UP_H
#define PARTY_BENCH_GIVE_UP_H

#include <stddef.h>

#include "base/attributes.h"

/* Prints the sentence and ends the process. From any thread; the first one is heard. */
_Noreturn void give_up(const char *format, ...) PRINTF_LIKE(1, 2);

/* Memory for `count` things, zeroed; none is a count like any other. */
MUST_CHECK void *allocate_or_give_up(size_t count, size_t size);

#endif
