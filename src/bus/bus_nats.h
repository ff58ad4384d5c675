/* NATS behind the seam: core NATS carries messages, and two buckets of JetStream are the keyed
 * store. */
#ifndef PARTY_BUS_BUS_NATS_H
#define PARTY_BUS_BUS_NATS_H

#include "bus/bus.h"

#define BUS_SERVERS_MAX 16
#define BUS_SERVER_MAX 256 /* bytes, of a URL */

/* The texts have to be valid for the call alone. What may be NULL is not used then. */
struct bus_nats_options {
    const char *servers;     /* nats://HOST:PORT, several with commas between them */
    const char *cluster;     /* see bus_names.h */
    const char *node;        /* as the connections call themselves */
    const char *user;        /* may be NULL, and so may its password */
    const char *password;    /* */
    const char *credentials; /* a file with a JWT and a key; may be NULL */
    const char
        *authority;    /* a file with the certificate that vouches for the servers; not NULL: TLS */
    uint32_t replicas; /* of the buckets, if this call makes them: 1 or 3 */
    const char *library; /* NULL: NATS_SONAME of nats_library.h */
};

/*
 * Connects to a server, and makes the buckets if they are missing. NULL: it can't be, within
 * `most_ms` (beside names that have to be looked up); `ret_why` says why. From then on the engine
 * connects again by itself.
 */
MUST_CHECK struct bus *bus_nats_open(const struct bus_nats_options *options, uint32_t most_ms,
                                     char ret_why[BUS_WHY_MAX]);

#endif
