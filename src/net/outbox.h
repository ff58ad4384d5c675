/*
 * The queue of bytes that go out on one connection, and the pool that its chunks come from.
 *
 * What is appended at once is a *piece* (a frame, for example). Small pieces are copied into
 * chunks; large ones are shared payloads held by reference. Bytes do not move once queued, so a
 * send may be under way while more is appended. An empty outbox owns nothing.
 */
#ifndef PARTY_NET_OUTBOX_H
#define PARTY_NET_OUTBOX_H

#include <sys/uio.h>

#include "base/attributes.h"
#include "base/bytes.h"
#include "base/payload.h"

/*
 * Sizes of chunks, with their heads. A queue begins with a small one, so that a message to
 * thousands at once takes little of them; what does not fit goes on in large ones.
 */
#define OUTBOX_SMALL_CHUNK_BYTES 256
#define OUTBOX_CHUNK_BYTES 2048
#define OUTBOX_SHELVES 2

struct outbox_chunk;

struct outbox {
    struct outbox_chunk *last; /* of a ring, so that it leads to the first; NULL when empty */
    uint32_t length;           /* bytes queued; who appends sees to it that they stay below 4 GiB */
    uint32_t since_ms;         /* the owner's note: when it was empty last */
};

/*
 * Chunks that wait for their next use, up to a bound. Belongs to one thread, as its outboxes do.
 * Chunks that are not needed for a while are given back, so that they don't keep the heap from
 * shrinking around them.
 * What the queues hold is charged to `account` and comes off it again.
 */
struct outbox_pool {
    struct outbox_shelf {
        struct outbox_chunk *free;
        uint32_t free_count;
        uint32_t unused_count; /* that have been free ever since outbox_pool_trim() */
    } shelves[OUTBOX_SHELVES]; /* small and large ones */
    size_t *account;
};

/* Whether the pool keeps any chunk for reuse. */
static inline bool outbox_pool_keeps_any(const struct outbox_pool *pool)
{
    return pool->shelves[0].free_count > 0 || pool->shelves[1].free_count > 0;
}

void outbox_pool_release(struct outbox_pool *pool);

/* Frees the chunks that were not needed since the last call. */
void outbox_pool_trim(struct outbox_pool *pool);

/* Appends a piece, copied. False: memory is short; nothing was appended. */
MUST_CHECK bool outbox_append(struct outbox *outbox, struct outbox_pool *pool, struct bytes piece);

/* Appends a piece whose bytes must not change any more; takes a reference of its own. */
MUST_CHECK bool outbox_append_payload(struct outbox *outbox, struct outbox_pool *pool,
                                      struct payload *payload);

/* The front of the queue, for one send. Returns the number of parts, at most `most`. */
int outbox_parts(const struct outbox *outbox, struct iovec *ret_parts, int most);

/* Copies the front of the queue to `out`; returns how many bytes, at most `capacity`. */
size_t outbox_copy(const struct outbox *outbox, uint8_t *out, size_t capacity);

/* Drops bytes that were sent from the front. */
void outbox_consume(struct outbox *outbox, struct outbox_pool *pool, size_t length);

/*
 * Drops what is behind the piece at the front, and that too when nothing of it was consumed. The
 * first `begun` bytes, of which a send is under way, and the rest of their last piece stay. A few
 * small pieces may stay with them.
 */
void outbox_drop_unbegun(struct outbox *outbox, struct outbox_pool *pool, size_t begun);

/* Drops everything. */
void outbox_clear(struct outbox *outbox, struct outbox_pool *pool);

/*
 * The outbox leaves one thread's pool, or comes to another's: what it holds comes off the account,
 * or is charged to it. No payload in it may have other references, unless it is lasting.
 */
void outbox_leave(struct outbox *outbox, struct outbox_pool *pool);
void outbox_enter(struct outbox *outbox, struct outbox_pool *pool);

#endif
