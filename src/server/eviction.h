/*
 * Who goes first when all places for connections are taken: of the address that has most
 * connections in no room, those whose handshake is unfinished, then the others; never a member of a
 * room.
 */
#ifndef PARTY_SERVER_EVICTION_H
#define PARTY_SERVER_EVICTION_H

#include "server/loop.h"

/*
 * A connection has come that is one above the limit. True: some of an address that has more than
 * its own are going, so it may stay. False: its own address has most, or nobody can go.
 */
MUST_CHECK bool eviction_makes_room(struct loop *loop, const struct conn *newcomer);

/* MAIL_EVICT: this loop closes its part of them. */
void eviction_close_some(struct loop *loop);

#endif
