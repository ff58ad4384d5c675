/*
 * What the simulators of this folder have in common: a seed that determines all that happens, the
 * trace of a run, and the end of one in which a promise was broken.
 */
#ifndef PARTY_TESTS_CLUSTER_SEEDS_H
#define PARTY_TESTS_CLUSTER_SEEDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attributes.h"

/* A number below `bound`. */
uint32_t draw(uint32_t bound);

static inline bool once_in(uint32_t count)
{
    return draw(count) == 0;
}

/* Lines of the trace begin with this clock from now on. */
void seeds_watch(const uint64_t *now_ms);

/* The seed that is played. */
uint64_t seeds_seed(void);

/* One line, if the run is traced. */
PRINTF_LIKE(1, 2) void tell(const char *format, ...);

/* A promise is broken: prints the seed and what it is, and ends the program. */
PRINTF_LIKE(1, 2) _Noreturn void broken(const char *format, ...);

/*
 * The simulator's main():
 *
 *     [--seed N] [--seeds N | --for SECONDS] [--trace]
 *
 * `play` plays the world of the seed from its beginning to its end, and writes what happened there,
 * in a few words. The first seed is played twice: both runs must be the same.
 */
int seeds_play(int argument_count, char **arguments, void (*play)(char *summary, size_t capacity));

#endif
