/* Listening sockets, and the machine's addresses. */
#ifndef PARTY_NET_LISTENER_H
#define PARTY_NET_LISTENER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attributes.h"

/* Enough for an IPv6 address with brackets and a scope. */
#define ADDRESS_TEXT_MAX 72

enum listener_result {
    LISTENER_READY,
    LISTENER_TAKEN,  /* another program has the port, perhaps not for long */
    LISTENER_FAILED, /* for another reason, which will not pass */
};

/*
 * Binds a socket to `port` (0: the kernel chooses) of `host`, a name or an address; NULL: of all
 * addresses, IPv4 and IPv6. READY: `ret_fd` is non-blocking, does not listen yet, and belongs to
 * the caller. Otherwise `ret_why` says why.
 */
MUST_CHECK enum listener_result listener_bind(const char *host, uint16_t port, int *ret_fd,
                                              char *ret_why, size_t why_capacity);

/*
 * Begins to listen: clients can connect from now on. TAKEN: another program has begun to listen
 * since listener_bind().
 */
MUST_CHECK enum listener_result listener_begin(int listener_fd, char *ret_why, size_t why_capacity);

/* Binds and listens. Returns the descriptor; -1: `ret_why` says why. */
MUST_CHECK int listener_open(const char *host, uint16_t port, char *ret_why, size_t why_capacity);

/*
 * Ends listening for everybody who refers to the socket: an io_uring ring keeps its reference until
 * the process has ended. Connections that wait to be accepted are reset. Safe from any thread. The
 * caller must still close the descriptor.
 */
void listener_end(int listener_fd);

/* The port of a listening socket; 0: unknown. */
uint16_t listener_port(int listener_fd);

/* Writes at most `limit` IPv4 addresses of this machine, for others in its network. */
int listener_lan_addresses(char (*ret_addresses)[ADDRESS_TEXT_MAX], int limit);

#endif
