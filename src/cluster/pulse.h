/*
 * A pulse: a small message from node to node, by which each of the two learns how long a message
 * takes over the bus to the other one and back.
 *
 * Nobody answers a pulse: a stranger can have no message sent by one. A node says when it sent this
 * pulse, which pulse of the peer it heard last, and how long ago. The peer knows its own clock:
 * what has passed since it sent that pulse, less the time for which the other one kept it, is the
 * round trip. So clocks are not compared, only their pace, and each node sends as often as it
 * likes.
 *
 * A pulse proves nothing: whoever may write to the bus can forge one, and make this figure wrong,
 * and nothing else.
 *
 * Pure, for one thread. Times are microseconds of the caller's monotonic clock, which is above 0.
 */
#ifndef PARTY_CLUSTER_PULSE_H
#define PARTY_CLUSTER_PULSE_H

#include "base/bytes.h"
#include "base/writer.h"

#define PULSE_BYTES 38
/* A pulse that is older tells nothing any more, and neither does a round trip. */
#define PULSE_OLD_US (UINT64_C(20) * 1000 * 1000)

struct pulse {
    uint64_t from;     /* the sender's incarnation */
    uint64_t sent_us;  /* by the sender's clock; not 0 */
    uint64_t heard_us; /* `sent_us` of the receiver's pulse that the sender heard last; 0: none */
    uint64_t kept_us;  /* since the sender heard it */
};

/* False: it is none of this version. */
bool pulse_read(struct bytes message, struct pulse *ret_pulse);
void pulse_write(struct writer *writer, const struct pulse *pulse);

/* What a node knows of a peer by its pulses. All 0 at first. */
struct pulse_end {
    uint64_t peer_sent_us;  /* by the peer's clock; 0: nothing was heard */
    uint64_t heard_us;      /* when that was heard */
    uint64_t round_trip_us; /* the last one ... */
    uint64_t measured_us;   /* ... and when it was measured; 0: never */
};

void pulse_take(struct pulse_end *end, const struct pulse *pulse, uint64_t now_us);

/* The pulse to send now. The caller fills in `from`. */
struct pulse pulse_next(const struct pulse_end *end, uint64_t now_us);

/* False: none was measured lately. */
bool pulse_round_trip(const struct pulse_end *end, uint64_t now_us, uint64_t *ret_us);

#endif
