/*
 * Asks every loop for a copy of its counters, by mail, and adds up what comes back. No loop reads
 * another's memory.
 */
#ifndef PARTY_SERVER_GATHER_H
#define PARTY_SERVER_GATHER_H

#include "server/loop.h"

/*
 * Starts asking on behalf of a connection, which becomes WAITING; when all have answered it gets
 * the status page. False: memory is short, nothing was started.
 */
MUST_CHECK bool gather_begin(struct loop *loop, struct conn *conn);

/* Mail of kind SNAPSHOT_REQUEST: adds this loop's counters and sends the part back. */
void gather_answer(struct loop *loop, struct mail *mail);

/* Mail of kind SNAPSHOT_REPLY: one part is back; the last one frees the whole. */
void gather_collect(struct loop *loop, struct mail *mail);

/* Either kind of that mail, after the loops have ended: one part less. */
void gather_drop(struct mail *mail);

#endif
