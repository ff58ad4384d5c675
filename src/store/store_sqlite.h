/*
 * Records in a file of SQLite, `rooms.db` in a directory.
 *
 * WAL, so that a commit appends; one process at a time, which holds the file's lock. The text of a
 * record is readable by the program sqlite3, and a checksum stands beside it, since SQLite notices
 * damage to its pages, but not to what is in them. The files can be read by their owner alone:
 * clientIds are secrets.
 */
#ifndef PARTY_STORE_STORE_SQLITE_H
#define PARTY_STORE_STORE_SQLITE_H

#include <stddef.h>

#include "store/store_engine.h"

#define STORE_FILE_NAME "rooms.db"
#define STORE_FORMAT 1 /* what the file says of itself in SQLite's user_version */

/*
 * Opens the store in a directory, which is made if it isn't there. NULL: `ret_why` says why it
 * can't be one, such as that another process uses it. What may pass (a full disk, a lack of rights,
 * a newer format) is left to begin(), which opens what is not open yet.
 *
 * A file that is no database, or whose beginning is damaged, is renamed to `rooms.db.damaged`, in
 * place of the last such, and a new one is begun; then `ret_why` says so, and is empty otherwise.
 * begin_anew() does the same.
 */
MUST_CHECK struct store_engine *store_sqlite_open(const char *directory,
                                                  char ret_why[STORE_WHY_MAX]);

/*
 * The same for who must not wait: nothing is opened before begin(). NULL: memory is short, or the
 * path is too long.
 */
MUST_CHECK struct store_engine *store_sqlite_open_later(const char *directory,
                                                        char ret_why[STORE_WHY_MAX]);

/*
 * Opens a copy that only this process knows, to be read. NULL: `ret_why` says why, also if it is
 * damaged.
 */
MUST_CHECK struct store_engine *store_sqlite_open_copy(const char *directory,
                                                       char ret_why[STORE_WHY_MAX]);

/* Visits the records that were set aside, the oldest first. False: `engine->why` says why. */
MUST_CHECK bool store_sqlite_read_aside(struct store_engine *engine,
                                        void (*visit)(void *context, uint64_t key,
                                                      const char *reason, uint64_t time),
                                        void *context);

#endif
