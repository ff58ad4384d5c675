/*
 * A room and its members.
 *
 * The room knows a member by its clientId and by its index, which tells the order in which members
 * came. The server knows it by its `client`, a number without meaning here. Ids are kept in their
 * canonical JSON form, without quotes: two ids are equal if and only if their forms are, and an
 * event can contain the form unchanged.
 *
 * In protocol 2 a member that has left is absent: the room still knows it, and it keeps its index.
 * The number of absent members is bounded; the one that was present for the shortest time is
 * forgotten first. In protocol 1 only members of a restored room are absent, until they come back.
 */
#ifndef PARTY_RELAY_ROOM_H
#define PARTY_RELAY_ROOM_H

#include "base/attributes.h"
#include "base/bytes.h"
#include "base/list.h"
#include "base/payload.h"
#include "relay/code.h"

/* Decoded bytes: the highest value of relay_config.id_bytes_max. */
#define CLIENT_ID_BYTES_LIMIT 1024
#define CLIENT_ID_CANONICAL_MAX (6 * CLIENT_ID_BYTES_LIMIT) /* each byte as \uXXXX */

#define HOST_INDEX 0                    /* the creator's index */
#define INDEX_NONE UINT32_MAX           /* of no member; the host's, in a room that waits for one */
#define INDEX_AUDIENCE (INDEX_NONE - 1) /* of all who have no seat; below it are those of seats */

/* An address that creates rooms; only the server knows its contents. */
struct maker;

/* A deserted room in the list of its maker; the server links it. */
struct vacancy {
    struct list link;
    uint32_t loop; /* the room's loop; room_deserted() sets it */
    bool is_over;  /* the loop must end the room */
};

/*
 * What a room keeps beyond the needs of its members' connections: one of protocol 2 or 3, and one
 * of protocol 1 that was restored from its record.
 */
struct retained {
    struct room *room;
    struct payload *state; /* the retained state, in the form in which members get it; NULL: none */
    uint8_t *url; /* URL of the page for controllers, escaped for a JSON string; NULL: none */
    struct list hostless; /* in the relay's list of rooms without their host */
    struct list deserted; /* in the relay's list of rooms without members */
    struct vacancy vacancy;
    size_t bytes;        /* bytes that are counted for all this */
    size_t absent_bytes; /* bytes of these that are counted for absent members */
    uint32_t host_left_ms;
    uint32_t deserted_ms;
    uint32_t restored_ms;
    uint16_t url_length;
    uint16_t unknown_length;
    bool is_restored; /* the room was made of its record, at restored_ms */
    uint8_t *unknown; /* fields of the record that a later version has written; NULL: none */
};

struct room {
    /*
     * Two arrays of known members. In the first one present members are in front, by index, that is
     * in the order in which they came, and absent ones at the end; see room_absent(). From
     * `capacity` on follow all, sorted by id.
     */
    struct member **members;
    uint32_t member_count;
    uint32_t known_count;
    uint32_t capacity;    /* of each of the two arrays */
    uint32_t members_max; /* limit of present members; in protocol 3, of seats */
    uint64_t code;        /* see relay/code.h */
    struct room *next_in_bucket;
    struct retained *retained; /* NULL in protocol 1, unless the room was restored */
    struct party *party;       /* NULL in protocols 1 and 2 */
    struct maker *maker;
    uint32_t *crowd; /* counts the present members of all rooms of this origin; NULL: not counted */
    uint32_t absent_count;
    uint32_t next_index;
    uint32_t host_index;    /* INDEX_NONE: the room waits for a host */
    uint32_t paired_ms;     /* since when the room has had several members */
    struct list pairing;    /* in the relay's list of rooms without proof */
    bool is_proven;         /* it has had several members for proof_ms */
    uint16_t origin_number; /* the server's number for the creator's origin */
    struct list changed;    /* in `changes`, or among the relay's rooms that rest */
    uint32_t taken_ms;      /* rests: since when; its record was written then */
    bool has_changed;       /* since its record was written last */
    struct list *changes;   /* the relay's list of changed rooms; NULL: nobody writes records */
};

struct member {
    struct room *room;
    uint32_t client; /* CLIENT_NONE: absent */
    uint32_t index;
    uint32_t active_ms;  /* present: when it sent something last; absent: when it left */
    uint32_t entered_ms; /* present: since when */
    uint32_t stayed_ms;  /* total time of earlier stays */
    uint16_t id_length;
    bool was_cut_off : 1; /* absent: its connection ended without a farewell */
    bool is_in_seat : 1;  /* the member is part of a struct seat: protocol 3 */
    bool is_audience : 1; /* protocol 3: it has no index */
    uint8_t id[];
};

