/*
 * Memory for one text that is mostly short: on the caller's stack, or from the heap if it is
 * longer.
 *
 *     struct scratch scratch;
 *     uint8_t *text = scratch_take(&scratch, length);   NULL: memory is short
 *     ...
 *     scratch_release(&scratch);
 */
#ifndef PARTY_BASE_SCRATCH_H
#define PARTY_BASE_SCRATCH_H

#include <stdlib.h>

#include "base/attributes.h"
#include "base/bytes.h"

#define SCRATCH_BYTES_ON_STACK 2048

struct scratch {
    uint8_t *from_heap; /* NULL: the text is on the stack */
    uint8_t on_stack[SCRATCH_BYTES_ON_STACK];
};

static inline MUST_CHECK uint8_t *scratch_take(struct scratch *scratch, size_t length)
{
    scratch->from_heap = NULL;
    if (length <= sizeof scratch->on_stack)
        return scratch->on_stack;
    scratch->from_heap = malloc(length);
    return scratch->from_heap;
}

static inline void scratch_release(struct scratch *scratch)
{
    free(scratch->from_heap);
}

#endif
