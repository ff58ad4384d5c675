/*
 * Who owns which slice of the rooms in a simulated cluster, and the recorders of its servers. All
 * servers that live know of a new owner at once; it serves the slice when its recorder has
 * restored the rooms.
 */
#ifndef PARTY_TESTS_OWNERS_H
#define PARTY_TESTS_OWNERS_H

#include "server/loop.h"

void owners_begin(void);

/* A server of the cluster, with its picture; they are numbered in this order. */
void owners_add(struct server *server, struct peers *peers, uint64_t incarnation);

/* All have been added: each slice gets an owner; some get many, and some perhaps none. */
void owners_share(void);

/* All servers drain, and know it of each other. */
void owners_drain(void);

/* A server dies: what it has not recorded is lost. */
void owners_kill(uint32_t server);

/* Each slice of a server that is dead, or taken for dead, goes to one that lives. */
void owners_take(uint32_t server);

/* A server that lives yields some of its slices, which go to others when their rooms are recorded.
 */
void owners_yield(uint32_t server);
/* Whether the slice of a code is just on its way. */
bool owners_yielded(uint32_t slice);

/* Whether all slices are served, and all loops of their owners have codes for rooms. */
bool owners_are_ready(void);

/* Recorders have their turns; when the next one is due, by the network's clock. */
void owners_act(void);
uint64_t owners_next_ns(void);

/* How many records of rooms there are that have not ended. */
uint32_t owners_count_records(void);

/* The recorders end, after the loops. */
void owners_stop(void);
void owners_end(void);

#endif
