/* The end of a loop: connections are closed, then abandoned after some time. */
#ifndef PARTY_SERVER_STOPPING_H
#define PARTY_SERVER_STOPPING_H

#include "server/loop.h"

/* Handles MAIL_STOP: the loop accepts no more connections and closes all it has. */
void stopping_begin(struct loop *loop);

/* Closes a connection that comes to a stopping loop, as it does all others. */
void stopping_say_goodbye(struct loop *loop, struct conn *conn);

/* Ends all connections that are left when the time to stop is over. */
void stopping_abandon_all(struct loop *loop);

/*
 * Waits until the kernel has let go of dead connections and of the listener, and ignores all other
 * outcomes. A ring that still had some when the process ends would go on for some milliseconds.
 */
void stopping_wait_for_kernel(struct loop *loop);

#endif
