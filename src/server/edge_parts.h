/* What the files of the edge share: edge.c has clients enter and speak, edge_return.c keeps those
 * whose home is lost. */
#ifndef PARTY_SERVER_EDGE_PARTS_H
#define PARTY_SERVER_EDGE_PARTS_H

#include "server/links.h"

/* What a home is told of a client: all but what it wants. `origin` has ORIGIN_BYTES_MAX bytes. */
struct link_item edge_describe(struct loop *loop, const struct conn *conn, uint8_t *origin);

/* Takes a client off its home, or off the one that was asked for its seat. */
void edge_detach(struct loop *loop, struct conn *conn);

/*
 * Keep what the client comes back with, which its home has just told, and forget it. The budget is
 * charged for it.
 */
void edge_keep_way_back(struct loop *loop, struct attachment *attachment,
                        const struct link_item *item);
void edge_forget_way_back(struct loop *loop, struct attachment *attachment);

/* The home that was asked for the client's seat has answered. Does nothing for who did not ask. */
void edge_end_return(struct loop *loop, struct attachment *attachment);

/* The client is not behind its end any more, if it has one. */
void edge_let_go(struct loop *loop, struct attachment *attachment);

/*
 * A client has lost its home. False: it can't get its seat again over this connection, and nothing
 * was changed.
 */
bool edge_set_adrift(struct loop *loop, struct conn *conn);

#endif
