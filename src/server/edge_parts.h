/* What the files of the edge share: edge.c has clients enter and speak, edge_return.c keeps those
 * whose home is lost. */
#ifndef PARTY_SERVER_EDGE_PARTS_H
#define PARTY_SERVER_EDGE_PARTS_H

#include "server/links.h"

/* What a home is told of a client: all but what it wants. `origin` has ORIGIN_BYTES_MAX bytes. */
struct link_item edge_describe(struct loop *loop, const struct conn *conn, uint8_t *origin);

/* Takes a client off its home, or off the one that was asked for its seat. */
void edge_detach(struct loop *loop, struct conn *conn);

/* Keeps what the client comes back with, which its home has just told. */
void edge_keep_way_back(struct attachment *attachment, const struct link_item *item);

/*
 * A client has lost its home. False: it can't get its seat again over this connection, and nothing
 * was changed.
 */
bool edge_set_adrift(struct loop *loop, struct conn *conn);

#endif
