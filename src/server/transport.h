/* The layer between a socket and the connection's plain text: PROXY header, then TLS or nothing. */
#ifndef PARTY_SERVER_TRANSPORT_H
#define PARTY_SERVER_TRANSPORT_H

#include "server/loop.h"

enum transport_beginning {
    TRANSPORT_READY, /* the rest of `in` is the connection's input */
    /* More bytes are needed (the state is still HTTP), or the connection is lost. */
    TRANSPORT_UNDECIDED,
    TRANSPORT_TLS_UNKNOWN, /* the peer speaks TLS on a port for plain text */
    TRANSPORT_TLS_MISSING, /* the peer speaks plain text on a port for TLS */
};

/*
 * Looks at the first bytes of a connection, which tell what it speaks. Skips a PROXY header in
 * `in`. For TRANSPORT_TLS_UNKNOWN and TRANSPORT_TLS_MISSING the caller sends the peer an error.
 */
MUST_CHECK enum transport_beginning transport_begin(struct loop *loop, struct conn *conn,
                                                    struct bytes_mut *in);

/* Returns the next plain text of the TLS input so far; it is valid until the next call. */
enum tls_result transport_decrypt(struct loop *loop, struct conn *conn, struct bytes_mut *ret_text);

#endif
