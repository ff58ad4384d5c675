/*
 * Counts of clients and rooms by Origin header, for the whole process.
 *
 * Origins are hostile input, so their number is bounded twice. The server remembers ORIGINS_MAX of
 * them; it forgets the least recently used one without clients and rooms first. Of these,
 * ORIGINS_LISTED_MAX are listed: they have totals of their own, and monitoring sees them.
 *
 * Anybody may send any name, so an origin is listed only when it is proven, that is when clients
 * play in a room of it. It needs a free place, or the place of a listed origin that has neither
 * clients nor rooms; at most ORIGINS_REPLACED_AN_HOUR give their place away. ORIGIN_OTHER counts
 * whatever no listed origin counts, and takes over the totals of an origin that is no longer
 * listed. So the sum of all totals never decreases.
 *
 * Safe from any thread. Each call takes a lock, when a WebSocket or a room begins or ends, and
 * never for a message.
 */
#ifndef PARTY_SERVER_ORIGINS_H
#define PARTY_SERVER_ORIGINS_H

#include <pthread.h>

#include "base/bytes.h"
#include "server/limits.h"

#define ORIGIN_OTHER 0 /* counts all that the table has no entry for */
#define ORIGIN_OTHER_NAME "__other__"

struct origin_counts {
    uint32_t clients; /* open WebSockets of this origin's pages */
    uint32_t rooms;
    uint32_t members; /* of its rooms; only origins_report() fills it, from its caller's counts */
    uint64_t connections_total; /* since the origin was listed */
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
    uint64_t replacement_count; /* of listed origins, since the start */
    /* A ring: when the last ORIGINS_REPLACED_AN_HOUR listed origins were replaced. */
    uint32_t replaced_ms[ORIGINS_REPLACED_AN_HOUR];
    struct origin_counts *items; /* [ORIGINS_MAX + 1]; the first is ORIGIN_OTHER */
};

/* `needs_no_proof`: an origin is listed with its first client. False: memory is short. */
bool origins_init(struct origins *origins, bool needs_no_proof);
void origins_release(struct origins *origins);

/*
 * Counts a client and returns the number of its origin. An empty `origin` (the client sent none) is
 * named `unknown`. Names are UTF-8; a header that is not valid UTF-8 is read as Latin-1. `now_ms`
 * is of the monotonic clock.
 */
uint16_t origins_add_client(struct origins *origins, struct bytes origin, uint32_t now_ms);
/* The same for a client of the process before, which has counted its connection. */
uint16_t origins_restore_client(struct origins *origins, struct bytes origin, uint32_t now_ms);
void origins_remove_client(struct origins *origins, uint16_t number);

void origins_add_room(struct origins *origins, uint16_t number);
void origins_remove_room(struct origins *origins, uint16_t number);

/* Proves the origin: clients play in one of its rooms. `now_ms` is of the monotonic clock. */
void origins_prove(struct origins *origins, uint16_t number, uint32_t now_ms);

/* Writes the name of an origin that has a room or a client. Returns its length. */
uint16_t origins_name(struct origins *origins, uint16_t number, uint8_t ret_name[ORIGIN_BYTES_MAX]);

/* Copies at most `limit` entries that have clients or rooms; returns how many. */
size_t origins_list(struct origins *origins, struct origin_counts *ret_items, size_t limit);

/* Whether the origin is proven. */
bool origins_is_proven(struct origins *origins, uint16_t number);

/*
 * Copies the listed origins, and last ORIGIN_OTHER with the sums of all others, if there are any:
 * at most ORIGINS_LISTED_MAX + 1. Returns how many. `ret_tracked` is the number of remembered
 * origins. `crowds` has the members of rooms by their origin's number, ORIGINS_MAX + 1 entries.
 */
size_t origins_report(struct origins *origins, const uint32_t *crowds,
                      struct origin_counts *ret_items, uint32_t *ret_tracked);

#endif
