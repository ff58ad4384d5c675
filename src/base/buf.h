/*
 * A growable buffer that owns its bytes and never exceeds its maximum.
 *
 * The capacity doubles as bytes arrive. So the memory is at most twice what has arrived, whatever
 * length a peer has announced.
 */
#ifndef PARTY_BASE_BUF_H
#define PARTY_BASE_BUF_H

#include "base/attributes.h"
#include "base/bytes.h"

struct buf {
    uint8_t *data;
    size_t length;
    size_t capacity;
    size_t maximum; /* limit of `length`, in bytes */
};

enum buf_result {
    BUF_OK,
    BUF_FULL,      /* the bytes would exceed the maximum; nothing was appended */
    BUF_NO_MEMORY, /* memory is short; nothing was appended */
};

/* Makes an empty buffer; allocates nothing. */
static inline void buf_init(struct buf *buf, size_t maximum)
{
    *buf = (struct buf){.maximum = maximum};
}

/* Frees the contents; the buffer is empty and usable afterwards. */
void buf_release(struct buf *buf);

/*
 * Frees at most `count` bytes of the capacity and the contents there, since freeing much at once
 * takes long. If memory is short, it changes nothing.
 */
void buf_shrink(struct buf *buf, size_t count);

MUST_CHECK enum buf_result buf_append(struct buf *buf, struct bytes bytes);

/* Reserves `count` bytes behind `length`, for the caller to write. */
MUST_CHECK enum buf_result buf_reserve(struct buf *buf, size_t count);

static inline struct bytes buf_view(const struct buf *buf)
{
    return bytes_of(buf->data, buf->length);
}

#endif
