/* An HTTP response: its head, its body, and what becomes of the connection. */
#ifndef PARTY_SERVER_HTTP_RESPONSE_H
#define PARTY_SERVER_HTTP_RESPONSE_H

#include "proto/http_request.h"
#include "server/loop.h"

#define CONTENT_TYPE_TEXT "text/plain; charset=utf-8"
#define CONTENT_TYPE_JSON "application/json"

struct response {
    int status;   /* 304 has no body, and does not tell of its length and type */
    bool is_head; /* the request's method was HEAD: no body follows */
    bool closes;
    bool has_unknown_length; /* of a HEAD whose body was not made (RFC 9110 9.3.2) */
    bool is_shared;          /* pages of any origin may read it */
    const char *content_type;
    const char *cache_control;  /* NULL: nothing may be kept of it */
    struct bytes extra_headers; /* lines with their ends, or empty */
};

/* Answers; the connection is HTTP, or CLOSING, afterwards. */
void response_send(struct loop *loop, struct conn *conn, const struct response *response,
                   struct bytes body);

/* Answers HEAD where nobody knows how long the body would be: it was not made. */
void response_send_head(struct loop *loop, struct conn *conn, struct response *response);

/* response_send() with a body that is shared; the caller keeps its reference. */
void response_send_payload(struct loop *loop, struct conn *conn, const struct response *response,
                           struct payload *body);

/*
 * A WAITING connection has its answer: it is HTTP again, and the response is told what its request
 * asked for (is_head, closes).
 */
void response_begin_late(struct conn *conn, struct response *ret_response);

/* Answers with 302. */
void response_redirect(struct loop *loop, struct conn *conn, const struct http_request *request,
                       struct bytes location);

/* Whether the connection ends with the answer. One above a limit makes room as soon as it can. */
bool response_closes(const struct conn *conn, const struct http_request *request);

/* Answers a GET with a sentence about what is wrong with it, and closes. */
void response_send_refusal(struct loop *loop, struct conn *conn, int status, struct bytes text);

/* Answers with an error, and closes. */
void response_send_error(struct loop *loop, struct conn *conn, int status, bool is_head);

/* The same for pages of any origin. */
void response_send_shared_error(struct loop *loop, struct conn *conn, int status, bool is_head);

#endif
