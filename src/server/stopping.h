/* The end of a loop: everybody is told, has some time, and is given up. */
#ifndef PARTY_SERVER_STOPPING_H
#define PARTY_SERVER_STOPPING_H

#include "server/loop.h"

/* MAIL_STOP: the loop accepts nobody more, and says goodbye to everybody. */
void stopping_begin(struct loop *loop);

/* One that comes later is told as well. */
void stopping_say_goodbye(struct loop *loop, struct conn *conn);

/* Whoever is left when the time to stop is over. */
void stopping_abandon_all(struct loop *loop);

/*
 * The kernel lets go of what the dead have in it, and of the listener; no news but that matters any
 * more. What a ring still had when the process ends would go on for some milliseconds.
 */
void stopping_wait_for_kernel(struct loop *loop);

#endif
