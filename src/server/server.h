/* Creates and frees the shared state of the process. */
#ifndef PARTY_SERVER_SERVER_H
#define PARTY_SERVER_SERVER_H

#include "server/loop.h"

/*
 * Creates tables and loops for as many descriptors as the process may have. The caller has set
 * options, kernel, TLS, descriptors and poller kind. False: memory or descriptors are short, or the
 * kernel refuses; server_release() frees what was created.
 */
MUST_CHECK bool server_init(struct server *server, uint32_t descriptors);

/* Frees what server_init() created, after the loops have ended. */
void server_release(struct server *server);

#endif
