/*
 * A drain: the server creates no more rooms, and the drain is over when clients play in none of
 * those that are left.
 */
#ifndef PARTY_SERVER_DRAIN_H
#define PARTY_SERVER_DRAIN_H

#include "server/loop.h"

/* Begins the loop's drain. */
void drain_begin(struct loop *loop);

/* A room of the loop has ended or lost its last member: the drain may be over. */
void drain_note_end(struct loop *loop);

/*
 * A member has entered this room of the loop or sent a message: the loop may have to wait for the
 * room.
 */
void drain_note_life(struct loop *loop, const struct room *room);

/* Searches for a room to wait for, when a search is due, and wakes the main thread on a change. */
void drain_check(struct loop *loop);

/* Milliseconds until the next search; -1: none is due. */
int drain_wait_ms(const struct loop *loop);

/* Whether all loops drain, and `busy_rooms` is counted. Safe from any thread. */
bool drain_has_begun(struct server *server);

/* Whether no loop has a room that the drain waits for. Safe from any thread. */
bool drain_is_over(struct server *server);

#endif
