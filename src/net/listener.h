/* Listening sockets, and the addresses a machine is reached by. */
#ifndef PARTY_NET_LISTENER_H
#define PARTY_NET_LISTENER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attributes.h"

/* Enough for an IPv6 address with brackets and a scope. */
#define ADDRESS_TEXT_MAX 72

/*
 * Listens on `host` (a name or an address; NULL: every address, IPv4 and IPv6) and `port` (0: the
 * kernel chooses). Returns the descriptor, non-blocking, or -1 with a sentence in `ret_why`, and
 * errno EADDRINUSE when that is because another has the port.
 */
MUST_CHECK int listener_open(const char *host, uint16_t port, char *ret_why, size_t why_capacity);

/*
 * Nobody can connect from now on, whoever still refers to the socket: an io_uring ring gives up
 * what it has only after its process has ended. Who waited to be accepted is reset. From any
 * thread; the descriptor stays the caller's to close.
 */
void listener_end(int listener_fd);

/* The port that a listening socket has, 0 when it can't be told. */
uint16_t listener_port(int listener_fd);

/* Writes up to `most` IPv4 addresses of this machine that others on its network may use. */
int listener_lan_addresses(char (*ret_addresses)[ADDRESS_TEXT_MAX], int most);

#endif
