/*
 * Where clients and rooms come from: live counts by Origin header, for the whole process.
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
    uint32_t clients;
    uint32_t rooms;
    uint64_t last_used; /* larger is later */
    uint16_t name_length;
    char name[ORIGIN_BYTES_MAX];
};

struct origins {
    pthread_mutex_t lock;
    uint64_t uses;
    uint32_t count;
    struct origin_counts *items; /* [ORIGINS_MAX + 1]; the first is ORIGIN_OTHER */
};

/* False when memory is short. */
bool origins_init(struct origins *origins);
void origins_release(struct origins *origins);

/* Counts a client; an empty `origin` (none was sent) is called `unknown`. Returns its number. */
uint16_t origins_add_client(struct origins *origins, struct bytes origin);
void origins_remove_client(struct origins *origins, uint16_t number);

void origins_add_room(struct origins *origins, uint16_t number);
void origins_remove_room(struct origins *origins, uint16_t number);

/* Copies the entries with live clients or rooms, at most `most`; returns how many. */
size_t origins_list(struct origins *origins, struct origin_counts *ret_items, size_t most);

#endif
