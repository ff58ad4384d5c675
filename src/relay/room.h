/*
 * One room and its members.
 *
 * A member is known to the room by its clientId and to the server by its `client`, a number that
 * means nothing here. Ids are kept in their canonical JSON form, without quotes: two ids are equal
 * if and only if their forms are, and the form can be spliced into an event as it stands.
 */
#ifndef PARTY_RELAY_ROOM_H
#define PARTY_RELAY_ROOM_H

#include "base/attributes.h"
#include "base/bytes.h"
#include "base/list.h"

#define CLIENT_ID_BYTES_LIMIT 1024 /* decoded; what relay_config.id_bytes_max may be at most */
#define CLIENT_ID_CANONICAL_MAX (6 * CLIENT_ID_BYTES_LIMIT) /* every byte as \uXXXX */

struct room {
    struct list members;   /* in order of entry */
    struct member **by_id; /* the same members, sorted by id */
    struct room *next_in_bucket;
    uint32_t member_count;
    uint32_t by_id_capacity;
    uint32_t members_max;
    uint32_t code;   /* its number */
    uint16_t origin; /* the server's note of where the creator came from */
};

struct member {
    struct list link; /* in room->members */
    struct room *room;
    uint32_t client;
    uint16_t id_length;
    uint8_t id[];
};

static inline struct bytes member_id(const struct member *member)
{
    return bytes_of(member->id, member->id_length);
}

static inline struct member *member_of_link(struct list *link)
{
    return CONTAINER_OF(link, struct member, link);
}

/* An empty room, or NULL when memory is short. */
MUST_CHECK struct room *room_new(uint32_t code, uint32_t members_max, uint16_t origin);

/* Frees the room with whoever is still in it. */
void room_free(struct room *room);

/* The member with this id (canonical), or NULL. */
struct member *room_find(const struct room *room, struct bytes id);

/*
 * Adds a member behind all others. Its id must be new to the room. NULL: memory is short, nothing
 * changed. The member stays valid until it is removed.
 */
MUST_CHECK struct member *room_add(struct room *room, struct bytes id, uint32_t client);

/* Takes the member out. It is the caller's now, to be given to free(). */
void room_remove(struct room *room, struct member *member);

#endif
