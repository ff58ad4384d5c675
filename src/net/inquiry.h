/* One request to one server, by a process that does nothing else meanwhile. */
#ifndef PARTY_NET_INQUIRY_H
#define PARTY_NET_INQUIRY_H

#include "base/address.h"
#include "base/attributes.h"
#include "base/bytes.h"

struct inquiry {
    const char *host; /* a name or an address */
    uint16_t port;
    /* Returns what to send before TLS from the address `own`; NULL: nothing to send. */
    struct bytes (*introduction)(const void *context, struct address own);
    const void *context;
    bool is_secure; /* over TLS, with any certificate: meant for servers on the same machine */
    struct bytes question;
};

/*
 * Connects, sends the question, and reads until the end or until it has read `capacity` bytes,
 * which must be at least 1. It adds a NUL to the answer, for which the buffer needs one more byte.
 * It blocks, so the caller must set a deadline. False: `ret_why` says why.
 */
MUST_CHECK bool inquiry_make(const struct inquiry *inquiry, char *ret_answer, size_t capacity,
                             char *ret_why, size_t why_capacity);

#endif
