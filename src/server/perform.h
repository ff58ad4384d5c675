/* Performs what the relay has decided. */
#ifndef PARTY_SERVER_PERFORM_H
#define PARTY_SERVER_PERFORM_H

#include "server/loop.h"

/* Performs the relay's effects in order. */
void perform_effects(struct loop *loop, const struct effects *effects);

/* The time of a DELAYED connection is over: the answer, then 1008 or 1013. */
void perform_delayed_answer(struct loop *loop, struct conn *conn);

#endif
