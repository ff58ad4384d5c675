/* Members of a room. relay_entry.c has the rules for entering. */
#include "relay/room.h"

#include <assert.h>
#include <stdlib.h>

#include "relay/party.h"

#define SMALLEST_CAPACITY 4

static struct retained *retained_new(struct room *room)
{
    struct retained *retained = calloc(1, sizeof *retained);
    if (retained == NULL)
        return NULL;
    retained->room = room;
    list_init(&retained->hostless);
    list_init(&retained->deserted);
    list_init(&retained->vacancy.link);
    return retained;
}

static void retained_free(struct retained *retained)
{
    if (retained == NULL)
        return;
    list_remove(&retained->hostless);
    list_remove(&retained->deserted);
    payload_release(retained->state);
    free(retained->url);
    free(retained->unknown);
    free(retained);
}

struct room *room_new(uint64_t code, uint32_t members_max, uint16_t origin_number)
{
    struct room *room = calloc(1, sizeof *room);
    if (room == NULL)
        return NULL;
    list_init(&room->pairing);
    list_init(&room->changed);
    room->code = code;
    room->members_max = members_max;
    room->origin_number = origin_number;
    if (room_protocol(room) == PROTOCOL_1)
        return room;
    bool has_party = room_protocol(room) == PROTOCOL_3;
    room->retained = retained_new(room);
    room->party = has_party ? party_new(room) : NULL;
    if (room->retained != NULL && (room->party != NULL || !has_party))
        return room;
    room_free(room);
    return NULL;
}

bool room_need_retained(struct room *room)
{
    if (room->retained == NULL)
        room->retained = retained_new(room);
    return room->retained != NULL;
}

void room_begin_counting(struct room *room, uint32_t *crowd)
{
    room->crowd = crowd;
    if (crowd != NULL)
        *crowd += room->member_count;
}

void room_stop_counting(struct room *room)
{
    uint32_t audience_count = room->party == NULL ? 0 : party_audience_count(room->party);
    if (room->crowd != NULL)
        *room->crowd -= room->member_count + audience_count;
    room->crowd = NULL;
}

void room_free(struct room *room)
{
    room_stop_counting(room);
    list_remove(&room->pairing);
    list_remove(&room->changed);
    for (uint32_t i = 0; i < room->known_count; i++)
        member_free(room_by_id(room)[i]);
    party_free(room->party);
    retained_free(room->retained);
    free(room->members);
    free(room);
}

