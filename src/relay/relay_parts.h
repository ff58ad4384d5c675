/*
 * What the files of the relay share. relay.c receives messages, relay_entry.c creates and joins,
 * relay_retaining.c keeps what a room retains for absent members, relay_ending.c ends rooms.
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

/* False: the id is too long. */
bool id_canonicalize(const struct relay *relay, const struct json_value *string,
                     struct canonical_id *ret_id);

/*
 * Defines for each kind a function that adds an effect: effects_add_replaced(effects, (struct
 * effect_replaced){...}).
 */
#define EFFECT_ADDER(name, member, fields)                                                         \
    static inline void effects_add_##member(struct effects *effects, struct effect_##member value) \
    {                                                                                              \
        assert(effects->count < EFFECTS_MAX);                                                      \
        struct effect *effect = &effects->items[effects->count++];                                 \
        effect->kind = EFFECT_##name;                                                              \
        effect->member = value;                                                                    \
    }

FOR_EACH_EFFECT(EFFECT_ADDER)

void effects_tell_client(struct effects *effects, uint32_t client, struct event event);

/* To all members but `except`, which may be CLIENT_NONE. */
void effects_tell_room(struct effects *effects, struct room *room, uint32_t except,
                       struct event event);

void effects_refuse(struct effects *effects, struct speaker speaker, enum relay_error error);

/* Takes the seat away from a client that has one. */
void relay_unseat(const struct relay *relay, uint32_t client);

/* One function for each type of message. */
void relay_create(struct relay *relay, struct speaker speaker, const struct envelope *envelope,
                  struct effects *effects);
void relay_join(struct relay *relay, struct speaker speaker, const struct envelope *envelope,
                struct effects *effects);
void relay_set_state(const struct relay *relay, struct speaker speaker,
                     const struct envelope *envelope, struct effects *effects);
void relay_close_room(struct relay *relay, struct speaker speaker, struct effects *effects);

/* Remembers a member that left a room of protocol 2 and may come back, if memory allows it. */
void relay_remember_absent(struct relay *relay, struct room *room, struct member *member);

/* Whether a room of protocol 2 lives on when its last member leaves in this way. */
bool relay_outlives(const struct relay *relay, const struct member *last, enum departure departure);

/*
 * Note that a room of protocol 2 has lost its last member; or that it has a member again, if it had
 * none.
 */
void relay_desert(struct relay *relay, struct room *room);
void relay_occupy(struct relay *relay, struct room *room);

/* Counts bytes that a room retains. False: the room retains too much, or all rooms do. */
MUST_CHECK bool relay_admit_bytes(const struct relay *relay, struct room *room, size_t count);

/* Discounts all that the room retains. */
void relay_discount_room(const struct relay *relay, struct room *room);

/* Discounts what the room retained for a member that has come back. */
void relay_discount_absent(const struct relay *relay, struct member *member);

/* Notes that the room has several members from now on. */
void relay_begin_proof(struct relay *relay, struct room *room);

/* Ends the room that has been without members for longest. False: all rooms have members. */
bool relay_end_first_deserted(struct relay *relay, struct effects *effects);

/* Takes a room out of the table and all lists; the next call frees it. */
void relay_end_room(struct relay *relay, struct room *room, struct effects *effects);

/* Frees what the effects of the last call pointed to. */
void relay_free_departed(struct relay *relay);

#endif
