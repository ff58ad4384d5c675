/* Members without a seat: an array in which each knows its place. */
#include "relay/audience.h"

#include <assert.h>
#include <stdlib.h>

#define SMALLEST_CAPACITY 4

struct audience *audience_new(struct room *room, uint32_t now_ms)
{
    struct audience *audience = calloc(1, sizeof *audience);
    if (audience == NULL)
        return NULL;
    audience->room = room;
    audience->told_ms = now_ms - AUDIENCE_TOLD_MS;
    audience->telling.kind = DUE_AUDIENCE;
    return audience;
}

void audience_free(struct audience *audience)
{
    if (audience == NULL)
        return;
    free(audience->members);
    free(audience);
}

bool audience_reserve(struct audience *audience)
{
    if (audience->count < audience->capacity)
        return true;
    uint32_t capacity = audience->capacity == 0 ? SMALLEST_CAPACITY : 2 * audience->capacity;
    struct member **members = realloc(audience->members, capacity * sizeof *members);
    if (members == NULL)
        return false;
    audience->members = members;
    audience->capacity = capacity;
    return true;
}

void audience_add(struct audience *audience, struct member *member)
{
    assert(audience->count < audience->capacity);
    member_seat(member)->audience_at = audience->count;
    audience->members[audience->count++] = member;
}

void audience_remove(struct audience *audience, struct member *member)
{
    uint32_t at = member_seat(member)->audience_at;
    assert(at < audience->count && audience->members[at] == member);
    struct member *last = audience->members[--audience->count];
    audience->members[at] = last;
    member_seat(last)->audience_at = at;
}

bool audience_admit_message(struct audience *audience, uint32_t now_ms)
{
    if (now_ms - audience->busy_since_ms >= 1000) {
        audience->busy_since_ms = now_ms;
        audience->busy_count = 0;
    }
    return audience->busy_count++ < AUDIENCE_SENDS_MAX;
}
