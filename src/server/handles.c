/* Vacant places form a stack, so that the places in use stay close together. */
#include "server/handles.h"

#include <stdlib.h>

#define PLACES_AT_FIRST 64
#define NO_PLACE HANDLE_INDEX_MASK /* is no index, so no handle equals CLIENT_NONE */

#define GENERATION_SHIFT 8
#define VACANT_BIT 1u
#define NEXT_SHIFT 32

static uint64_t vacancy_of(uint32_t next, uint8_t generation)
{
    return (uint64_t)next << NEXT_SHIFT | (uint64_t)generation << GENERATION_SHIFT | VACANT_BIT;
}

void handles_init(struct handles *handles)
{
    *handles = (struct handles){.first_vacant = NO_PLACE};
}

void handles_release(struct handles *handles)
{
    free(handles->places);
    handles_init(handles);
}

static bool grow(struct handles *handles)
{
    uint32_t capacity = handles->capacity == 0 ? PLACES_AT_FIRST : handles->capacity * 2;
    if (capacity > NO_PLACE)
        capacity = NO_PLACE;
    if (capacity == handles->capacity)
        return false;
    union handle_place *places = realloc(handles->places, capacity * sizeof *places);
    if (places == NULL)
        return false;
    handles->places = places;
    handles->capacity = capacity;
    return true;
}

bool handles_add(struct handles *handles, struct conn *conn)
{
    uint32_t index = handles->first_vacant;
    uint8_t generation = 0;
    if (index != NO_PLACE) {
        uint64_t vacant = handles->places[index].vacant;
        handles->first_vacant = (uint32_t)(vacant >> NEXT_SHIFT);
        generation = (uint8_t)(vacant >> GENERATION_SHIFT);
    } else {
        if (handles->used == handles->capacity && !grow(handles))
            return false;
        index = handles->used++;
    }
    handles->places[index].conn = conn;
    conn->handle = (uint32_t)generation << HANDLE_INDEX_BITS | index;
    return true;
}

void handles_remove(struct handles *handles, struct conn *conn)
{
    if (conn->handle == CLIENT_NONE)
        return;
    uint32_t index = conn->handle & HANDLE_INDEX_MASK;
    uint8_t generation = (uint8_t)(conn->handle >> HANDLE_INDEX_BITS);
    assert(handles->places[index].conn == conn);
    handles->places[index].vacant = vacancy_of(handles->first_vacant, (uint8_t)(generation + 1));
    handles->first_vacant = index;
    conn->handle = CLIENT_NONE;
}

struct conn *handles_find(const struct handles *handles, uint32_t handle)
{
    uint32_t index = handle & HANDLE_INDEX_MASK;
    if (index >= handles->used || (handles->places[index].vacant & VACANT_BIT) != 0)
        return NULL;
    struct conn *conn = handles->places[index].conn;
    return conn->handle == handle ? conn : NULL;
}

struct conn *handles_next(const struct handles *handles, uint32_t *at)
{
    while (*at < handles->used) {
        union handle_place place = handles->places[(*at)++];
        if ((place.vacant & VACANT_BIT) == 0)
            return place.conn;
    }
    return NULL;
}
