/* Writes the metrics in Prometheus's text format 0.0.4. docs/operations.md lists them. */
#ifndef PARTY_SERVER_HTTP_METRICS_H
#define PARTY_SERVER_HTTP_METRICS_H

#include "base/writer.h"
#include "server/loop.h"
#include "store/store.h"

/* The values to write. metrics_write() escapes label values. */
struct metrics {
    const struct loop_stats *total;
    uint64_t members; /* sum of all rooms */
    struct instance instance;
    uint32_t uptime_s;
    uint64_t started_s; /* by the wall clock */
    uint64_t upgrades;
    uint64_t resident_bytes;
    uint64_t heap_bytes;
    uint64_t retained_bytes;          /* by rooms: states, URLs, absent members */
    const struct store_status *store; /* NULL: there is none */
    /* NULL: there is none. A copy, since the text is written twice, and must be the same. */
    const struct peers_view *cluster;
    uint32_t loop_count;
    enum poller_kind poller;
    bool is_draining;
    uint32_t origins_tracked;
    const struct origin_counts *origins;
    size_t origin_count;
};

void metrics_write(struct writer *writer, const struct metrics *metrics);

#endif
