/*
 * Where connections come from: how many each address has, and how many joins from it failed. An
 * IPv6 /64 is one place.
 *
 * For the whole process and safe from any thread; a lock is taken when a connection that is counted
 * comes or goes and when a join fails, never for a message. A place is remembered while it has
 * connections or failed joins that count; of those without connections a bounded number.
 */
#ifndef PARTY_SERVER_PLACES_H
#define PARTY_SERVER_PLACES_H

#include <pthread.h>

#include "base/address.h"

#define PLACE_NONE 0

struct place;

struct places {
    pthread_mutex_t lock;
    struct place *items; /* by number; the first is no place */
    uint32_t *buckets;   /* numbers of the first place in each; a power of two */
    uint32_t capacity;   /* of both */
    uint32_t used;       /* items that have ever been in use */
    uint32_t free;       /* a chain of items that are not, through `next` */
    uint32_t oldest;     /* remembered without connections: the longest so, and the shortest */
    uint32_t newest;
    uint32_t remembered_count;
    uint64_t keys[2]; /* of the hash: whoever chooses addresses must not know where they go */
};

/* False: errno says why. */
MUST_CHECK bool places_init(struct places *places);
void places_release(struct places *places);

/*
 * A connection from this address. Returns the place's number, to be given to places_leave(), and
 * how many connections it has now; PLACE_NONE when memory is short.
 */
uint32_t places_enter(struct places *places, struct address address, uint32_t *ret_connections);

/* The address of a place, as address_place() has it. */
struct address places_address(struct places *places, uint32_t place);

/* Accepts PLACE_NONE. `now_ms` as in places_fail_join(). */
void places_leave(struct places *places, uint32_t place, uint32_t now_ms);

/*
 * Counts a failed join; true: more than `budget` of them are not yet forgotten. All of a budget is
 * forgotten, evenly, in PLACE_BUDGET_MS. `now_ms` is of the monotonic clock.
 */
bool places_fail_join(struct places *places, uint32_t place, uint32_t budget, uint32_t now_ms);

#endif
