/*
 * Chooses connections to close when all places are taken. They are of the address that has the most
 * connections in no room: first those whose handshake is unfinished, then the others; never a
 * member of a room.
 */
#ifndef PARTY_SERVER_EVICTION_H
#define PARTY_SERVER_EVICTION_H

#include "server/loop.h"

/*
 * Judges a newcomer above the limit. True: connections of an address that has more of them than the
 * newcomer's are being closed, so the newcomer may stay. False: its own address has the most, or
 * none can be closed.
 */
MUST_CHECK bool eviction_makes_room(struct loop *loop, const struct conn *newcomer);

/*
 * Handles MAIL_EVICT: chooses this loop's victims, at most EVICTED_AT_ONCE, which the caller
 * closes. Returns how many there are.
 */
uint32_t eviction_choose(struct loop *loop, struct conn **ret_victims);

#endif
