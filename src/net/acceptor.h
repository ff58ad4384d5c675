/*
 * Accepting, for pollers: new connections one by one, and a spare descriptor for the one that comes
 * when there is no other, so that it can be told.
 */
#ifndef PARTY_NET_ACCEPTOR_H
#define PARTY_NET_ACCEPTOR_H

#include "net/poller.h"

struct acceptor {
    int spare_fd; /* -1: it is in use, or could not be had */
};

void acceptor_init(struct acceptor *acceptor);
void acceptor_release(struct acceptor *acceptor);

/* Gets the spare descriptor back, if it was given up; at most once a turn. */
void acceptor_restore(struct acceptor *acceptor);

/*
 * Accepts one connection, with at most `tries` attempts, for some fail that have died meanwhile.
 * True: ACCEPTED, OVERFLOWED or ACCEPT_FAILED is told. False: there is nothing (more) to accept.
 */
MUST_CHECK bool acceptor_next(struct acceptor *acceptor, int listener_fd, int tries,
                              struct outcome *ret_outcome);

/* Whether an error of accepting means that descriptors or memory are used up. */
bool acceptor_is_short(int error);

#endif
