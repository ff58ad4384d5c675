/*
 * What the files of the relay share: relay.c receives and sends, relay_entry.c is about creating
 * and joining, relay_retaining.c about what a room keeps when its members are gone, relay_ending.c
 * about how rooms end.
 */
#ifndef PARTY_RELAY_RELAY_PARTS_H
#define PARTY_RELAY_RELAY_PARTS_H

#include <assert.h>

#include "relay/relay.h"

/* A clientId in its canonical form. */
struct canonical_id {
    size_t length;
    uint8_t data[CLIENT_ID_CANONICAL_MAX];
};

static inline struct bytes id_view(const struct canonical_id *id)
{
    return bytes_of(id->data, id->length);
}

/* False: the id is longer than ids may be here. */
bool id_canonicalize(const struct relay *relay, const struct json_value *string,
                     struct canonical_id *ret_id);

/* For each kind a function that adds one: effects_add_replaced(effects, (struct
 * effect_replaced){...}). */
#define EFFECT_ADDER(name, member, fields)                                                        \
    static inline void effects_add_##member(struct effects *effects, struct effect_##member what) \
    {                                                                                             \
        assert(effects->count < EFFECTS_MAX);                                                     \
        struct effect *effect = &effects->items[effects->count++];                                \
        effect->kind = EFFECT_##name;                                                             \
        effect->member = what;                                                                    \
    }

FOR_EACH_EFFECT(EFFECT_ADDER)

void effects_tell_client(struct effects *effects, uint32_t client, struct event event);

/* To all but `except`, which may be CLIENT_NONE. */
void effects_tell_room(struct effects *effects, struct room *room, uint32_t except,
                       struct event event);

void effects_refuse(struct effects *effects, struct speaker speaker, enum relay_error error);

/* A client who has a seat has none from now on. */
void relay_unseat(const struct relay *relay, uint32_t client);

/* The messages of each type. */
void relay_create(struct relay *relay, struct speaker speaker, const struct envelope *envelope,
                  struct effects *effects);
void relay_join(struct relay *relay, struct speaker speaker, const struct envelope *envelope,
                struct effects *effects);
void relay_set_state(const struct relay *relay, struct speaker speaker,
                     const struct envelope *envelope, struct effects *effects);
void relay_close_room(struct relay *relay, struct speaker speaker, struct effects *effects);

/* A member has left who may come back: the room of protocol 2 remembers it, if there is memory. */
void relay_remember_absent(struct relay *relay, struct room *room, struct member *member);

/* Whether a room of protocol 2 lives on when its last member leaves like this. */
bool relay_outlives(const struct relay *relay, const struct member *last, enum departure departure);

/* Nobody is in the room of protocol 2 from now on; or somebody again, if nobody was. */
void relay_desert(struct relay *relay, struct room *room);
void relay_occupy(struct relay *relay, struct room *room);

/* Counts what a room keeps. False: it keeps too much, or rooms do in all. */
MUST_CHECK bool relay_admit_bytes(const struct relay *relay, struct room *room, size_t count);

/* What the room keeps is not counted any more. */
void relay_discount_room(const struct relay *relay, struct room *room);

/* A member is back: its id is no longer counted among what the room keeps. */
void relay_discount_absent(const struct relay *relay, struct member *member);

/* There are several members in the room from now on. */
void relay_begin_proof(struct relay *relay, struct room *room);

/* Ends the room in which nobody has been the longest. False: somebody is in each room. */
bool relay_end_first_deserted(struct relay *relay, struct effects *effects);

/* The room is in no table any more; it is freed at the next call. */
void relay_end_room(struct relay *relay, struct room *room, struct effects *effects);

/* Frees what the effects of the last call pointed to. */
void relay_free_departed(struct relay *relay);

#endif
