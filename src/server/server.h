/* What the process has once, from its beginning to its end. */
#ifndef PARTY_SERVER_SERVER_H
#define PARTY_SERVER_SERVER_H

#include "server/loop.h"

/*
 * Makes tables and loops for as many descriptors as the process may have. What is the caller's is
 * there already: options, kernel, TLS, descriptors, which poller. False: memory, descriptors or the
 * kernel refuse; server_release() frees what was made.
 */
MUST_CHECK bool server_init(struct server *server, uint32_t descriptors);

/* Frees what server_init() made, after the loops have ended. */
void server_release(struct server *server);

#endif
