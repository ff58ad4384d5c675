/*
 * The connections of one loop, each under a handle: the 32 bits by which the relay names a client.
 *
 * A handle is an index into the loop's table, and above it the generation of that place: a handle
 * that was given back is not mistaken for the next connection in the same place. It means nothing
 * to another loop; a connection that moves gets another one there. All are touched by the loop's
 * thread alone.
 */
#ifndef PARTY_SERVER_HANDLES_H
#define PARTY_SERVER_HANDLES_H

#include <assert.h>

#include "server/conn.h"

#define HANDLE_INDEX_BITS 24 /* so many connections may a loop have; the rest is the generation */
#define HANDLE_INDEX_MASK ((1u << HANDLE_INDEX_BITS) - 1)

union handle_place {
    struct conn *conn; /* taken: an address, which is even */
    uint64_t vacant;   /* odd: which vacant place follows, and the generation of this one */
};

struct handles {
    union handle_place *places;
    uint32_t capacity;     /* doubled when all are taken; it never shrinks */
    uint32_t used;         /* places that were ever taken; those behind them are in no list */
    uint32_t first_vacant; /* the place that was left last; HANDLE_INDEX_MASK: none */
};

void handles_init(struct handles *handles);
void handles_release(struct handles *handles);

/* Gives the connection its handle. False: memory is short, or all indices are taken. */
MUST_CHECK bool handles_add(struct handles *handles, struct conn *conn);

/* The connection has no handle any more (CLIENT_NONE); harmless when it has none. */
void handles_remove(struct handles *handles, struct conn *conn);

/* Whose handle it is. It must be one that was given and not given back. */
static inline struct conn *handles_at(const struct handles *handles, uint32_t handle)
{
    struct conn *conn = handles->places[handle & HANDLE_INDEX_MASK].conn;
    assert(conn->handle == handle);
    return conn;
}

/*
 * The connections in no order: `at` is 0 at first; NULL: there are no more. Any of them may be
 * removed meanwhile; one that is added may be missed.
 */
struct conn *handles_next(const struct handles *handles, uint32_t *at);

#endif
