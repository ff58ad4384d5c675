/* HTTP responses: head, body, and whether the connection is closed. */
#ifndef PARTY_SERVER_HTTP_RESPONSE_H
#define PARTY_SERVER_HTTP_RESPONSE_H

#include "proto/http_request.h"
#include "server/loop.h"

#define CONTENT_TYPE_TEXT "text/plain; charset=utf-8"
#define CONTENT_TYPE_JSON "application/json"

struct response {
    int status;   /* 304 is sent without body, length and type */
    bool is_head; /* the request's method was HEAD: no body follows */
    bool closes;
    bool has_unknown_length; /* the request was HEAD, and no body was made (RFC 9110 9.3.2) */
    bool is_shared;          /* pages of any origin may read the response */
    const char *content_type;
    const char *cache_control;  /* NULL: no-store */
    struct bytes extra_headers; /* complete lines, or empty */
};

/* Sends a response. The connection is HTTP or CLOSING afterwards. */
void response_send(struct loop *loop, struct conn *conn, const struct response *response,
                   struct bytes body);

/* Answers a HEAD request without a length, since no body was made. */
void response_send_head(struct loop *loop, struct conn *conn, struct response *response);

/* As response_send(), with a shared body; the caller keeps its reference. */
void response_send_payload(struct loop *loop, struct conn *conn, const struct response *response,
                           struct payload *body);

/*
 * Takes a WAITING connection back to HTTP, and fills the response with its request's is_head and
 * closes.
 */
void response_begin_late(struct conn *conn, struct response *ret_response);

/* Redirects with 302. */
void response_redirect(struct loop *loop, struct conn *conn, const struct http_request *request,
                       struct bytes location);

/*
 * Whether the connection is closed after the response. A connection above a limit is closed as soon
 * as possible.
 */
bool response_closes(const struct conn *conn, const struct http_request *request);

/* Answers a GET request with an error and a sentence that explains it, and closes. */
void response_send_refusal(struct loop *loop, struct conn *conn, int status, struct bytes text);

/* Answers with an error, and closes. */
void response_send_error(struct loop *loop, struct conn *conn, int status, bool is_head);

/* As response_send_error(), for pages of any origin. */
void response_send_shared_error(struct loop *loop, struct conn *conn, int status, bool is_head);

#endif
