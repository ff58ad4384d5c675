/* The input of a connection: a PROXY header, TLS, HTTP requests, then WebSocket messages. */
#ifndef PARTY_SERVER_CONN_IN_H
#define PARTY_SERVER_CONN_IN_H

#include "server/loop.h"

/* Handles bytes in place, as far as they are complete; copies only an incomplete rest. */
void conn_in_received(struct loop *loop, struct conn *conn, struct bytes_mut in);

/* Handles the end of the peer's stream; all input before it has been handled. */
void conn_in_ended(struct loop *loop, struct conn *conn);

/*
 * Reads input that waited, then the socket again. The connection was paused, WAITING or MOVING and
 * is back in a state in which it reads. Silence counts from now.
 */
void conn_in_resume(struct loop *loop, struct conn *conn);

/* Drops input that waits: the connection will not be read any more. */
void conn_in_discard(struct loop *loop, struct conn *conn);

#endif
