/*
 * Players of a simulated party: what they say, what befalls them, and what they may expect to hear.
 * A promise of docs/protocol.md that is broken ends the process with a sentence.
 */
#ifndef PARTY_TESTS_CLIENTS_H
#define PARTY_TESTS_CLIENTS_H

#include "network.h"

struct clients_plan {
    uint32_t rooms;
    uint32_t members; /* of each */
    uint64_t message_interval_ns;
    bool has_faults;
    bool is_traced;
    bool restarts; /* the server does: there are those players who know what that costs them */
};

void clients_begin(const struct clients_plan *plan);

/* When the next client wants to do something; and does what is due. */
uint64_t clients_next_ns(void);
void clients_act(void);

/*
 * Whether a refusal of memory may be why somebody has lost a connection. Each costs the members of
 * one party theirs at most; `hit_ns` is the party's, and 0 at first.
 */
bool clients_are_hit(uint64_t *hit_ns);

/* Everything stood still for so long: what is due by the server's time is due so much later. */
void clients_stand_still(uint64_t for_ns);

/* The server has replaced itself: how long somebody was silent, it does not know any more. */
void clients_are_handed_over(void);

/* The server stops or crashes: who is connected now, is cut off. */
void clients_are_cut_off(void);

/*
 * The server has started, or is about to, without the counts of protocol 3. What has happened since
 * some time, by the network's clock, may be lost (UINT64_MAX: nothing); and so is the room of this
 * code, if it is not 0.
 */
void clients_lose_changes(uint64_t since_ns, uint64_t lost_code);

/* The server is there again, after a crash or a planned stop. */
void clients_are_restarted(void);

/* Nothing befalls anybody from now on; and then, nobody says anything any more. */
void clients_end_faults(void);
void clients_fall_silent(void);

/* When all is said and done: who is in a room has heard everything, and knows who else is there. */
void clients_check_rest(void);

/* All close their connections. */
void clients_leave(void);

/* Or the server stops while they are there: each is to be told. */
void clients_expect_stop(void);

/* A number that tells what all have heard, in which order and when. */
uint64_t clients_digest(void);
uint64_t clients_heard(void);
void clients_end(void);
/* When the network is no more. */
void clients_release(void);

#endif
