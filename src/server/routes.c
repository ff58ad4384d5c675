/* Which request gets which answer. Response heads are written here and nowhere else. */
#include "server/routes.h"

#include <time.h>

#include "proto/ws_handshake.h"
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
    case 405:
        return "Method Not Allowed";
    case 426:
        return "Upgrade Required";
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
    if (response->closes)
        conn_out_finish(loop, conn);
    else
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

static void send_health(struct loop *loop, struct conn *conn, const struct http_request *request)
{
    struct response response = {
        .status = 200,
        .is_head = request->method == HTTP_METHOD_HEAD,
        .closes = !request->keeps_alive || request->has_body,
        .content_type = "application/json",
    };
    send_response(loop, conn, &response, BYTES("{\"status\":\"ok\"}"));
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
    loop_set_deadline(loop, conn, DEADLINE_LIVENESS);
}

static void begin_status_page(struct loop *loop, struct conn *conn,
                              const struct http_request *request)
{
    conn->response_is_head = request->method == HTTP_METHOD_HEAD;
    conn->response_closes = !request->keeps_alive || request->has_body;
    if (!gather_begin(loop, conn))
        send_error(loop, conn, 503, conn->response_is_head);
}

void routes_handle(struct loop *loop, struct conn *conn, const struct http_request *request)
{
    bool is_health = bytes_equal(request->path, BYTES("/health"));
    if (request->method == HTTP_METHOD_OTHER) {
        send_error(loop, conn, 405, false);
    } else if (is_health) {
        send_health(loop, conn, request);
    } else if (ws_handshake_is_wanted(request)) {
        int status = ws_handshake_check(request);
        if (status == 101)
            upgrade(loop, conn, request);
        else
            send_error(loop, conn, status, request->method == HTTP_METHOD_HEAD);
    } else {
        begin_status_page(loop, conn, request);
    }
}

/* The page in memory of its own, or NULL. */
static struct payload *render(const struct status_page *page)
{
    struct writer measure = writer_over(NULL, 0);
    status_page_write(&measure, page);
    struct payload *payload = payload_new((uint32_t)measure.length);
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
        .uptime_s = (loop->now_ms - loop->server->started_ms) / 1000,
        .loop_count = loop->server->loop_count,
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
    struct payload *body = render(&page);
    if (body == NULL) {
        send_error(loop, conn, 503, response.is_head);
        return;
    }
    conn_set_state(conn, CONN_HTTP);
    if (!conn->peer_has_ended)
        poller_resume(loop->poller, &conn->socket, conn_token(conn));
    send_head(loop, conn, &response, body->length);
    if (!response.is_head)
        conn_out_payload(loop, conn, body);
    payload_release(body);
    end_response(loop, conn, &response);
}
