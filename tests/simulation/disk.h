/*
 * The disk of a simulated server: an engine for its store (store/store_engine.h), which keeps
 * records while servers come and go. The world says when a commit begins; the seed, how long it
 * takes, when none succeeds, and what a crash costs.
 */
#ifndef PARTY_TESTS_DISK_H
#define PARTY_TESTS_DISK_H

#include "store/store_engine.h"

/* Begins with nothing. A disk with faults is slow or full now and then. */
void disk_begin(bool has_faults);
void disk_end(void);

/* Neither slow nor full from now on. */
void disk_end_faults(void);

/* The engine of the next server. There is one at a time. */
struct store_engine *disk_open(void);

/* When the commit under way is over, by the network's clock; 0: there is none. */
uint64_t disk_busy_until_ns(void);

/* Whatever the server asks of it now, fails: the server is about to be gone. */
void disk_unplug(void);

/*
 * What the crash costs: of the commits that are not durable, the last ones may be lost, the one
 * under way above all; and the record of one room may be damaged. Returns since when changes may be
 * missing, by the network's clock.
 */
uint64_t disk_crash(uint64_t *ret_damaged_key);

/* All that had changed by then has been committed. */
void disk_note_kept(uint64_t until_ns);

/* How many records it has that can be read. */
uint32_t disk_records(void);

#endif
