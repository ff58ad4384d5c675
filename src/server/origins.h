/*
 * Where clients and rooms come from: counts by Origin header, for the whole process.
 *
 * Origins are hostile input, so their number is bounded twice. ORIGINS_MAX are remembered; the
 * least recently used of those without clients and rooms is forgotten first. Of these,
 * ORIGINS_LISTED_MAX are listed: they have totals of their own, and are what monitoring sees. An
 * origin is listed when it is proven, that is when a room of it is played in, since anybody may
 * send any name; if there is a place, or somebody listed has neither clients nor rooms, of whom at
 * most ORIGINS_REPLACED_AN_HOUR give theirs away. Whatever is not counted for a listed origin is
 * counted for ORIGIN_OTHER, and the totals of who is no longer listed are added there: totals
 * together never become less.
 *
 * Safe from any thread; a lock is taken when a WebSocket opens or ends and when a room does, never
 * for a message.
 */
#ifndef PARTY_SERVER_ORIGINS_H
#define PARTY_SERVER_ORIGINS_H

#include <pthread.h>

#include "base/bytes.h"
#include "server/limits.h"

#define ORIGIN_OTHER 0 /* what does not fit the table is counted together */

struct origin_counts {
    uint32_t clients; /* open WebSockets of its pages */
    uint32_t rooms;
    uint32_t members;           /* of its rooms; in reports, by whom it is counted otherwise */
    uint64_t connections_total; /* of a listed one, since it is */
    uint64_t rooms_total;
    uint64_t last_used; /* larger is later */
    bool is_listed;
    bool is_proven;
    uint16_t name_length;
    char name[ORIGIN_BYTES_MAX];
};

struct origins {
    pthread_mutex_t lock;
    uint64_t uses;
    uint32_t count;
    uint32_t listed_count;
    bool needs_no_proof;
    uint64_t replacement_count;                     /* of the listed, since the start */
    uint32_t replaced_ms[ORIGINS_REPLACED_AN_HOUR]; /* when the last of them were, used in turn */
    struct origin_counts *items; /* [ORIGINS_MAX + 1]; the first is ORIGIN_OTHER */
};

/* `needs_no_proof`: each is listed as soon as it comes. False when memory is short. */
bool origins_init(struct origins *origins, bool needs_no_proof);
void origins_release(struct origins *origins);

/*
 * Counts a client, and returns the number of its origin. An empty `origin` (none was sent) is
 * called `unknown`. Names are UTF-8: a header that is not is taken for Latin-1. `now_ms` is of the
 * monotonic clock.
 */
uint16_t origins_add_client(struct origins *origins, struct bytes origin, uint32_t now_ms);
void origins_remove_client(struct origins *origins, uint16_t number);

void origins_add_room(struct origins *origins, uint16_t number);
void origins_remove_room(struct origins *origins, uint16_t number);

/* A room of this origin is played in. `now_ms` is of the monotonic clock. */
void origins_prove(struct origins *origins, uint16_t number, uint32_t now_ms);

/* The name of an origin that has a room or a client. Returns its length. */
uint16_t origins_name(struct origins *origins, uint16_t number, uint8_t ret_name[ORIGIN_BYTES_MAX]);

/* Copies the entries with live clients or rooms, at most `most`; returns how many. */
size_t origins_list(struct origins *origins, struct origin_counts *ret_items, size_t most);

/*
 * Copies the listed ones, and last ORIGIN_OTHER with the sums of all others, if there are any: at
 * most ORIGINS_LISTED_MAX + 1. Returns how many; `ret_tracked` is how many are remembered. `crowds`
 * has the members of each origin's rooms, by its number: ORIGINS_MAX + 1.
 */
size_t origins_report(struct origins *origins, const uint32_t *crowds,
                      struct origin_counts *ret_items, uint32_t *ret_tracked);

#endif
