/*
 * Deadlines. All deadlines of one kind have the same length, so each kind is a queue that is
 * checked from its head. Every connection of a loop is in exactly one queue.
 */
#ifndef PARTY_SERVER_DEADLINES_H
#define PARTY_SERVER_DEADLINES_H

#include "server/loop.h"

void deadlines_init(struct loop *loop);

/* Whether a paused connection may be resumed. False: its output has stalled, and it is closed. */
MUST_CHECK bool deadlines_check_paused(struct loop *loop, struct conn *conn);

/* Handles the deadlines that are due, at most EXPIRIES_PER_TURN of each kind. */
void deadlines_check(struct loop *loop);

/* Milliseconds until the first deadline; -1 when there is none. */
int deadlines_wait_ms(const struct loop *loop);

/* Ends the penalty that the connection is waiting for, before its time; if it waits for none, does
 * nothing. */
void deadlines_end_penalty(struct loop *loop, struct conn *conn);

#endif
