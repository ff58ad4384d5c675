/*
 * The counters of one loop. They are its thread's alone; others get copies by mail, see gather.
 */
#ifndef PARTY_SERVER_STATS_H
#define PARTY_SERVER_STATS_H

#include <stdint.h>

#include "relay/event.h"

/* Since the start. */
enum counter {
    COUNTER_ACCEPTED,
    COUNTER_MESSAGES_IN,
    COUNTER_DELIVERIES,
    COUNTER_BYTES_IN,
    COUNTER_BYTES_OUT,
    COUNTER_MOVED, /* connections that went to another loop */

    COUNTER_PEER_CLOSED,    /* clients that said goodbye with a close frame */
    COUNTER_PEER_ENDED,     /* whose connection ended without one */
    COUNTER_PEER_LOST,      /* whose connection failed */
    COUNTER_REPLACED,       /* closed 4000 */
    COUNTER_ROOM_CLOSED,    /* closed 4001 */
    COUNTER_PROTOCOL_ERROR, /* closed 1002 or 1007 */
    COUNTER_TOO_LARGE,      /* closed 1009 */
    COUNTER_GOING_AWAY,     /* closed 1001 */

    COUNTER_PINGED,
    COUNTER_SILENT,      /* gone after --idle-timeout */
    COUNTER_UNREQUESTED, /* requests not complete, or answers not read, in --request-timeout */
    COUNTER_QUEUE_FULL,  /* closed for --max-queue-bytes */
    COUNTER_STALLED,     /* closed for --stall-timeout */
    COUNTER_EVICTED,     /* closed to make room for others, when all places were taken */
    COUNTER_SHED,        /* closed for --max-buffered-bytes */
    COUNTER_THROTTLED, /* times that a client was not read for --max-message-rate or --max-byte-rate
                        */
    COUNTER_TURN_USED_UP, /* times that a client had more than its share of a turn */

    COUNTER_ORIGIN_REFUSED,  /* 403 */
    COUNTER_FULL_REFUSED,    /* 503 for --max-connections */
    COUNTER_ADDRESS_REFUSED, /* 429 for --max-connections-per-address */
    COUNTER_PROXY_REFUSED,   /* PROXY headers that are none */
    COUNTER_JOINS_PENALIZED, /* closed for failed joins */

    COUNTER_TLS_HANDSHAKES,
    COUNTER_TLS_RESUMED,
    COUNTER_TLS_FAILED,
    COUNTER_TLS_MISMATCHED, /* plain text where TLS is spoken, or the other way round */

    COUNTER_ACCEPT_FAILED, /* descriptors or kernel memory were short */
    COUNTER_NO_MEMORY,     /* connections lost for want of memory */
    COUNTERS,
};

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
