/*
 * Regulars are players of protocol 3 (recovery/recovery_player.h), who come back to their seats
 * whatever befalls them; a witness checks that nothing is lost. A promise of docs/protocol.md that
 * is broken ends the process with a sentence. As for clients.h, which asks these.
 */
#ifndef PARTY_TESTS_REGULARS_H
#define PARTY_TESTS_REGULARS_H

#include "clients.h"

void regulars_begin(const struct clients_plan *plan);
uint64_t regulars_next_ns(void);
void regulars_act(void);
void regulars_stand_still(uint64_t for_ns);
void regulars_are_cut_off(void);
void regulars_lose_changes(uint64_t since_ns, uint64_t lost_code);
void regulars_are_restarted(void);
void regulars_end_faults(void);
void regulars_fall_silent(void);
void regulars_check_rest(void);
void regulars_leave(void);
void regulars_expect_stop(void);
uint64_t regulars_digest(void);
uint64_t regulars_heard(void);
void regulars_end(void);

/* When the network is no more. */
void regulars_release(void);

#endif
