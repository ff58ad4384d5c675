/*
 * The rules of rooms: a client's message goes in, effects come out. The relay knows no socket,
 * clock or thread.
 */
#ifndef PARTY_RELAY_RELAY_H
#define PARTY_RELAY_RELAY_H

#include "proto/envelope.h"
#include "relay/effect.h"
#include "relay/room_table.h"
#include "relay/url_template.h"

#define STATE_COMPACT_BYTES_MAX 16384 /* of a retained state in compact form */
#define STATE_SPAN_BYTES_MAX 65536    /* of a retained state as the client wrote it */
#define ABSENT_LEAST 64               /* absent members that even the smallest room may remember */
/*
 * What a room may retain: ROOM_RETAINED_CERTAIN in any case, and ROOM_RETAINED_MAX at most. Absent
 * members may take only ROOM_ABSENT_BYTES_MAX, so that enough is left for a state and a URL.
 */
#define ROOM_RETAINED_CERTAIN (4 * 1024)
#define ROOM_RETAINED_MAX (256 * 1024)
#define ROOM_ABSENT_BYTES_MAX (184 * 1024)
#define ROOM_3_RETAINED_MAX (4 * 1024 * 1024) /* in protocol 3, with the seats that are away */
/*
 * The canonical form of an id may be so many times as long as the id. Escapes of control characters
 * are six times as long, but honest ids have none.
 */
#define ID_CANONICAL_FACTOR 2
/* Protocol 3. */
#define ID_BYTES_LEAST 16             /* of a clientId, which is a secret */
#define HOLD_MS_MAX 600000            /* the longest time for which a room may hold seats */
#define HOLD_MS_STANDARD 60000        /* unless `create` says how long */
#define HOLD_MS_LEAST 5000            /* of a member that was here for a shorter time */
#define SILENT_CREATOR_MS 10000       /* time for a creator that may not know of its room */
#define COUNT_MAX ((uint64_t)1 << 53) /* of events: up to there a JSON number is exact */
#define TARGETS_MAX 64                /* that one `send` may name */
#define KICK_REASON_BYTES_MAX 123     /* of a close frame (RFC 6455 5.5) */

/* A restored room waits so long for its members, and holds their seats, at least. */
#define RESTORED_HOLD_LEAST_MS 30000

#define QUIET_MS 60000 /* a room's only member is quiet after this time without a message */

/* What the operator's key says of a token that came with a `create`. */
enum token_answer {
    TOKEN_NOT_ASKED, /* there is no key */
    TOKEN_OK,
    TOKEN_INVALID,
    TOKEN_EXPIRED,
    TOKEN_OTHER_ORIGIN,
    TOKEN_NO_MEMORY,
};

struct relay_config {
    uint32_t loop_index;
    uint32_t loop_count;
    uint32_t members_max;  /* limit for any room */
    uint32_t id_bytes_max; /* limit for a decoded clientId; at most CLIENT_ID_BYTES_LIMIT */
    uint32_t host_grace_ms;
    uint32_t empty_room_grace_ms;
    /* Time that a room must have several members to prove its origin; 0: no room does. */
    uint32_t proof_ms;
    struct instance instance;
    uint32_t hold_ms_max;   /* for the seats of any room; at most HOLD_MS_MAX */
    uint32_t migrate_ms;    /* a host may be away so long where another member may be the host */
    uint32_t log_bytes_max; /* of each room's log */
    uint32_t *crowds;       /* present members of rooms, counted by origin; NULL: not counted */
    bool notes_changes;     /* the owner writes records: relay.changed lists rooms */
    /* A room whose record was written just now is listed again only when so long has passed. */
    uint32_t record_rest_ms;

