/* What the kernel knows about one connected TCP socket. */
#ifndef PARTY_NET_SOCKET_H
#define PARTY_NET_SOCKET_H

#include "base/address.h"

/* Writes the peer's address. False: the peer is gone, or has no IP address. */
MUST_CHECK bool socket_peer_address(int fd, struct address *ret_address);

/* Writes this side's address. False: as above. */
MUST_CHECK bool socket_own_address(int fd, struct address *ret_address);

/* Whether the kernel has input that was not received yet. */
bool socket_has_input(int fd);

/* Whether the connection was reset. A poller need not report that for a paused socket. */
bool socket_is_broken(int fd);

/* Whether the peer has shut its side, or the connection is broken. There may be input before that.
 */
bool socket_has_ended(int fd);

/* The next byte that has arrived, which stays to be received. False: there is none now. */
bool socket_peek(int fd, uint8_t *ret_byte);

/* How far sent bytes have got. */
struct socket_delivery {
    uint32_t acknowledged; /* by the peer's kernel, since the connection began; wraps */
    uint32_t in_flight;    /* in our kernel or on their way, and not acknowledged */
};

MUST_CHECK bool socket_delivery(int fd, struct socket_delivery *ret_delivery);

/* Makes close() reset the connection, so that the kernel keeps nothing for a lost peer. */
void socket_reset_on_close(int fd);

/*
 * Sends as much of a short answer as the socket takes, and closes a connection that can't be
 * served.
 */
void socket_refuse(int fd, struct bytes answer);

#endif
