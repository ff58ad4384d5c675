/* Which request gets which answer. Response heads are written here and nowhere else. */
#include "server/routes.h"

#include <time.h>

#include "proto/ws_handshake.h"
#include "server/admission.h"
#include "server/conn_in.h"
#include "server/conn_out.h"
#include "server/gather.h"
#include "server/status_page.h"

#define RESPONSE_HEAD_MAX 1024

static const struct bytes known_protocols[] = {{(const uint8_t *)"party-sockets.v1", 16}};

struct response {
    int status;
    bool is_head; /* the request's method was HEAD: no body follows */
    bool closes;
    const char *content_type;
    const char *extra_headers; /* lines with their ends, or NULL */
};

static const char *reason_phrase(int status)
{
    switch (status) {
    case 200:
        return "OK";
    case 400:
        return "Bad Request";
    case 403:
        return "Forbidden";
    case 405:
        return "Method Not Allowed";
    case 426:
        return "Upgrade Required";
    case 429:
        return "Too Many Requests";
    case 431:
        return "Request Header Fields Too Large";
    case 503:
        return "Service Unavailable";
    case 505:
        return "HTTP Version Not Supported";
    default:
        return "Error";
    }
}

/* RFC 9110 6.6.1: a server with a clock sends the date. */
static void write_date(struct writer *writer)
{
    char text[40];
    time_t now = time(NULL);
    struct tm parts;
    size_t length =
        strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S GMT", gmtime_r(&now, &parts));
    WRITER_PUT(writer, "Date: ");
    writer_put(writer, bytes_of(text, length));
    WRITER_PUT(writer, "\r\n");
}

static void write_head(struct writer *writer, const struct response *response, size_t body_length)
{
    WRITER_PUT(writer, "HTTP/1.1 ");
    writer_put_decimal(writer, (uint64_t)response->status);
    writer_put_byte(writer, ' ');
    writer_put_string(writer, reason_phrase(response->status));
    WRITER_PUT(writer, "\r\n");
    write_date(writer);
    WRITER_PUT(writer, "Content-Type: ");
    writer_put_string(writer, response->content_type);
    WRITER_PUT(writer, "\r\nContent-Length: ");
    writer_put_decimal(writer, body_length);
    WRITER_PUT(writer, "\r\nAccess-Control-Allow-Origin: *\r\n"
                       "Cache-Control: no-store\r\n"
                       "X-Content-Type-Options: nosniff\r\n");
    if (response->extra_headers != NULL)
        writer_put_string(writer, response->extra_headers);
    writer_put_string(writer, response->closes ? "Connection: close\r\n\r\n"
                                               : "Connection: keep-alive\r\n\r\n");
}

static void send_head(struct loop *loop, struct conn *conn, const struct response *response,
                      size_t body_length)
{
    uint8_t head[RESPONSE_HEAD_MAX];
    struct writer writer = writer_over(head, sizeof head);
    write_head(&writer, response, body_length);
    conn_out_bytes(loop, conn, writer_view(&writer));
}

static void end_response(struct loop *loop, struct conn *conn, const struct response *response)
{
    /* While an earlier response is not read, its time goes on. */
    if (response->closes)
        conn_out_finish(loop, conn);
    else if (!conn->is_blocked)
        loop_set_deadline(loop, conn, DEADLINE_REQUEST);
}

static void send_response(struct loop *loop, struct conn *conn, const struct response *response,
                          struct bytes body)
{
    send_head(loop, conn, response, body.length);
    if (!response->is_head)
        conn_out_bytes(loop, conn, body);
    end_response(loop, conn, response);
}

static void send_error(struct loop *loop, struct conn *conn, int status, bool is_head)
{
    struct response response = {
        .status = status,
        .is_head = is_head,
        .closes = true,
        .content_type = "text/plain; charset=utf-8",
    };
    if (status == 405)
        response.extra_headers = "Allow: GET, HEAD\r\n";
    if (status == 429 || status == 503)
        response.extra_headers = "Retry-After: 5\r\n";
    if (status == 426)
        response.extra_headers = "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n";
    uint8_t body[64];
    struct writer writer = writer_over(body, sizeof body);
    writer_put_string(&writer, reason_phrase(status));
    WRITER_PUT(&writer, "\n");
    send_response(loop, conn, &response, writer_view(&writer));
}

void routes_refuse(struct loop *loop, struct conn *conn, int status)
{
    send_error(loop, conn, status, false);
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
        .content_type = "text/plain; charset=utf-8",
    };
    send_response(loop, conn, &response, BYTES("This port speaks TLS: use https:// or wss://\n"));
}

