/*
 * GET /room/:code: whether there is such a room, and what it is like. GET /room/:code/qr.svg: a
 * picture of the link that a phone is to follow.
 */
#ifndef PARTY_SERVER_HTTP_LOOKUP_H
#define PARTY_SERVER_HTTP_LOOKUP_H

#include "proto/http_request.h"
#include "server/http/gather.h"

bool lookup_is_wanted(const struct http_request *request);

/* Asks the loop that owns the code; the connection is WAITING afterwards, or was answered. */
void lookup_begin(struct loop *loop, struct conn *conn, const struct http_request *request);

/* Answers a WAITING connection. Who looks for too many rooms that are not there waits for it. */
void lookup_answer(struct loop *loop, struct conn *conn, const struct question *question,
                   const struct room_answer *room);

/* The time of who had to wait for it is over: 429. */
void lookup_answer_delayed(struct loop *loop, struct conn *conn);

#endif
