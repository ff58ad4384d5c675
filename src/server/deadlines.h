/*
 * What is looked at in time. Deadlines of one kind have one length, so each kind is a queue that is
 * looked at from its head. Every connection of a loop is in exactly one of them.
 */
#ifndef PARTY_SERVER_DEADLINES_H
#define PARTY_SERVER_DEADLINES_H

#include "server/loop.h"

void deadlines_init(struct loop *loop);

/* Whether a connection that is held may go on. False: its output has stalled, and it is closed. */
MUST_CHECK bool deadlines_check_paused(struct loop *loop, struct conn *conn);

/* Handles what is due, at most EXPIRIES_PER_TURN. */
void deadlines_check(struct loop *loop);

/* Milliseconds until the first deadline; -1 when there is none. */
int deadlines_wait_ms(const struct loop *loop);

#endif
