/*
 * Several servers behind one name: which of them a request is for. The platform's proxy sends a
 * request that is answered with a `fly-replay` header to the one that it names.
 */
#ifndef PARTY_SERVER_HTTP_INSTANCES_H
#define PARTY_SERVER_HTTP_INSTANCES_H

#include "proto/http_request.h"
#include "server/loop.h"

/* Answers a request for a room of another instance. False: it is to be served here. */
bool instances_route(struct loop *loop, struct conn *conn, const struct http_request *request);

#endif
