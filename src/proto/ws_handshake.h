/* The WebSocket opening handshake, the server's side (RFC 6455 4.2). */
#ifndef PARTY_PROTO_WS_HANDSHAKE_H
#define PARTY_PROTO_WS_HANDSHAKE_H

#include "base/writer.h"
#include "proto/http_request.h"

#define WS_ACCEPT_LENGTH 28

/* Whether the request is for a WebSocket, valid or not. */
bool ws_handshake_is_wanted(const struct http_request *request);

/*
 * Judges a request for a WebSocket. Returns 101, or the status of the refusal (400, 405, 426). A
 * response with 426 needs the header `Sec-WebSocket-Version: 13`.
 */
int ws_handshake_check(const struct http_request *request);

/*
 * Writes which parts of a handshake a request lacks that is refused with 400: those that proxies
 * remove unless they are configured to pass them on. Writes nothing if it has all of them.
 */
void ws_handshake_write_lack(struct writer *writer, const struct http_request *request);

/* The value of Sec-WebSocket-Accept for a key (RFC 6455 4.2.2); not NUL-terminated. */
void ws_handshake_accept(struct bytes key, uint8_t ret_accept[WS_ACCEPT_LENGTH]);

/* Names of subprotocols, which are compared byte for byte (RFC 6455 1.9: they are identifiers). */
struct ws_subprotocols {
    const struct bytes *known; /* the subprotocols that the server speaks */
    size_t known_count;
    struct bytes preferred; /* one of them that is chosen wherever the client offers it */
    struct bytes own;       /* prefix of all of this server's names, in every version */
};

/*
 * Chooses the subprotocol of the response: the preferred one, if it is offered; else the first
 * offered one that is known; else the first offered one without this server's own prefix; else
 * empty. Browsers give up when the server chooses none. That is right when they offer a version
 * that the server does not speak.
 */
struct bytes ws_handshake_choose_protocol(const struct http_request *request,
                                          const struct ws_subprotocols *subprotocols);

/* Writes the 101 response to a request for which ws_handshake_check() has returned 101. */
void ws_handshake_write_response(struct writer *writer, const struct http_request *request,
                                 struct bytes protocol);

#endif
