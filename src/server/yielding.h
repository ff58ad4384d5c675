/* A node gives slices to another one, and the rooms go there through their records. */
#ifndef PARTY_SERVER_YIELDING_H
#define PARTY_SERVER_YIELDING_H

#include "server/loop.h"

/*
 * Hands the last record of a room over to the store. In protocol 3 its members are closed before,
 * with 1012, so the record says what each of them has missed, as after a planned stop. NULL: the
 * room has ended with its last member, as a room does that holds no seats. The caller gives it up
 * otherwise.
 */
struct room *yielding_hand_over(struct loop *loop, struct room *room);

#endif
