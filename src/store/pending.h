/* Changes of records that wait to be written: the newest of each. Knows no lock. */
#ifndef PARTY_STORE_PENDING_H
#define PARTY_STORE_PENDING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attributes.h"

/* A change. `text` is owned; NULL: the record is removed. */
struct change {
    uint64_t key;
    uint8_t *text;
    size_t length;
};

/* A hash table with open addressing. Zeroed memory is an empty one. */
struct pending {
    struct change *changes;
    bool *is_used;
    size_t capacity; /* a power of two, or 0 */
    size_t count;
    size_t bytes; /* of texts */
};

/* Frees all changes. */
void pending_release(struct pending *pending);

/*
 * Takes a change over, in place of an older one of its key. False: memory is short, and the change
 * is still the caller's.
 */
MUST_CHECK bool pending_set(struct pending *pending, struct change change);

/* The change of a key, or NULL. */
const struct change *pending_find(const struct pending *pending, uint64_t key);

/* Iterates over the changes, in no order. `at` is 0 at first. NULL: the end. */
const struct change *pending_next(const struct pending *pending, size_t *at);

/*
 * Moves changes of `from` into `into`, but not where that has a newer one of the key, and frees the
 * others. False: memory is short, and
 * nothing was moved.
 */
MUST_CHECK bool pending_merge(struct pending *into, struct pending *from);

#endif
