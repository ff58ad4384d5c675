/* HTTP on the relay's port: the handshake, /health, /ready, and the status page. */
#ifndef PARTY_SERVER_ROUTES_H
#define PARTY_SERVER_ROUTES_H

#include "proto/http_request.h"
#include "server/loop.h"

/* Answers a request; the connection is HTTP, WAITING, OPEN or CLOSING afterwards. */
void routes_handle(struct loop *loop, struct conn *conn, const struct http_request *request);

/* Answers with an error and closes. */
void routes_refuse(struct loop *loop, struct conn *conn, int status);

/*
 * Answers the first bytes of one that speaks TLS to a plain port, or plain text to a TLS port, in
 * its own language, and closes.
 */
void routes_refuse_transport(struct loop *loop, struct conn *conn, bool speaks_tls);

/* Answers a WAITING connection with the status page. */
void routes_send_status_page(struct loop *loop, struct conn *conn, const struct loop_stats *total);

#endif
