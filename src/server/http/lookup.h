/*
 * GET /room/:code: whether there is such a room, and its size, limit, origin and URL. GET
 * /room/:code/qr.svg: a QR code of the link that a phone is to open.
 */
#ifndef PARTY_SERVER_HTTP_LOOKUP_H
#define PARTY_SERVER_HTTP_LOOKUP_H

#include "proto/http_request.h"
#include "server/http/gather.h"

bool lookup_is_wanted(const struct http_request *request);

/* Asks the loop that owns the code. The connection is WAITING afterwards, or has its answer. */
void lookup_begin(struct loop *loop, struct conn *conn, const struct http_request *request);

/* Answers a WAITING connection, or delays the answer if its address has had too many misses. */
void lookup_answer(struct loop *loop, struct conn *conn, const struct question *question,
                   const struct room_answer *room);

/* Answers 429 when the delay is over. */
void lookup_answer_delayed(struct loop *loop, struct conn *conn);

#endif
