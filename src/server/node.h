/*
 * This process as a node of a cluster: the threads between its loops and the bus.
 *
 * - The *keeper* has the machine of who owns what (cluster/ownership.h). It takes ten turns a
 * second by CLOCK_BOOTTIME, or up to 200 while slices move, and writes the picture that the loops
 * read (server/peers.h).
 * - The *clerk* carries requests to the keyed store out, one after the other, since a call may wait
 *   for a second, which the keeper may not.
 * - The *recorder* (server/recorder.h) keeps the records of rooms, and restores rooms of slices
 * that the node gets.
 * - A *reader* for each loop waits for messages to the loop, and posts them to its mailbox.
 * - The *pulse* measures round trips to other nodes, for the list of nodes in /stats. It hears and
 *   says some small messages a second.
 * - The *sender* publishes what loops have for other nodes. A loop never publishes itself: libnats
 *   writes to a socket that may be full, and holds its lock while it connects anew, so a call may
 *   wait for a second. A loop only appends to the sender's queue. None of these threads is in the
 *   sandbox either, so what libnats asks of the kernel is no concern of the loops.
 *
 * What waits is bounded: beyond that messages are lost. Links notice lost messages by themselves.
 *
 * While the node must look (cluster/ownership.h), the picture stays what it was, unless a slice is
 * lost: otherwise rooms would end after each short pause. Loops handle nothing meanwhile.
 *
 * All functions are for the main thread.
 */
#ifndef PARTY_SERVER_NODE_H
#define PARTY_SERVER_NODE_H

#include "server/loop.h"

#define NODE_WHY_MAX 512

struct node;

enum node_opening {
    NODE_OPEN,
    NODE_RETRY, /* the engine does not answer: it may do later */
    NODE_WRONG, /* it never will: an option is wrong, or the library is missing */
};

/*
 * Connects to the engine that --cluster names, which may take some seconds. Unless the result is
 * NODE_OPEN, `ret_why` says why.
 */
enum node_opening node_open(const struct config *config, struct node **ret_node,
                            char ret_why[NODE_WHY_MAX]);

/* What the loops know of the other nodes, as long as the node lives. */
struct peers *node_peers(struct node *node);

/* Begins the threads. The loops exist, but need not run yet. False: a thread could not be created.
 */
MUST_CHECK bool node_begin(struct node *node, struct server *server);

/* The node gets no more slices. NULL: does nothing; so do the next ones. */
void node_drain(struct node *node);

/* Gives the slices to other nodes, some after the other, with the rooms as they are. */
void node_leave(struct node *node);

/* Whether they have all of them, or there are no others. The main thread is woken then, once. */
bool node_has_left(const struct node *node);

/*
 * After the loops have ended: waits until the last records are written, gives all slices up, and
 * waits until the other nodes can know it, but not long. If they can't be written, the others have
 * to find out that the node is gone.
 */
void node_end(struct node *node);

/* Ends the threads, and the store of records. The loops have ended, and are there still. */
void node_stop(struct node *node);

/* Closes the bus and frees the node. */
void node_free(struct node *node);

#endif
