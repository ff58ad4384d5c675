/*
 * The audience of a room of protocol 3: members without a seat. A room has a struct audience from
 * when it first lets an audience in.
 */
#ifndef PARTY_RELAY_AUDIENCE_H
#define PARTY_RELAY_AUDIENCE_H

#include "relay/seat.h"

#define AUDIENCE_TOLD_MS 1000  /* the host hears of the count that often */
#define AUDIENCE_SENDS_MAX 200 /* messages that reach the host in a second */

struct audience {
    struct room *room;
    struct member **members; /* in no order; each knows its place */
    uint32_t count;
    uint32_t capacity;
    uint32_t max;
    uint32_t told;          /* the count that the host heard last */
    uint32_t told_ms;       /* when it heard that */
    uint32_t busy_since_ms; /* a second in which `busy_count` messages of the audience came */
    uint32_t busy_count;
    struct due telling; /* the host is told the count */
};

/* The host may be told at `now_ms`, for the first time. NULL: memory is short. */
MUST_CHECK struct audience *audience_new(struct room *room, uint32_t now_ms);

/* Frees the audience, but not its members; NULL is allowed. */
void audience_free(struct audience *audience);

/* Reserves a place for one more. False: memory is short. */
MUST_CHECK bool audience_reserve(struct audience *audience);
void audience_add(struct audience *audience, struct member *member);
void audience_remove(struct audience *audience, struct member *member);

/* Whether one more message of the audience may reach the host in this second. */
bool audience_admit_message(struct audience *audience, uint32_t now_ms);

#endif
