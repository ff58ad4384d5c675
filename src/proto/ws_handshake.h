/* The WebSocket opening handshake, the server's side (RFC 6455 4.2). */
#ifndef PARTY_PROTO_WS_HANDSHAKE_H
#define PARTY_PROTO_WS_HANDSHAKE_H

#include "base/writer.h"
#include "proto/http_request.h"

#define WS_ACCEPT_LENGTH 28

/* Whether the request wants a WebSocket at all, however badly it asks for it. */
bool ws_handshake_is_wanted(const struct http_request *request);

/*
 * Judges a request that wants one: 101, or the status of the refusal (400, 405, 426).
 * 426 is to be answered with `Sec-WebSocket-Version: 13`.
 */
int ws_handshake_check(const struct http_request *request);

/*
 * Of a request that is refused with 400: writes what a handshake needs and this one lacks, as
 * proxies leave it when they are not told to pass it on. Nothing if that is not what is wrong.
 */
void ws_handshake_write_lack(struct writer *writer, const struct http_request *request);

/* The value of Sec-WebSocket-Accept for a key (RFC 6455 4.2.2); not NUL-terminated. */
void ws_handshake_accept(struct bytes key, uint8_t ret_accept[WS_ACCEPT_LENGTH]);

/* Names of subprotocols are compared byte for byte (RFC 6455 1.9: they are identifiers). */
struct ws_subprotocols {
    const struct bytes *known; /* those that the server speaks */
    size_t known_count;
    struct bytes own; /* what all of this server's begin with, those of other versions, too */
};

/*
 * Picks the subprotocol to answer with: the first offered that is known; else the first offered
 * that does not begin as this server's own (browsers give up when none is chosen, and do so rightly
 * when they speak a version that the server does not); else empty.
 */
struct bytes ws_handshake_choose_protocol(const struct http_request *request,
                                          const struct ws_subprotocols *subprotocols);

/* Writes the 101 response for a request that ws_handshake_check() found good. */
void ws_handshake_write_response(struct writer *writer, const struct http_request *request,
                                 struct bytes protocol);

#endif
