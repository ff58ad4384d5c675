/* Answers a WAITING connection with the sums of all loops: JSON, two lines of text, or metrics. */
#ifndef PARTY_SERVER_HTTP_PAGES_H
#define PARTY_SERVER_HTTP_PAGES_H

#include "proto/http_request.h"
#include "server/http/gather.h"

/*
 * Answers without asking the loops if it can: a HEAD request, for which no page is made, or a page
 * that is in the cache. False: it can't.
 */
bool pages_send_at_once(struct loop *loop, struct conn *conn, const struct http_request *request,
                        enum question_kind kind);

void pages_send_stats(struct loop *loop, struct conn *conn, const struct answer *answer);
void pages_send_counts(struct loop *loop, struct conn *conn, const struct loop_stats *total);
void pages_send_metrics(struct loop *loop, struct conn *conn, const struct answer *answer);

#endif
