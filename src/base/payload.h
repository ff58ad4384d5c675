/*
 * Bytes that several output queues share, counted by reference.
 *
 * The count is not atomic: a payload belongs to one loop's thread for life, or moves with the only
 * queue that refers to it. Its size is charged once, to the account of the loop that has it.
 */
#ifndef PARTY_BASE_PAYLOAD_H
#define PARTY_BASE_PAYLOAD_H

#include <stddef.h>
#include <stdint.h>

#include "base/attributes.h"

struct payload {
    size_t *account; /* bytes held by its loop; must outlive it */
    uint32_t references;
    uint32_t length;
    uint8_t data[];
};

/* A payload of `length` bytes with one reference, or NULL when memory is short. */
MUST_CHECK struct payload *payload_new(uint32_t length, size_t *account);

static inline struct payload *payload_acquire(struct payload *payload)
{
    payload->references++;
    return payload;
}

/* Gives one reference back; the last one frees. Accepts NULL. */
void payload_release(struct payload *payload);

#endif
