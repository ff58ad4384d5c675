/*
 * Both protocols once more, and simply: a model of rooms beside the real relays, one for each loop.
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
#define MODEL_ABSENT_MAX 64 /* and the host; rooms of the fixture have fewer places */
#define MODEL_KNOWN_MAX (WORLD_MEMBERS_MAX + MODEL_ABSENT_MAX + 2)
#define MODEL_NOBODY UINT32_MAX

struct model_member {
    char *id;        /* canonical; owned */
    uint32_t index;  /* of protocol 1, too, where nobody is told */
    uint32_t client; /* MODEL_NOBODY: it is absent */
    uint64_t left;   /* when it is absent: which departure that was */
    uint64_t left_ms;
    uint64_t entered_ms; /* when it is here */
    uint64_t stayed_ms;  /* before that */
    bool was_cut_off;
};

struct model_room {
    char code[CODE_LENGTH_MAX + 1]; /* empty before the first room in this place */
    enum protocol protocol;
    uint32_t loop;
    uint32_t creator;
    uint32_t members_max;
    bool is_live; /* else it is gone; its code may still be asked for */
    uint32_t known_count;
    uint32_t next_index;
    uint64_t host_left_ms; /* when the host is absent */
    uint64_t deserted;     /* when all are: which departure that was */
    uint64_t deserted_ms;
    struct model_member known[MODEL_KNOWN_MAX]; /* in order of first entry */
    char *url;   /* as the inside of a JSON string; owned; NULL: none */
    char *state; /* the data, as it was written; owned; NULL: none */
};

struct model_client {
    uint32_t loop;
    enum protocol protocol;
    struct model_room *room; /* NULL outside of rooms */
};

struct model {
    struct world worlds[MODEL_LOOPS_MAX];
    uint32_t loop_count;
    bool is_draining;
    size_t bytes_max;         /* that the rooms of a loop may keep */
    struct instance instance; /* of all loops */
    uint64_t now_ms;
    uint64_t departures;
    struct model_room rooms[MODEL_ROOMS_MAX];
    struct model_client clients[WORLD_CLIENTS];
};

/*
 * Clients begin evenly spread over the loops; every second one speaks protocol 2. The seed decides
 * which codes are drawn, and where the server is. The clock is about to wrap.
 */
void model_init(struct model *model, uint32_t loop_count, uint64_t seed);

/* All clients leave, and the time of what is left passes. */
void model_release(struct model *model);

/* A client says something, valid or not; bytes that are no UTF-8 reach the relay as garbage. */
void model_say(struct model *model, uint32_t client, struct bytes text);

/* A set_state whose data is an array of so many times `unit`, which ends with a comma, and 10. */
void model_set_long_state(struct model *model, uint32_t client, const char *unit, size_t count);

/* The client says farewell, and its connection ends; the next one with its number is on the same
 * loop. */
void model_drop(struct model *model, uint32_t client);

/* The same without a farewell. */
void model_cut_off(struct model *model, uint32_t client);

/* The same, and the next one speaks this protocol. */
void model_reconnect(struct model *model, uint32_t client, enum protocol protocol);

/* Rooms whose time is over are ended, each at its own time, or late: all at the end. */
void model_pass_time(struct model *model, uint32_t ms, bool is_late);

/* The process of a loop replaces itself: nobody hears anything, but graces begin anew. */
void model_upgrade(struct model *model, uint32_t loop);

void model_set_draining(struct model *model, bool is_draining);

/* Rooms of each loop may keep so much; more may be there already. SIZE_MAX: without limit. */
void model_set_bytes_max(struct model *model, size_t bytes_max);

#endif
