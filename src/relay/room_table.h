/* The rooms of one loop by the number of their code: a hash table with chains. */
#ifndef PARTY_RELAY_ROOM_TABLE_H
#define PARTY_RELAY_ROOM_TABLE_H

#include "relay/room.h"

struct room_table {
    struct room **buckets;
    uint32_t bucket_count; /* a power of two, or 0 before the first room */
    uint32_t room_count;
};

/* Frees the table and the rooms in it. */
void room_table_release(struct room_table *table);

struct room *room_table_find(const struct room_table *table, uint64_t code);

/*
 * Adds a room whose code is not in the table yet. False: memory is short, and nothing was changed.
 */
MUST_CHECK bool room_table_add(struct room_table *table, struct room *room);

/* Removes a room without freeing it. */
void room_table_remove(struct room_table *table, struct room *room);

#endif
