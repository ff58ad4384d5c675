/* The status page: numbers put into the template of web/status.html. */
#ifndef PARTY_SERVER_STATUS_PAGE_H
#define PARTY_SERVER_STATUS_PAGE_H

#include "base/writer.h"
#include "server/loop.h"

/* What the page shows; everything is escaped when it is written. */
struct status_page {
    const struct loop_stats *total;
    uint32_t uptime_s;
    uint32_t loop_count;
    enum poller_kind poller;
    const struct origin_counts *origins;
    size_t origin_count;
};

/*
 * Header lines to send along. The page runs its one script and no other, loads nothing, and may
 * connect anywhere, so that a game can be tried from its console.
 */
extern const char status_page_headers[];

void status_page_write(struct writer *writer, const struct status_page *page);

#endif
