/*
 * What the relay asks its owner to do, as values. They are to be performed in their order, before
 * the relay is called again; their views point into the message and into the relay's rooms.
 */
#ifndef PARTY_RELAY_EFFECT_H
#define PARTY_RELAY_EFFECT_H

#include "relay/event.h"

/* A join that names a code and an id which are possible. Whoever has the code carries it out. */
struct join {
    uint64_t code;
    size_t id_length;
    uint8_t id[CLIENT_ID_CANONICAL_MAX]; /* the clientId's canonical form */
};

/*
 * Each kind once: its name, the name of its part of the union and of who performs it, its fields.
 * Who performs effects has a function `perform_...` for each, or does not compile.
 */
/* clang-format off */
#define FOR_EACH_EFFECT(X) \
    /* `event` to `client`. */ \
    X(TO_CLIENT, to_client, uint32_t client; struct event event;) \
    /* `event` to all members of `room` but `except`, which may be CLIENT_NONE. */ \
    X(TO_ROOM, to_room, uint32_t except; struct room *room; struct event event;) \
    /* A join named no room: `event`, the error, to `client`, who may be guessing. */ \
    X(NOT_FOUND, not_found, uint32_t client; struct event event;) \
    /* A join by `client`, who has tried too often and may not be told whether there is such a room: \
     * nothing that is said to it may depend on that. */ \
    X(UNTOLD, untold, uint32_t client;) \
    /* `event` is the room's state: give it to relay_keep_state() as it is sent, and tell it to all \
     * members but `client`, who asked for it. */ \
    X(KEEP_STATE, keep_state, uint32_t client; struct room *room; struct event event;) \
    /* room_state() to `client`. */ \
    X(TELL_STATE, tell_state, uint32_t client; const struct room *room;) \
    /* All members of `room` have lost their seats: close them with 4001 `room closed`. */ \
    X(ROOM_CLOSED, room_closed, const struct room *room;) \
    /* `client` has lost its seat to `heir`: close it with 4000 `replaced`. */ \
    X(REPLACED, replaced, uint32_t client; uint32_t heir;) \
    /* The room may live on loop `loop`: `client` goes there, where `join` is given to \
     * relay_carry_out(). */ \
    X(MOVE, move, uint32_t client; uint32_t loop; const struct join *join;) \
    /* A room of that origin came to be, is no more, has had several members for a while. */ \
    X(ROOM_ADDED, room_added, uint16_t origin_number;) \
    X(ROOM_GONE, room_gone, uint16_t origin_number;) \
    X(ROOM_PROVEN, room_proven, uint16_t origin_number;) \
    /* What `client` asked for can't be carried out; nothing changed. */ \
    X(NO_MEMORY, no_memory, uint32_t client;)
/* clang-format on */

#define EFFECT_KIND(name, member, fields) EFFECT_##name,
#define EFFECT_TYPE(name, member, fields) \
    struct effect_##member {              \
        fields                            \
    };
#define EFFECT_FIELD(name, member, fields) struct effect_##member member;

enum effect_kind { FOR_EACH_EFFECT(EFFECT_KIND) };

FOR_EACH_EFFECT(EFFECT_TYPE)

struct effect {
    enum effect_kind kind;
    union {
        FOR_EACH_EFFECT(EFFECT_FIELD)
    };
};

#define EFFECTS_MAX 4

struct effects {
    uint32_t count;
    struct effect items[EFFECTS_MAX];
};

#endif
