/*
 * HTTP/1.x request heads (RFC 9112), as far as a relay needs them.
 *
 * Stateless: feed everything that has arrived of the request, from its first byte; after NEED_MORE
 * feed it again with more. All views point into the input. What can never become a valid head is
 * INVALID at the end of its first wrong line, or at its first byte that no line may hold.
 */
#ifndef PARTY_PROTO_HTTP_REQUEST_H
#define PARTY_PROTO_HTTP_REQUEST_H

#include "base/bytes.h"

#define HTTP_PATH_PREFIX_MAX 128
#define HTTP_REQUEST_HEAD_MAX 65536 /* bytes; the most that a caller may allow */

enum http_method {
    HTTP_METHOD_GET,
    HTTP_METHOD_HEAD,
    HTTP_METHOD_OTHER,
};

struct http_request {
    enum http_method method;
    struct bytes target; /* as sent */
    struct bytes path;   /* of the target: without query, scheme and authority; not decoded */
    struct bytes query;  /* of the target, behind the question mark; not decoded */
    uint8_t minor_version;
    bool keeps_alive; /* what the client asks for; the server may still close */
    bool asks_to_close;
    bool has_body;
    bool has_host;
    struct bytes host; /* empty when absent */

    struct bytes origin; /* empty when absent; more than one is a fault */
    bool has_origin;

    bool accepts_html;          /* Accept lists `text/html` */
    struct bytes if_none_match; /* the first one; missing another only costs a transfer */
    bool is_replayed;           /* Fly-Replay-Src: a proxy sent it to another instance before */

    bool is_forwarded; /* some proxy says that it has handed it on */
    /* The last few X-Forwarded-For headers, in order; what proxies near to us added comes last. */
    struct bytes forwarded_for[4];
    uint8_t forwarded_for_count;
    struct bytes forwarded_host;   /* the first of X-Forwarded-Host; empty when absent */
    struct bytes forwarded_prefix; /* the first of X-Forwarded-Prefix; empty when absent */
    bool has_forwarded_proto;
    bool forwarded_https; /* the first of X-Forwarded-Proto is `https` or `wss` */

    /* What the WebSocket handshake is judged by. */
    bool upgrades_to_websocket;  /* Upgrade lists `websocket` */
    bool connection_has_upgrade; /* Connection lists `Upgrade` */
    uint8_t websocket_key_count; /* how many Sec-WebSocket-Key headers came; stops at 255 */
    struct bytes websocket_key;
    struct bytes websocket_version;
    struct bytes
        websocket_protocols[4]; /* the first few Sec-WebSocket-Protocol headers, in order */
    uint8_t websocket_protocol_count;
};

enum http_parse_result {
    HTTP_PARSE_DONE,
    HTTP_PARSE_NEED_MORE,
    HTTP_PARSE_INVALID,
};

/*
 * DONE: `*ret_length` bytes of `in` were the head. INVALID: `*ret_status` is what to answer
 * (400, 431 or 505). A head of more than `head_bytes_max` is 431.
 */
enum http_parse_result http_request_parse(struct bytes in, size_t head_bytes_max,
                                          struct http_request *ret_request, size_t *ret_length,
                                          int *ret_status);

/* How much of a head that is not whole has been judged; all zero at its beginning. */
struct http_progress {
    uint32_t line; /* where the first line begins that is not whole; 0: it is the request's own */
    uint32_t scanned; /* that line is known to go on up to here */
    bool has_host;    /* of what may be there once */
    bool has_origin;
};

/*
 * The same for a head that comes in pieces: `in` has all of it that is there, whose first bytes are
 * those of before. What was judged is not judged again, but once when the head is whole. `progress`
 * is all zero again when the result is not NEED_MORE.
 */
enum http_parse_result http_request_continue(struct bytes in, size_t head_bytes_max,
                                             struct http_progress *progress,
                                             struct http_request *ret_request, size_t *ret_length,
                                             int *ret_status);

/*
 * Takes the first element off a comma-separated list, without white space around it; empty elements
 * are skipped (RFC 9110 5.6.1). False when none is left.
 */
bool http_list_next(struct bytes *list, struct bytes *ret_element);

/* Whether `text` is a non-empty token (RFC 9110 5.6.2). */
bool http_is_token(struct bytes text);

/* Whether a Host, with its port, has only what hosts are made of: fit to stand in a text of ours.
 */
bool http_host_is_plain(struct bytes host);

/*
 * Whether `text` is the beginning of a path, such as `/relay`, fit to stand in a text of ours: no
 * slash at its end, and at most HTTP_PATH_PREFIX_MAX bytes.
 */
bool http_path_prefix_is_plain(struct bytes text);

#endif
