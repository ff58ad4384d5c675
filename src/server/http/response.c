/* All response heads are written here. */
#include "server/http/response.h"

#include <time.h>

#include "base/scratch.h"
#include "base/writer.h"
#include "server/conn_out.h"

/* The lines that this file writes. A response's extra headers may be as long as a request. */
#define OWN_LINES_BYTES_MAX 1024

static const char *reason_phrase(int status)
{
    switch (status) {
    case 200:
        return "OK";
    case 302:
        return "Found";
    case 304:
        return "Not Modified";
    case 400:
        return "Bad Request";
    case 403:
        return "Forbidden";
    case 404:
        return "Not Found";
    case 405:
        return "Method Not Allowed";
    case 409:
        return "Conflict";
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
    if (response->status != 304) {
        WRITER_PUT(writer, "Content-Type: ");
        writer_put_string(writer, response->content_type);
        if (!response->has_unknown_length) {
            WRITER_PUT(writer, "\r\nContent-Length: ");
            writer_put_decimal(writer, body_length);
        }
        WRITER_PUT(writer, "\r\n");
    }
    WRITER_PUT(writer, "Cache-Control: ");
    writer_put_string(writer,
                      response->cache_control != NULL ? response->cache_control : "no-store");
    WRITER_PUT(writer, "\r\nX-Content-Type-Options: nosniff\r\n");
    if (response->is_shared)
        WRITER_PUT(writer, "Access-Control-Allow-Origin: *\r\n");
    writer_put(writer, response->extra_headers);
    writer_put_string(writer, response->closes ? "Connection: close\r\n\r\n"
                                               : "Connection: keep-alive\r\n\r\n");
}

static void send_head(struct loop *loop, struct conn *conn, const struct response *response,
                      size_t body_length)
{
    struct scratch scratch;
    size_t length_max = OWN_LINES_BYTES_MAX + response->extra_headers.length;
    uint8_t *head = scratch_take(&scratch, length_max);
    if (head == NULL) {
        conn_out_lose_for_memory(loop, conn);
        return;
    }
    struct writer writer = writer_over(head, length_max);
    write_head(&writer, response, body_length);
    conn_out_bytes(loop, conn, writer_view(&writer));
    scratch_release(&scratch);
}

static void end_response(struct loop *loop, struct conn *conn, const struct response *response)
{
    /* An earlier response that the client has not read keeps its deadline. */
    if (response->closes)
        conn_out_finish(loop, conn);
    else if (!conn->is_blocked)
        loop_set_deadline(loop, conn, DEADLINE_REQUEST);
}

void response_send(struct loop *loop, struct conn *conn, const struct response *response,
                   struct bytes body)
{
    send_head(loop, conn, response, body.length);
    if (!response->is_head)
        conn_out_bytes(loop, conn, body);
    end_response(loop, conn, response);
}

void response_send_head(struct loop *loop, struct conn *conn, struct response *response)
{
    response->has_unknown_length = true;
    send_head(loop, conn, response, 0);
    end_response(loop, conn, response);
}

static void send_error(struct loop *loop, struct conn *conn, int status, bool is_head,
                       bool is_shared)
{
    struct response response = {
        .status = status,
        .is_head = is_head,
        .closes = true,
        .is_shared = is_shared,
        .content_type = CONTENT_TYPE_TEXT,
    };
    if (status == 405)
        response.extra_headers = BYTES("Allow: GET, HEAD\r\n");
    if (status == 429 || status == 503)
        response.extra_headers = BYTES("Retry-After: 5\r\n");
    if (status == 426)
        response.extra_headers = BYTES("Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n");
    uint8_t body[64];
    struct writer writer = writer_over(body, sizeof body);
    writer_put_string(&writer, reason_phrase(status));
    WRITER_PUT(&writer, "\n");
    response_send(loop, conn, &response, writer_view(&writer));
}

void response_send_refusal(struct loop *loop, struct conn *conn, int status, struct bytes text)
{
    struct response response = {
        .status = status,
        .closes = true,
        .content_type = CONTENT_TYPE_TEXT,
    };
    response_send(loop, conn, &response, text);
}

void response_send_error(struct loop *loop, struct conn *conn, int status, bool is_head)
{
    send_error(loop, conn, status, is_head, false);
}

void response_send_shared_error(struct loop *loop, struct conn *conn, int status, bool is_head)
{
    send_error(loop, conn, status, is_head, true);
}

void response_send_payload(struct loop *loop, struct conn *conn, const struct response *response,
                           struct payload *body)
{
    send_head(loop, conn, response, body->length);
    if (!response->is_head && response->status != 304)
        conn_out_payload(loop, conn, body);
    end_response(loop, conn, response);
}

void response_begin_late(struct conn *conn, struct response *ret_response)
{
    ret_response->is_head = conn->response_is_head;
    ret_response->closes = conn->response_closes || conn->peer_has_ended;
    conn_set_state(conn, CONN_HTTP);
}

bool response_closes(const struct conn *conn, const struct http_request *request)
{
    return !request->keeps_alive || request->has_body || conn->refusal != REFUSAL_NONE;
}

void response_redirect(struct loop *loop, struct conn *conn, const struct http_request *request,
                       struct bytes location)
{
    static const struct bytes name = {(const uint8_t *)"Location: ", 10};
    struct scratch scratch;
    size_t length_max = name.length + location.length + 2;
    uint8_t *header = scratch_take(&scratch, length_max);
    if (header == NULL) {
        conn_out_lose_for_memory(loop, conn);
        return;
    }
    struct writer writer = writer_over(header, length_max);
    writer_put(&writer, name);
    writer_put(&writer, location);
    WRITER_PUT(&writer, "\r\n");
    struct response response = {
        .status = 302,
        .is_head = request->method == HTTP_METHOD_HEAD,
        .closes = response_closes(conn, request),
        .content_type = CONTENT_TYPE_TEXT,
        .extra_headers = writer_view(&writer),
    };
    response_send(loop, conn, &response, BYTES("Found\n"));
    scratch_release(&scratch);
}
