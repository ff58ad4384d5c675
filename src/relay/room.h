/*
 * One room and its members.
 *
 * A member is known to the room by its clientId and by its index, which says in which order the
 * members came, and to the server by its `client`, a number that means nothing here. Ids are kept
 * in their canonical JSON form, without quotes: two ids are equal if and only if their forms are,
 * and the form can be spliced into an event as it stands.
 *
 * In protocol 2 a member who has left is still known: it is absent, and keeps its index. How many
 * of them a room remembers is bounded; who was here shortest is forgotten first.
 */
#ifndef PARTY_RELAY_ROOM_H
#define PARTY_RELAY_ROOM_H

#include "base/attributes.h"
#include "base/bytes.h"
#include "base/list.h"
#include "base/payload.h"
#include "relay/code.h"

#define CLIENT_ID_BYTES_LIMIT 1024 /* decoded; what relay_config.id_bytes_max may be at most */
#define CLIENT_ID_CANONICAL_MAX (6 * CLIENT_ID_BYTES_LIMIT) /* every byte as \uXXXX */

#define HOST_INDEX 0 /* the creator's */

/* An address that makes rooms: the server's, and means nothing here. */
struct maker;

/* A deserted room's place among those of its maker; the server's to link. */
struct vacancy {
    struct list link;
    uint32_t loop; /* the room's; set by room_deserted() */
    bool is_over;  /* the loop is to end the room */
};

/* What a room of protocol 2 keeps that its members' connections do not need. */
struct retained {
    struct room *room;
    struct payload *state; /* the retained state, as it is sent to members; NULL: none */
    uint8_t *url;          /* of the page for controllers, inside of a JSON string; NULL: none */
    /* Who is gone: who was here shortest first, of those who were so equally long the longest gone.
     * The host is never in it. */
    struct member **absent;
    uint32_t absent_count;
    uint32_t absent_capacity;
    struct list hostless; /* in the relay's list of rooms whose host is gone */
    struct list deserted; /* in the relay's list of rooms in which nobody is */
    struct vacancy vacancy;
    size_t bytes;        /* that are counted for all of this */
    size_t absent_bytes; /* of them, for members who are gone */
    uint32_t host_left_ms;
    uint32_t deserted_ms;
    uint16_t url_length;
};

struct room {
    /* Those who are here, by index: in the order in which they came. Behind them, from
     * `capacity` on, all who are known, sorted by id. */
    struct member **members;
    uint32_t member_count;
    uint32_t known_count;
    uint32_t capacity;    /* of either */
    uint32_t members_max; /* who may be here at once */
    uint64_t code;        /* its number */
    struct room *next_in_bucket;
    struct retained *retained; /* NULL in protocol 1 */
    struct maker *maker;
    uint32_t *crowd; /* counts who is here in all rooms of this origin; NULL: nobody is counted */
    uint32_t next_index;
    uint32_t paired_ms;     /* since when there are several members */
    struct list pairing;    /* in the relay's list of rooms that are to be proven */
    bool is_proven;         /* it has had several members for a while */
    uint16_t origin_number; /* the server's note of where the creator came from */
};

struct member {
    struct room *room;
    uint32_t client; /* CLIENT_NONE: absent */
    uint32_t index;
    uint32_t active_ms;  /* here: when it said something last; absent: when it left */
    uint32_t entered_ms; /* here: since when */
    uint32_t stayed_ms;  /* before that */
    uint16_t id_length;
    bool was_cut_off; /* absent: its connection did not end by its own doing */
    uint8_t id[];
};

#define CLIENT_NONE UINT32_MAX

static inline enum protocol room_protocol(const struct room *room)
{
    return code_protocol(room->code);
}

/* All who are known, sorted by id. */
static inline struct member **room_by_id(const struct room *room)
{
    return room->members + room->capacity;
}

/* Empty: the room has none. */
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

/* The clients of those who are here, by index: `at` is 0 at first. False: there are no more. */
static inline bool room_next_client(const struct room *room, uint32_t *at, uint32_t *ret_client)
{
    if (*at >= room->member_count)
        return false;
    *ret_client = room->members[(*at)++]->client;
    return true;
}

static inline bool member_is_host(const struct member *member)
{
    return member->index == HOST_INDEX;
}

/* An empty room, or NULL when memory is short. */
MUST_CHECK struct room *room_new(uint64_t code, uint32_t members_max, uint16_t origin_number);

/* From now on `crowd` counts who is here, and those who are already. */
void room_begin_counting(struct room *room, uint32_t *crowd);

/* Nobody of it is counted any more. */
void room_stop_counting(struct room *room);

/* Frees the room with all who are known to it. */
void room_free(struct room *room);

/* Who is known by this id (canonical), here or absent; or NULL. */
struct member *room_find(const struct room *room, struct bytes id);

/* Who is here with this index, or NULL. */
struct member *room_find_index(const struct room *room, uint32_t index);

/*
 * Adds a member with the next index. Its id must be new to the room. NULL: memory is short, nothing
 * changed. The member stays valid until it is removed.
 */
MUST_CHECK struct member *room_add(struct room *room, struct bytes id, uint32_t client);

/* An absent member is here again. */
void room_return(struct room *room, struct member *member, uint32_t client);

/*
 * A member who is here is absent from now on, and has stayed so long as it says. False: memory is
 * short, nothing changed; it never is for the host.
 */
MUST_CHECK bool room_retire(struct room *room, struct member *member);

/* Takes the member out, here or absent. It is the caller's now, to be given to free(). */
void room_remove(struct room *room, struct member *member);

#endif