#define CLIENT_NONE UINT32_MAX
/* Of a present member after an upgrade, until its connection is there again: relay_take_over(). */
#define CLIENT_EXPECTED (CLIENT_NONE - 1)

static inline enum protocol room_protocol(const struct room *room)
{
    return code_protocol(room->code);
}

/* All known members, sorted by id. */
static inline struct member **room_by_id(const struct room *room)
{
    return room->members + room->capacity;
}

/*
 * Absent members. Protocol 2, without the host: the one that was present for the shortest time
 * first; among equal times, the one that left first. Protocol 3: members that are away, by index.
 */
static inline struct member **room_absent(const struct room *room)
{
    return room->members + room->capacity - room->absent_count;
}

/* Notes that the room's record would be another one now. */
static inline void room_note_change(struct room *room)
{
    if (room->changes == NULL)
        return;
    room->has_changed = true;
    if (list_is_empty(&room->changed))
        list_append(room->changes, &room->changed);
}

/* Empty: the room has no URL. */
static inline struct bytes room_url(const struct room *room)
{
    const struct retained *retained = room->retained;
    return retained == NULL ? (struct bytes){0} : bytes_of(retained->url, retained->url_length);
}

/* The retained state, or NULL. */
static inline struct payload *room_state(const struct room *room)
{
    return room->retained == NULL ? NULL : room->retained->state;
}

static inline struct bytes member_id(const struct member *member)
{
    return bytes_of(member->id, member->id_length);
}

/* room_next_client() behind the present members. */
bool room_next_of_audience(const struct room *room, uint32_t *at, uint32_t *ret_client);

/*
 * Iterates over the clients of present members, by index, and then over those of the audience. `at`
 * is 0 at first. False: the end.
 */
static inline bool room_next_client(const struct room *room, uint32_t *at, uint32_t *ret_client)
{
    if (*at >= room->member_count)
        return room->party != NULL && room_next_of_audience(room, at, ret_client);
    *ret_client = room->members[(*at)++]->client;
    return true;
}

static inline bool member_is_host(const struct member *member)
{
    return member->index == member->room->host_index;
}

/* Creates an empty room. NULL: memory is short. */
MUST_CHECK struct room *room_new(uint64_t code, uint32_t members_max, uint16_t origin_number);

/* Gives the room a struct retained if it has none. False: memory is short. */
MUST_CHECK bool room_need_retained(struct room *room);

/* Counts the room's present members in `crowd` from now on. */
void room_begin_counting(struct room *room, uint32_t *crowd);

/* Counts the room's members no longer. */
void room_stop_counting(struct room *room);

/* Frees the room with all members that it knows. */
void room_free(struct room *room);

/* The member with this canonical id, present or absent; NULL: there is none. */
struct member *room_find(const struct room *room, struct bytes id);

/* The present member with this index; NULL: there is none. */
struct member *room_find_index(const struct room *room, uint32_t index);

/*
 * Adds a member with the next index. Its id must be new to the room. The member stays valid until
 * it is removed. NULL: memory is short, and nothing was changed.
 */
MUST_CHECK struct member *room_add(struct room *room, struct bytes id, uint32_t client);

/* Makes an absent member present again. */
void room_return(struct room *room, struct member *member, uint32_t client);

/* Makes a present member absent; its `stayed_ms` must be up to date. */
void room_retire(struct room *room, struct member *member);

/* Removes a present or absent member, which the caller must give to member_free(). */
void room_remove(struct room *room, struct member *member);

/* The bytes that are allocated for a member, in protocol 3 with its seat. */
size_t member_size(bool is_in_seat, size_t id_length);

/* NULL is allowed. */
void member_free(struct member *member);

/* The following are for rooms of protocol 3. */

/* As room_add(), for a member without a seat. */
MUST_CHECK struct member *room_add_audience(struct room *room, struct bytes id, uint32_t client);

/* The member that is away and has this index; NULL: there is none. */
struct member *room_find_away(const struct room *room, uint32_t index);

/* Makes a present member one that is away, and back. */
void room_put_away(struct room *room, struct member *member);
void room_bring_back(struct room *room, struct member *member, uint32_t client);

#endif
