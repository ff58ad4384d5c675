/* HTTP on the relay's port: chooses the answer to each request. */
#ifndef PARTY_SERVER_HTTP_ROUTES_H
#define PARTY_SERVER_HTTP_ROUTES_H

#include "proto/http_request.h"
#include "server/http/gather.h"

/* Answers a request. The connection is HTTP, WAITING, OPEN or CLOSING afterwards. */
void routes_handle(struct loop *loop, struct conn *conn, const struct http_request *request);

/* Answers with an error, and closes. */
void routes_refuse(struct loop *loop, struct conn *conn, int status);

/*
 * Answers a peer that speaks TLS to a plain port, or plain text to a TLS port, in the peer's own
 * way, and closes.
 */
void routes_refuse_transport(struct loop *loop, struct conn *conn, bool speaks_tls);

/* Answers a WAITING connection with what the loops have reported. */
void routes_answer(struct loop *loop, struct conn *conn, const struct answer *answer);

#endif
