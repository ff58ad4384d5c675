/* What the kernel knows of one connected TCP socket. */
#ifndef PARTY_NET_SOCKET_H
#define PARTY_NET_SOCKET_H

#include "base/address.h"

/* False when the peer's address can't be told (it is gone, or no IP address). */
MUST_CHECK bool socket_peer_address(int fd, struct address *ret_address);

/* The same of this side. */
MUST_CHECK bool socket_own_address(int fd, struct address *ret_address);

/* Whether bytes that arrived wait in the kernel to be received. */
bool socket_has_input(int fd);

/* Whether the connection was reset, which a poller need not tell of a socket that is paused. */
bool socket_is_broken(int fd);

/* How far the bytes that were sent have got. */
struct socket_delivery {
    uint32_t acknowledged; /* by the peer's kernel, since the connection began; wraps */
    uint32_t in_flight;    /* taken by our kernel, and not acknowledged */
};

MUST_CHECK bool socket_delivery(int fd, struct socket_delivery *ret_delivery);

/* Makes close() reset the connection, so that the kernel keeps nothing for a peer that is lost. */
void socket_reset_on_close(int fd);

/* Sends what the socket takes of a short answer and closes it: for connections that can't be
 * served. */
void socket_refuse(int fd, struct bytes answer);

#endif
