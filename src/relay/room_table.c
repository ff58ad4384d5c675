/*
 * Rooms by code. The relay draws codes at random, so nobody can choose codes that share a bucket.
 */
#include "relay/room_table.h"

#include <assert.h>
#include <stdlib.h>

#define BUCKETS_AT_FIRST 64

static struct room **bucket_of(struct room **buckets, uint32_t bucket_count, uint64_t code)
{
    /* Codes of one loop are equal modulo the number of loops; the multiplication spreads them. */
    uint32_t hash = (uint32_t)(((uint64_t)code * 0x9E3779B97F4A7C15u) >> 32);
    return &buckets[hash & (bucket_count - 1)];
}

void room_table_release(struct room_table *table)
{
    for (uint32_t i = 0; i < table->bucket_count; i++) {
        struct room *room = table->buckets[i];
        while (room != NULL) {
            struct room *next = room->next_in_bucket;
            room_free(room);
            room = next;
        }
    }
    free(table->buckets);
    *table = (struct room_table){0};
}

struct room *room_table_find(const struct room_table *table, uint64_t code)
{
    if (table->room_count == 0)
        return NULL;
    struct room *room = *bucket_of(table->buckets, table->bucket_count, code);
    while (room != NULL && room->code != code)
        room = room->next_in_bucket;
    return room;
}

/* Keeps at most about one room for each bucket. */
static bool grow_when_full(struct room_table *table)
{
    if (table->room_count < table->bucket_count)
        return true;
    uint32_t count = table->bucket_count == 0 ? BUCKETS_AT_FIRST : table->bucket_count * 2;
    struct room **buckets = calloc(count, sizeof *buckets);
    if (buckets == NULL)
        return false;
    for (uint32_t i = 0; i < table->bucket_count; i++) {
        struct room *room = table->buckets[i];
        while (room != NULL) {
            struct room *next = room->next_in_bucket;
            struct room **bucket = bucket_of(buckets, count, room->code);
            room->next_in_bucket = *bucket;
            *bucket = room;
            room = next;
        }
    }
    free(table->buckets);
    table->buckets = buckets;
    table->bucket_count = count;
    return true;
}

bool room_table_add(struct room_table *table, struct room *room)
{
    if (!grow_when_full(table))
        return false;
    struct room **bucket = bucket_of(table->buckets, table->bucket_count, room->code);
    room->next_in_bucket = *bucket;
    *bucket = room;
    table->room_count++;
    return true;
}

void room_table_remove(struct room_table *table, struct room *room)
{
    struct room **at = bucket_of(table->buckets, table->bucket_count, room->code);
    while (*at != room) {
        assert(*at != NULL);
        at = &(*at)->next_in_bucket;
    }
    *at = room->next_in_bucket;
    room->next_in_bucket = NULL;
    table->room_count--;
}
