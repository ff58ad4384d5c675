/*
 * The PROXY protocol, versions 1 and 2: a load balancer's report about the client, before the
 * client's own first byte (HAProxy, "The PROXY protocol", 2020/03/05).
 *
 * Stateless: the caller passes all that has arrived, from the first byte, and after NEED_MORE calls
 * again with more. The caller decides whether it trusts the peer.
 */
#ifndef PARTY_PROTO_PROXY_HEADER_H
#define PARTY_PROTO_PROXY_HEADER_H

#include "base/address.h"

/* The longest header, with version 2's extra fields; the text form has at most 107 bytes. */
#define PROXY_HEADER_BYTES_MAX 1024

struct proxy_header {
    size_t length;       /* bytes of the header */
    bool has_address;    /* false: the proxy asks for itself (LOCAL, UNKNOWN, UNIX sockets) */
    struct address from; /* the client's address */
};

enum proxy_result {
    PROXY_NONE,      /* the input does not begin with a PROXY header */
    PROXY_NEED_MORE, /* the input may be the beginning of a header */
    PROXY_DONE,
    PROXY_INVALID, /* it began as a header and is malformed: close the connection */
};

enum proxy_result proxy_header_parse(struct bytes in, struct proxy_header *ret_header);

#endif
