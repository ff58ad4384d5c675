/*
 * Deadlines of many lengths, in a binary heap: the first one is on top.
 *
 * A deadline is part of the object that it is for, so scheduling it can't fail: whoever creates
 * such an object reserves the deadline's place in the heap before. Belongs to one loop's thread.
 */
#ifndef PARTY_RELAY_DUE_H
#define PARTY_RELAY_DUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attributes.h"

enum due_kind {
    DUE_EXPIRY,    /* of a seat whose member is away; struct seat */
    DUE_MIGRATION, /* of a host that is away to another member; struct party */
    DUE_AUDIENCE,  /* the host is told how large the audience is; struct party */
};

struct due {
    uint32_t at_ms;
    uint32_t place : 30; /* in the heap, from 1 on; 0: it is not scheduled */
    uint32_t kind : 2;   /* enum due_kind */
};

struct due_heap {
    struct due **items;
    uint32_t count;
    uint32_t capacity;
    uint32_t reserved; /* deadlines that may be scheduled */
};

/* Reserves the places of so many deadlines. False: memory is short. */
MUST_CHECK bool due_reserve(struct due_heap *heap, uint32_t count);

/* Gives such places back; their deadlines must not be scheduled. */
void due_give_back(struct due_heap *heap, uint32_t count);

/* Schedules a deadline, or moves it. Times may wrap: all are within 2^31 ms of each other. */
void due_schedule(struct due_heap *heap, struct due *due, uint32_t at_ms);

/* Does nothing if the deadline is not scheduled. */
void due_cancel(struct due_heap *heap, struct due *due);

/* The deadline that is due first; NULL: none is scheduled. */
static inline struct due *due_first(const struct due_heap *heap)
{
    return heap->count == 0 ? NULL : heap->items[0];
}

void due_release(struct due_heap *heap);

#endif
