/* The JSON of `GET /stats`: the numbers of the status page. */
#ifndef PARTY_SERVER_HTTP_STATS_JSON_H
#define PARTY_SERVER_HTTP_STATS_JSON_H

#include "base/writer.h"
#include "server/history.h"
#include "server/loop.h"

struct stats_json {
    const struct loop_stats *total;
    const struct history *history;
    uint64_t now_ns; /* on the history's clock */
    uint32_t uptime_s;
    uint32_t loop_count;
    enum poller_kind poller;
    enum protocol protocol;
    bool is_draining;
    /* NULL: there is none. A copy, since the text is written twice, and must be the same. */
    const struct peers_view *cluster;
    const struct origin_counts *origins;
    size_t origin_count;
};

void stats_json_write(struct writer *writer, const struct stats_json *stats);

#endif
