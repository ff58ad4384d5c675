/* What arrives on a connection: HTTP requests, then WebSocket messages. */
#ifndef PARTY_SERVER_CONN_IN_H
#define PARTY_SERVER_CONN_IN_H

#include "server/loop.h"

/* Handles bytes, in place, as far as they go; only an incomplete rest is copied. */
void conn_in_received(struct loop *loop, struct conn *conn, struct bytes_mut in);

/* The peer has shut down its side; everything before it has been handled. */
void conn_in_ended(struct loop *loop, struct conn *conn);

/* Goes on with input that waited, after a WAITING or MOVING connection is back in a reading state.
 */
void conn_in_resume(struct loop *loop, struct conn *conn);

#endif
