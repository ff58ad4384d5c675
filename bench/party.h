/* The search for the largest number of rooms; party.c has the traffic. */
#ifndef PARTY_BENCH_PARTY_H
#define PARTY_BENCH_PARTY_H

#include "scenario.h"

#define PARTY_GUESTS 4
#define PARTY_CLIENTS (PARTY_GUESTS + 1)

/* Runs `party` with more and more rooms until the bound breaks, and reports the most that kept it.
 */
void party_find_rooms(const struct options *options, struct report *report);

#endif
