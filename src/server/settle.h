/* Finishes the handling of an outcome, a mail or a deadline. */
#ifndef PARTY_SERVER_SETTLE_H
#define PARTY_SERVER_SETTLE_H

#include "server/loop.h"

/*
 * Lets connections that closed or failed leave their rooms, and settles the budget. Call it after
 * each outcome, mail or deadline.
 */
void settle_outcome(struct loop *loop);

/*
 * Lets connections that closed or failed leave their rooms. Telling the other members may make more
 * connections fail; they join the list and are handled too, or in the next turn if the phase is
 * over. Dead connections go to the list `first_dead`, linked by next_ending, until they are reaped.
 */
void settle_leave_rooms(struct loop *loop);

/*
 * Frees dead connections until their queues had `bytes_most` bytes; the rest waits for the next
 * turn.
 */
void settle_reap(struct loop *loop, size_t bytes_most);

/* Has connections leave rooms, however many they are, and frees all that are dead. */
void settle_all(struct loop *loop);

#endif
