/* --check-health: whether the server that has the same options is well. For containers. */
#ifndef PARTY_SERVER_HEALTH_CHECK_H
#define PARTY_SERVER_HEALTH_CHECK_H

#include "server/config.h"

/*
 * Asks for /health where a server with this configuration listens on this machine, and says nothing
 * if that is answered with 200. False: a sentence is in `ret_why`. Has no answer come after
 * HEALTH_CHECK_TIMEOUT_S, the process says so on stderr and ends with EXIT_FAILURE: it is to do
 * nothing else, and has one thread.
 */
MUST_CHECK bool health_check(const struct config *config, char *ret_why, size_t why_capacity);

#endif
