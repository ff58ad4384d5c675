/*
 * A server of protocol 3, slow, simple, and obviously right: what the players play against before
 * there is another.
 *
 * There is no log of a room. Each seat has a list of its own with all that was meant for it, up to
 * a bound, and its counts. It does what "Nothing lost" and "Seats and rooms" of the protocol say,
 * with holds, hosts and kicks; nothing of passwords, locks, bans, audiences and private states.
 */
#ifndef PARTY_TESTS_RECOVERY_REFERENCE_H
#define PARTY_TESTS_RECOVERY_REFERENCE_H

#include "recovery/recovery_break.h"
#include "recovery/recovery_server.h"

struct reference;

/*
 * Makes a server that keeps `kept_events` for each seat, and nothing that has REFERENCE_LARGE_BYTES
 * or more. `ret_server` refers to it.
 */
#define REFERENCE_LARGE_BYTES 300
struct reference *reference_new(uint32_t kept_events, enum recovery_break broken,
                                struct recovery_server *ret_server);
void reference_free(struct reference *reference);

#endif
