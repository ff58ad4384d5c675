/*
 * The home: members of this loop's rooms whose connections are at other nodes. Each has a struct
 * conn without a socket (CONN_REMOTE), so that the relay and its effects know no difference: what
 * is queued for it goes over its link.
 */
#ifndef PARTY_SERVER_HOME_H
#define PARTY_SERVER_HOME_H

#include "server/links.h"

/*
 * Takes in a client that enters, and lets it say what it has said. Its answer is queued, and so is
 * whether it has a seat.
 */
void home_enter(struct loop *loop, struct link_end *end, const struct link_item *item);

/* Seats a client again whose home was lost. Its answer is queued as that of home_enter(). */
void home_return(struct loop *loop, struct link_end *end, const struct link_item *item);

/*
 * What a member says, and the end of its connection. A member that leaves its room stays connected:
 * the edge is told LINK_ENTERED without a member, and after its LINK_LEAVE once more. What the
 * client says between these can be handled by nobody, so then it is closed.
 */
void home_say(struct loop *loop, const struct link_end *end, const struct link_item *item);
void home_leave(struct loop *loop, const struct link_end *end, const struct link_item *item);

/* All members behind a void end are cut off. */
void home_void(struct loop *loop, const struct link_end *end);

/* Takes the turn's picture of who owns what. Ends all rooms of slices that this node does not serve
 * any more, and closes their members; rooms of those that it yields are handed over before. */
void home_check_owners(struct loop *loop);

/* Closes all members behind all ends, at a stop. */
void home_say_goodbye(struct loop *loop);

#endif