/* The position of an id in `by_id`, or where it would be inserted. */
static uint32_t find_id(const struct room *room, struct bytes id)
{
    uint32_t low = 0;
    uint32_t high = room->known_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (bytes_compare(member_id(room_by_id(room)[middle]), id) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* The position of an index in an array that is sorted by it, or where it would be inserted. */
static uint32_t find_by_index(struct member *const *members, uint32_t count, uint32_t index)
{
    uint32_t low = 0;
    uint32_t high = count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (members[middle]->index < index)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* The position of an index in `members`, or where it would be inserted. */
static uint32_t find_index(const struct room *room, uint32_t index)
{
    return find_by_index(room->members, room->member_count, index);
}

struct member *room_find(const struct room *room, struct bytes id)
{
    uint32_t at = find_id(room, id);
    if (at == room->known_count || !bytes_equal(member_id(room_by_id(room)[at]), id))
        return NULL;
    return room_by_id(room)[at];
}

struct member *room_find_index(const struct room *room, uint32_t index)
{
    uint32_t at = find_index(room, index);
    if (at == room->member_count || room->members[at]->index != index)
        return NULL;
    return room->members[at];
}

/* Moves the absent members, and all by id, to where they are with this capacity. */
static void rearrange(struct room *room, struct member **members, uint32_t capacity)
{
    struct member **absent = members + room->capacity - room->absent_count;
    struct member **by_id = members + room->capacity;
    size_t absent_size = room->absent_count * sizeof *members;
    size_t by_id_size = room->known_count * sizeof *members;
    if (capacity > room->capacity) {
        memmove(members + capacity, by_id, by_id_size);
        memmove(members + capacity - room->absent_count, absent, absent_size);
    } else {
        memmove(members + capacity - room->absent_count, absent, absent_size);
        memmove(members + capacity, by_id, by_id_size);
    }
    room->capacity = capacity;
}

/* Reserves capacity for one more known member. */
static bool reserve_one(struct room *room)
{
    if (room->known_count < room->capacity)
        return true;
    uint32_t capacity = room->capacity == 0 ? SMALLEST_CAPACITY : room->capacity * 2;
    struct member **members = realloc(room->members, (size_t)capacity * 2 * sizeof *members);
    if (members == NULL)
        return false;
    room->members = members;
    rearrange(room, members, capacity);
    return true;
}

/* Halves the arrays after many members were forgotten, so that a room costs what is counted. */
static void shrink(struct room *room)
{
    uint32_t capacity = room->capacity / 2;
    if (room->known_count > capacity / 2 || capacity < SMALLEST_CAPACITY)
        return;
    rearrange(room, room->members, capacity);
    struct member **smaller = realloc(room->members, (size_t)capacity * 2 * sizeof *smaller);
    if (smaller != NULL)
        room->members = smaller;
}

static void insert(struct member **array, uint32_t *count, uint32_t at, struct member *member)
{
    memmove(array + at + 1, array + at, (*count - at) * sizeof *array);
    array[at] = member;
    ++*count;
}

static void remove_at(struct member **array, uint32_t *count, uint32_t at,
                      const struct member *member)
{
    assert(at < *count && array[at] == member);
    --*count;
    memmove(array + at, array + at + 1, (*count - at) * sizeof *array);
}

/* The absent members end where the array does, so those in front of the place move. */
static void insert_absent(struct room *room, uint32_t at, struct member *member)
{
    assert(room->member_count + room->absent_count < room->capacity);
    struct member **absent = room_absent(room);
    memmove(absent - 1, absent, at * sizeof *absent);
    absent[(ptrdiff_t)at - 1] = member;
    room->absent_count++;
}

static void remove_absent(struct room *room, uint32_t at, const struct member *member)
{
    struct member **absent = room_absent(room);
    assert(at < room->absent_count && absent[at] == member);
    memmove(absent + 1, absent, at * sizeof *absent);
    room->absent_count--;
    room_note_change(room);
}

static void count_in(const struct room *room)
{
    if (room->crowd != NULL)
        ++*room->crowd;
}

static void count_out(const struct room *room)
{
    if (room->crowd != NULL)
        --*room->crowd;
}

/* Inserts a member among the present ones, and counts it. */
static void add_present(struct room *room, uint32_t at, struct member *member)
{
    insert(room->members, &room->member_count, at, member);
    count_in(room);
    room_note_change(room);
}

static void remove_present(struct room *room, const struct member *member)
{
    room_note_change(room);
    remove_at(room->members, &room->member_count, find_index(room, member->index), member);
    count_out(room);
}

size_t member_size(bool is_in_seat, size_t id_length)
{
    size_t size = offsetof(struct member, id) + id_length;
    if (size < sizeof(struct member))
        size = sizeof(struct member);
    return is_in_seat ? sizeof(struct seat) + size : size;
}

/* Allocates a member, in protocol 3 within its seat. NULL: memory is short. */
static struct member *member_new(struct room *room, struct bytes id, uint32_t client,
                                 uint32_t index)
{
    bool is_in_seat = room->party != NULL;
    void *allocation = calloc(1, member_size(is_in_seat, id.length));
    if (allocation == NULL)
        return NULL;
    struct member *member = is_in_seat ? seat_member(allocation) : allocation;
    if (is_in_seat)
        member_seat(member)->expiry.kind = DUE_EXPIRY;
    *member = (struct member){
        .room = room,
        .client = client,
        .index = index,
        .id_length = (uint16_t)id.length,
        .is_in_seat = is_in_seat,
        .is_audience = index == INDEX_AUDIENCE,
    };
    memcpy(member->id, id.data, id.length);
    return member;
}

void member_free(struct member *member)
{
    if (member != NULL && member->is_in_seat)
        free(member_seat(member));
    else
        free(member);
}

/* Adds a new member to those that the room knows. */
static struct member *add_known(struct room *room, struct bytes id, uint32_t client, uint32_t index)
{
    assert(id.length <= CLIENT_ID_CANONICAL_MAX);
    if (!reserve_one(room))
        return NULL;
    struct member *member = member_new(room, id, client, index);
    if (member != NULL)
        insert(room_by_id(room), &room->known_count, find_id(room, id), member);
    return member;
}

struct member *room_add(struct room *room, struct bytes id, uint32_t client)
{
    struct member *member = add_known(room, id, client, room->next_index);
    if (member == NULL)
        return NULL;
    room->next_index++;
    add_present(room, room->member_count, member);
    return member;
}

struct member *room_add_audience(struct room *room, struct bytes id, uint32_t client)
{
    if (!audience_reserve(room->party->audience))
        return NULL;
    struct member *member = add_known(room, id, client, INDEX_AUDIENCE);
    if (member == NULL)
        return NULL;
    audience_add(room->party->audience, member);
    count_in(room);
    return member;
}

bool room_next_of_audience(const struct room *room, uint32_t *at, uint32_t *ret_client)
{
    const struct audience *audience = room->party->audience;
    uint32_t place = *at - room->member_count;
    if (audience == NULL || place >= audience->count)
        return false;
    *ret_client = audience->members[place]->client;
    ++*at;
    return true;
}

static uint32_t find_away(const struct room *room, uint32_t index)
{
    return find_by_index(room_absent(room), room->absent_count, index);
}

struct member *room_find_away(const struct room *room, uint32_t index)
{
    uint32_t at = find_away(room, index);
    if (at == room->absent_count || room_absent(room)[at]->index != index)
        return NULL;
    return room_absent(room)[at];
}

static void remove_away(struct room *room, const struct member *member)
{
    remove_absent(room, find_away(room, member->index), member);
}

void room_put_away(struct room *room, struct member *member)
{
    remove_present(room, member);
    member->client = CLIENT_NONE;
    insert_absent(room, find_away(room, member->index), member);
}

void room_bring_back(struct room *room, struct member *member, uint32_t client)
{
    remove_away(room, member);
    member->client = client;
    add_present(room, find_index(room, member->index), member);
}

/* Absent members that stayed for a shorter time than `stayed_ms`; with `or_equal`, not longer. */
static uint32_t count_shorter(const struct room *room, uint32_t stayed_ms, bool or_equal)
{
    uint32_t low = 0;
    uint32_t high = room->absent_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        uint32_t other_ms = room_absent(room)[middle]->stayed_ms;
        if (other_ms < stayed_ms || (or_equal && other_ms == stayed_ms))
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/*
 * Members that stayed equally long are searched one by one: that is rare, and the array is read in
 * sequence.
 */
static void forget_absence(struct room *room, const struct member *member)
{
    if (member_is_host(member))
        return;
    uint32_t at = count_shorter(room, member->stayed_ms, false);
    while (at < room->absent_count && room_absent(room)[at] != member)
        at++;
    remove_absent(room, at, member);
}

void room_return(struct room *room, struct member *member, uint32_t client)
{
    assert(member->client == CLIENT_NONE);
    forget_absence(room, member);
    member->client = client;
    add_present(room, find_index(room, member->index), member);
}

void room_retire(struct room *room, struct member *member)
{
    remove_present(room, member);
    member->client = CLIENT_NONE;
    if (!member_is_host(member))
        insert_absent(room, count_shorter(room, member->stayed_ms, true), member);
}

static void remove_audience(struct room *room, struct member *member)
{
    audience_remove(room->party->audience, member);
    count_out(room);
}

void room_remove(struct room *room, struct member *member)
{
    if (member->is_audience)
        remove_audience(room, member);
    else if (member->client != CLIENT_NONE)
        remove_present(room, member);
    else if (room->party != NULL)
        remove_away(room, member);
    else
        forget_absence(room, member);
    remove_at(room_by_id(room), &room->known_count, find_id(room, member_id(member)), member);
    shrink(room);
    member->room = NULL;
}
