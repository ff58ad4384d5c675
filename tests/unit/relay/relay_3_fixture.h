/*
 * A room of protocol 3 for tests: client 1 is the host with index 0, clients 2 and 3 have indices 1
 * and 2. The clientId of client n is the letter number n of the alphabet, 16 times; its session is
 * `session-` and that letter. The room is BBBC, epochs are 2, 3, 4, ... in order of the seats.
 */
#ifndef PARTY_TESTS_RELAY_3_FIXTURE_H
#define PARTY_TESTS_RELAY_3_FIXTURE_H

#include "relay/relay_fixture.h"

/* `more` are further fields, each with a comma in front, or "". */
void create_3(struct world *world, uint32_t client, const char *more);

/* A join of the client in the place of `as`, whose id and session it uses. */
void join_as(struct world *world, uint32_t client, uint32_t as, uint32_t attempt, const char *more);

/* The first join of a client. */
void join_3(struct world *world, uint32_t client, const char *more);

/* Begins a world with a room of so many members, 1 to 3; nothing is in an inbox. */
void init_party_3(struct world *world, uint32_t members, const char *more);

/* The next text begins like this. */
void expect_begin(struct world *world, uint32_t client, const char *begin);

#endif
