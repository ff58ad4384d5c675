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

#include "net/kernel.h"

#define PLACE_NONE 0

struct place;

/* What an address may have at once; 0: any number. Wider networks may have as many times more. */
struct places_limits {
    uint32_t connections;
    uint32_t handshakes;
};

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
    uint32_t heaviest;      /* when it was looked for last; it may be forgotten since */
    uint32_t looked_ms;     /* when that was */
    uint32_t waiting_count; /* of all places, see places_begin_waiting() */
    uint64_t keys[2];       /* of the hash: whoever chooses addresses must not know where they go */
};

/*
 * `misses_max` are the misses that an address has at once; as many are forgotten, evenly, in
 * PLACE_BUDGET_MS. False: errno says why.
 */
MUST_CHECK bool places_init(struct places *places, uint32_t misses_max,
                            const struct kernel *kernel);
void places_release(struct places *places);

/* Holds the place of an address, until places_leave(). PLACE_NONE: memory is short. */
uint32_t places_enter(struct places *places, struct address address);

/* Stands for the place among addresses: address_place() makes of it what it makes of theirs. */
struct address places_address(struct places *places, uint32_t place);

/* Holds a place once more. Accepts PLACE_NONE. */
void places_hold(struct places *places, uint32_t place);

/* `now_ms`, here and below, is of the monotonic clock. Each of these accepts PLACE_NONE. */
void places_leave(struct places *places, uint32_t place, uint32_t now_ms);

/*
 * A connection that is counted in its place: it is one that has not said yet what it wants (its
 * handshake is unfinished), or one in a room, or neither.
 */
enum places_kind {
    PLACES_HANDSHAKE,
    PLACES_OUTSIDE,
    PLACES_MEMBER,
    PLACES_KINDS,
};

enum places_entry {
    PLACES_ENTERED,
    PLACES_TOO_MANY, /* connections; not counted */
    PLACES_TOO_MANY_HANDSHAKES,
};

/* Counts a connection of the place, if its limits allow it. */
MUST_CHECK enum places_entry places_add_connection(struct places *places, uint32_t place,
                                                   enum places_kind kind,
                                                   struct places_limits limits);
void places_remove_connection(struct places *places, uint32_t place, enum places_kind kind);

/* A connection that is counted is of another kind now. */
void places_change_kind(struct places *places, uint32_t place, enum places_kind from,
                        enum places_kind to);

/*
 * The place with the most connections that are in no room, if it has more of them than that of a
 * newcomer (which may be PLACE_NONE); else PLACE_NONE. Wider networks count as so many addresses as
 * they may have connections of. It is held for the caller. Who has most is looked for once in
 * PLACES_LOOK_INTERVAL_MS.
 */
uint32_t places_find_heaviest(struct places *places, uint32_t newcomer, uint32_t now_ms);

/* How many connections of the place are of this kind. */
uint32_t places_count(struct places *places, uint32_t place, enum places_kind kind);

/* The address of a place, or the first one of a network. */
struct address places_first_address(struct places *places, uint32_t place);

/* Whether a place is the other or a part of it. */
bool places_is_within(struct places *places, uint32_t place, uint32_t outer);

/* Whether somebody there may ask whether there is a room: the budget of misses is not spent. */
bool places_may_ask(struct places *places, uint32_t place, uint32_t now_ms);

/*
 * Whether somebody there may be told what was found. A miss is counted with that, so that however
 * many ask at once, no more of them are told than the budget has; and once it is spent, what was
 * found is not told either.
 */
bool places_may_tell(struct places *places, uint32_t place, bool is_miss, uint32_t now_ms);

/*
 * Whether somebody there may ask for something that costs work: what was spent is not more than an
 * address may have at once. Then the work is done, and its cost is taken from what is left, or
 * leaves a debt.
 */
bool places_may_spend(struct places *places, uint32_t place, uint32_t now_ms);
void places_spend(struct places *places, uint32_t place, uint64_t cost, uint32_t now_ms);

/*
 * Somebody there asks for a TLS handshake. Whether there were few of them lately: HANDSHAKES_FEW,
 * and of wider networks so many times more. Who asks on and on has no few.
 */
MUST_CHECK bool places_ask_handshake(struct places *places, uint32_t place, uint32_t now_ms);

/* One of those who wait for their refusal. False: no more of them may, here or in all. */
MUST_CHECK bool places_begin_waiting(struct places *places, uint32_t place);
void places_end_waiting(struct places *places, uint32_t place);

#endif
