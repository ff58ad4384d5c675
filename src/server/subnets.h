/*
 * Where connections come from: how many each address has, and how often somebody there asked for a
 * room that is not. An IPv4 address is one subnet, and so is an IPv6 /64. The /56 and the /48
 * around that are subnets as well, in which everything is counted once more: whoever has a /48 to
 * choose from has 65,536 times a /64, but only sixteen times what one of them may do.
 *
 * For the whole process and safe from any thread; a lock is taken when a connection comes or goes
 * and when somebody asks for a room, never for a message. A subnet is remembered while somebody
 * holds it or its misses count; of those that nobody holds a bounded number.
 */
#ifndef PARTY_SERVER_SUBNETS_H
#define PARTY_SERVER_SUBNETS_H

#include <pthread.h>

#include "net/kernel.h"

#define SUBNET_NONE 0

struct subnet;

/* What an address may have at once; 0: any number. Wider networks may have as many times more. */
struct subnets_limits {
    uint32_t connections;
    uint32_t handshakes;
};

struct subnets {
    pthread_mutex_t lock;
    uint32_t misses_max;  /* that an address may have; 0: any number */
    struct subnet *items; /* by number; the first is no subnet */
    uint32_t *buckets;    /* numbers of the first subnet in each; a power of two */
    uint32_t capacity;    /* of both */
    uint32_t used;        /* items that have ever been in use */
    uint32_t free;        /* a chain of items that are not, through `next` */
    uint32_t oldest;      /* that nobody holds: the longest so, and the shortest */
    uint32_t newest;
    uint32_t remembered_count;
    uint32_t heaviest;      /* when it was looked for last; it may be forgotten since */
    uint32_t looked_ms;     /* when that was */
    uint32_t waiting_count; /* of all subnets, see subnets_begin_waiting() */
    uint64_t keys[2];       /* of the hash: whoever chooses addresses must not know where they go */
};

/*
 * `misses_max` are the misses that an address has at once; as many are forgotten, evenly, in
 * SUBNET_BUDGET_MS. False: errno says why.
 */
MUST_CHECK bool subnets_init(struct subnets *subnets, uint32_t misses_max,
                             const struct kernel *kernel);
void subnets_release(struct subnets *subnets);

/* Holds the subnet of an address, until subnets_leave(). SUBNET_NONE: memory is short. */
uint32_t subnets_enter(struct subnets *subnets, struct address address);

/* Stands for the subnet among addresses: address_subnet() makes of it what it makes of theirs. */
struct address subnets_address(struct subnets *subnets, uint32_t subnet);

/* Holds a subnet once more. Accepts SUBNET_NONE. */
void subnets_hold(struct subnets *subnets, uint32_t subnet);

/* `now_ms`, here and below, is of the monotonic clock. Each of these accepts SUBNET_NONE. */
void subnets_leave(struct subnets *subnets, uint32_t subnet, uint32_t now_ms);

/*
 * A connection that is counted in its subnet: it is one that has not said yet what it wants (its
 * handshake is unfinished), or one in a room, or neither.
 */
enum subnets_kind {
    SUBNETS_HANDSHAKE,
    SUBNETS_OUTSIDE,
    SUBNETS_MEMBER,
    SUBNETS_KINDS,
};

enum subnets_entry {
    SUBNETS_ENTERED,
    SUBNETS_TOO_MANY, /* connections; not counted */
    SUBNETS_TOO_MANY_HANDSHAKES,
};

/* Counts a connection of the subnet, if its limits allow it. */
MUST_CHECK enum subnets_entry subnets_add_connection(struct subnets *subnets, uint32_t subnet,
                                                     enum subnets_kind kind,
                                                     struct subnets_limits limits);
void subnets_remove_connection(struct subnets *subnets, uint32_t subnet, enum subnets_kind kind);

/* A connection that is counted is of another kind now. */
void subnets_change_kind(struct subnets *subnets, uint32_t subnet, enum subnets_kind from,
                         enum subnets_kind to);

/*
 * The subnet with the most connections that are in no room, if it has more of them than that of a
 * newcomer (which may be SUBNET_NONE); else SUBNET_NONE. Wider networks count as so many addresses
 * as they may have connections of. It is held for the caller. Who has most is looked for once in
 * SUBNETS_LOOK_INTERVAL_MS.
 */
uint32_t subnets_find_heaviest(struct subnets *subnets, uint32_t newcomer, uint32_t now_ms);

/* How many connections of the subnet are of this kind. */
uint32_t subnets_count(struct subnets *subnets, uint32_t subnet, enum subnets_kind kind);

/* The address of a subnet, or the first one of a network. */
struct address subnets_first_address(struct subnets *subnets, uint32_t subnet);

/* Whether a subnet is the other or a part of it. */
bool subnets_is_within(struct subnets *subnets, uint32_t subnet, uint32_t outer);

/* Whether somebody there may ask whether there is a room: the budget of misses is not spent. */
bool subnets_may_ask(struct subnets *subnets, uint32_t subnet, uint32_t now_ms);

/*
 * Whether somebody there may be told what was found. A miss is counted with that, so that however
 * many ask at once, no more of them are told than the budget has; and once it is spent, what was
 * found is not told either.
 */
bool subnets_may_tell(struct subnets *subnets, uint32_t subnet, bool is_miss, uint32_t now_ms);

/*
 * Whether somebody there may ask for something that costs work: what was spent is not more than an
 * address may have at once. Then the work is done, and its cost is taken from what is left, or
 * leaves a debt.
 */
bool subnets_may_spend(struct subnets *subnets, uint32_t subnet, uint32_t now_ms);
void subnets_spend(struct subnets *subnets, uint32_t subnet, uint64_t cost, uint32_t now_ms);

/*
 * Somebody there asks for a TLS handshake. Whether there were few of them lately: HANDSHAKES_FEW,
 * and of wider networks so many times more. Who asks on and on has no few.
 */
MUST_CHECK bool subnets_ask_handshake(struct subnets *subnets, uint32_t subnet, uint32_t now_ms);

/* One of those who wait for their refusal. False: no more of them may, here or in all. */
MUST_CHECK bool subnets_begin_waiting(struct subnets *subnets, uint32_t subnet);
void subnets_end_waiting(struct subnets *subnets, uint32_t subnet);

#endif
