/*
 * The rules of rooms: one client's message in, effects out. Knows no socket, clock or thread.
 */
#ifndef PARTY_RELAY_RELAY_H
#define PARTY_RELAY_RELAY_H

#include "proto/envelope.h"
#include "relay/effect.h"
#include "relay/room_table.h"
#include "relay/url_template.h"

#define STATE_COMPACT_BYTES_MAX 16384 /* of a retained state, its compact form */
#define STATE_SPAN_BYTES_MAX 65536    /* as it was written */
#define ABSENT_LEAST 64               /* absent members that even the smallest room remembers */
/* What a room may keep: this in any case, this at most, and of that this for its members who are
 * gone: so that they never leave too little for a state and a link. */
#define ROOM_RETAINED_CERTAIN (4 * 1024)
#define ROOM_RETAINED_MAX (256 * 1024)
#define ROOM_ABSENT_BYTES_MAX (184 * 1024)
/* An id's canonical form may be so many times as long as the id: escapes of control characters,
 * which honest ids don't have, are six times as long. */
#define ID_CANONICAL_FACTOR 2
#define QUIET_MS 60000 /* after which a room's only member plays no more */

struct relay_config {
    uint32_t loop_index;
    uint32_t loop_count;
    uint32_t members_max;  /* in any room */
    uint32_t id_bytes_max; /* of a decoded clientId; at most CLIENT_ID_BYTES_LIMIT */
    uint32_t host_grace_ms;
    uint32_t empty_room_grace_ms;
    uint32_t proof_ms; /* that a room has to have several members to be proven; 0: none is */
    struct instance instance;
    uint32_t *crowds; /* by origin: who is here in its rooms, counted there; NULL: nobody asks */

    /* What the relay can't know by itself; a test may give predictable sources. */
    uint32_t (*random)(void *context); /* 32 unpredictable bits */
    /* Where the seat of a client who has one is kept; it is the relay's to change. */
    struct member **(*seat_of)(void *context, uint32_t client);
    /* Counts a room that this client makes. False: too many. `ret_maker` may be NULL. */
    bool (*admit_room)(void *context, uint32_t client, struct maker **ret_maker);
    void (*dismiss_room)(void *context, struct maker *maker); /* one that was admitted is no more */
    /* A room of protocol 2 has become, or is no longer, one in which nobody is. */
    void (*room_deserted)(void *context, struct room *room);
    void (*room_occupied)(void *context, struct room *room);
    /*
     * Counts bytes that a room of this maker keeps without a connection's need. False: too many.
     * `is_certain`: the room has so little that it does not matter what others of its maker keep.
     */
    bool (*admit_bytes)(void *context, struct maker *maker, size_t count, bool is_certain);
    void (*dismiss_bytes)(void *context, struct maker *maker, size_t count);
    /* Whether a client that joins may be told what its code has found, which is counted; it is not
     * asked about one whom the room knows. */
    bool (*may_tell)(void *context, uint32_t client, bool is_found);
    /* Whether a client may be a new member of this room of protocol 2, which is counted. */
    bool (*may_bring)(void *context, uint32_t client, const struct room *room);
    void *context;
};

struct relay {
    struct relay_config config;
    struct room_table rooms;
    struct list hostless;         /* rooms whose host is gone, the longest gone first */
    struct list pairing;          /* rooms to be proven, the longest with several members first */
    struct list deserted;         /* rooms in which nobody is, the longest so first */
    uint32_t now_ms;              /* the owner's to set */
    bool is_draining;             /* no new rooms; the owner's to set */
    struct member *departed;      /* left last; kept while the effects of that point to it */
    struct room *closed;          /* closed last; the same */
    struct url_template template; /* of the last `create`; the same */
    struct join join;             /* the last that another loop is to carry out; the same */
};

/* Who is speaking. `seat` is NULL outside of rooms; the relay changes it. */
struct speaker {
    uint32_t client;
    enum protocol protocol;
    uint16_t origin_number; /* noted in a room that is created */
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

/* A join that came from another loop; this one has its code. The speaker has no seat. */
void relay_carry_out(struct relay *relay, struct speaker speaker, const struct join *join,
                     struct effects *ret_effects);

/* A message that can't be text: `Invalid JSON`. */
void relay_receive_garbage(struct speaker speaker, struct effects *ret_effects);

/* How a member's connection ended. */
enum departure {
    DEPARTURE_FAREWELL, /* by the client's own close frame, with 1000 or without a code */
    DEPARTURE_CUT_OFF,  /* in any other way: the client may not even know */
};

/* The connection ended. Does nothing when it has no seat. The seat is NULL afterwards. */
void relay_leave(struct relay *relay, struct member **seat, enum departure departure,
                 struct effects *ret_effects);

/*
 * Keeps the state of a room, performing EFFECT_KEEP_STATE; takes a reference. False: rooms keep too
 * much; the state of before stays, and the speaker is to be told ERROR_STATE_NO_MEMORY.
 */
MUST_CHECK bool relay_keep_state(struct relay *relay, struct room *room, struct payload *state);

/* Milliseconds until the first room whose host or all of whose members are gone is to end; -1:
 * there is none. */
int32_t relay_grace_left_ms(const struct relay *relay);

/* Ends that room, when it is time. False: it is not. */
bool relay_end_grace(struct relay *relay, struct effects *ret_effects);

/* Milliseconds until the next room is proven; -1: there is none. */
int32_t relay_proof_left_ms(const struct relay *relay);

/* Proves that room, when it is time. False: it is not. */
bool relay_prove_room(struct relay *relay, struct effects *ret_effects);

/* Ends a room in which nobody is, before its time. */
void relay_end_deserted(struct relay *relay, struct vacancy *vacancy, struct effects *ret_effects);

/*
 * Whether something goes on in the room, so that a drain waits for it: it has several members, or
 * one who has said something in the last QUIET_MS, and not to itself alone.
 */
bool relay_room_is_busy(const struct relay *relay, const struct room *room);

/*
 * A room in which something goes on; NULL: there is none. Looks at the rooms in `bucket` of
 * the table first, and remembers there where it found one; so asking often takes little.
 */
const struct room *relay_find_busy_room(const struct relay *relay, uint32_t *bucket);

/* A room of this loop for who asks by its code, or NULL. */
const struct room *relay_find_room(const struct relay *relay, uint64_t code);

#endif
