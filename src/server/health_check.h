/* --check-health: asks the server that has the same options whether it is well. For containers. */
#ifndef PARTY_SERVER_HEALTH_CHECK_H
#define PARTY_SERVER_HEALTH_CHECK_H

#include "server/config.h"

/*
 * Requests /health from the server that listens on this machine with this configuration. True: the
 * status is 200. False: `ret_why` says why. If no answer has come after HEALTH_CHECK_TIMEOUT_S, the
 * process prints that on stderr and ends with EXIT_FAILURE. So the process must do nothing else,
 * and have one thread.
 */
MUST_CHECK bool health_check(const struct config *config, char *ret_why, size_t why_capacity);

#endif
