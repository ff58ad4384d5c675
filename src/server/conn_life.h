/* How connections come to a loop, and how they leave it: the kernel's, another loop's, for ever. */
#ifndef PARTY_SERVER_CONN_LIFE_H
#define PARTY_SERVER_CONN_LIFE_H

#include "server/loop.h"

/* A new connection: it begins its life here, on a loop that has clearly fewer, or not at all. */
void conn_life_accept(struct loop *loop, int fd);

/*
 * A new connection of --admin-listen, if there is one: from the main thread, to the first loop.
 * False: it can't be had now, as when descriptors are short; try again later.
 */
MUST_CHECK bool conn_life_accept_admin(struct server *server);

/* The descriptor is closed at once; what is said to the peer is best effort. */
void conn_life_refuse(struct loop *loop, int fd);

/*
 * The connection, which is MOVING, goes to the loop `move_target`: as soon as the poller is done
 * with it, which OUTCOME_DETACHED may have to tell first. Then it is not touched again here.
 */
void conn_life_send(struct loop *loop, struct conn *conn);

/*
 * Mail of kind MAIL_CONNECTION: it is this loop's now, and may go on reading. False: memory is
 * short, and it is no more.
 */
MUST_CHECK bool conn_life_receive(struct loop *loop, struct conn *conn);

/* The same mail, after the loops have ended. */
void conn_life_drop(struct loop *loop, struct conn *conn);

/*
 * A dead connection is freed, and gives its place in the table back: as soon as the poller is done
 * with it, as above.
 */
void conn_life_reap(struct loop *loop, struct conn *conn);

/* The poller is done with a connection that was to go, to another loop or for ever. */
void conn_life_detached(struct loop *loop, struct conn *conn);

#endif
