/*
 * What the store asks of an engine, which keeps records: the seam behind which SQLite is.
 *
 * A record is the text of a room under its key. Calls come from one thread at a time, and may take
 * long. Where one is false, nothing was changed, `why` says why in a sentence, and a later call may
 * work: a disk that was full has space again.
 */
#ifndef PARTY_STORE_STORE_ENGINE_H
#define PARTY_STORE_STORE_ENGINE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/attributes.h"
#include "base/bytes.h"

#define STORE_WHY_MAX 256
#define STORE_DAMAGED "it is not what was written" /* why a damaged record is no room */

struct store_engine {
    const struct store_engine_functions *functions;
    char why[STORE_WHY_MAX];
    char notice[STORE_WHY_MAX]; /* what people should hear of a begin() that worked; then emptied */
};

/* A record as it was read; valid during the visit. */
struct store_record {
    uint64_t key;
    struct bytes text;
    bool is_damaged; /* the text is not what was written */
    uint32_t tries;  /* see `set_tries`; 0 after `put` */
};

/* Named numbers that stand beside the records. */
enum store_mark {
    STORE_MARK_IN_USE,   /* 1: a process uses the store, or died while it did */
    STORE_MARK_STARTING, /* starts in a row that died before all was restored */
    STORE_MARKS,
};

struct store_engine_functions {
    /*
     * `begin` opens what could not be opened before; where it is false, nothing can be read either.
     * Changes stand from `commit` on. A durable commit outlives the machine's power.
     */
    bool (*begin)(struct store_engine *engine);
    bool (*put)(struct store_engine *engine, uint64_t key, struct bytes text);
    bool (*remove)(struct store_engine *engine, uint64_t key);
    bool (*set_mark)(struct store_engine *engine, enum store_mark mark, uint32_t value);
    /* Takes the record out of all that is read, and keeps it with the reason for people to look at.
     */
    bool (*set_aside)(struct store_engine *engine, uint64_t key, const char *reason);
    bool (*set_tries)(struct store_engine *engine, uint64_t key, uint32_t tries);
    bool (*commit)(struct store_engine *engine, bool is_durable);
    void (*roll_back)(struct store_engine *engine);

    /* Visits all records by key. The visitor must not call the engine. */
    bool (*read_all)(struct store_engine *engine,
                     void (*visit)(void *context, const struct store_record *record),
                     void *context);
    bool (*read_mark)(struct store_engine *engine, enum store_mark mark, uint32_t *ret_value);

    /* Puts what there is aside for people to look at, since it can't be read, and begins with
     * nothing. */
    bool (*begin_anew)(struct store_engine *engine);

    /* Closes files and frees the engine. */
    void (*close)(struct store_engine *engine);
};

#endif
