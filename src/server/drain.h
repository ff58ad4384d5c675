/* A drain: no more rooms are made, and it is over when no room is left that anybody plays in. */
#ifndef PARTY_SERVER_DRAIN_H
#define PARTY_SERVER_DRAIN_H

#include "server/loop.h"

/* The loop drains from now on. */
void drain_begin(struct loop *loop);

/* A room of the loop has ended, or nobody is in it any more: the drain may be over. */
void drain_note_end(struct loop *loop);

/* A member has entered this room of the loop or said something: the drain may not be over here. */
void drain_note_life(struct loop *loop, const struct room *room);

/* Looks whether a room is left to be waited for, when it is time to, and tells the main thread. */
void drain_check(struct loop *loop);

/* Milliseconds until the next look; -1: none is due. */
int drain_wait_ms(const struct loop *loop);

/* Whether no loop has a room that the drain waits for. Any thread may ask. */
bool drain_is_over(struct server *server);

#endif
