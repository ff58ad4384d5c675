/*
 * Where records of rooms outlive the process.
 *
 * Loops hand changes over and never wait: a thread of the store's own writes them, one commit after
 * the other, with the newest change of each record. So a process that dies loses what waits for the
 * commit under way and for the next one. An engine that fails or is slow delays nobody; the store
 * tries again, and its status says so.
 */
#ifndef PARTY_STORE_STORE_H
#define PARTY_STORE_STORE_H

#include "store/store_engine.h"

#define STORE_RETRY_LEAST_MS 100 /* after a failure; doubles up to the next one */
#define STORE_RETRY_MOST_MS 5000
#define STORE_PENDING_BYTES_MAX (64 << 20) /* of texts that wait */
#define STORE_TRIES_MAX 3 /* a record whose restoring ended so many starts is set aside */

struct store;

/* How the store does; see store_status(). */
struct store_status {
    uint64_t written;  /* changes, so far */
    uint64_t dropped;  /* changes for which there was no room */
    uint64_t failures; /* commits, so far */
    uint64_t pending;  /* records whose changes wait */
    uint64_t pending_bytes;
    uint32_t set_aside;      /* records, at the start */
    uint32_t slowest_ms;     /* commit */
    uint32_t last_ms;        /* duration of the last commit */
    uint32_t stale_ms;       /* for so long changes have waited, and no commit has succeeded */
    bool is_failing;         /* the last commit failed, or has gone on for STORE_RETRY_MOST_MS */
    char why[STORE_WHY_MAX]; /* of the last failure; empty: there was none */
};

/* How records come out of the store. */
struct store_loading {
    /*
     * Restores the room of a record. `is_clean`: the process that wrote it ended in good order.
     * NULL: it is restored; otherwise the sentence says why the record is set aside.
     */
    const char *(*restore)(void *context, uint64_t key, struct bytes text, bool is_clean);
    /* A record is set aside, or the engine failed (`key` is 0). */
    void (*complain)(void *context, uint64_t key, const char *why);
    void *context;
};

/* Takes the engine over. NULL: memory is short, and the engine is closed. */
MUST_CHECK struct store *store_new(struct store_engine *engine);

/*
 * Restores all records, and marks the store as in use. Call it once, before store_start(). An
 * engine that fails is complained of, and tried again by the thread; what it can read is restored.
 * False: memory is short.
 */
MUST_CHECK bool store_load(struct store *store, const struct store_loading *loading);

/*
 * In place of store_load(), for a process that has its rooms already, and hands all their records
 * over: the first commit that works removes all records but those with these keys. Until then, an
 * engine that can't be opened, or that is slow, delays nobody. A file that can't be read is begun
 * anew. `keys` come from malloc(), in any order, and the store frees them.
 */
void store_take_over(struct store *store, uint64_t *keys, size_t count);

/*
 * Starts the store's thread. It calls `tell` when a commit fails after one that did not, with the
 * reason, and when one succeeds again, with NULL. False: errno says why.
 */
MUST_CHECK bool store_start(struct store *store, void (*tell)(const char *why));

/*
 * In place of store_start(), for who has one thread for everything: there is no thread, and the
 * owner calls store_write() when it is time. `tell` is as above.
 */
void store_drive(struct store *store, void (*tell)(const char *why));

/* One commit of all that waits, if something does. False: it failed, and all waits still. */
bool store_write(struct store *store);

/*
 * Hands a record over; the text comes from malloc(), and the store frees it. From any thread.
 * False: too much waits, the change is dropped, and an older change of the record that waits stays.
 * The caller must come again.
 */
MUST_CHECK bool store_put(struct store *store, uint64_t key, uint8_t *text, size_t length);

/* Removes a record. From any thread. False: memory is short, come again. */
MUST_CHECK bool store_remove(struct store *store, uint64_t key);

/* From any thread. */
void store_get_status(struct store *store, struct store_status *ret_status);

/*
 * Writes what waits, marks the store as left in good order if `is_clean` and all was written, ends
 * the thread and frees the store. False: not all was written, or the engine has not answered within
 * `most_ms`; then the thread frees the store when it does.
 */
bool store_stop(struct store *store, bool is_clean, uint32_t most_ms);

#endif
