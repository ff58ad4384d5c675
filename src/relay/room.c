/* Members of a room. The rules of who may enter are in relay.c. */
#include "relay/room.h"

#include <assert.h>
#include <stdlib.h>

#define BY_ID_SMALLEST_CAPACITY 4

struct room *room_new(uint32_t code, uint32_t members_max, uint16_t origin)
{
    struct room *room = calloc(1, sizeof *room);
    if (room == NULL)
        return NULL;
    list_init(&room->members);
    room->code = code;
    room->members_max = members_max;
    room->origin = origin;
    return room;
}

void room_free(struct room *room)
{
    struct list *link;
    while ((link = list_pop_first(&room->members)) != NULL)
        free(member_of_link(link));
    free(room->by_id);
    free(room);
}

/* Where in `by_id` the id is, or where it would have to go. */
static uint32_t lower_bound(const struct room *room, struct bytes id)
{
    uint32_t low = 0;
    uint32_t high = room->member_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (bytes_compare(member_id(room->by_id[middle]), id) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

struct member *room_find(const struct room *room, struct bytes id)
{
    uint32_t at = lower_bound(room, id);
    if (at == room->member_count || !bytes_equal(member_id(room->by_id[at]), id))
        return NULL;
    return room->by_id[at];
}

static bool reserve_one(struct room *room)
{
    if (room->member_count < room->by_id_capacity)
        return true;
    uint32_t capacity =
        room->by_id_capacity == 0 ? BY_ID_SMALLEST_CAPACITY : room->by_id_capacity * 2;
    struct member **by_id = realloc(room->by_id, capacity * sizeof *by_id);
    if (by_id == NULL)
        return false;
    room->by_id = by_id;
    room->by_id_capacity = capacity;
    return true;
}

struct member *room_add(struct room *room, struct bytes id, uint32_t client)
{
    assert(id.length <= CLIENT_ID_CANONICAL_MAX);
    if (!reserve_one(room))
        return NULL;
    struct member *member = malloc(sizeof *member + id.length);
    if (member == NULL)
        return NULL;
    member->room = room;
    member->client = client;
    member->id_length = (uint16_t)id.length;
    memcpy(member->id, id.data, id.length);

    uint32_t at = lower_bound(room, id);
    memmove(room->by_id + at + 1, room->by_id + at,
            (room->member_count - at) * sizeof *room->by_id);
    room->by_id[at] = member;
    room->member_count++;
    list_append(&room->members, &member->link);
    return member;
}

void room_remove(struct room *room, struct member *member)
{
    uint32_t at = lower_bound(room, member_id(member));
    assert(at < room->member_count && room->by_id[at] == member);
    room->member_count--;
    memmove(room->by_id + at, room->by_id + at + 1,
            (room->member_count - at) * sizeof *room->by_id);
    list_remove(&member->link);
    member->room = NULL;
}
