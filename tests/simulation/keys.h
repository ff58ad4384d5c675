/*
 * The keyed store of a simulated cluster, for records: what is acknowledged stays. A server's view
 * of it is a bus of which only the records work; a call may be done or not, and nobody knows.
 */
#ifndef PARTY_TESTS_KEYS_H
#define PARTY_TESTS_KEYS_H

#include "bus/bus.h"

void keys_begin(void);
void keys_end(void);

/* From now on some calls have no answer, or their answer is lost. */
void keys_begin_faults(void);
void keys_end_faults(void);

/* A server's bus; closing it frees it. */
struct bus *keys_open(void);

/* Whatever the server asks of it now has no answer, and is not done: it is about to be gone. */
void keys_unplug(struct bus *bus);

/* Visits all records. */
void keys_visit(void (*visit)(void *context, const char *key, struct bytes text), void *context);

#endif
