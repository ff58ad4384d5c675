/*
 * What the files of the relay share. relay.c receives messages, relay_entry.c creates and joins,
 * relay_retaining.c keeps what a room retains for absent members, relay_ending.c ends rooms.
 * Protocol 3 has files of its own: relay_3.c receives, relay_3_entry.c creates and joins,
 * relay_3_leaving.c is about seats that are away or gone, and about the host.
 */
#ifndef PARTY_RELAY_RELAY_PARTS_H
#define PARTY_RELAY_RELAY_PARTS_H

#include <assert.h>

#include "relay/relay.h"

/* A clientId in its canonical form. */
struct canonical_id {
    size_t length;
    size_t decoded_length; /* of the clientId itself, in bytes */
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
 * Note that a room of protocol 2 has lost its last member; or that a room of protocol 2 or 3 has a
 * member again, if it had none.
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

/* Closes the connections of all who are in the room, and ends it. */
void relay_shut_room(struct relay *relay, struct room *room, struct effects *effects);

/* What a valid `create` asks for, in every protocol. */
struct room_settings {
    uint32_t members_max;
    struct bytes id;
    struct maker *maker;
    bool has_url; /* relay->template is valid */
};

/* Creates a room if the limits allow it and a code is free. NULL: the speaker is told why not. */
struct member *relay_open_room(struct relay *relay, struct room_settings *settings,
                               struct speaker speaker, struct effects *effects);

/* Read fields. False: the value is not what the protocol wants. */
bool relay_read_max_clients(const struct relay *relay, const struct json_value *value,
                            uint32_t *ret_members_max);
bool relay_read_code(const struct json_value *string, uint64_t *ret_code);

/* Whether the speaker may hear if its code names a room; if not, no answer depends on that. */
bool relay_may_tell(const struct relay *relay, struct speaker speaker, bool is_found,
                    struct effects *effects);

/* Tells the speaker that its code names no room, or delays the answer of one who guesses. */
void relay_refuse_not_found(const struct relay *relay, struct speaker speaker,
                            struct effects *effects);

/* The error that says which protocol a room speaks. */
enum relay_error relay_uses_protocol(const struct room *room);

/* Counts what the room retains for a member that goes away. False: it is too much. */
MUST_CHECK bool relay_admit_absent(const struct relay *relay, const struct member *member);

/* Whether a state is small enough to be retained. */
bool relay_state_fits(struct bytes span);

/* For the account of a log; `context` is its struct party. */
bool relay_admit_log(void *context, size_t bytes);
void relay_dismiss_log(void *context, size_t bytes);

/* Protocol 3. */
void relay_3_receive(struct relay *relay, struct speaker speaker, enum envelope_result result,
                     const struct envelope *envelope, struct effects *effects);
void relay_3_refuse(struct speaker speaker, const char *of, enum relay_error error,
                    struct effects *effects);
void relay_3_create(struct relay *relay, struct speaker speaker, const struct envelope *envelope,
                    struct effects *effects);
void relay_3_join(struct relay *relay, struct speaker speaker, const struct envelope *envelope,
                  struct effects *effects);
void relay_3_carry_out(struct relay *relay, struct speaker speaker, const struct join *join,
                       struct effects *effects);
/* Reads a password. False: the value is no string of 1 to PASSWORD_BYTES_MAX bytes. */
bool relay_3_read_password(const struct json_value *value, uint8_t ret_text[PASSWORD_BYTES_MAX],
                           uint8_t *ret_length);
bool relay_3_read_max_audience(const struct relay *relay, const struct json_value *value,
                               uint32_t *ret_max);
void relay_3_set_password(const struct relay *relay, struct party *party, struct bytes password);
uint64_t relay_3_hash(struct bytes text);

/*
 * Add effects that send an event of a room to members and count it for their seats; without
 * audience, unless the caller changes the effect, which they return.
 */
struct effect_emit *relay_3_emit_to_all(struct room *room, enum event_type type,
                                        struct effects *effects);
struct effect_emit *relay_3_emit_to_others(struct member *member, enum event_type type,
                                           struct effects *effects);

/* A new room reserves what its rules need later. False: memory is short. */
MUST_CHECK bool relay_3_prepare_room(struct relay *relay, struct room *room);

/* Gives back what the room reserved, and empties its log. */
void relay_3_release_room(struct relay *relay, struct room *room);

/* Adds a new seat. NULL: memory is short. */
MUST_CHECK struct member *relay_3_add_seat(struct relay *relay, struct room *room, struct bytes id,
                                           uint32_t client);

/* The member's connection has ended. */
void relay_3_depart(struct relay *relay, struct member *member, enum departure departure,
                    struct effects *effects);

/* The seat is gone, and its member with it; or the member was of the audience. */
void relay_3_vacate(struct relay *relay, struct member *member, enum leaving leaving,
                    struct effects *effects);

/* Looks after the host when somebody has come or gone. */
void relay_3_review_host(struct relay *relay, struct room *room, struct effects *effects);
void relay_3_make_host(struct relay *relay, struct room *room, uint32_t index,
                       struct effects *effects);

/* Tells the member the private state, if it is the host and there is one. */
void relay_3_tell_private(const struct member *member, struct effects *effects);

/* The host hears of the audience's size, soon. */
void relay_3_note_audience(struct relay *relay, struct room *room);

/* Does what is due first, which is due. */
void relay_3_do_due(struct relay *relay, struct effects *effects);

/* Takes a room out of the table and all lists; the next call frees it. */
void relay_end_room(struct relay *relay, struct room *room, struct effects *effects);

/* Frees what the effects of the last call pointed to. */
void relay_free_departed(struct relay *relay);

#endif
