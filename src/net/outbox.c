/* Output queues. The connection decides what the bytes mean, and how many may wait. */
#include "net/outbox.h"

#include <assert.h>
#include <stdlib.h>

#define NO_PIECE UINT16_MAX

struct outbox_chunk {
    struct outbox_chunk *next; /* in an outbox: next in the ring */
    struct payload *payload;   /* NULL: the bytes are in `data` */
    uint32_t begin;            /* first byte that was not sent yet */
    uint32_t end;
    uint16_t first_piece; /* offset of the first piece that starts in this chunk, or NO_PIECE */
    uint16_t last_piece;
    uint16_t room; /* bytes of `data` behind `end`; 0 with a payload */
    uint8_t size;  /* enum chunk_size */
    uint8_t data[];
};

enum chunk_size {
    CHUNK_SMALL,
    CHUNK_LARGE,
};

static const struct {
    uint16_t bytes; /* with the chunk's head */
    uint16_t kept;  /* chunks that a pool keeps for reuse, at most */
} sizes[OUTBOX_SHELVES] = {
    [CHUNK_SMALL] = {OUTBOX_SMALL_CHUNK_BYTES, 4096},
    [CHUNK_LARGE] = {OUTBOX_CHUNK_BYTES, 1024},
};

#define CHUNK_HEAD_BYTES offsetof(struct outbox_chunk, data)
#define LARGE_CAPACITY (OUTBOX_CHUNK_BYTES - CHUNK_HEAD_BYTES)

_Static_assert(OUTBOX_CHUNK_BYTES < NO_PIECE, "a piece's start has 16 bits");

static struct outbox_chunk *chunk_take(struct outbox_pool *pool, enum chunk_size size)
{
    struct outbox_shelf *shelf = &pool->shelves[size];
    struct outbox_chunk *chunk = shelf->free;
    if (chunk != NULL) {
        shelf->free = chunk->next;
        shelf->free_count--;
        if (shelf->free_count < shelf->unused_count)
            shelf->unused_count = shelf->free_count;
    } else {
        chunk = malloc(sizes[size].bytes);
        if (chunk == NULL)
            return NULL;
    }
    *pool->account += sizes[size].bytes;
    *chunk = (struct outbox_chunk){
        .first_piece = NO_PIECE,
        .last_piece = NO_PIECE,
        .room = (uint16_t)(sizes[size].bytes - CHUNK_HEAD_BYTES),
        .size = (uint8_t)size,
    };
    return chunk;
}

static void chunk_give_back(struct outbox_pool *pool, struct outbox_chunk *chunk)
{
    struct outbox_shelf *shelf = &pool->shelves[chunk->size];
    payload_release(chunk->payload);
    *pool->account -= sizes[chunk->size].bytes;
    if (shelf->free_count >= sizes[chunk->size].kept) {
        free(chunk);
        return;
    }
    chunk->next = shelf->free;
    shelf->free = chunk;
    shelf->free_count++;
}

static void free_some(struct outbox_shelf *shelf, uint32_t count)
{
    for (; count > 0; count--) {
        struct outbox_chunk *chunk = shelf->free;
        shelf->free = chunk->next;
        shelf->free_count--;
        free(chunk);
    }
    shelf->unused_count = shelf->free_count;
}

void outbox_pool_release(struct outbox_pool *pool)
{
    for (int size = 0; size < OUTBOX_SHELVES; size++)
        free_some(&pool->shelves[size], pool->shelves[size].free_count);
}

void outbox_pool_trim(struct outbox_pool *pool)
{
    for (int size = 0; size < OUTBOX_SHELVES; size++)
        free_some(&pool->shelves[size], pool->shelves[size].unused_count);
}

static struct outbox_chunk *first_chunk(const struct outbox *outbox)
{
    return outbox->last == NULL ? NULL : outbox->last->next;
}

static void append_chunk(struct outbox *outbox, struct outbox_chunk *chunk)
{
    if (outbox->last == NULL) {
        chunk->next = chunk;
    } else {
        chunk->next = outbox->last->next;
        outbox->last->next = chunk;
    }
    outbox->last = chunk;
}

