/*
 * Looks at the records of a directory, also while a process uses them, and changes nothing there.
 *
 * A process that uses a store holds its lock, so SQLite lets nobody else in. The view takes no
 * lock: it copies the files, makes sure that the copy is of one moment, and opens the copy.
 */
#ifndef PARTY_STORE_STORE_VIEW_H
#define PARTY_STORE_STORE_VIEW_H

#include "store/store_engine.h"

/* What is called for each record. */
struct store_viewing {
    void (*record)(void *context, const struct store_record *record);
    /* The same for one that a start has set aside, at a time in seconds since 1970. */
    void (*aside)(void *context, uint64_t key, const char *reason, uint64_t time);
    void *context;
};

/*
 * Visits all records by key, then those that were set aside, the oldest first. False: not all could
 * be read, and `ret_why` says why.
 */
MUST_CHECK bool store_view(const char *directory, const struct store_viewing *viewing,
                           char ret_why[STORE_WHY_MAX]);

#endif
