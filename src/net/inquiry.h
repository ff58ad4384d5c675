/* One question to one server, asked by a process that has nothing else to do meanwhile. */
#ifndef PARTY_NET_INQUIRY_H
#define PARTY_NET_INQUIRY_H

#include "base/address.h"
#include "base/attributes.h"
#include "base/bytes.h"

struct inquiry {
    const char *host; /* a name or an address */
    uint16_t port;
    /* What is sent first, before TLS, as far as who asks from this address is to; or NULL. */
    struct bytes (*introduction)(const void *context, struct address own);
    const void *context;
    bool is_secure; /* over TLS, whoever's certificate it is: for this machine's own servers */
    struct bytes question;
};

/*
 * Connects, sends the question and reads until the end, or until `capacity` bytes are read, which
 * must be at least 1. The answer is terminated by a NUL, for which there must be one byte more.
 * Blocks for as long as that takes: the caller sees to a deadline. False: a sentence is in
 * `ret_why`.
 */
MUST_CHECK bool inquiry_make(const struct inquiry *inquiry, char *ret_answer, size_t capacity,
                             char *ret_why, size_t why_capacity);

#endif
