/*
 * Several servers behind one name: the instance that a request is for. On a platform that
 * understands it (`asks_for_replays`), this server answers a request for another instance with a
 * `fly-replay` header, and the platform's proxy sends the request there. Elsewhere no proxy would,
 * so the request is served here, and its room is not found.
 */
#ifndef PARTY_SERVER_HTTP_INSTANCES_H
#define PARTY_SERVER_HTTP_INSTANCES_H

#include "proto/http_request.h"
#include "server/loop.h"

/*
 * Redirects a request that the proxy has sent here because its instance is gone. Upgrades are not
 * redirected. False: it is no such request.
 */
bool instances_redirect_stale_link(struct loop *loop, struct conn *conn,
                                   const struct http_request *request);

/*
 * Answers a request for the health or a room of another instance. False: this instance must serve
 * it.
 */
bool instances_route(struct loop *loop, struct conn *conn, const struct http_request *request);

#endif
