/* The output from a connection's queue to its socket: plain text, or TLS records made from it. */
#ifndef PARTY_SERVER_EGRESS_H
#define PARTY_SERVER_EGRESS_H

#include "server/loop.h"

/*
 * Returns the queue to send from: the connection's own, or that of its TLS session, after the next
 * part of the connection's output, or its close_notify, has been encrypted. NULL: TLS failed.
 */
struct outbox *egress_output(struct loop *loop, struct conn *conn);

#endif
