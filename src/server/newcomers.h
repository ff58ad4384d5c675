/*
 * Counts how many new members an address brings into a room. It may bring as many in a minute as
 * the room has seats, and at least NEWCOMERS_LEAST. A room remembers a bounded number of absent
 * members; without this limit, a client with the room's code could push them out by bringing
 * others.
 *
 * Rooms of protocol 3 forget nobody for a newcomer, and need no such limit. There, the same table
 * counts wrong passwords: PASSWORD_GUESSES_MAX of an address in a minute, for each room.
 *
 * Each loop has one table, of fixed size. The count with the lowest level is forgotten first.
 */
#ifndef PARTY_SERVER_NEWCOMERS_H
#define PARTY_SERVER_NEWCOMERS_H

#include "net/kernel.h"
#include "server/bucket.h"
#include "server/limits.h"

struct newcomer_count {
    uint64_t code; /* of the room */
    struct address subnet;
    uint32_t limit;       /* newcomers, or guesses, in a minute */
    struct bucket bucket; /* one of them adds as many units as a minute has milliseconds */
};

struct newcomers {
    uint64_t keys[2]; /* of the hash, random */
    struct newcomer_count sets[NEWCOMER_SETS][NEWCOMER_WAYS];
};

void newcomers_init(struct newcomers *newcomers, const struct kernel *kernel);

/*
 * Counts a newcomer to the room with this code and number of seats. False: the address has brought
 * too many.
 */
MUST_CHECK bool newcomers_admit(struct newcomers *newcomers, uint64_t code, uint32_t seats,
                                struct address address, uint32_t now_ms);

/* Whether the relay may look at one more password of this address for the room with this code. */
bool newcomers_may_guess(struct newcomers *newcomers, uint64_t code, struct address address,
                         uint32_t now_ms);

/* Counts a wrong password. */
void newcomers_note_guess(struct newcomers *newcomers, uint64_t code, struct address address,
                          uint32_t now_ms);

#endif
