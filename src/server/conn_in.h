/* What arrives on a connection: a proxy's word, TLS, HTTP requests, then WebSocket messages. */
#ifndef PARTY_SERVER_CONN_IN_H
#define PARTY_SERVER_CONN_IN_H

#include "server/loop.h"

/* Handles bytes, in place, as far as they go; only an incomplete rest is copied. */
void conn_in_received(struct loop *loop, struct conn *conn, struct bytes_mut in);

/* The peer has shut down its side; everything before it has been handled. */
void conn_in_ended(struct loop *loop, struct conn *conn);

/*
 * Goes on with input that waited: the connection was held, WAITING or MOVING and is back in a
 * state in which it reads. Reading the socket goes on as well, and silence counts from now.
 */
void conn_in_resume(struct loop *loop, struct conn *conn);

/* The connection will not be read any more: input that waits is forgotten. */
void conn_in_discard(struct loop *loop, struct conn *conn);

#endif
