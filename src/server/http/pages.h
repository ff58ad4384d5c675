/* What a WAITING connection gets of all loops' counters: the page's JSON, two lines, or metrics. */
#ifndef PARTY_SERVER_HTTP_PAGES_H
#define PARTY_SERVER_HTTP_PAGES_H

#include "server/http/gather.h"

void pages_send_stats(struct loop *loop, struct conn *conn, const struct answer *answer);
void pages_send_counts(struct loop *loop, struct conn *conn, const struct loop_stats *total);
void pages_send_metrics(struct loop *loop, struct conn *conn, const struct answer *answer);

#endif
