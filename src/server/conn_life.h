/* How a connection comes to a loop, moves to another one, and is freed. */
#ifndef PARTY_SERVER_CONN_LIFE_H
#define PARTY_SERVER_CONN_LIFE_H

#include "server/links.h"

/* Takes a new connection: here, on a loop that has clearly fewer connections, or refuses it. */
void conn_life_accept(struct loop *loop, int fd);

/*
 * Accepts a connection of --admin-listen, if there is one, for the first loop. The main thread
 * calls it. False: accept fails for now, as when descriptors are short; try again later.
 */
MUST_CHECK bool conn_life_accept_admin(struct server *server);

/* Closes the descriptor at once. The peer may get a 503 before, but need not. */
void conn_life_refuse(struct loop *loop, int fd);

/*
 * Sends the connection, which is MOVING, to the loop `move_target` as soon as the poller has let go
 * of it; that may take until OUTCOME_DETACHED. Afterwards this loop must not touch it.
 */
void conn_life_send(struct loop *loop, struct conn *conn);

/*
 * Handles MAIL_CONNECTION: the connection belongs to this loop now and may be read. False: memory
 * was short, and the connection is freed.
 */
MUST_CHECK bool conn_life_receive(struct loop *loop, struct conn *conn);

/*
 * The loop has this connection from the process that this one replaces. Its socket is not attached
 * yet. False: memory is short, and the connection is freed.
 */
MUST_CHECK bool conn_life_restore(struct loop *loop, struct conn *conn);

/* Attaches the sockets of all connections that were restored, and reads what they had unread. */
void conn_life_attach_all(struct loop *loop);

/* Frees the connection of such mail, after the loops have ended. */
void conn_life_drop(struct loop *loop, struct conn *conn);

/*
 * Frees a dead connection and its place in the table, as soon as the poller has let go of it; that
 * may take until OUTCOME_DETACHED.
 */
void conn_life_reap(struct loop *loop, struct conn *conn);

/* The poller has let go of a connection: sends or frees it, whichever was begun. */
void conn_life_detached(struct loop *loop, struct conn *conn);

/*
 * Takes in a client of another node as a connection of this loop, which is REMOTE. NULL: memory is
 * short.
 */
MUST_CHECK struct conn *conn_life_make_remote(struct loop *loop, struct link_end *end,
                                              const struct link_item *item);

#endif
