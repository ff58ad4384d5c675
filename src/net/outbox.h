/*
 * A queue of bytes to send on one connection, and the pool of its chunks.
 *
 * Each append adds a *piece* (a frame, for example). Small pieces are copied into chunks; large
 * ones are shared payloads, which the queue refers to. Queued bytes do not move, so a send may be
 * under way while the owner appends more. An empty outbox owns nothing.
 */
#ifndef PARTY_NET_OUTBOX_H
#define PARTY_NET_OUTBOX_H

#include <sys/uio.h>

#include "base/attributes.h"
#include "base/bytes.h"
#include "base/payload.h"

/*
 * Sizes of chunks, with their heads. A queue begins with a small chunk, so that a message to
 * thousands of clients needs little memory for each. It continues in large ones.
 */
#define OUTBOX_SMALL_CHUNK_BYTES 256
#define OUTBOX_CHUNK_BYTES 2048
#define OUTBOX_SHELVES 2

struct outbox_chunk;

struct outbox {
    struct outbox_chunk *last; /* last of a ring of chunks, which leads to the first; NULL: empty */
    uint32_t length;           /* bytes queued; the caller keeps it below 4 GiB */
    uint32_t since_ms;         /* the owner may note here when the queue was empty last */
};

/*
 * Chunks that wait for reuse; their number is bounded. A pool belongs to one thread, as the
 * outboxes that use it do. outbox_pool_trim() frees chunks that nobody needed for a while, since
 * they would keep the heap around them from shrinking. `account` is charged for what the queues
 * hold.
 */
struct outbox_pool {
    struct outbox_shelf {
        struct outbox_chunk *free;
        uint32_t free_count;
        uint32_t unused_count; /* chunks that were free ever since the last outbox_pool_trim() */
    } shelves[OUTBOX_SHELVES]; /* small and large ones */
    size_t *account;
};

/* Whether the pool keeps any chunk for reuse. */
static inline bool outbox_pool_keeps_any(const struct outbox_pool *pool)
{
    return pool->shelves[0].free_count > 0 || pool->shelves[1].free_count > 0;
}

void outbox_pool_release(struct outbox_pool *pool);

/* Frees the chunks that no outbox needed since the last call. */
void outbox_pool_trim(struct outbox_pool *pool);

/* Appends a copy of a piece. False: memory is short; nothing was appended. */
MUST_CHECK bool outbox_append(struct outbox *outbox, struct outbox_pool *pool, struct bytes piece);

/* Appends a piece by reference. Its bytes must not change any more. False: memory is short. */
MUST_CHECK bool outbox_append_payload(struct outbox *outbox, struct outbox_pool *pool,
                                      struct payload *payload);

/*
 * Fills `ret_parts` with the front of the queue, for one send. Returns how many, at most `limit`.
 */
int outbox_parts(const struct outbox *outbox, struct iovec *ret_parts, int limit);

/* What a chunk holds. */
struct outbox_part {
    struct payload *payload; /* that the bytes are the end of; NULL: a copy is in the queue */
    struct bytes bytes;
};

/* Yields all parts of the queue, from the front. `place` is NULL at first; false: the end. */
bool outbox_next_part(const struct outbox *outbox, const struct outbox_chunk **place,
                      struct outbox_part *ret_part);

/* Copies the front of the queue to `out`. Returns the number of bytes, at most `capacity`. */
size_t outbox_copy(const struct outbox *outbox, uint8_t *out, size_t capacity);

/* Drops sent bytes from the front. */
void outbox_consume(struct outbox *outbox, struct outbox_pool *pool, size_t length);

/*
 * Drops all pieces of which nothing was sent. It keeps a piece at the front of which some was
 * consumed, and the pieces that contain the first `begun` bytes, for which a send is under way. It
 * may keep a few more small pieces.
 */
void outbox_drop_unbegun(struct outbox *outbox, struct outbox_pool *pool, size_t begun);

/* Drops everything. */
void outbox_clear(struct outbox *outbox, struct outbox_pool *pool);

/*
 * Discharge and charge what an outbox holds when it leaves one thread's pool and enters another's.
 * No payload in it may have other references, unless it is lasting.
 */
void outbox_leave(struct outbox *outbox, struct outbox_pool *pool);
void outbox_enter(struct outbox *outbox, struct outbox_pool *pool);

#endif
