/*
 * Residents are players of protocols 1 and 2 for a server that is started again now and then. They
 * stay in their rooms, come back whenever they are cut off, and check what a restart promises them:
 * room, index and state. As for clients.h, which asks these.
 */
#ifndef PARTY_TESTS_RESIDENTS_H
#define PARTY_TESTS_RESIDENTS_H

#include "clients.h"

/* There are none, unless the server is started again now and then. */
void residents_begin(const struct clients_plan *plan);
uint64_t residents_next_ns(void);
void residents_act(void);
void residents_are_cut_off(void);
void residents_lose_changes(uint64_t since_ns, uint64_t lost_code);
void residents_fall_silent(void);
void residents_check_rest(void);
void residents_leave(void);
uint64_t residents_digest(void);
uint64_t residents_heard(void);

#endif
