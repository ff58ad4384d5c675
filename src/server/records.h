/*
 * Rooms' records, between the relays of the loops and the store: rooms are made of them at the
 * start, and their changes go there.
 */
#ifndef PARTY_SERVER_RECORDS_H
#define PARTY_SERVER_RECORDS_H

#include "relay/record.h"
#include "server/loop.h"
#include "store/store_engine.h"

#define RECORDS_WHY_MAX 256

/*
 * Opens the store of --state-dir, makes the rooms that it has, and starts its thread. Call it after
 * the loops were made, and before they run. `has_rooms`: the loops have all rooms already. Then the
 * store's thread opens the store, which gets the records of these rooms, and no others; a store
 * that can't be opened fails as one at any other time. False: the server should not start; a line
 * on stderr says why. Does nothing without --state-dir.
 */
MUST_CHECK bool records_begin(struct server *server, bool has_rooms);

/*
 * The same in two parts, for a process without rooms and for one that has them, with an engine that
 * the function takes over; the store is not started. False: memory is short.
 */
MUST_CHECK bool records_load(struct server *server, struct store_engine *engine,
                             uint32_t *ret_rooms);
MUST_CHECK bool records_take_over(struct server *server, struct store_engine *engine);

/*
 * Makes the room of a record with this code, in the loop that the code says. The function fills in
 * how events are encoded. False: `ret_why` says why.
 */
MUST_CHECK bool records_make_room(struct server *server, struct bytes record, uint64_t code,
                                  struct restoring restoring, char ret_why[RECORDS_WHY_MAX]);

/* Says in a sentence what is wrong with a record. */
void records_explain(const struct record_fault *fault, char ret_why[RECORDS_WHY_MAX]);

/*
 * Whether rooms would be there for the next process if this one ended now. If they would not, it is
 * better to let them be played to their end.
 */
bool records_can_be_kept(const struct server *server);

/* Ends the store after the loops have ended. */
void records_end(struct server *server);

/* Hands records of changed rooms over, at most every RECORDS_INTERVAL_MS. */
void records_write(struct loop *loop);

/* Milliseconds until there is something to hand over; -1: nothing has changed. */
int records_wait_ms(const struct loop *loop);

/*
 * Before the loop closes the connections of rooms that another process will have: hands all changes
 * over that are left, and from then on none.
 */
void records_write_last(struct loop *loop);

/*
 * Hands the last record of a room over, before another node has it: of protocol 3, if all members
 * are away, with what they missed.
 */
void records_write_final(struct loop *loop, const struct room *room);

/* After all connections have ended: rooms of protocol 3 are handed over with what was missed. */
void records_write_at_stop(struct loop *loop);

#endif
