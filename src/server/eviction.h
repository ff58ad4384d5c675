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

/*
 * MAIL_EVICT: this loop's part of those who are to go, at most EVICTED_AT_ONCE, which the caller
 * closes. Returns how many there are.
 */
uint32_t eviction_choose(struct loop *loop, struct conn **ret_victims);

#endif
