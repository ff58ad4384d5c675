/*
 * Effects: what the relay asks its owner to do, as values. The owner performs them in order, before
 * it calls the relay again. Their views point into the message and into the relay's rooms.
 */
#ifndef PARTY_RELAY_EFFECT_H
#define PARTY_RELAY_EFFECT_H

#include "relay/event.h"
#include "relay/party.h"

#define SEEN_NONE UINT64_MAX

/*
 * A join with a valid code and id, and in protocol 3 what else it said. The loop that owns the code
 * carries it out.
 */
struct join {
    uint64_t code;
    struct session session;
    uint64_t epoch; /* 0: the client knows nothing */
    uint64_t seen;  /* events of that epoch; SEEN_NONE: it did not say */
    /*
     * Not 0: the client has not said this. The owner has lost the seat that the client had over
     * this connection, and has it seated again. `joined` tells the client so, with this number.
     */
    uint32_t unasked;
    bool is_audience;
    uint8_t password_length;
    uint8_t password[PASSWORD_BYTES_MAX];
    size_t id_length;
    uint8_t id[CLIENT_ID_CANONICAL_MAX]; /* the canonical form of the clientId */
};

/*
 * Each kind of effect in one line: its name, its name in the union and in the function that
 * performs it, its fields. An owner defines a function perform_...() for each kind, or does not
 * compile.
 */
/* clang-format off */
#define FOR_EACH_EFFECT(X) \
    /* Send `event` to `client`. */ \
    X(TO_CLIENT, to_client, uint32_t client; struct event event;) \
    /* Send `event` to all members of `room` but `except`, which may be CLIENT_NONE. */ \
    X(TO_ROOM, to_room, uint32_t except; struct room *room; struct event event;) \
    /* A join named no room: send `event`, the error, to `client`, which may be guessing. */ \
    X(NOT_FOUND, not_found, uint32_t client; struct event event;) \
    /* `client` has joined too often in vain. It may not hear whether there is such a room: \
     * no answer may depend on that. */ \
    X(UNTOLD, untold, uint32_t client;) \
    /* `event` is the room's state: give it, as it is sent, to relay_keep_state(), and send it to \
     * all members but `client`, which has set it. */ \
    X(KEEP_STATE, keep_state, uint32_t client; struct room *room; struct event event;) \
    /* Send room_state() to `client`. */ \
    X(TELL_STATE, tell_state, uint32_t client; const struct room *room;) \
    /* All members of `room` have lost their seats: close them with 4001 `room closed`. */ \
    X(ROOM_CLOSED, room_closed, const struct room *room;) \
    /* This relay does not serve `room` any more, and all members have lost their seats: close them \
     * with 1012. */ \
    X(ROOM_LOST, room_lost, const struct room *room;) \
    /* `client` has lost its seat to `heir`: close it with 4000 `replaced`. */ \
    X(REPLACED, replaced, uint32_t client; uint32_t heir;) \
    /* Loop `loop` owns the code: move `client` there, and give `join` to relay_carry_out(). */ \
    X(MOVE, move, uint32_t client; uint32_t loop; const struct join *join;) \
    /* A room of that origin was created, has ended, has had several members for a while. */ \
    X(ROOM_ADDED, room_added, uint16_t origin_number;) \
    X(ROOM_GONE, room_gone, uint16_t origin_number;) \
    X(ROOM_PROVEN, room_proven, uint16_t origin_number;) \
    /* Memory was short for what `client` asked; nothing was changed. */ \
    X(NO_MEMORY, no_memory, uint32_t client;) \
    /* The following are of protocol 3. Send `event` to those members of `room` whom `address` names, \
     * and to the audience if it is for it; give it, as it is sent, to relay_note_event(). */ \
    X(EMIT, emit, struct room *room; struct event event; struct log_address address; \
      struct member *except; /* whom EVERYONE_BUT means, or one of the audience who isn't sent it */ \
      enum keeping keeping; bool is_for_audience;) \
    /* As KEEP_STATE, for the state that only the host is told; nobody is sent it now. */ \
    X(KEEP_PRIVATE, keep_private, uint32_t client; struct room *room; struct event event;) \
    /* Send the private state to `client`. */ \
    X(TELL_PRIVATE, tell_private, uint32_t client; const struct room *room;) \
    /* Send `client` the events that its seat has missed, as `cursor` finds them; or only those that \
     * relay_is_retold(), and `skipped` for the others. */ \
    X(TELL_MISSED, tell_missed, uint32_t client; const struct room *room; \
      struct log_cursor cursor; bool is_retold;) \
    /* `client` has lost its seat to the host's decision: close it with 4002 and `reason`. */ \
    X(KICKED, kicked, uint32_t client; struct bytes reason;) \
    /* `client` has joined over a connection that its client has given up: close it with 4101. */ \
    X(GIVEN_UP, given_up, uint32_t client;)
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

#define EFFECTS_MAX 8

struct effects {
    uint32_t count;
    struct effect items[EFFECTS_MAX];
};

#endif
