/*
 * The PROXY protocol, versions 1 and 2: what a load balancer says of the client before the client's
 * own first byte (HAProxy, "The PROXY protocol", 2020/03/05).
 *
 * Stateless: feed everything that has arrived from the first byte on; after NEED_MORE feed it again
 * with more. Whether the peer may be believed is the caller's business.
 */
#ifndef PARTY_PROTO_PROXY_HEADER_H
#define PARTY_PROTO_PROXY_HEADER_H

#include "base/address.h"

/* Longest header accepted, version 2's extra fields included; the text form has at most 107. */
#define PROXY_HEADER_BYTES_MAX 1024

struct proxy_header {
    size_t length;       /* bytes of the header */
    bool has_address;    /* false: the proxy speaks for itself (LOCAL, UNKNOWN, UNIX sockets) */
    struct address from; /* the client's address */
};

enum proxy_result {
    PROXY_NONE,      /* the input does not begin with a PROXY header, and never will */
    PROXY_NEED_MORE, /* what is there may be the beginning of one */
    PROXY_DONE,
    PROXY_INVALID, /* it began as one and went wrong: close the connection */
};

enum proxy_result proxy_header_parse(struct bytes in, struct proxy_header *ret_header);

#endif
