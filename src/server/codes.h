/*
 * The codes of the rooms that a loop of a cluster's node will make.
 *
 * Two nodes must never give one code away, whatever is cut off or stands still. So each code is
 * noted in the cluster's records before a room gets it, and a reading of the map after that shows
 * that the slice was still this node's (the rule `confirm` of the cluster's model). A client that
 * creates a room would wait for both. So a loop has some codes that are confirmed already: whoever
 * gets the slice next finds them among its records, and gives none of them away, used or not.
 *
 * Only the loop's thread uses them, but a request while it is posted.
 */
#ifndef PARTY_SERVER_CODES_H
#define PARTY_SERVER_CODES_H

#include "server/links.h"

/*
 * Forgets codes of slices that are not this node's any more, so that there are others before
 * somebody creates a room. When the picture of who owns what has changed.
 */
void codes_check_owners(struct loop *loop);

/* Asks the recorder for codes, where less than half are left. Once a turn. */
void codes_fill(struct loop *loop);

/* Milliseconds until codes_fill() has something to ask for; -1: it is not known. */
int codes_wait_ms(const struct loop *loop);

/* Takes what was confirmed into the loop's codes. */
void codes_receive(struct loop *loop, struct code_request *request);

/*
 * Whether a client of this protocol can have a code now, however long it must be. False: more will
 * be there soon, or the map was not read lately. Then the slice may be another node's already,
 * which would not know of the room.
 */
bool codes_has(struct loop *loop, enum protocol protocol);

/*
 * The code of a new room; in protocol 3 it needs so many letters. Call it only behind codes_has().
 * False: there is none.
 */
bool codes_take(struct loop *loop, enum protocol protocol, uint32_t length, uint64_t *ret_code);

#endif
