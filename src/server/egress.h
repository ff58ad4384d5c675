/* What goes from a connection's queue to its socket: the queue itself, or what TLS makes of it. */
#ifndef PARTY_SERVER_EGRESS_H
#define PARTY_SERVER_EGRESS_H

#include "server/loop.h"

/*
 * What is to be sent next: the connection's queue, or what TLS makes of the beginning of it, and of
 * the end of a connection. NULL: TLS failed.
 */
struct outbox *egress_output(struct loop *loop, struct conn *conn);

#endif
