/*
 * What the files of the relay share. relay.c receives messages, relay_entry.c creates and joins,
 * relay_retaining.c keeps what a room retains for absent members, relay_ending.c ends rooms.
 * Protocol 3 has files of its own: relay_3.c receives, relay_3_host.c what only the host may say;
 * relay_3_create.c and relay_3_join.c let clients in, relay_3_leaving.c is about seats that are
 * away or gone, and about who is the host, relay_3_audience.c about who has no seat. record.h has
 * what is written and read of rooms that outlive the process.
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

/* Whether a room of protocol 1 or 2 lives on when its last member leaves in this way. */
bool relay_outlives(const struct relay *relay, const struct member *last, enum departure departure);

/*
 * Note that a room of protocol 1 or 2, which lives on, has lost its last member; or that a room has
 * a member again, if it had none.
 */
void relay_desert(struct relay *relay, struct room *room);
void relay_occupy(struct relay *relay, struct room *room);

/* Counts bytes that a room retains. False: the room retains too much, or all rooms do. */
MUST_CHECK bool relay_admit_bytes(const struct relay *relay, struct room *room, size_t count);

/* The same for what is worth more than the room's log, which drops its oldest events for it. */
MUST_CHECK bool relay_admit_before_log(const struct relay *relay, struct room *room, size_t count);

/* Discounts all that the room retains. */
void relay_discount_room(const struct relay *relay, struct room *room);

/* Discounts what the room retained for a member that has come back. */
void relay_discount_absent(const struct relay *relay, struct member *member);

/* Frees a room that is in no table, with all that is counted for it but the room itself. */
void relay_drop_room(struct relay *relay, struct room *room);

/* Keeps the URL of a room, as it is in JSON. False: memory is short, or rooms retain too much. */
MUST_CHECK bool relay_keep_url(const struct relay *relay, struct room *room, struct bytes url);

/* Replaces a state that the room retains. False: rooms retain too much. */
MUST_CHECK bool relay_replace_state(const struct relay *relay, struct room *room,
                                    struct payload **retained, struct payload *state);

/* Whether a restored room must still be there for the members that it had. */
bool relay_is_just_restored(const struct relay *relay, const struct room *room);

/* Nobody is in a room that was just restored, as if all its connections had been cut off. */
void relay_desert_restored(struct relay *relay, struct room *room);

/* Lists the room among the changed ones from now on, if the owner wants that. */
static inline void relay_begin_noting(struct relay *relay, struct room *room)
{
    room->changes = relay->config.notes_changes ? &relay->changed : NULL;
}

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
    const struct wishes *wishes; /* of protocol 3 */
    bool has_url;                /* relay->template is valid */
};

/* Creates a room if the limits allow it and a code is free. NULL: the speaker is told why not. */
struct member *relay_open_room(struct relay *relay, struct room_settings *settings,
                               struct speaker speaker, struct effects *effects);

/* The speaker is the first member of a new room, and hears so. */
void relay_seat_creator(const struct relay *relay, struct speaker speaker, struct member *member,
                        struct effects *effects);

/* Read fields. False: the value is not what the protocol wants. */
bool relay_read_max_clients(const struct relay *relay, const struct json_value *value,
                            uint32_t *ret_members_max);

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

/* Of the logs in struct party: they are among what rooms retain. */
extern const struct log_account relay_log_account;

/* Protocol 3. */
void relay_3_receive(struct relay *relay, struct speaker speaker, enum envelope_result result,
                     const struct envelope *envelope, struct effects *effects);
void relay_3_refuse(struct speaker speaker, const char *of, enum relay_error error,
                    struct effects *effects);
void relay_3_receive_from_host(struct relay *relay, struct speaker speaker,
                               const struct envelope *envelope, struct effects *effects);

/* Reads an index. False: `value` is none. */
bool relay_3_read_index(const struct json_value *value, uint32_t *ret_index);

/* Reads a field that is true or false, and false when it is absent. False: it is neither. */
bool relay_3_read_flag(const struct json_value *value, bool *ret_flag);
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

/* What the room remembers of who may come, which is new at first. NULL: memory is short. */
struct access *relay_3_access(struct party *party);

/* Sets a password, for which relay_3_access() has succeeded before, or none if it is empty. */
void relay_3_set_password(const struct relay *relay, struct party *party, struct bytes password);

/* Reads the first fields of `create` and `join`. False: ret_error says which one is wrong. */
bool relay_3_read_client(const struct relay *relay, const struct envelope *envelope,
                         struct canonical_id *ret_id, struct session *ret_session,
                         enum relay_error *ret_error);
uint64_t relay_3_draw_epoch(const struct relay *relay);
uint64_t relay_3_hash(struct bytes text);

/*
 * Add effects that send an event of a room to members and count it for their seats; without
 * audience, unless the caller changes the effect, which they return.
 */
struct effect_emit *relay_3_emit_to_all(struct room *room, enum event_type type,
                                        struct effects *effects);
struct effect_emit *relay_3_emit_to_others(struct member *member, enum event_type type,
                                           struct effects *effects);

/* What `create` says in protocol 3 beside what it says in protocol 2. */
struct wishes {
    struct session session;
    uint32_t hold_ms;
    uint32_t audience_max;
    bool host_migrates;
    uint8_t password_length;
    uint8_t password[PASSWORD_BYTES_MAX];
};

/* A new room reserves what its rules need later. False: memory is short. */
MUST_CHECK bool relay_3_prepare_room(struct relay *relay, struct room *room,
                                     const struct wishes *wishes);

/* Gives back what the room reserved, and empties its log. */
void relay_3_release_room(struct relay *relay, struct room *room);

/* Adds a new seat. NULL: memory is short. */
MUST_CHECK struct member *relay_3_add_seat(struct relay *relay, struct room *room, struct bytes id,
                                           uint32_t client);

/* Nobody with a seat is in the room any more. */
void relay_3_desert(struct relay *relay, struct room *room);

/*
 * Puts a restored member away: its seat is held as if its connection had just ended, or for
 * `left_ms` if it was away before; for `least_ms` at least. False: rooms retain too much.
 */
MUST_CHECK bool relay_3_restore_hold(struct relay *relay, struct member *member, bool was_here,
                                     uint32_t left_ms, uint32_t least_ms);

/* A room that was restored after an upgrade goes on; some may be in it. */
void relay_resume_room(struct relay *relay, struct room *room, struct effects *effects);

/* Remembers one outcast, which is counted. False: memory is short. */
MUST_CHECK bool relay_3_remember_outcast(const struct relay *relay, struct room *room,
                                         struct outcasts *outcasts, struct outcast outcast);

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

/* Lets so many watch from now on. False: memory is short, and nothing was changed. */
MUST_CHECK bool relay_3_allow_audience(struct relay *relay, struct party *party, uint32_t max);

/* Gives back what that has reserved. */
void relay_3_release_audience(struct relay *relay, const struct party *party);

/* The host hears of the audience's size: soon, and now. */
void relay_3_note_audience(struct relay *relay, struct room *room);
void relay_3_tell_audience(struct relay *relay, struct audience *audience, struct effects *effects);

/* A member of the audience has gone. */
void relay_3_leave_audience(struct relay *relay, struct member *member);

/* Does what is due first, which is due. */
void relay_3_do_due(struct relay *relay, struct effects *effects);

/* Takes a room out of the table and all lists; the next call frees it. */
void relay_end_room(struct relay *relay, struct room *room, struct effects *effects);

/* Frees what the effects of the last call pointed to. */
void relay_free_departed(struct relay *relay);

#endif
