/* The server under test: its address, and connections to it. */
#ifndef PARTY_BENCH_TARGET_H
#define PARTY_BENCH_TARGET_H

#include <stdint.h>
#include <sys/socket.h>

#include "base/attributes.h"
#include "base/bytes.h"

struct target {
    struct sockaddr_storage address;
    socklen_t address_length;
    bool is_loopback;    /* IPv4, 127.0.0.0/8 */
    bool is_secure;      /* wss:// */
    char host[256];      /* without the brackets of an IPv6 address */
    char authority[256]; /* `host:port`, for the Host header */
    char path[256];
};

/* Reads `ws://host:port/path`, or `wss://`, and looks up the host. False: `ret_why` has a sentence.
 */
MUST_CHECK bool target_parse(const char *url, struct target *ret_target, char *ret_why,
                             size_t why_capacity);

/*
 * Connects and returns the descriptor, non-blocking and without Nagle's delay. Gives up when the
 * server can't be reached. With `waits` it waits for the connection, which on loopback is there at
 * once; without, what fails later is the poller's to report.
 * `number` counts the connections of this process: only some 28,000 can go from one address to one
 * port. So on loopback later ones come from 127.0.0.2, 127.0.0.3 and so on.
 */
int target_connect(const struct target *target, uint64_t number, bool waits);

/* Makes one attempt, blocking. Returns the descriptor, or -1. */
int target_try(const struct target *target);

#endif
