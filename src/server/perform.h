/* Performs the effects that the relay returns. */
#ifndef PARTY_SERVER_PERFORM_H
#define PARTY_SERVER_PERFORM_H

#include "server/links.h"

void perform_effects(struct loop *loop, const struct effects *effects);

/* The event's frame in a payload with one reference. NULL: memory is short. */
MUST_CHECK struct payload *perform_encode(struct loop *loop, const struct event *event);

/* What a home says of a client that wanted to enter, behind what it has told the client. */
void perform_remote_outcome(struct loop *loop, struct conn *conn, enum link_outcome outcome);

/* Answers a DELAYED connection when its penalty is over, and closes it with 1008 or 1013. */
void perform_delayed_answer(struct loop *loop, struct conn *conn);

#endif
