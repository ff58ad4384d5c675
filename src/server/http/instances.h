/*
 * Several servers behind one name: which of them a request is for. Where the platform is that has
 * it
 * (`asks_for_replays`), its proxy sends a request that is answered with a `fly-replay` header to
 * the one that it names. Elsewhere nobody would, and a request for another one is served here: its
 * room is not found.
 */
#ifndef PARTY_SERVER_HTTP_INSTANCES_H
#define PARTY_SERVER_HTTP_INSTANCES_H

#include "proto/http_request.h"
#include "server/loop.h"

/*
 * Answers what was sent here by such a proxy though it was for another instance, which is gone: to
 * any path but upgrades. False: it is none.
 */
bool instances_send_on(struct loop *loop, struct conn *conn, const struct http_request *request);

/*
 * Answers a request for a room of another instance, or for its health. False: it is to be served
 * here.
 */
bool instances_route(struct loop *loop, struct conn *conn, const struct http_request *request);

#endif
