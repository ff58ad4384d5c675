/* Growable buffers. */
#include "base/buf.h"

#include <stdlib.h>

#define BUF_SMALLEST_CAPACITY 64

void buf_release(struct buf *buf)
{
    free(buf->data);
    buf_init(buf, buf->maximum);
}

void buf_shrink(struct buf *buf, size_t count)
{
    if (count >= buf->capacity) {
        buf_release(buf);
        return;
    }
    uint8_t *data = realloc(buf->data, buf->capacity - count);
    if (data == NULL)
        return;
    buf->data = data;
    buf->capacity -= count;
    if (buf->length > buf->capacity)
        buf->length = buf->capacity;
}

enum buf_result buf_reserve(struct buf *buf, size_t count)
{
    if (count > buf->maximum - buf->length)
        return BUF_FULL;
    size_t needed = buf->length + count;
    if (needed <= buf->capacity)
        return BUF_OK;

    size_t capacity = buf->capacity < BUF_SMALLEST_CAPACITY ? BUF_SMALLEST_CAPACITY : buf->capacity;
    while (capacity < needed)
        capacity *= 2;
    if (capacity > buf->maximum)
        capacity = buf->maximum;
    uint8_t *data = realloc(buf->data, capacity);
    if (data == NULL)
        return BUF_NO_MEMORY;
    buf->data = data;
    buf->capacity = capacity;
    return BUF_OK;
}

enum buf_result buf_append(struct buf *buf, struct bytes bytes)
{
    enum buf_result result = buf_reserve(buf, bytes.length);
    if (result != BUF_OK || bytes.length == 0)
        return result;
    memcpy(buf->data + buf->length, bytes.data, bytes.length);
    buf->length += bytes.length;
    return BUF_OK;
}