    /* Callbacks to the owner; tests may have predictable ones. */
    uint32_t (*random)(void *context); /* returns 32 unpredictable bits */
    /* The seat of a client that has one, which the relay may change. */
    struct member **(*seat_of)(void *context, uint32_t client);
    /*
     * Counts a room that this client creates; CLIENT_NONE: the room is restored, and nobody is its
     * maker. False: there are too many. `ret_maker` may be NULL afterwards.
     */
    bool (*admit_room)(void *context, uint32_t client, struct maker **ret_maker);
    void (*dismiss_room)(void *context, struct maker *maker); /* counts a room less */
    void (*forget_record)(void *context, uint64_t code);      /* if it notes changes: a room ends */
    /* A room has lost its last member and lives on, or has a member again. */
    void (*room_deserted)(void *context, struct room *room);
    void (*room_occupied)(void *context, struct room *room);
    /*
     * Counts bytes that a room of this maker retains. False: there are too many. `is_certain`: the
     * room retains so little that it does not matter what other rooms of the maker retain.
     */
    bool (*admit_bytes)(void *context, struct maker *maker, size_t count, bool is_certain);
    void (*dismiss_bytes)(void *context, struct maker *maker, size_t count);
    /*
     * Whether a client that joins may hear if its code names a room; counts a miss. The relay does
     * not ask about a client that is a member of the room already.
     */
    bool (*may_tell)(void *context, uint32_t client, bool is_found);
    /* Whether a client may be a new member of this room of protocol 2; counts it. */
    bool (*may_bring)(void *context, uint32_t client, const struct room *room);
    /*
     * Protocol 3. How many rooms there are, and whether the client's address is private: both say
     * how long the code of its room must be.
     */
    void (*code_needs)(void *context, uint32_t client, uint64_t *ret_rooms, bool *ret_is_private);
    /* Checks the token of a `create`; it may bound `ret_members_max`. An empty one: there is none.
     */
    enum token_answer (*check_token)(void *context, uint32_t client, struct bytes token,
                                     uint32_t *ret_members_max);
    /*
     * Whether the relay may look at a password of this client. With `was_wrong` the relay reports
     * that one was wrong; the result means nothing then.
     */
    bool (*may_guess)(void *context, uint32_t client, const struct room *room, bool was_wrong);
    /* Whether this relay may make a room with this code; NULL: all codes of its loop are its own.
     */
    bool (*may_make)(void *context, uint64_t code);
    /*
     * The code of a new room, where the owner has drawn codes before, with relay_draw_code(). In
     * protocol 3 it must have so many letters at least. False: there is none now. NULL: the relay
     * draws a code when it needs one.
     */
    bool (*take_code)(void *context, enum protocol protocol, uint32_t length, uint64_t *ret_code);
    void *context;
};

struct relay {
    struct relay_config config;
    struct room_table rooms;
    struct list changed;  /* rooms whose record would be another one now; the owner empties it */
    struct list resting;  /* rooms that were there, for record_rest_ms; the first one first */
    struct list hostless; /* rooms without their host, in the order in which it left */
    /*
     * Rooms with several members and without proof, in the order in which they got the second one.
     */
    struct list pairing;
    struct list deserted; /* rooms without members, in the order in which they lost the last one */
    struct list waiting;  /* rooms of protocol 3 in which nobody is, in the same order */
    struct due_heap dues; /* of rooms of protocol 3 */
    uint32_t now_ms;      /* the owner sets it */
    bool is_draining;     /* create no more rooms; the owner sets it */
    struct member *departed; /* the last that left; freed at the next call, after its effects */
    struct room *closed;     /* the room that ended last; freed at the next call as well */
    struct url_template template;  /* of the last `create`; valid until the next call */
    struct join join;              /* the last join for another loop; valid until the next call */
    uint32_t targets[TARGETS_MAX]; /* of the last `send`; valid until the next call */
    char to_text[sizeof "4294967295"]; /* of the last binary message; valid until the next call */
    uint8_t kick_reason[KICK_REASON_BYTES_MAX]; /* the last one; valid until the next call */
};

/*
 * Draws a code for a room that this relay may make, of `length` letters if it is one of protocol 3.
 * False: hardly any code is free.
 */
bool relay_draw_code(const struct relay *relay, enum protocol protocol, uint32_t length,
                     uint64_t *ret_code);

/*
 * The client whose message is received. `seat` is NULL if it is in no room; the relay changes it.
 */
struct speaker {
    uint32_t client;
    enum protocol protocol;
    uint16_t origin_number; /* a room that the client creates is counted there */
    struct member **seat;
};

void relay_init(struct relay *relay, const struct relay_config *config);

/* Frees all rooms. Seats are dangling afterwards. */
void relay_release(struct relay *relay);

/* Receives a complete message that is known to be UTF-8. */
void relay_receive(struct relay *relay, struct speaker speaker, struct bytes text,
                   struct effects *ret_effects);

/* As relay_receive(), for a message that was parsed. The envelope's text must still be valid. */
void relay_receive_envelope(struct relay *relay, struct speaker speaker,
                            enum envelope_result result, const struct envelope *envelope,
                            struct effects *ret_effects);

/*
 * Carries out a join that came from another loop, or one that the client has not asked for (see
 * struct join). The speaker must have no seat. After the latter it may have none either.
 */
void relay_carry_out(struct relay *relay, struct speaker speaker, const struct join *join,
                     struct effects *ret_effects);

/*
 * The join with which this member gets its seat again over the connection that it has, but for the
 * number of `unasked`. False: it has no seat of protocol 3.
 */
bool relay_way_back(const struct member *seat, struct join *ret_join);

/*
 * Whether this event, as dialect_write() wrote it, is told to a member that has lost its counts: a
 * message of somebody who is in the room.
 */
bool relay_is_retold(const struct room *room, struct bytes written);

