/*
 * The files that are part of the program, and are served as they are: the pages, what they load,
 * and the client library. They are listed in src/meson.build.
 */
#ifndef PARTY_SERVER_HTTP_ASSETS_H
#define PARTY_SERVER_HTTP_ASSETS_H

#include "proto/http_request.h"
#include "server/loop.h"

/* Answers a request for such a file. False: the path is none's, or `/`. */
bool assets_route(struct loop *loop, struct conn *conn, const struct http_request *request);

/* Answers with the page that is at `/`, whatever the path is. */
void assets_send_front(struct loop *loop, struct conn *conn, const struct http_request *request);

#endif
