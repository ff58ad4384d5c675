/*
 * Bytes that several output queues share, counted by reference.
 *
 * The count is not atomic: a payload belongs to one loop's thread for life, or moves with the only
 * queue that refers to it. Its size is charged once, to the account of the loop that has it.
 *
 * A lasting payload is part of the program: it is never freed, charged to nobody, and shared by all
 * threads, since nothing of it is ever written.
 */
#ifndef PARTY_BASE_PAYLOAD_H
#define PARTY_BASE_PAYLOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attributes.h"

#define PAYLOAD_LASTING UINT32_MAX /* as the count of references */

struct payload {
    size_t *account; /* bytes held by its loop; must outlive it */
    uint32_t references;
    uint32_t length;
    uint8_t data[];
};

/* A payload of `length` bytes with one reference, or NULL when memory is short. */
MUST_CHECK struct payload *payload_new(uint32_t length, size_t *account);

static inline bool payload_is_lasting(const struct payload *payload)
{
    return payload->references == PAYLOAD_LASTING;
}

static inline struct payload *payload_acquire(struct payload *payload)
{
    if (!payload_is_lasting(payload))
        payload->references++;
    return payload;
}

/* Gives one reference back; the last one frees. Accepts NULL. */
void payload_release(struct payload *payload);

#endif
