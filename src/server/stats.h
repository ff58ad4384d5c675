/*
 * The counters of one loop. Only the loop's thread uses them; others get copies by mail, see
 * gather.
 */
#ifndef PARTY_SERVER_STATS_H
#define PARTY_SERVER_STATS_H

#include <stdint.h>

#include "relay/event.h"
#include "server/counters.h"

/* Upper bounds, in microseconds, of the classes of turn times; the last class has none. */
#define TURN_BOUNDS_US                                                           \
    {                                                                            \
        50, 100, 250, 500, 1000, 2500, 5000, 10000, 25000, 50000, 100000, 250000 \
    }
#define TURN_CLASSES 13

struct loop_stats {
    uint64_t connections; /* now, of any kind */
    uint64_t clients;     /* now, open WebSockets */
    uint64_t rooms;       /* now */
    uint64_t changed;     /* rooms whose records the store has not got yet, now */
    uint64_t buffered;    /* bytes now that --max-buffered-bytes counts */
    uint64_t counters[COUNTERS];
    uint64_t errors[RELAY_ERRORS]; /* `error` events sent */
    uint64_t turns[TURN_CLASSES];  /* by the time that they took, without the wait */
    uint64_t turns_ns;             /* sum of these times */
};

/* Counts a turn by the time that it took. */
void stats_count_turn(struct loop_stats *stats, uint64_t duration_ns);

void stats_add(struct loop_stats *total, const struct loop_stats *part);

/* The text of a counter in /stats. */
const char *stats_counter_text(enum counter counter);

#endif
