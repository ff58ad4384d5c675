/*
 * The counters of one loop. They are its thread's alone; others get copies by mail, see gather.
 */
#ifndef PARTY_SERVER_STATS_H
#define PARTY_SERVER_STATS_H

#include <stdint.h>

#include "relay/event.h"
#include "server/counters.h"

/* Upper bounds of the classes of turn times, in microseconds; the last class has none. */
#define TURN_BOUNDS_US                                                           \
    {                                                                            \
        50, 100, 250, 500, 1000, 2500, 5000, 10000, 25000, 50000, 100000, 250000 \
    }
#define TURN_CLASSES 13

struct loop_stats {
    uint64_t connections; /* now, of any kind */
    uint64_t clients;     /* now, open WebSockets */
    uint64_t rooms;       /* now */
    uint64_t buffered;    /* bytes now, as --max-buffered-bytes counts them */
    uint64_t counters[COUNTERS];
    uint64_t errors[RELAY_ERRORS]; /* `error` events told */
    uint64_t turns[TURN_CLASSES];  /* by the time that they took, waiting excluded */
    uint64_t turns_ns;             /* that time, of all */
};

/* Counts a turn. */
void stats_count_turn(struct loop_stats *stats, uint64_t duration_ns);

void stats_add(struct loop_stats *total, const struct loop_stats *part);

/* What people read of a counter. */
const char *stats_counter_text(enum counter counter);

#endif
