/* How a worker's clients get into their rooms. */
#ifndef PARTY_BENCH_SEATING_H
#define PARTY_BENCH_SEATING_H

#include "worker.h"

/* Seats the room's clients, from none; scenario->room_ready() tells when they are in. */
void seating_open_room(struct worker *worker, struct room *room);

/* Connects as many clients as may be on their way. Called once a turn. */
void seating_go_on(struct worker *worker);

/* The client's handshake is done: it asks for its room. */
void seating_enter(struct worker *worker, struct client *client);

/* Takes an event that is no message of the scenario's; gives up on what can't be right. */
void seating_take_event(struct worker *worker, struct client *client, struct bytes text);

/* Whether the first `rooms` rooms are full, and all members know of each other. */
bool seating_is_done(const struct worker *worker, uint32_t rooms);

#endif
