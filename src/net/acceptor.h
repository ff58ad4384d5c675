/*
 * Accepts connections for pollers, one by one. A spare descriptor lets it accept one more when
 * descriptors are used up, so that the client gets an answer.
 */
#ifndef PARTY_NET_ACCEPTOR_H
#define PARTY_NET_ACCEPTOR_H

#include "net/poller.h"

struct acceptor {
    int spare_fd; /* -1: given up to accept a connection, or it could not be opened */
};

void acceptor_init(struct acceptor *acceptor);
void acceptor_release(struct acceptor *acceptor);

/* Opens the spare descriptor again if it was given up. Call it at most once a turn. */
void acceptor_restore(struct acceptor *acceptor);

/*
 * Accepts one connection, with at most `tries` attempts: an attempt fails when its connection has
 * died meanwhile. True: `ret_outcome` is ACCEPTED, OVERFLOWED or ACCEPT_FAILED. False: there is
 * nothing to accept.
 */
MUST_CHECK bool acceptor_next(struct acceptor *acceptor, int listener_fd, int tries,
                              struct outcome *ret_outcome);

/* Whether an error of accept means that descriptors or memory are used up. */
bool acceptor_is_short(int error);

#endif
