/*
 * The recorder of a node: keeps the records of its rooms in the cluster's keyed store, and makes
 * rooms of the records of others, when the node gets their slices.
 *
 * A record has the key SLICE.CODE.TERM: only the owner of the slice at that term writes it, so what
 * an owner of before still writes harms nobody. Of several records of a room the one with the
 * highest term counts. SLICE.CODE.TERM.end says that the room has ended. Rules of the cluster's
 * model, by their names there, and where they are:
 *
 * - mark: who opens a slice writes SLICE.-.TERM, and takes only a list of the keys that has it.
 * - first-write: a room is recorded at the new term, acknowledged, before its loop gets it.
 * - holds: all rooms of a slice are restored when it opens, so seats are held from then on.
 * - mint-first: a slice is served when all its rooms are there, and its codes known.
 * - confirm: see codes.h. A code that waits for its room has the record RECORDER_RESERVED.
 * - term-keys, terms, ended: see above. A record of a higher term than one's own stays untouched.
 *
 * The recorder is driven: recorder_turn() does some of what there is to do, and waits for the keyed
 * store, a second at most for each call. One thread drives it. Loops talk to it by mail, and hand
 * records over to a store (store/store.h) of which it is the engine.
 */
#ifndef PARTY_SERVER_RECORDER_H
#define PARTY_SERVER_RECORDER_H

#include "bus/bus.h"
#include "server/links.h"

#define RECORDER_RESERVED "{\"reserved\":true}"
#define RECORDER_WHY_MAX 128
#define RECORDER_CALLS_MS 1000       /* as long a call of the keyed store may take */
#define RECORDER_RETRY_MS 250        /* after one that was not done */
#define RECORDER_OPENINGS_PER_TURN 8 /* slices, or parts of them: */
#define RECORDER_ROOMS_PER_TURN 64   /* are read then */
#define RECORDER_REVIVING_MAX 128    /* rooms that are on their way to loops */
#define RECORDER_END_MS 600000       /* as long an end is kept */
#define RECORDER_GARBAGE_PER_TURN 16 /* keys are removed, */
#define RECORDER_GARBAGE_MAX 65536   /* and so many may wait for that */

struct recorder;

/* What the recorder asks of who knows the map. */
struct recorder_owners {
    /* Reads the map from the engine's leader, now. False: it can't be read. */
    bool (*look)(void *context);
    /* Whether the slice is this node's at this term, as the last look has shown. */
    bool (*owns)(void *context, uint32_t slice, uint64_t term);
    void *context;
};

/* A room on its way to its loop, and then the answer; from malloc(). */
struct revival {
    struct mail mail; /* MAIL_REVIVE */
    uint64_t code;
    uint64_t term;
    bool is_final;              /* its owner of before wrote this last: it ended, or yielded it */
    char why[RECORDER_WHY_MAX]; /* in the answer: why there is no room; empty: there is one */
    size_t length;
    uint8_t text[];
};

/*
 * Makes the recorder, its mailbox (server.recorder) and the store of its records (server.store).
 * The bus must outlive it; only recorder_turn() and recorder_free() use the bus. NULL: memory or
 * descriptors are short.
 */
MUST_CHECK struct recorder *recorder_new(struct server *server, struct bus *bus,
                                         const struct recorder_owners *owners);

/* After the loops have ended, and the store. Frees mail that was not read. NULL: does nothing. */
void recorder_free(struct recorder *recorder);

/*
 * The slice is this node's at this term from now on; 0: it is not. The picture of the loops
 * (server/peers.h) shows that already, and that it has changed. From any one thread.
 */
void recorder_give(struct recorder *recorder, uint32_t slice, uint64_t term);

/* Whether the rooms of the slice are there, so that it can be served at this term. Any thread. */
bool recorder_has_opened(const struct recorder *recorder, uint32_t slice, uint64_t term);

/*
 * Asks for all to be written that loops have handed over until now, and whether that is done: the
 * first one returns a number for the second one. From any one thread.
 */
uint64_t recorder_flush(struct recorder *recorder);
bool recorder_has_flushed(const struct recorder *recorder, uint64_t flush);

/* `now_ms` is of a clock that goes on. Returns whether there is more to do at once. */
bool recorder_turn(struct recorder *recorder, uint64_t now_ms);

/*
 * What a loop hands over to the store begins with the term at which it serves the room. A text that
 * ends there says that the room has ended.
 */
#define RECORDER_TERM_BYTES 8

static inline void recorder_put_term(uint8_t *text, uint64_t term)
{
    memcpy(text, &term, RECORDER_TERM_BYTES);
}

#endif
