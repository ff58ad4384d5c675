/* What the files of the ownership share. ownership.h says what it does. */
#ifndef PARTY_CLUSTER_OWNERSHIP_PARTS_H
#define PARTY_CLUSTER_OWNERSHIP_PARTS_H

#include "cluster/ownership.h"

/* Reads what is new in a history. False: it is no read of this stream as it is now. */
bool ownership_take_in(struct ownership *ownership, const struct map_history *history);

/* This node owns nothing from now on, as far as it knows; the owner, if there is one, is told. */
void ownership_lose_all(struct ownership *ownership, enum ownership_loss why);

/* Yields slices, if others have so few that it is time. */
void ownership_share(struct ownership *ownership);

/* Whether there is an entry to write now; makes it. */
bool ownership_plan_entry(struct ownership *ownership, struct map *ret_map);

/* Takes the request as over. False: it is not the one that is outstanding. */
bool ownership_settle(struct ownership *ownership, enum ownership_request_kind kind,
                      uint64_t serial);

#endif
