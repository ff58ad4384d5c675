/* What is between the socket and the connection's bytes: a proxy's word at first, TLS or nothing.
 */
#ifndef PARTY_SERVER_TRANSPORT_H
#define PARTY_SERVER_TRANSPORT_H

#include "server/loop.h"

enum transport_beginning {
    TRANSPORT_READY,       /* what follows in `in` is the connection's */
    TRANSPORT_UNDECIDED,   /* more must come first (it is still HTTP), or the connection is lost */
    TRANSPORT_TLS_UNKNOWN, /* the peer speaks TLS, which this port does not */
    TRANSPORT_TLS_MISSING, /* the peer speaks plain text where TLS is spoken */
};

/*
 * Looks at the very first bytes, which tell what the connection is; what is a proxy's is taken from
 * `in`. Who speaks the wrong way is to be told so.
 */
MUST_CHECK enum transport_beginning transport_begin(struct loop *loop, struct conn *conn,
                                                    struct bytes_mut *in);

/* The next plain text of what the TLS session was fed with; valid until the next call. */
enum tls_result transport_decrypt(struct loop *loop, struct conn *conn, struct bytes_mut *ret_text);

#endif
