/* Chooses the answer to each request. */
#include "server/http/routes.h"

#include "base/scratch.h"
#include "proto/ws_handshake.h"
#include "server/admission.h"
#include "server/allowance.h"
#include "server/conn_out.h"
#include "server/http/assets.h"
#include "server/http/gather.h"
#include "server/http/instances.h"
#include "server/http/lookup.h"
#include "server/http/pages.h"
#include "server/http/response.h"
#include "server/peers.h"
#include "store/store.h"

#define SWITCH_BYTES_MAX 256 /* a 101 response without the subprotocol */

static const struct bytes known_subprotocols[] = {
    {(const uint8_t *)"party-sockets.v1", 16},
    {(const uint8_t *)"party-sockets.v2", 16},
    {(const uint8_t *)"party-sockets.v3", 16},
};
static const struct ws_subprotocols subprotocols = {
    .known = known_subprotocols,
    .known_count = ARRAY_LENGTH(known_subprotocols),
    .preferred = {(const uint8_t *)"party-sockets.v3", 16},
    .own = {(const uint8_t *)"party-sockets.", 14},
};

void routes_refuse(struct loop *loop, struct conn *conn, int status)
{
    response_send_error(loop, conn, status, false);
}

void routes_refuse_transport(struct loop *loop, struct conn *conn, bool speaks_tls)
{
    /* A TLS alert (RFC 8446 6): fatal, handshake_failure. */
    static const uint8_t alert[] = {0x15, 0x03, 0x01, 0x00, 0x02, 0x02, 0x28};
    if (speaks_tls) {
        conn_out_bytes(loop, conn, bytes_of(alert, sizeof alert));
        conn_out_finish(loop, conn);
        return;
    }
    struct response response = {
        .status = 400,
        .closes = true,
        .content_type = CONTENT_TYPE_TEXT,
    };
    response_send(loop, conn, &response, BYTES("This port speaks TLS: use https:// or wss://\n"));
}

static void send_json(struct loop *loop, struct conn *conn, const struct http_request *request,
                      int status, struct bytes body)
{
    struct response response = {
        .status = status,
        .is_head = request->method == HTTP_METHOD_HEAD,
        .closes = response_closes(conn, request),
        .content_type = CONTENT_TYPE_JSON,
    };
    response_send(loop, conn, &response, body);
}

/*
 * Answers whether the process is alive, also while it drains. A request about another instance is
 * sent there.
 */
static void receive_health(struct loop *loop, struct conn *conn, const struct http_request *request)
{
    if (instances_route(loop, conn, request))
        return;
    struct response response = {
        .status = 200,
        .is_head = request->method == HTTP_METHOD_HEAD,
        .closes = response_closes(conn, request),
        .is_shared = true,
        .content_type = CONTENT_TYPE_JSON,
    };
    response_send(loop, conn, &response, BYTES("{\"status\":\"ok\"}"));
}

/* Whether rooms would be lost with the process, though they are to be kept. */
static bool store_is_failing(const struct loop *loop)
{
    struct store_status status = {0};
    if (loop->server->store != NULL)
        store_get_status(loop->server->store, &status);
    return status.is_failing;
}

/*
 * Whether a node of a cluster knows nobody yet who has slices, or has all of them and no codes for
 * rooms yet: it would close those who enter. One that has some lets others make rooms until then.
 */
static bool is_joining(const struct loop *loop)
{
    const struct peers *peers = loop->server->peers;
    if (peers == NULL)
        return false;
    bool lacks_codes = atomic_load(&peers->stocked_loops) < loop->server->loop_count;
    unsigned owned = atomic_load(&peers->owned_slices);
    return owned == 0 || (atomic_load(&peers->own_slices) == owned && lacks_codes);
}

/* Answers whether the server accepts new rooms. It does while its store fails. */
static void send_readiness(struct loop *loop, struct conn *conn, const struct http_request *request)
{
    if (loop->relay.is_draining)
        send_json(loop, conn, request, 503, BYTES("{\"status\":\"draining\"}"));
    else if (is_joining(loop))
        send_json(loop, conn, request, 503, BYTES("{\"status\":\"joining\"}"));
    else if (store_is_failing(loop))
        send_json(loop, conn, request, 200, BYTES("{\"status\":\"ready\",\"store\":\"failing\"}"));
    else
        send_json(loop, conn, request, 200, BYTES("{\"status\":\"ready\"}"));
}

/*
 * The protocol of a client. A client that offers no known subprotocol gets the server's default,
 * whatever name the server echoes.
 */
static enum protocol protocol_of(const struct loop *loop, struct bytes subprotocol)
{
    if (bytes_equal(subprotocol, known_subprotocols[0]))
        return PROTOCOL_1;
    if (bytes_equal(subprotocol, known_subprotocols[1]))
        return PROTOCOL_2;
    if (bytes_equal(subprotocol, known_subprotocols[2]))
        return PROTOCOL_3;
    return (enum protocol)loop->server->config->protocol;
}

/* Sends the 101 response. It echoes the subprotocol's name, which may be as long as a request. */
static void send_switch(struct loop *loop, struct conn *conn, const struct http_request *request,
                        struct bytes subprotocol)
{
    struct scratch scratch;
    size_t length_max = SWITCH_BYTES_MAX + subprotocol.length;
    uint8_t *head = scratch_take(&scratch, length_max);
    if (head == NULL) {
        conn_out_lose_for_memory(loop, conn);
        return;
    }
    struct writer writer = writer_over(head, length_max);
    ws_handshake_write_response(&writer, request, subprotocol);
    conn_out_bytes(loop, conn, writer_view(&writer));
    scratch_release(&scratch);
}

