/*
 * Parses HTTP/1.x request heads (RFC 9112), as far as a relay needs them.
 *
 * Stateless: the caller passes all that has arrived of the request, from its first byte, and after
 * NEED_MORE calls again with more. All views point into the input. A head that can't become valid
 * is INVALID at the end of its first wrong line, or at the first byte that no line may contain.
 */
#ifndef PARTY_PROTO_HTTP_REQUEST_H
#define PARTY_PROTO_HTTP_REQUEST_H

#include "base/bytes.h"

#define HTTP_PATH_PREFIX_MAX 128
#define HTTP_REQUEST_HEAD_MAX 65536 /* bytes; the highest limit that a caller may set */

enum http_method {
    HTTP_METHOD_GET,
    HTTP_METHOD_HEAD,
    HTTP_METHOD_OTHER,
};

struct http_request {
    enum http_method method;
    struct bytes target; /* as sent */
    struct bytes path;   /* of the target, without query, scheme and authority; not decoded */
    struct bytes query;  /* of the target, after the question mark; not decoded */
    uint8_t minor_version;
    bool keeps_alive; /* what the client wants; the server may close all the same */
    bool asks_to_close;
    bool has_body;
    bool has_host;
    struct bytes host; /* empty: absent */

    struct bytes origin; /* empty: absent; a second one is invalid */
    bool has_origin;

    bool accepts_html;          /* Accept lists `text/html` */
    struct bytes if_none_match; /* the first one; ignoring others only costs a transfer */
    bool is_replayed; /* Fly-Replay-Src: a proxy has sent the request to another instance before */

    bool is_forwarded; /* a proxy's header says that it has forwarded the request */
    /*
     * The last few X-Forwarded-For headers, in order. The proxy that is nearest to us added the
     * last.
     */
    struct bytes forwarded_for[4];
    uint8_t forwarded_for_count;
    struct bytes forwarded_host;   /* the first value of X-Forwarded-Host; empty: absent */
    struct bytes forwarded_prefix; /* the first value of X-Forwarded-Prefix; empty: absent */
    bool has_forwarded_proto;
    bool forwarded_https; /* the first value of X-Forwarded-Proto is `https` or `wss` */

    /* For the WebSocket handshake. */
    bool upgrades_to_websocket;  /* Upgrade lists `websocket` */
    bool connection_has_upgrade; /* Connection lists `Upgrade` */
    uint8_t websocket_key_count; /* saturates at UINT8_MAX */
    struct bytes websocket_key;
    struct bytes websocket_version;
    /* The first few Sec-WebSocket-Protocol headers, in order. */
    struct bytes websocket_protocols[4];
    uint8_t websocket_protocol_count;
};

enum http_parse_result {
    HTTP_PARSE_DONE,
    HTTP_PARSE_NEED_MORE,
    HTTP_PARSE_INVALID,
};

/*
 * Parses a head. DONE: the head is the first `*ret_length` bytes of `in`. INVALID: answer with
 * `*ret_status` (400, 431 or 505). A head longer than `head_bytes_max` gets 431.
 */
enum http_parse_result http_request_parse(struct bytes in, size_t head_bytes_max,
                                          struct http_request *ret_request, size_t *ret_length,
                                          int *ret_status);

/* How far an incomplete head was checked; all zero before its first byte. */
struct http_progress {
    uint32_t line;    /* offset of the first incomplete line; 0: that is the request line */
    uint32_t scanned; /* offset up to which that line does not end */
    bool has_host;    /* headers that may come only once */
    bool has_origin;
};

/*
 * As http_request_parse(), for a head that comes in pieces: `in` contains all that has come of it,
 * from its first byte. Checked lines are not checked again until the head is complete, and then
 * once more. `progress` is all zero again if the result is not NEED_MORE.
 */
enum http_parse_result http_request_continue(struct bytes in, size_t head_bytes_max,
                                             struct http_progress *progress,
                                             struct http_request *ret_request, size_t *ret_length,
                                             int *ret_status);

/*
 * Takes the first element off a comma-separated list, without white space around it. Empty elements
 * are skipped (RFC 9110 5.6.1). False: none is left.
 */
bool http_list_next(struct bytes *list, struct bytes *ret_element);

/* Whether `text` is a non-empty token (RFC 9110 5.6.2). */
bool http_is_token(struct bytes text);

/*
 * Whether a Host, with its port, has only plain characters: then any text may contain it unescaped.
 */
bool http_host_is_plain(struct bytes host);

/*
 * Whether `text` is the beginning of a path, such as `/relay`, with plain characters, no slash at
 * its end, and at most HTTP_PATH_PREFIX_MAX bytes: then any text may contain it unescaped.
 */
bool http_path_prefix_is_plain(struct bytes text);

#endif
