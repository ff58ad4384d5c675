/* A binary heap whose items know their places. */
#include "relay/due.h"

#include <assert.h>
#include <stdlib.h>

#define SMALLEST_CAPACITY 16
#define PLACE_MAX ((1u << 30) - 1)

/* Changes the capacity; memory that is too short for a smaller heap is no failure. */
static bool resize(struct due_heap *heap, uint32_t capacity)
{
    struct due **items = realloc(heap->items, capacity * sizeof *items);
    if (items == NULL)
        return capacity <= heap->capacity;
    heap->items = items;
    heap->capacity = capacity;
    return true;
}

bool due_reserve(struct due_heap *heap, uint32_t count)
{
    uint32_t needed = heap->reserved + count;
    uint32_t capacity = heap->capacity == 0 ? SMALLEST_CAPACITY : heap->capacity;
    while (capacity < needed)
        capacity *= 2;
    if (needed > PLACE_MAX || (capacity != heap->capacity && !resize(heap, capacity)))
        return false;
    heap->reserved = needed;
    return true;
}

void due_give_back(struct due_heap *heap, uint32_t count)
{
    assert(count <= heap->reserved);
    heap->reserved -= count;
    assert(heap->count <= heap->reserved);
    if (heap->reserved <= heap->capacity / 4 && heap->capacity > SMALLEST_CAPACITY)
        (void)resize(heap, heap->capacity / 2);
}

static void put(struct due_heap *heap, uint32_t at, struct due *due)
{
    heap->items[at] = due;
    due->place = (at + 1) & PLACE_MAX;
}

static bool is_before(const struct due *due, const struct due *other)
{
    return (int32_t)(due->at_ms - other->at_ms) < 0;
}

/* Moves the deadline up to where it belongs; returns where that is. */
static uint32_t rise(struct due_heap *heap, uint32_t at, struct due *due)
{
    while (at > 0 && is_before(due, heap->items[(at - 1) / 2])) {
        put(heap, at, heap->items[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
    put(heap, at, due);
    return at;
}

static void sink(struct due_heap *heap, uint32_t at, struct due *due)
{
    for (;;) {
        uint32_t child = 2 * at + 1;
        if (child + 1 < heap->count && is_before(heap->items[child + 1], heap->items[child]))
            child++;
        if (child >= heap->count || !is_before(heap->items[child], due))
            break;
        put(heap, at, heap->items[child]);
        at = child;
    }
    put(heap, at, due);
}

void due_schedule(struct due_heap *heap, struct due *due, uint32_t at_ms)
{
    if (due->place == 0) {
        assert(heap->count < heap->reserved);
        due->place = ++heap->count & PLACE_MAX;
    }
    due->at_ms = at_ms;
    uint32_t at = rise(heap, due->place - 1, due);
    sink(heap, at, due);
}

void due_cancel(struct due_heap *heap, struct due *due)
{
    if (due->place == 0)
        return;
    uint32_t at = due->place - 1;
    due->place = 0;
    struct due *last = heap->items[--heap->count];
    if (last == due)
        return;
    at = rise(heap, at, last);
    sink(heap, at, last);
}

void due_release(struct due_heap *heap)
{
    free(heap->items);
    *heap = (struct due_heap){0};
}
