/*
 * How a loop comes to rest before the process replaces itself. It goes on serving, but accepts no
 * connections, and ends those that can't be handed over: TLS connections are closed with 1012,
 * spread over some time; an answer that comes from other loops is awaited, and one that is delayed
 * as a penalty is given at once. Much output is sent before, as far as its clients read it in time.
 * Descriptors of connections that can be handed over stay open in execve() from then on.
 */
#ifndef PARTY_SERVER_RESTING_H
#define PARTY_SERVER_RESTING_H

#include "server/loop.h"

/* Handles MAIL_REST. */
void resting_begin(struct loop *loop);

/* Handles MAIL_GO_ON: nothing comes of it, and the loop accepts connections again. */
void resting_cancel(struct loop *loop);

/* In each turn: ends connections, and tells the main thread when the loop may be held. */
void resting_check(struct loop *loop);

/* Milliseconds until resting_check() has something to do; -1: it has not. */
int resting_wait_ms(const struct loop *loop);

#endif
