/*
 * The rules of rooms: one client's message in, effects out. Knows no socket, clock or thread.
 *
 * Effects are to be performed in their order, before the relay is called again; their views point
 * into the message and into the relay's rooms.
 */
#ifndef PARTY_RELAY_RELAY_H
#define PARTY_RELAY_RELAY_H

#include "proto/envelope.h"
#include "relay/event.h"
#include "relay/room_table.h"

struct relay_config {
    uint32_t loop_index;
    uint32_t loop_count;
    uint32_t members_max;  /* in any room */
    uint32_t id_bytes_max; /* of a decoded clientId; at most CLIENT_ID_BYTES_LIMIT */

    /* What the relay can't know by itself; a test may give predictable sources. */
    uint32_t (*random)(void *context);   /* 32 unpredictable bits */
    bool (*admit_room)(void *context);   /* counts a room of the process; false: too many */
    void (*dismiss_room)(void *context); /* a room that was admitted is no more */
    void *context;
};

struct relay {
    struct relay_config config;
    struct room_table rooms;
    bool is_draining;        /* no new rooms; the owner's to set */
    struct member *departed; /* left last; kept while the effects of that point to its id */
};

enum effect_kind {
    EFFECT_TO_CLIENT,  /* `event` to `client` */
    EFFECT_TO_ROOM,    /* `event` to all members of `room` but the one called `client` */
    EFFECT_NOT_FOUND,  /* a join named no room: `event`, the error, to `client`, who may be guessing
                        */
    EFFECT_REPLACED,   /* `client` has lost its seat: forget it, close with 4000 `replaced` */
    EFFECT_MOVE,       /* the room may live on loop `loop`: take the message there, say it again */
    EFFECT_ROOM_ADDED, /* a room with `origin` came to be */
    EFFECT_ROOM_GONE,  /* a room with `origin` is no more */
    EFFECT_NO_MEMORY,  /* the request can't be carried out; nothing changed */
};

#define CLIENT_NONE UINT32_MAX

struct effect {
    enum effect_kind kind;
    uint32_t client;
    uint32_t loop;
    uint16_t origin;
    struct room *room;
    struct event event;
};

#define EFFECTS_MAX 4

struct effects {
    uint32_t count;
    struct effect items[EFFECTS_MAX];
};

/* Who is speaking. `seat` is NULL outside of rooms; the relay changes it. */
struct speaker {
    uint32_t client;
    uint16_t origin; /* noted in a room that is created */
    struct member **seat;
};

void relay_init(struct relay *relay, const struct relay_config *config);

/* Frees all rooms. Seats are dangling afterwards. */
void relay_release(struct relay *relay);

/* A whole message that is known to be UTF-8. */
void relay_receive(struct relay *relay, struct speaker speaker, struct bytes text,
                   struct effects *ret_effects);

/* The same for a message that was parsed already; the envelope's text must still be there. */
void relay_receive_envelope(struct relay *relay, struct speaker speaker,
                            enum envelope_result result, const struct envelope *envelope,
                            struct effects *ret_effects);

/* A message that can't be text: `Invalid JSON`. */
void relay_receive_garbage(struct speaker speaker, struct effects *ret_effects);

/* The connection ended. Does nothing when it has no seat. The seat is NULL afterwards. */
void relay_leave(struct relay *relay, struct member **seat, struct effects *ret_effects);

#endif