/* A connection above a limit makes room for others as soon as it can. */
static bool closes_after(const struct conn *conn, const struct http_request *request)
{
    return !request->keeps_alive || request->has_body || conn->refusal != REFUSAL_NONE;
}

static void send_json(struct loop *loop, struct conn *conn, const struct http_request *request,
                      int status, struct bytes body)
{
    struct response response = {
        .status = status,
        .is_head = request->method == HTTP_METHOD_HEAD,
        .closes = closes_after(conn, request),
        .content_type = "application/json",
    };
    send_response(loop, conn, &response, body);
}

/* Whether the process lives; it does while it drains, too. */
static void send_health(struct loop *loop, struct conn *conn, const struct http_request *request)
{
    send_json(loop, conn, request, 200, BYTES("{\"status\":\"ok\"}"));
}

/* Whether new rooms are welcome. */
static void send_readiness(struct loop *loop, struct conn *conn, const struct http_request *request)
{
    if (loop->relay.is_draining)
        send_json(loop, conn, request, 503, BYTES("{\"status\":\"draining\"}"));
    else
        send_json(loop, conn, request, 200, BYTES("{\"status\":\"ready\"}"));
}

/* From here on the connection is a WebSocket. */
static void upgrade(struct loop *loop, struct conn *conn, const struct http_request *request)
{
    uint8_t head[HTTP_REQUEST_HEAD_MAX + RESPONSE_HEAD_MAX]; /* the protocol's name is echoed */
    struct writer writer = writer_over(head, sizeof head);
    struct bytes protocol = ws_handshake_choose_protocol(
        request, known_protocols, sizeof known_protocols / sizeof known_protocols[0]);
    ws_handshake_write_response(&writer, request, protocol);
    conn_out_bytes(loop, conn, writer_view(&writer));
    if (conn->state != CONN_HTTP)
        return;

    conn_set_state(conn, CONN_OPEN);
    conn->origin = origins_add_client(&loop->server->origins, request->origin);
    conn->is_client = true;
    loop->stats.clients++;
    conn_in_fill_allowance(loop, conn);
    loop_set_deadline(loop, conn, DEADLINE_LIVENESS);
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
        send_error(loop, conn, status, request->method == HTTP_METHOD_HEAD);
}

static void begin_status_page(struct loop *loop, struct conn *conn,
                              const struct http_request *request)
{
    conn->response_is_head = request->method == HTTP_METHOD_HEAD;
    conn->response_closes = closes_after(conn, request);
    if (!gather_begin(loop, conn))
        send_error(loop, conn, 503, conn->response_is_head);
}

void routes_handle(struct loop *loop, struct conn *conn, const struct http_request *request)
{
    if (request->method == HTTP_METHOD_OTHER)
        send_error(loop, conn, 405, false);
    else if (bytes_equal(request->path, BYTES("/health")))
        send_health(loop, conn, request);
    else if (ws_handshake_is_wanted(request))
        receive_upgrade(loop, conn, request);
    else if (bytes_equal(request->path, BYTES("/ready")))
        send_readiness(loop, conn, request);
    else
        begin_status_page(loop, conn, request);
}

/* The page in memory of its own, or NULL. */
static struct payload *render(struct loop *loop, const struct status_page *page)
{
    struct writer measure = writer_over(NULL, 0);
    status_page_write(&measure, page);
    struct payload *payload = payload_new((uint32_t)measure.length, &loop->held);
    if (payload == NULL)
        return NULL;
    struct writer writer = writer_over(payload->data, payload->length);
    status_page_write(&writer, page);
    return payload;
}

void routes_send_status_page(struct loop *loop, struct conn *conn, const struct loop_stats *total)
{
    static __thread struct origin_counts origins[ORIGINS_MAX + 1];
    struct status_page page = {
        .total = total,
        .uptime_s = (loop->clock_ms - loop->server->started_ms) / 1000,
        .loop_count = loop->server->loop_count,
        .poller = loop->server->poller,
        .origins = origins,
        .origin_count = origins_list(&loop->server->origins, origins, ORIGINS_MAX + 1),
    };
    struct response response = {
        .status = 200,
        .is_head = conn->response_is_head,
        .closes = conn->response_closes || conn->peer_has_ended,
        .content_type = "text/html; charset=utf-8",
        .extra_headers = status_page_headers,
    };
    struct payload *body = render(loop, &page);
    if (body == NULL) {
        send_error(loop, conn, 503, response.is_head);
        return;
    }
    conn_set_state(conn, CONN_HTTP);
    send_head(loop, conn, &response, body->length);
    if (!response.is_head)
        conn_out_payload(loop, conn, body);
    payload_release(body);
    end_response(loop, conn, &response);
}
