/* What is between the socket and the connection's bytes: a proxy's word at first, TLS or nothing.
 */
#ifndef PARTY_SERVER_TRANSPORT_H
#define PARTY_SERVER_TRANSPORT_H

#include "server/loop.h"

/*
 * Looks at the very first bytes, which tell what the connection is; what is a proxy's is taken from
 * `in`. False: more must come first (the connection is still HTTP), or it is refused or lost.
 */
MUST_CHECK bool transport_begin(struct loop *loop, struct conn *conn, struct bytes_mut *in);

/* The next plain text of what the TLS session was fed with; valid until the next call. */
enum tls_result transport_decrypt(struct loop *loop, struct conn *conn, struct bytes_mut *ret_text);

/*
 * What is to be sent next: the connection's queue, or what TLS makes of the beginning of it, and of
 * the end of a connection. NULL: TLS failed.
 */
struct outbox *transport_output(struct loop *loop, struct conn *conn);

#endif
