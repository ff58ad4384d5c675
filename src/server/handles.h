/*
 * The table of a loop's connections. A handle names a connection within its loop: 32 bits, by which
 * the relay names a client.
 *
 * A handle consists of an index into the table and the generation of the place at that index. Each
 * handles_remove() increments the generation, so an old handle names none of the next
 * 255 connections in the same place. A handle is valid in one loop only; a connection that moves
 * gets a new one there. Only the loop's thread uses the table.
 */
#ifndef PARTY_SERVER_HANDLES_H
#define PARTY_SERVER_HANDLES_H

#include <assert.h>

#include "server/conn.h"

/* The bits of the index bound a loop's connections; the other bits are the generation. */
#define HANDLE_INDEX_BITS 24
#define HANDLE_INDEX_MASK ((1u << HANDLE_INDEX_BITS) - 1)

union handle_place {
    struct conn *conn; /* a taken place: an aligned address, which is even */
    /* A vacant place, odd: index of the next vacant place, and this place's generation. */
    uint64_t vacant;
};

struct handles {
    union handle_place *places;
    uint32_t capacity;     /* doubled when all places are taken; never shrinks */
    uint32_t used;         /* places that were ever taken; later ones are not in the vacant list */
    uint32_t first_vacant; /* the place that was vacated last; HANDLE_INDEX_MASK: none */
};

void handles_init(struct handles *handles);
void handles_release(struct handles *handles);

/* Gives the connection a handle. False: memory is short, or all indices are taken. */
MUST_CHECK bool handles_add(struct handles *handles, struct conn *conn);

/* Takes the connection's handle back, which is CLIENT_NONE then. Does nothing if it has none. */
void handles_remove(struct handles *handles, struct conn *conn);

/*
 * The connection that a handle names. The handle must be in use: one that was given back fails the
 * assertion, or reads at an odd address that is no connection's and ends the process as well.
 */
static inline struct conn *handles_at(const struct handles *handles, uint32_t handle)
{
    struct conn *conn = handles->places[handle & HANDLE_INDEX_MASK].conn;
    assert(conn->handle == handle);
    return conn;
}

/* The same for a handle that a stranger names. NULL: no connection has it. */
struct conn *handles_find(const struct handles *handles, uint32_t handle);

/*
 * Iterates over the connections, in no order. `at` is 0 at first; NULL means the end. The caller
 * may remove connections meanwhile; the iteration may miss one that is added.
 */
struct conn *handles_next(const struct handles *handles, uint32_t *at);

#endif