static void drop_first_chunk(struct outbox *outbox, struct outbox_pool *pool)
{
    struct outbox_chunk *first = outbox->last->next;
    if (first == outbox->last)
        outbox->last = NULL;
    else
        outbox->last->next = first->next;
    chunk_give_back(pool, first);
}

static void fill(struct outbox *outbox, struct outbox_chunk *chunk, struct bytes bytes)
{
    memcpy(chunk->data + chunk->end, bytes.data, bytes.length);
    chunk->end += (uint32_t)bytes.length;
    chunk->room -= (uint16_t)bytes.length;
    outbox->length += (uint32_t)bytes.length;
}

/* Copies bytes into the last chunk as far as it has room, and skips them in `bytes`. */
static void fill_last(struct outbox *outbox, struct bytes *bytes)
{
    struct outbox_chunk *last = outbox->last;
    struct bytes part = *bytes;
    if (last == NULL || last->room == 0)
        return;
    if (part.length > last->room)
        part.length = last->room;
    fill(outbox, last, part);
    bytes->data += part.length;
    bytes->length -= part.length;
}

/* Notes that a piece starts at the end of the chunk's bytes. */
static void note_piece(struct outbox_chunk *chunk)
{
    chunk->last_piece = (uint16_t)chunk->end;
    if (chunk->first_piece == NO_PIECE)
        chunk->first_piece = chunk->last_piece;
}

