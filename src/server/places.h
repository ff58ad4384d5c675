/*
 * Where connections come from: how many each address has, and how often somebody there asked for a
 * room that is not. An IPv4 address is one place, and so is an IPv6 /64. The /56 and the /48 around
 * that are places as well, in which everything is counted once more: whoever has a /48 to choose
 * from has 65,536 times a /64, but only sixteen times what one of them may do.
 *
 * For the whole process and safe from any thread; a lock is taken when a connection comes or goes
 * and when somebody asks for a room, never for a message. A place is remembered while somebody
 * holds it or its misses count; of those that nobody holds a bounded number.
 */
#ifndef PARTY_SERVER_PLACES_H
#define PARTY_SERVER_PLACES_H

#include <pthread.h>

#include "base/address.h"

#define PLACE_NONE 0

struct place;

struct places {
    pthread_mutex_t lock;
    uint32_t misses_max; /* that an address may have; 0: any number */
    struct place *items; /* by number; the first is no place */
    uint32_t *buckets;   /* numbers of the first place in each; a power of two */
    uint32_t capacity;   /* of both */
    uint32_t used;       /* items that have ever been in use */
    uint32_t free;       /* a chain of items that are not, through `next` */
    uint32_t oldest;     /* that nobody holds: the longest so, and the shortest */
    uint32_t newest;
    uint32_t remembered_count;
    uint32_t waiting_count; /* of all places, see places_begin_waiting() */
    uint64_t keys[2];       /* of the hash: whoever chooses addresses must not know where they go */
};

/*
 * `misses_max` are the misses that an address has at once; as many are forgotten, evenly, in
 * PLACE_BUDGET_MS. False: errno says why.
 */
MUST_CHECK bool places_init(struct places *places, uint32_t misses_max);
void places_release(struct places *places);

/* Holds the place of an address, until places_leave(). PLACE_NONE: memory is short. */
uint32_t places_enter(struct places *places, struct address address);

/* Stands for the place among addresses: address_place() makes of it what it makes of theirs. */
struct address places_address(struct places *places, uint32_t place);

/* Holds a place once more. Accepts PLACE_NONE. */
void places_hold(struct places *places, uint32_t place);

/* `now_ms`, here and below, is of the monotonic clock. Each of these accepts PLACE_NONE. */
void places_leave(struct places *places, uint32_t place, uint32_t now_ms);

/* Counts a connection of the place. False: it has `most` already (0: any number); not counted. */
MUST_CHECK bool places_add_connection(struct places *places, uint32_t place, uint32_t most);
void places_remove_connection(struct places *places, uint32_t place);

/* Whether somebody there may ask whether there is a room: the budget of misses is not spent. */
bool places_may_ask(struct places *places, uint32_t place, uint32_t now_ms);

/*
 * Whether somebody there may be told what was found. A miss is counted with that, so that however
 * many ask at once, no more of them are told than the budget has; and once it is spent, what was
 * found is not told either.
 */
bool places_may_tell(struct places *places, uint32_t place, bool is_miss, uint32_t now_ms);

/* One of those who wait for their refusal. False: no more of them may, here or in all. */
MUST_CHECK bool places_begin_waiting(struct places *places, uint32_t place);
void places_end_waiting(struct places *places, uint32_t place);

#endif
