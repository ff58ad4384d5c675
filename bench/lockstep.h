/* One sender in each room. The active clients of `idle` play this, too. */
#ifndef PARTY_BENCH_LOCKSTEP_H
#define PARTY_BENCH_LOCKSTEP_H

#include "scenario.h"

void lockstep_begin(struct worker *worker);
void lockstep_end(struct worker *worker);
uint64_t lockstep_tick(struct worker *worker);
void lockstep_receive(struct worker *worker, struct client *client, const struct message *message);

#endif
