/*
 * Counts by subnet: connections, misses (joins and look-ups that named no room), costs and TLS
 * handshakes. An IPv4 address is one subnet, and so is an IPv6 /64. The /56 and the /48 around a
 * /64 are subnets as well, and count everything once more. So a client that has a /48, which
 * contains 65,536 /64s, may do only sixteen times what one /64 may do.
 *
 * For the whole process and safe from any thread. Each call takes a lock: when a connection begins
 * or ends, and when a client asks for a room, never for a message. A subnet is remembered while
 * somebody holds it or its misses or costs count. The number of those that nobody holds is bounded.
 */
#ifndef PARTY_SERVER_SUBNETS_H
#define PARTY_SERVER_SUBNETS_H

#include <pthread.h>

#include "net/kernel.h"

#define SUBNET_NONE 0

struct subnet;

/* What an address may have at once; 0: any number. Wider networks may have `width` times that. */
struct subnets_limits {
    uint32_t connections;
    uint32_t handshakes;
};

struct subnets {
    pthread_mutex_t lock;
    uint32_t misses_max;  /* misses that an address may have; 0: any number */
    struct subnet *items; /* indexed by number; the first one is SUBNET_NONE */
    /* Hash table: the number of the first subnet in each chain; a power of two. */
    uint32_t *buckets;
    uint32_t capacity; /* of both */
    uint32_t used;     /* items that have ever been in use */
    uint32_t free;     /* first of the free items, which `next` links */
    /* Of the subnets that nobody holds: the one that nobody has held for longest. */
    uint32_t oldest;
    uint32_t newest; /* and the one that nobody has held for the shortest time */
    uint32_t remembered_count;
    uint32_t heaviest;      /* the result of the last search; that subnet may be forgotten since */
    uint32_t looked_ms;     /* when that search was made */
    uint32_t waiting_count; /* sum of all subnets, see subnets_begin_waiting() */
    /* Of the hash, secret: whoever chooses addresses must not be able to choose chains. */
    uint64_t keys[2];
};

/*
 * `misses_max` is the number of misses that an address may have at once; as many leak away, evenly,
 * in SUBNET_BUDGET_MS. False: errno says why.
 */
MUST_CHECK bool subnets_init(struct subnets *subnets, uint32_t misses_max,
                             const struct kernel *kernel);
void subnets_release(struct subnets *subnets);

/* Holds the subnet of an address until subnets_leave(). SUBNET_NONE: memory is short. */
uint32_t subnets_enter(struct subnets *subnets, struct address address);

/*
 * Returns an address that represents the subnet: address_subnet() maps it to the same value as the
 * subnet's addresses.
 */
struct address subnets_address(struct subnets *subnets, uint32_t subnet);

/* Holds a subnet once more. SUBNET_NONE is allowed. */
void subnets_hold(struct subnets *subnets, uint32_t subnet);

/*
 * Gives a held subnet back. Here and below, `now_ms` is of the monotonic clock, and SUBNET_NONE is
 * allowed.
 */
void subnets_leave(struct subnets *subnets, uint32_t subnet, uint32_t now_ms);

/*
 * The kinds of connections that a subnet counts: before the end of the handshake, in no room, and
 * in a room.
 */
enum subnets_kind {
    SUBNETS_HANDSHAKE,
    SUBNETS_OUTSIDE,
    SUBNETS_MEMBER,
    SUBNETS_KINDS,
};

enum subnets_entry {
    SUBNETS_ENTERED,
    SUBNETS_TOO_MANY, /* connections; this one is not counted */
    SUBNETS_TOO_MANY_HANDSHAKES,
};

/* Counts a connection of the subnet if the limits allow it. */
MUST_CHECK enum subnets_entry subnets_add_connection(struct subnets *subnets, uint32_t subnet,
                                                     enum subnets_kind kind,
                                                     struct subnets_limits limits);
void subnets_remove_connection(struct subnets *subnets, uint32_t subnet, enum subnets_kind kind);

/* Counts a connection as another kind from now on. */
void subnets_change_kind(struct subnets *subnets, uint32_t subnet, enum subnets_kind from,
                         enum subnets_kind to);

/*
 * Finds the subnet with the most connections in no room, if it has more of them than the newcomer's
 * subnet (which may be SUBNET_NONE); else returns SUBNET_NONE. The connections of a wider network
 * are divided by its width. The result is held for the caller. A search takes place at most once
 * in SUBNETS_LOOK_INTERVAL_MS.
 */
uint32_t subnets_find_heaviest(struct subnets *subnets, uint32_t newcomer, uint32_t now_ms);

/* The number of connections of this kind in the subnet. */
uint32_t subnets_count(struct subnets *subnets, uint32_t subnet, enum subnets_kind kind);

/* The address of the subnet, or the first address of a network. */
struct address subnets_first_address(struct subnets *subnets, uint32_t subnet);

/* Whether the subnet is `outer` or a part of it. */
bool subnets_is_within(struct subnets *subnets, uint32_t subnet, uint32_t outer);

/* Whether a client of the subnet may ask for a room: some of the budget of misses is left. */
bool subnets_may_ask(struct subnets *subnets, uint32_t subnet, uint32_t now_ms);

/*
 * Whether a client of the subnet may hear if a room exists. The same call counts a miss. So however
 * many clients ask at once, they hear of no more misses than the budget allows. When the budget is
 * spent, they do not hear of hits either.
 */
bool subnets_may_tell(struct subnets *subnets, uint32_t subnet, bool is_miss, uint32_t now_ms);

/*
 * subnets_may_spend() returns whether a client of the subnet may ask for costly work: the costs so
 * far are not above what an address may have at once. After the work, subnets_spend() adds its
 * cost, even beyond that limit.
 */
bool subnets_may_spend(struct subnets *subnets, uint32_t subnet, uint32_t now_ms);
void subnets_spend(struct subnets *subnets, uint32_t subnet, uint64_t cost, uint32_t now_ms);

/*
 * Counts a TLS handshake of the subnet. Returns whether the subnet asked for few of them lately:
 * HANDSHAKES_FEW, and a multiple of that for wider networks. Handshakes that come faster than the
 * bucket leaks are not few.
 */
MUST_CHECK bool subnets_ask_handshake(struct subnets *subnets, uint32_t subnet, uint32_t now_ms);

/*
 * Counts a connection whose answer is delayed as a penalty. False: no more may wait, in this subnet
 * or in all.
 */
MUST_CHECK bool subnets_begin_waiting(struct subnets *subnets, uint32_t subnet);
void subnets_end_waiting(struct subnets *subnets, uint32_t subnet);

#endif