/* Takes large chunks for `length` bytes, linked; NULL: memory is short. */
static struct outbox_chunk *take_chunks(struct outbox_pool *pool, size_t length)
{
    struct outbox_chunk *chunks = NULL;
    for (size_t covered = 0; covered < length; covered += LARGE_CAPACITY) {
        struct outbox_chunk *chunk = chunk_take(pool, CHUNK_LARGE);
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

static struct outbox_chunk *take_small(struct outbox_pool *pool)
{
    struct outbox_chunk *chunk = chunk_take(pool, CHUNK_SMALL);
    if (chunk != NULL)
        chunk->next = NULL;
    return chunk;
}

/* Appends a piece for which the last chunk has no room. */
static bool append_in_new_chunks(struct outbox *outbox, struct outbox_pool *pool,
                                 struct bytes piece)
{
    size_t room = outbox->last == NULL ? 0 : outbox->last->room;
    bool is_small =
        outbox->last == NULL && piece.length <= OUTBOX_SMALL_CHUNK_BYTES - CHUNK_HEAD_BYTES;
    struct outbox_chunk *chunks =
        is_small ? take_small(pool) : take_chunks(pool, piece.length - room);
    if (chunks == NULL)
        return false;
    note_piece(room > 0 ? outbox->last : chunks);
    fill_last(outbox, &piece);
    while (chunks != NULL) {
        struct outbox_chunk *chunk = chunks;
        chunks = chunk->next;
        append_chunk(outbox, chunk);
        fill_last(outbox, &piece);
    }
    return true;
}

bool outbox_append(struct outbox *outbox, struct outbox_pool *pool, struct bytes piece)
{
    struct outbox_chunk *last = outbox->last;
    if (last == NULL || piece.length > last->room)
        return append_in_new_chunks(outbox, pool, piece);
    note_piece(last);
    fill(outbox, last, piece);
    return true;
}

bool outbox_append_payload(struct outbox *outbox, struct outbox_pool *pool, struct payload *payload)
{
    struct outbox_chunk *chunk = chunk_take(pool, CHUNK_SMALL);
    if (chunk == NULL)
        return false;
    note_piece(chunk);
    chunk->room = 0;
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

int outbox_parts(const struct outbox *outbox, struct iovec *ret_parts, int limit)
{
    int count = 0;
    struct outbox_chunk *at = first_chunk(outbox);
    for (bool is_end = at == NULL; !is_end && count < limit; at = at->next) {
        ret_parts[count].iov_base = chunk_bytes(at) + at->begin;
        ret_parts[count].iov_len = at->end - at->begin;
        count++;
        is_end = at == outbox->last;
    }
    return count;
}

bool outbox_next_part(const struct outbox *outbox, const struct outbox_chunk **place,
                      struct outbox_part *ret_part)
{
    if (outbox->last == NULL || *place == outbox->last)
        return false;
    struct outbox_chunk *chunk = *place == NULL ? first_chunk(outbox) : (*place)->next;
    *ret_part = (struct outbox_part){
        .payload = chunk->payload,
        .bytes = bytes_of(chunk_bytes(chunk) + chunk->begin, chunk->end - chunk->begin),
    };
    *place = chunk;
    return true;
}

size_t outbox_copy(const struct outbox *outbox, uint8_t *out, size_t capacity)
{
    size_t copied = 0;
    struct outbox_chunk *at = first_chunk(outbox);
    for (bool is_end = at == NULL; !is_end && copied < capacity; at = at->next) {
        size_t length = at->end - at->begin;
        if (length > capacity - copied)
            length = capacity - copied;
        memcpy(out + copied, chunk_bytes(at) + at->begin, length);
        copied += length;
        is_end = at == outbox->last;
    }
    return copied;
}

void outbox_consume(struct outbox *outbox, struct outbox_pool *pool, size_t length)
{
    assert(length <= outbox->length);
    outbox->length -= (uint32_t)length;
    while (length > 0) {
        struct outbox_chunk *first = outbox->last->next; /* what is queued is in some chunk */
        size_t left = first->end - first->begin;
        if (length < left) {
            first->begin += (uint32_t)length;
            return;
        }
        length -= left;
        drop_first_chunk(outbox, pool);
    }
}

/*
 * Cuts the chunk where a piece starts of which nothing was sent: at `begun` bytes or behind them.
 * False: no piece starts there.
 */
static bool cut_unbegun(struct outbox_chunk *chunk, uint32_t begun)
{
    uint16_t cut = begun <= chunk->first_piece ? chunk->first_piece : chunk->last_piece;
    if (cut == NO_PIECE || cut < begun)
        return false;
    if (chunk->payload == NULL)
        chunk->room += (uint16_t)(chunk->end - cut);
    chunk->end = cut;
    if (cut == chunk->first_piece)
        chunk->first_piece = NO_PIECE;
    chunk->last_piece = chunk->first_piece;
    return true;
}

void outbox_drop_unbegun(struct outbox *outbox, struct outbox_pool *pool, size_t begun)
{
    struct outbox_chunk *first = first_chunk(outbox);
    struct outbox_chunk *kept = NULL;
    outbox->length = 0;
    bool is_cut = first == NULL;
    for (struct outbox_chunk *at = first; !is_cut; at = at->next) {
        size_t length = at->end - at->begin;
        size_t begun_here = begun < length ? begun : length;
        begun -= begun_here;
        is_cut = cut_unbegun(at, at->begin + (uint32_t)begun_here) || at == outbox->last;
        if (at->end > at->begin)
            kept = at;
        outbox->length += at->end - at->begin;
    }
    struct outbox dropped = *outbox;
    if (kept != NULL) {
        /* Splits the ring in two: the chunks up to `kept`, and those behind it. */
        dropped.last = kept == outbox->last ? NULL : outbox->last;
        if (dropped.last != NULL)
            dropped.last->next = kept->next;
        kept->next = first;
    }
    outbox->last = kept;
    outbox_clear(&dropped, pool);
}

void outbox_clear(struct outbox *outbox, struct outbox_pool *pool)
{
    while (outbox->last != NULL)
        drop_first_chunk(outbox, pool);
    outbox->length = 0;
}

/* Moves what the outbox is charged from one account to another; NULL: none. */
static void settle(struct outbox *outbox, size_t *from, size_t *to)
{
    struct outbox_chunk *at = first_chunk(outbox);
    for (bool is_end = at == NULL; !is_end; at = at->next) {
        size_t held = sizes[at->size].bytes;
        if (at->payload != NULL && !payload_is_lasting(at->payload)) {
            assert(at->payload->references == 1);
            held += at->payload->length;
            at->payload->account = to;
        }
        if (from != NULL)
            *from -= held;
        if (to != NULL)
            *to += held;
        is_end = at == outbox->last;
    }
}

void outbox_leave(struct outbox *outbox, struct outbox_pool *pool)
{
    settle(outbox, pool->account, NULL);
}

void outbox_enter(struct outbox *outbox, struct outbox_pool *pool)
{
    settle(outbox, NULL, pool->account);
}
