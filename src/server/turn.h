/*
 * A turn: go on with those who had more than their share of the last one, wait, handle what
 * happened, read mail, look at deadlines, flush, free. Rooms are left after each thing that was
 * handled, never within it.
 */
#ifndef PARTY_SERVER_TURN_H
#define PARTY_SERVER_TURN_H

#include "server/loop.h"

void turn_take(struct loop *loop);

/* Milliseconds that the next turn waits if nothing happens; -1: until something does. */
int turn_wait_ms(const struct loop *loop);

#endif
