/* Restores a handover in as many threads as there are loops, since everybody waits for it. */
#ifndef PARTY_SERVER_HANDOVER_THREADS_H
#define PARTY_SERVER_HANDOVER_THREADS_H

#include "server/handover.h"

/*
 * Does what handover_restore() does, in a thread for each loop, if the program before had as many:
 * then all that is in the part of a loop is for the same loop. Otherwise in this thread.
 */
MUST_CHECK bool handover_restore_in_threads(struct server *server,
                                            const struct handover_header *header, struct bytes text,
                                            bool is_rehearsal, struct handover_counts *ret_counts,
                                            char ret_why[HANDOVER_WHY_MAX]);

#endif
