/* What a handled outcome, mail or deadline has left to do. */
#ifndef PARTY_SERVER_SETTLE_H
#define PARTY_SERVER_SETTLE_H

#include "server/loop.h"

/*
 * Those who closed or failed leave their rooms, and the budget is settled. To be called after each
 * thing that was handled.
 */
void settle_outcome(struct loop *loop);

/*
 * Those who closed or failed leave their rooms. Telling the others may make more of them fail; they
 * join the list and have their turn, or the next one when that is too much work for one. The dead
 * are kept in `first_dead`, linked by next_ending, until they are reaped.
 */
void settle_leave_rooms(struct loop *loop);

/* Frees the dead, until that has freed so much that the rest is for the next turn. */
void settle_reap(struct loop *loop, size_t bytes_most);

#endif