/* Answers a message that is not UTF-8 with `Invalid JSON`. */
void relay_receive_garbage(struct relay *relay, struct speaker speaker,
                           struct effects *ret_effects);

/* Receives a complete binary message of a client that speaks protocol 3. */
void relay_receive_binary(struct relay *relay, struct speaker speaker, struct bytes message,
                          struct effects *ret_effects);

/* For EFFECT_EMIT: counts the event and keeps the frame; an empty one could not be made. */
void relay_note_event(struct room *room, const struct effect_emit *effect, struct bytes frame,
                      struct payload *payload);

/* The same for a private state, which is only retained; see relay_keep_state(). */
MUST_CHECK bool relay_keep_private(struct relay *relay, struct room *room, struct payload *state);

/* The effect that refuses `set_state` of the room's host in protocol 3, for lack of memory. */
struct effect_emit relay_refusal_of_state(const struct room *room);

/*
 * The owner had no memory for what a member has said last, and closes its connection: a member of
 * protocol 3 says it again, since it counts as not heard. The seat may be NULL.
 */
void relay_unhear(struct member *seat);

/* How a member's connection ended. */
enum departure {
    DEPARTURE_FAREWELL, /* the client sent a close frame with 1000 */
    DEPARTURE_CODELESS, /* the client sent one without a code; only protocol 3 does not believe it
                         */
    DEPARTURE_CUT_OFF,  /* in any other way; the client may not even know */
    /* By what the relay does: it is to have its seat again soon. Protocols 1 and 2: as cut off. */
    DEPARTURE_HANDED_OVER,
};

/*
 * Lets a member leave whose connection has ended. Does nothing if the seat is NULL; it is NULL
 * afterwards.
 */
void relay_leave(struct relay *relay, struct member **seat, enum departure departure,
                 struct effects *ret_effects);

/*
 * Retains the state of a room, for EFFECT_KEEP_STATE; takes a reference of its own. False: rooms
 * retain too much. Then the room keeps the former state, and the owner tells the speaker
 * ERROR_STATE_NO_MEMORY.
 */
MUST_CHECK bool relay_keep_state(struct relay *relay, struct room *room, struct payload *state);

/*
 * Milliseconds until the first room must end that has no host or no members, or a seat expires, or
 * the like; -1: there is nothing to wait for.
 */
int32_t relay_due_left_ms(const struct relay *relay);

/* Does that if it is due. False: it is not. */
bool relay_do_due(struct relay *relay, struct effects *ret_effects);

/* Milliseconds until the next room proves its origin; -1: there is none. */
int32_t relay_proof_left_ms(const struct relay *relay);

/* Proves that room's origin if it is due. False: it is not. */
bool relay_prove_room(struct relay *relay, struct effects *ret_effects);

/* Ends a room without members before its time. */
void relay_end_deserted(struct relay *relay, struct vacancy *vacancy, struct effects *ret_effects);

/*
 * Whether a drain must wait for the room: it has several members, or its only member has sent
 * something to others in the last QUIET_MS.
 */
bool relay_room_is_busy(const struct relay *relay, const struct room *room);

/*
 * Returns a room that a drain must wait for; NULL: there is none. The search begins at `bucket` of
 * the table, and leaves there where it found a room; so a repeated search is short.
 */
const struct room *relay_find_busy_room(const struct relay *relay, uint32_t *bucket);

/* How many rooms a drain must wait for, among the first ones that the relay looks at, at most
 * `most`. */
uint32_t relay_count_busy_rooms(const struct relay *relay, uint32_t most);

/* The room that the string names in a message. False: no room can have such a code. */
bool relay_read_code(const struct json_value *string, uint64_t *ret_code);

/*
 * The next room whose code this relay does not serve any more, as `serves` says; NULL: there is
 * none. The caller ends it. `bucket` is where the search goes on, 0 at first.
 */
struct room *relay_find_unserved(const struct relay *relay, uint32_t *bucket,
                                 bool (*serves)(void *context, uint64_t code), void *context);

/* Ends a room here that is another relay's. */
void relay_give_up(struct relay *relay, struct room *room, struct effects *ret_effects);

/* Also those that rest. */
uint64_t relay_count_changed(const struct relay *relay);

/* Milliseconds until relay_take_changed() has to be asked; -1: nothing has changed. */
int32_t relay_changed_left_ms(const struct relay *relay);

/*
 * The first of the changed rooms that do not rest, which is not among them any more, and rests from
 * now on; NULL: there is none.
 */
struct room *relay_take_changed(struct relay *relay);
/* The same before a stop: no room rests. */
struct room *relay_take_changed_at_last(struct relay *relay);

/* The room of this loop with this code; NULL: there is none. */
const struct room *relay_find_room(const struct relay *relay, uint64_t code);

#endif
