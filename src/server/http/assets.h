/*
 * Files that the build embeds into the program and that are served unchanged: the pages, the files
 * that they load, and the client library. src/meson.build lists them.
 */
#ifndef PARTY_SERVER_HTTP_ASSETS_H
#define PARTY_SERVER_HTTP_ASSETS_H

#include "proto/http_request.h"
#include "server/loop.h"

/* Answers a request for such a file. False: no file has this path, or the path is `/`. */
bool assets_route(struct loop *loop, struct conn *conn, const struct http_request *request);

/* Answers with the page of `/`, whatever the request's path is. */
void assets_send_front(struct loop *loop, struct conn *conn, const struct http_request *request);

#endif
