/* Measures a page first, then writes it into a payload, which the connection's queue shares. */
#include "server/http/pages.h"

#include "net/machine.h"
#include "server/http/metrics.h"
#include "server/http/response.h"
#include "server/http/stats_json.h"

typedef void write_function(struct writer *writer, const void *content);

static void send_page(struct loop *loop, struct conn *conn, struct response *response,
                      struct payload *body)
{
    response_begin_late(conn, response);
    if (body == NULL)
        response_send_error(loop, conn, 503, response->is_head);
    else
        response_send_payload(loop, conn, response, body);
    payload_release(body);
}

static uint32_t uptime_s(const struct loop *loop)
{
    return (uint32_t)((loop_clock_ns(loop) - loop->server->started_ns) / 1000000000);
}

/* The key by which a page is cached, and its type. */
static const struct page {
    struct bytes key;
    const char *content_type;
} pages[] = {
    [QUESTION_STATS] = {{(const uint8_t *)"/stats", 6}, CONTENT_TYPE_JSON},
    [QUESTION_METRICS] = {{(const uint8_t *)"/metrics", 8},
                          "text/plain; version=0.0.4; charset=utf-8"},
};

bool pages_send_at_once(struct loop *loop, struct conn *conn, const struct http_request *request,
                        enum question_kind kind)
{
    struct response response = {
        .status = 200,
        .is_head = request->method == HTTP_METHOD_HEAD,
        .closes = response_closes(conn, request),
        .content_type = pages[kind].content_type,
    };
    if (response.is_head) {
        response_send_head(loop, conn, &response);
        return true;
    }
    struct payload *cached = answer_cache_find(&loop->answers, pages[kind].key, loop->now_ms);
    if (cached == NULL)
        return false;
    response_send_payload(loop, conn, &response, cached);
    payload_release(cached);
    return true;
}

/* Writes a page into a new payload, and caches it if it was much work. NULL: memory is short. */
static struct payload *render(struct loop *loop, write_function *write, const void *content,
                              enum question_kind kind)
{
    struct writer measure = writer_over(NULL, 0);
    write(&measure, content);
    struct payload *payload = payload_new((uint32_t)measure.length, &loop->charged);
    size_t work = measure.length * PAGE_WORK_PER_KIB / 1024;
    loop->work += work;
    if (payload == NULL)
        return NULL;
    struct writer writer = writer_over(payload->data, payload->length);
    write(&writer, content);
    if (work >= ANSWER_CACHED_WORK)
        answer_cache_add(&loop->answers, pages[kind].key, payload, loop->now_ms);
    return payload;
}

static void write_stats(struct writer *writer, const void *stats)
{
    stats_json_write(writer, stats);
}

static void write_metrics(struct writer *writer, const void *metrics)
{
    metrics_write(writer, metrics);
}

/* The cluster as it is now. NULL: there is none. */
static const struct peers_view *look_at_cluster(const struct loop *loop)
{
    static __thread struct peers_view view;
    if (loop->server->peers == NULL)
        return NULL;
    peers_look_at_all(loop->server->peers, &view);
    return &view;
}

void pages_send_stats(struct loop *loop, struct conn *conn, const struct answer *answer)
{
    static __thread struct origin_counts origins[ORIGINS_MAX + 1];
    const struct stats_json stats = {
        .total = &answer->total,
        .history = &answer->history,
        .now_ns = loop_clock_ns(loop),
        .uptime_s = uptime_s(loop),
        .loop_count = loop->server->loop_count,
        .poller = loop->server->poller,
        .protocol = (enum protocol)loop->server->config->protocol,
        .is_draining = loop->relay.is_draining,
        .cluster = look_at_cluster(loop),
        .origins = origins,
        .origin_count = origins_list(&loop->server->origins, origins, ORIGINS_MAX + 1),
    };
    struct response response = {
        .status = 200,
        .content_type = pages[QUESTION_STATS].content_type,
    };
    send_page(loop, conn, &response, render(loop, write_stats, &stats, QUESTION_STATS));
}

void pages_send_counts(struct loop *loop, struct conn *conn, const struct loop_stats *total)
{
    uint8_t text[80];
    struct writer writer = writer_over(text, sizeof text);
    struct response response = {.status = 200, .content_type = CONTENT_TYPE_TEXT};
    WRITER_PUT(&writer, "rooms: ");
    writer_put_decimal(&writer, total->rooms);
    WRITER_PUT(&writer, "\nclients: ");
    writer_put_decimal(&writer, total->clients);
    WRITER_PUT(&writer, "\n");
    struct payload *body = payload_new((uint32_t)writer.length, &loop->charged);
    if (body != NULL)
        memcpy(body->data, text, writer.length);
    send_page(loop, conn, &response, body);
}

/*
 * Measuring the heap takes the longer the more holes it has, too long for a turn. So the main
 * thread does it, and the next request gets the result.
 */
static uint64_t heap_bytes(struct loop *loop)
{
    struct server *server = loop->server;
    if (!atomic_exchange(&server->heap_is_asked, true))
        loop_tell_main(loop);
    return atomic_load(&server->heap_bytes);
}

void pages_send_metrics(struct loop *loop, struct conn *conn, const struct answer *answer)
{
    static __thread struct origin_counts origins[ORIGINS_LISTED_MAX + 1];
    struct store *store = loop->server->store;
    struct store_status store_status;
    if (store != NULL)
        store_get_status(store, &store_status);
    struct metrics metrics = {
        .total = &answer->total,
        .instance = config_instance(loop->server->config),
        .uptime_s = uptime_s(loop),
        .started_s = loop->server->started_s,
        .upgrades = loop->server->upgrades,
        .resident_bytes = machine_resident_bytes(),
        .heap_bytes = heap_bytes(loop),
        .retained_bytes = atomic_load(&loop->server->retained_bytes),
        .cluster = look_at_cluster(loop),
        .store = store == NULL ? NULL : &store_status,
        .loop_count = loop->server->loop_count,
        .poller = loop->server->poller,
        .is_draining = loop->relay.is_draining,
        .origins = origins,
    };
    metrics.origin_count =
        origins_report(&loop->server->origins, answer->crowds, origins, &metrics.origins_tracked);
    for (size_t i = 0; i < metrics.origin_count; i++)
        metrics.members += origins[i].members;
    struct response response = {
        .status = 200,
        .content_type = pages[QUESTION_METRICS].content_type,
    };
    send_page(loop, conn, &response, render(loop, write_metrics, &metrics, QUESTION_METRICS));
}
