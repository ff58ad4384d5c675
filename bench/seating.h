/* How a worker's clients get into their rooms. */
#ifndef PARTY_BENCH_SEATING_H
#define PARTY_BENCH_SEATING_H

#include "worker.h"

/* Seats the clients of a room that has none. When they are in, it calls scenario->room_ready(). */
void seating_open_room(struct worker *worker, struct room *room);

/*
 * A seated client comes back: seating_leave() while it has lost its connection, and
 * seating_return() connects it again. It joins its room with the same client id, and the scenario's
 * returned() is called.
 */
void seating_leave(struct worker *worker, struct client *client);
void seating_return(struct worker *worker, struct client *client);

/* Connects a client; the caller counts those that arrive. */
void seating_connect(struct worker *worker, struct client *client);

/* Connects as many clients as may be on their way. A turn calls it once. */
void seating_go_on(struct worker *worker);

/* After the client's handshake: sends `create` or `join` for its room. */
void seating_enter(struct worker *worker, struct client *client);

/* Takes an event that is no message of the scenario's. Gives up on an event that can't be right. */
void seating_take_event(struct worker *worker, struct client *client, struct bytes text);

/* Whether the first `rooms` rooms are full, and all their members know each other. */
bool seating_is_done(const struct worker *worker, uint32_t rooms);

#endif
