/*
 * Protocol 1 once more, and simply: a model of rooms beside the real relays, one for each loop.
 *
 * Whatever a client does is done to its relay and worked out by the model, from the bytes said and
 * with a JSON reader of its own. What every client hears of it, the effects that were asked for,
 * and the rooms, members and seats afterwards are compared at once; a difference fails the test.
 *
 * Used by the simulation (random clients) and by the fuzzer of the relay (clients made of bytes).
 */
#ifndef PARTY_TESTS_RELAY_MODEL_H
#define PARTY_TESTS_RELAY_MODEL_H

#include "relay/code.h"
#include "relay/relay_fixture.h"

#define MODEL_LOOPS_MAX 4
#define MODEL_ROOMS_MAX (MODEL_LOOPS_MAX * WORLD_ROOMS_MAX)

struct model_room {
    char code[CODE_LENGTH + 1]; /* empty before the first room in this place */
    uint32_t loop;
    uint32_t creator;
    uint32_t members_max;
    uint32_t member_count;               /* 0: it is gone; its code may still be asked for */
    uint32_t clients[WORLD_MEMBERS_MAX]; /* in order of entry */
};

struct model_client {
    uint32_t loop;
    struct model_room *room; /* NULL outside of rooms */
    char *id;                /* canonical; owned, while in a room */
};

struct model {
    struct world worlds[MODEL_LOOPS_MAX];
    uint32_t loop_count;
    bool is_draining;
    struct model_room rooms[MODEL_ROOMS_MAX];
    struct model_client clients[WORLD_CLIENTS];
};

/* Clients begin evenly spread over the loops. The seed decides which codes are drawn. */
void model_init(struct model *model, uint32_t loop_count, uint64_t seed);

/* All clients leave. */
void model_release(struct model *model);

/* A client says something, valid or not; bytes that are no UTF-8 reach the relay as garbage. */
void model_say(struct model *model, uint32_t client, struct bytes text);

/* The client's connection ends; the next one with its number is on the same loop. */
void model_drop(struct model *model, uint32_t client);

void model_set_draining(struct model *model, bool is_draining);

#endif
