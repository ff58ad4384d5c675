/*
 * How many new members an address brings into a room: as many a minute as the room has seats, at
 * least NEWCOMERS_LEAST. A room remembers a bounded number of members who are gone, and whoever has
 * its code could push them out by bringing others.
 *
 * Of a loop. A table of fixed size: who has brought least lately is forgotten first.
 */
#ifndef PARTY_SERVER_NEWCOMERS_H
#define PARTY_SERVER_NEWCOMERS_H

#include "net/kernel.h"
#include "server/bucket.h"
#include "server/limits.h"

struct newcomer_count {
    uint64_t code; /* of the room */
    struct address subnet;
    uint32_t most;        /* newcomers a minute */
    struct bucket bucket; /* one newcomer is a minute in milliseconds */
};

struct newcomers {
    uint64_t keys[2]; /* of the hash; random */
    struct newcomer_count sets[NEWCOMER_SETS][NEWCOMER_WAYS];
};

void newcomers_init(struct newcomers *newcomers, const struct kernel *kernel);

/* Counts a newcomer to the room with this code and so many seats. False: it is one too many. */
MUST_CHECK bool newcomers_admit(struct newcomers *newcomers, uint64_t code, uint32_t seats,
                                struct address address, uint32_t now_ms);

#endif
