/*
 * The queue of bytes that go out on one connection, and the pool that its chunks come from.
 *
 * Small pieces are copied into chunks; large ones are shared payloads held by reference. Bytes do
 * not move once queued, so a send may be under way while more is appended. An empty outbox owns
 * nothing.
 */
#ifndef PARTY_NET_OUTBOX_H
#define PARTY_NET_OUTBOX_H

#include <sys/uio.h>

#include "base/attributes.h"
#include "base/bytes.h"
#include "base/payload.h"

#define OUTBOX_CHUNK_BYTES 2048 /* with its head */

struct outbox_chunk;

struct outbox {
    struct outbox_chunk *first;
    struct outbox_chunk *last;
    size_t length; /* bytes queued */
};

/* Chunks that wait for their next use, up to a bound. Belongs to one thread, as its outboxes do. */
struct outbox_pool {
    struct outbox_chunk *free;
    uint32_t free_count;
};

void outbox_pool_release(struct outbox_pool *pool);

/* Copies bytes behind what is queued. False: memory is short; nothing was appended. */
MUST_CHECK bool outbox_append(struct outbox *outbox, struct outbox_pool *pool, struct bytes bytes);

/* Queues a payload, whose bytes must not change any more; takes a reference of its own. */
MUST_CHECK bool outbox_append_payload(struct outbox *outbox, struct outbox_pool *pool,
                                      struct payload *payload);

/* The front of the queue, for one send. Returns the number of parts, at most `most`. */
int outbox_parts(const struct outbox *outbox, struct iovec *ret_parts, int most);

/* Drops bytes that were sent from the front. */
void outbox_consume(struct outbox *outbox, struct outbox_pool *pool, size_t length);

/* Drops everything. */
void outbox_clear(struct outbox *outbox, struct outbox_pool *pool);

#endif