/* Makes the connection a WebSocket. */
static void upgrade(struct loop *loop, struct conn *conn, const struct http_request *request)
{
    struct bytes subprotocol = ws_handshake_choose_protocol(request, &subprotocols);
    send_switch(loop, conn, request, subprotocol);
    if (conn->state != CONN_HTTP)
        return;

    conn_set_state(conn, CONN_OPEN);
    conn->protocol = protocol_of(loop, subprotocol) & 3;
    conn_set_origin(conn,
                    origins_add_client(&loop->server->origins, request->origin, loop->clock_ms));
    conn->is_client = true;
    loop->stats.clients++;
    allowance_fill(loop, conn);
    loop_set_deadline(loop, conn, DEADLINE_LIVENESS);
}

static void refuse_upgrade(struct loop *loop, struct conn *conn, const struct http_request *request,
                           int status)
{
    uint8_t text[256];
    struct writer lack = writer_over(text, sizeof text);
    if (status == 400)
        ws_handshake_write_lack(&lack, request);
    if (lack.length > 0)
        response_send_refusal(loop, conn, status, writer_view(&lack));
    else
        response_send_error(loop, conn, status, request->method == HTTP_METHOD_HEAD);
}

static void receive_upgrade(struct loop *loop, struct conn *conn,
                            const struct http_request *request)
{
    int status = ws_handshake_check(request);
    if (status == 101)
        status = admission_judge_upgrade(loop, conn, request);
    if (status == 101)
        upgrade(loop, conn, request);
    else
        refuse_upgrade(loop, conn, request, status);
}

/* Asks all loops. The connection waits for their answer. */
static void begin_gathering(struct loop *loop, struct conn *conn,
                            const struct http_request *request, enum question_kind kind)
{
    int status = 0;
    conn->response_is_head = request->method == HTTP_METHOD_HEAD;
    conn->response_closes = response_closes(conn, request);
    if (!admission_hold_asker(loop, conn, request))
        status = 503;
    else if (!admission_may_spend(loop, conn->asker))
        status = 429;
    else if (!gather_begin(loop, conn, (struct question){.kind = kind}))
        status = 503;
    if (status == 0)
        return;
    admission_release_asker(loop, conn);
    response_send_error(loop, conn, status, conn->response_is_head);
}

/* Only clients in private networks may see how many play, and on which sites. */
static void send_numbers(struct loop *loop, struct conn *conn, const struct http_request *request,
                         enum question_kind kind)
{
    if (admission_is_inside(loop, conn, request)) {
        if (!pages_send_at_once(loop, conn, request, kind))
            begin_gathering(loop, conn, request, kind);
        return;
    }
    struct response response = {
        .status = 403,
        .is_head = request->method == HTTP_METHOD_HEAD,
        .closes = response_closes(conn, request),
        .content_type = CONTENT_TYPE_TEXT,
    };
    response_send(loop, conn, &response,
                  BYTES("The relay tells its numbers to its own network only, or where "
                        "--admin-listen says\n"));
}

/* Answers requests for fixed paths, which are no room codes. False: it is none of them. */
static bool send_known(struct loop *loop, struct conn *conn, const struct http_request *request)
{
    if (bytes_equal(request->path, BYTES("/ready")))
        send_readiness(loop, conn, request);
    else if (bytes_equal(request->path, BYTES("/metrics")))
        send_numbers(loop, conn, request, QUESTION_METRICS);
    else if (bytes_equal(request->path, BYTES("/stats")))
        send_numbers(loop, conn, request, QUESTION_STATS);
    else
        return assets_route(loop, conn, request);
    return true;
}

/* Answers requests for all other paths. */
static void send_front(struct loop *loop, struct conn *conn, const struct http_request *request)
{
    const struct config *config = loop->server->config;
    if (config->dashboard_url != NULL)
        response_redirect(loop, conn, request, bytes_of_string(config->dashboard_url));
    else if (config->protocol == PROTOCOL_2 && !request->accepts_html)
        begin_gathering(loop, conn, request, QUESTION_COUNTS);
    else
        assets_send_front(loop, conn, request);
}

void routes_handle(struct loop *loop, struct conn *conn, const struct http_request *request)
{
    admission_look_at_forwarding(loop, conn, request);
    if (request->method == HTTP_METHOD_OTHER)
        response_send_error(loop, conn, 405, false);
    else if (instances_redirect_stale_link(loop, conn, request))
        return;
    else if (bytes_equal(request->path, BYTES("/health")))
        receive_health(loop, conn, request);
    else if (!ws_handshake_is_wanted(request) && send_known(loop, conn, request))
        return;
    else if (instances_route(loop, conn, request))
        return;
    else if (ws_handshake_is_wanted(request))
        receive_upgrade(loop, conn, request);
    else if (lookup_is_wanted(request))
        lookup_begin(loop, conn, request);
    else
        send_front(loop, conn, request);
}

/* Sends the sums of all loops; the asker's address pays for the work. */
static void send_gathered(struct loop *loop, struct conn *conn, const struct answer *answer)
{
    uint64_t work = loop->work;
    switch (answer->question.kind) {
    case QUESTION_COUNTS:
        pages_send_counts(loop, conn, &answer->total);
        break;
    case QUESTION_STATS:
        pages_send_stats(loop, conn, answer);
        break;
    case QUESTION_METRICS:
        pages_send_metrics(loop, conn, answer);
        break;
    case QUESTION_ROOM:
        break;
    }
    admission_spend(loop, conn->asker, loop->work - work);
    admission_release_asker(loop, conn);
}

void routes_answer(struct loop *loop, struct conn *conn, const struct answer *answer)
{
    if (answer->question.kind == QUESTION_ROOM)
        lookup_answer(loop, conn, &answer->question, &answer->room);
    else
        send_gathered(loop, conn, answer);
}
