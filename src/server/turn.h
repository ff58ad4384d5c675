/*
 * A turn of a loop: resume connections that used up their share of the last turn, wait, handle
 * outcomes, read mail, check deadlines, flush, free. Connections leave their rooms after each
 * outcome, never within its handling.
 */
#ifndef PARTY_SERVER_TURN_H
#define PARTY_SERVER_TURN_H

#include "server/loop.h"

void turn_take(struct loop *loop);

/* Milliseconds that the next turn may wait; -1: until the poller has an outcome. */
int turn_wait_ms(const struct loop *loop);

/* Handles all that the poller reports of its last wait, and nothing else of a turn. */
void turn_handle_all_outcomes(struct loop *loop);

#endif
