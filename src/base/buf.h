/*
 * A growable buffer that owns its bytes and never exceeds the cap it was made with.
 *
 * Capacity doubles as bytes arrive, so memory follows what has arrived (at most twice of it), never
 * what was announced.
 */
#ifndef PARTY_BASE_BUF_H
#define PARTY_BASE_BUF_H

#include "base/attributes.h"
#include "base/bytes.h"

struct buf {
    uint8_t *data;
    size_t length;
    size_t capacity;
    size_t maximum; /* cap of `length`, in bytes */
};

enum buf_result {
    BUF_OK,
    BUF_FULL,      /* the cap would be exceeded; nothing was appended */
    BUF_NO_MEMORY, /* the allocator refused; nothing was appended */
};

/* An empty buffer; allocates nothing. */
static inline void buf_init(struct buf *buf, size_t maximum)
{
    *buf = (struct buf){.maximum = maximum};
}

/* Frees the contents; the buffer is empty and usable afterwards. */
void buf_release(struct buf *buf);

/*
 * Gives back at most `count` bytes of the capacity, and what stood there: freeing much at once
 * takes long. It may fail, and changes nothing then.
 */
void buf_shrink(struct buf *buf, size_t count);

MUST_CHECK enum buf_result buf_append(struct buf *buf, struct bytes bytes);

/* Makes room for `count` more bytes behind `length`, so that the caller may write there itself. */
MUST_CHECK enum buf_result buf_reserve(struct buf *buf, size_t count);

static inline struct bytes buf_view(const struct buf *buf)
{
    return bytes_of(buf->data, buf->length);
}

#endif
