/*
 * Bytes that several output queues share, with a count of references.
 *
 * The count is not atomic: a payload belongs to one loop's thread for life, or moves with the only
 * queue that refers to it. Its size is charged once, to the account of its loop.
 *
 * A lasting payload is part of the program. It is never freed or charged, and all threads share it,
 * since nobody writes to it.
 */
#ifndef PARTY_BASE_PAYLOAD_H
#define PARTY_BASE_PAYLOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attributes.h"

#define PAYLOAD_LASTING UINT32_MAX /* the count of references of a lasting payload */

struct payload {
    size_t *account; /* its loop's count of bytes; must outlive the payload */
    uint32_t references;
    uint32_t length;
    uint32_t number; /* for its loop to tell payloads apart while it writes them all down */
    uint8_t data[];
};

/* Creates a payload of `length` bytes with one reference. NULL: memory is short. */
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

/* Gives a reference back; the last one frees the payload. NULL is allowed. */
void payload_release(struct payload *payload);

#endif
