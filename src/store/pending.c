/* A hash table of changes. */
#include "store/pending.h"

#include <stdlib.h>

#define CAPACITY_LEAST 64

void pending_release(struct pending *pending)
{
    size_t at = 0;
    const struct change *change;
    while ((change = pending_next(pending, &at)) != NULL)
        free(change->text);
    free(pending->changes);
    free(pending->is_used);
    *pending = (struct pending){0};
}

/* The place of a key, or the free one where it would be. The table has a free place. */
static size_t place_of(const struct pending *pending, uint64_t key)
{
    size_t mask = pending->capacity - 1;
    size_t place = (size_t)(key * UINT64_C(0x9E3779B97F4A7C15) >> 32) & mask;
    while (pending->is_used[place] && pending->changes[place].key != key)
        place = (place + 1) & mask;
    return place;
}

/* Makes room for `count` changes in all. False: memory is short. */
static bool reserve(struct pending *pending, size_t count)
{
    size_t capacity = pending->capacity < CAPACITY_LEAST ? CAPACITY_LEAST : pending->capacity;
    while (count * 2 > capacity)
        capacity *= 2;
    if (capacity == pending->capacity)
        return true;
    struct pending larger = {
        .changes = malloc(capacity * sizeof *larger.changes),
        .is_used = calloc(capacity, sizeof *larger.is_used),
        .capacity = capacity,
        .count = pending->count,
        .bytes = pending->bytes,
    };
    if (larger.changes == NULL || larger.is_used == NULL) {
        free(larger.changes);
        free(larger.is_used);
        return false;
    }
    size_t at = 0;
    const struct change *change;
    while ((change = pending_next(pending, &at)) != NULL) {
        size_t place = place_of(&larger, change->key);
        larger.changes[place] = *change;
        larger.is_used[place] = true;
    }
    free(pending->changes);
    free(pending->is_used);
    *pending = larger;
    return true;
}

bool pending_set(struct pending *pending, struct change change)
{
    if (!reserve(pending, pending->count + 1))
        return false;
    size_t place = place_of(pending, change.key);
    struct change *found = &pending->changes[place];
    if (pending->is_used[place]) {
        pending->bytes -= found->length;
        free(found->text);
    } else {
        pending->is_used[place] = true;
        pending->count++;
    }
    pending->bytes += change.length;
    *found = change;
    return true;
}

const struct change *pending_find(const struct pending *pending, uint64_t key)
{
    if (pending->capacity == 0)
        return NULL;
    size_t place = place_of(pending, key);
    return pending->is_used[place] ? &pending->changes[place] : NULL;
}

const struct change *pending_next(const struct pending *pending, size_t *at)
{
    while (*at < pending->capacity && !pending->is_used[*at])
        (*at)++;
    return *at < pending->capacity ? &pending->changes[(*at)++] : NULL;
}

bool pending_merge(struct pending *into, struct pending *from)
{
    if (!reserve(into, into->count + from->count))
        return false;
    size_t at = 0;
    const struct change *change;
    while ((change = pending_next(from, &at)) != NULL) {
        if (pending_find(into, change->key) != NULL)
            free(change->text);
        else if (!pending_set(into, *change))
            abort(); /* there is a place for it */
    }
    free(from->changes);
    free(from->is_used);
    *from = (struct pending){0};
    return true;
}
