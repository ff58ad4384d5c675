/*
 * The edge: clients of this node whose rooms are at other nodes. Their connections are here, and
 * so are their limits. What they say goes to the home of the room as it is, and what the home has
 * for them is queued as any frame.
 */
#ifndef PARTY_SERVER_EDGE_H
#define PARTY_SERVER_EDGE_H

#include "proto/envelope.h"
#include "server/links.h"

/* What became of a message of a client that has no seat here. */
enum edge_answer {
    EDGE_NONE,  /* nothing: it is for this node */
    EDGE_SENT,  /* it has gone to another node, which is to answer: read on when it has */
    EDGE_WAITS, /* nobody can be asked yet: it is kept, to be handled once more */
    EDGE_LOST,  /* nobody can answer it now, and the client is closed */
};

/*
 * Sends `create` or `join` of a client that is in no room to the node that has such rooms, if that
 * is another one. `kept`: the client has waited with it, and the text is its; else NULL. When it
 * was sent or waits, it is the connection's again.
 */
enum edge_answer edge_enter(struct loop *loop, struct conn *conn, const struct envelope *envelope,
                            struct bytes text, struct entrance *kept);

/* Whether another node makes rooms, as far as is known here. */
bool edge_knows_a_maker(const struct loop *loop);

/*
 * Something has changed for those who wait for a node: the first EXPIRIES_PER_TURN of them enter
 * once more in the next turn, the others when their time comes.
 */
void edge_retry(struct loop *loop);

/* Whether so much waits for its home that a client is to be read on later. */
bool edge_is_behind(const struct loop *loop, const struct conn *conn);

/*
 * Whether such a client has left its room, and its home has not said yet that nothing of what the
 * client had said is on the way any more: then it is read on when edge_entered() returns it.
 */
bool edge_holds_back(struct loop *loop, const struct conn *conn);

/* Sends what a client says whose room is at another node (conn.is_away). */
void edge_say(struct loop *loop, const struct conn *conn, bool is_binary, struct bytes text);

/* This node closes such a client, since it stops: its home is to hold the seat. */
void edge_send_elsewhere(struct loop *loop, struct conn *conn);

/* The connection of such a client has ended. Does nothing for others. */
void edge_leave(struct loop *loop, struct conn *conn, enum departure departure);

/*
 * Handle what a home says. The first returns the connection that may be read on, for the caller
 * to have its refusals performed and to resume it; NULL: there is none.
 */
struct conn *edge_entered(struct loop *loop, struct link_end *end, const struct link_item *item);
void edge_frame(struct loop *loop, const struct link_end *end, const struct link_item *item);
void edge_close(struct loop *loop, const struct link_end *end, const struct link_item *item);

/*
 * A client of protocol 3 whose home is lost keeps its connection: it is *adrift*, and its seat is
 * asked for again, for ADRIFT_MS at most. Until it has answered the `joined` that it gets then
 * (conn_input.unasked), what it says is dropped.
 *
 * Asks for the seats of the clients that are adrift, if that is due. Returns one whose room is on
 * this node, for the caller to seat it with edge_take_way_back(), whose join is the caller's to
 * free; NULL: no more in this turn. `looked_at` is 0 at first in each turn.
 */
struct conn *edge_next_return(struct loop *loop, uint32_t *looked_at);
struct join *edge_take_way_back(struct loop *loop, struct conn *conn);

/*
 * The room of this member, which is here, goes to another node or is lost: the client is adrift
 * from now on, and the caller takes its seat. False: it can't be; the caller closes it.
 */
bool edge_keep_member(struct loop *loop, struct conn *conn);

/* Owners have changed, or a link has opened: they are asked at once. */
void edge_retry_returns(struct loop *loop);

/* Closes all clients behind a void end, with 1012, that can't get their seats again here. */
void edge_void(struct loop *loop, const struct link_end *end);

/*
 * Closes all whose room's slice has another owner by now, or voids their end if it has never sent
 * anything. Who enters hears it of its home, if that is there, and so does who can get its seat
 * again.
 */
void edge_check_owners(struct loop *loop);

#endif
