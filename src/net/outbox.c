/* Output queues. What the bytes mean, and how many may wait, is the connection's business. */
#include "net/outbox.h"

#include <assert.h>
#include <stdlib.h>

#define POOL_FREE_MAX 256 /* chunks kept for reuse: half a MiB */

struct outbox_chunk {
    struct outbox_chunk *next;
    struct payload *payload; /* NULL: the bytes are in `data` */
    uint32_t begin;          /* first byte that is not sent yet */
    uint32_t end;
    uint8_t data[];
};

#define CHUNK_CAPACITY ((uint32_t)(OUTBOX_CHUNK_BYTES - sizeof(struct outbox_chunk)))

static struct outbox_chunk *chunk_take(struct outbox_pool *pool)
{
    struct outbox_chunk *chunk = pool->free;
    if (chunk != NULL) {
        pool->free = chunk->next;
        pool->free_count--;
    } else {
        chunk = malloc(OUTBOX_CHUNK_BYTES);
        if (chunk == NULL)
            return NULL;
    }
    *chunk = (struct outbox_chunk){0};
    return chunk;
}

static void chunk_give_back(struct outbox_pool *pool, struct outbox_chunk *chunk)
{
    payload_release(chunk->payload);
    if (pool->free_count >= POOL_FREE_MAX) {
        free(chunk);
        return;
    }
    chunk->next = pool->free;
    pool->free = chunk;
    pool->free_count++;
}

void outbox_pool_release(struct outbox_pool *pool)
{
    while (pool->free != NULL) {
        struct outbox_chunk *chunk = pool->free;
        pool->free = chunk->next;
        free(chunk);
    }
    pool->free_count = 0;
}

static void append_chunk(struct outbox *outbox, struct outbox_chunk *chunk)
{
    if (outbox->last == NULL)
        outbox->first = chunk;
    else
        outbox->last->next = chunk;
    outbox->last = chunk;
}

static size_t room_in_last(const struct outbox *outbox)
{
    const struct outbox_chunk *last = outbox->last;
    return last == NULL || last->payload != NULL ? 0 : CHUNK_CAPACITY - last->end;
}

static void fill_last(struct outbox *outbox, struct bytes *bytes)
{
    struct outbox_chunk *last = outbox->last;
    size_t room = room_in_last(outbox);
    size_t length = bytes->length < room ? bytes->length : room;
    if (length == 0)
        return;
    memcpy(last->data + last->end, bytes->data, length);
    last->end += (uint32_t)length;
    outbox->length += length;
    bytes->data += length;
    bytes->length -= length;
}

/* Chunks for `length` bytes, linked; NULL when there are not enough. */
static struct outbox_chunk *take_chunks(struct outbox_pool *pool, size_t length)
{
    struct outbox_chunk *chunks = NULL;
    for (size_t covered = 0; covered < length; covered += CHUNK_CAPACITY) {
        struct outbox_chunk *chunk = chunk_take(pool);
        if (chunk == NULL) {
            while (chunks != NULL) {
                struct outbox_chunk *next = chunks->next;
                chunk_give_back(pool, chunks);
                chunks = next;
            }
            return NULL;
        }
        chunk->next = chunks;
        chunks = chunk;
    }
    return chunks;
}

bool outbox_append(struct outbox *outbox, struct outbox_pool *pool, struct bytes bytes)
{
    size_t room = room_in_last(outbox);
    if (bytes.length <= room) {
        fill_last(outbox, &bytes);
        return true;
    }
    struct outbox_chunk *chunks = take_chunks(pool, bytes.length - room);
    if (chunks == NULL)
        return false;
    fill_last(outbox, &bytes);
    while (chunks != NULL) {
        struct outbox_chunk *chunk = chunks;
        chunks = chunk->next;
        chunk->next = NULL;
        append_chunk(outbox, chunk);
        fill_last(outbox, &bytes);
    }
    return true;
}

bool outbox_append_payload(struct outbox *outbox, struct outbox_pool *pool, struct payload *payload)
{
    struct outbox_chunk *chunk = chunk_take(pool);
    if (chunk == NULL)
        return false;
    chunk->payload = payload_acquire(payload);
    chunk->end = payload->length;
    append_chunk(outbox, chunk);
    outbox->length += payload->length;
    return true;
}

static uint8_t *chunk_bytes(struct outbox_chunk *chunk)
{
    return chunk->payload != NULL ? chunk->payload->data : chunk->data;
}

int outbox_parts(const struct outbox *outbox, struct iovec *ret_parts, int most)
{
    int count = 0;
    for (struct outbox_chunk *at = outbox->first; at != NULL && count < most; at = at->next) {
        ret_parts[count].iov_base = chunk_bytes(at) + at->begin;
        ret_parts[count].iov_len = at->end - at->begin;
        count++;
    }
    return count;
}

void outbox_consume(struct outbox *outbox, struct outbox_pool *pool, size_t length)
{
    assert(length <= outbox->length);
    outbox->length -= length;
    while (length > 0) {
        struct outbox_chunk *first = outbox->first;
        size_t left = first->end - first->begin;
        if (length < left) {
            first->begin += (uint32_t)length;
            return;
        }
        length -= left;
        outbox->first = first->next;
        if (outbox->first == NULL)
            outbox->last = NULL;
        chunk_give_back(pool, first);
    }
}

void outbox_clear(struct outbox *outbox, struct outbox_pool *pool)
{
    outbox_consume(outbox, pool, outbox->length);
}
