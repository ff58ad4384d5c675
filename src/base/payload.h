/*
 * Bytes that several output queues share, counted by reference.
 *
 * The count is not atomic: a payload belongs to one loop's thread for life. Only members of a room
 * share payloads, and members never change threads.
 */
#ifndef PARTY_BASE_PAYLOAD_H
#define PARTY_BASE_PAYLOAD_H

#include <stdint.h>

#include "base/attributes.h"

struct payload {
    uint32_t references;
    uint32_t length; /* bytes in use; the owner of the first reference may set it before sharing */
    uint8_t data[];
};

/* A payload of `length` bytes with one reference, or NULL when memory is short. */
MUST_CHECK struct payload *payload_new(uint32_t length);

static inline struct payload *payload_acquire(struct payload *payload)
{
    payload->references++;
    return payload;
}

/* Gives one reference back; the last one frees. Accepts NULL. */
void payload_release(struct payload *payload);

#endif
