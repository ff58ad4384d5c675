/*
 * The last that a loop does before the process replaces itself: it holds everything still, and
 * writes its part of the handover.
 */
#ifndef PARTY_SERVER_HOLD_H
#define PARTY_SERVER_HOLD_H

#include "server/loop.h"

/*
 * Detaches all sockets, waits until all loops have, takes the connections that were on their way
 * here, ends those that can't be handed over, writes the rest to `loop->part`, and has execution
 * keep their descriptors. One loop says on stderr how many had too much output. Sets `part_failed`
 * if memory was short.
 */
void hold(struct loop *loop);

/* The two parts of that: before the loop waits for the others, and after that. */
void hold_still(struct loop *loop);
void hold_write(struct loop *loop);

#endif
