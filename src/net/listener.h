/* Listening sockets, and the addresses a machine is reached by. */
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
    LISTENER_FAILED, /* and will again */
};

/*
 * Takes `port` (0: the kernel chooses) of `host`, a name or an address; NULL: of every address,
 * IPv4 and IPv6. READY: `ret_fd` is the descriptor, non-blocking, which does not listen yet, and
 * the caller's. Else a sentence is in `ret_why`.
 */
MUST_CHECK enum listener_result listener_bind(const char *host, uint16_t port, int *ret_fd,
                                              char *ret_why, size_t why_capacity);

/* Listens: from now on clients can connect. TAKEN: another listens there since listener_bind(). */
MUST_CHECK enum listener_result listener_begin(int listener_fd, char *ret_why, size_t why_capacity);

/* Both at once. The descriptor; or -1, and a sentence in `ret_why`. */
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
