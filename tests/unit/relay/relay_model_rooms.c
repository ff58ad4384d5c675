/* Who is in which room, absent or not, and how much that is. */
#include <stdlib.h>

#include "relay/relay_model_parts.h"

uint32_t count_live_rooms(const struct model *model, uint32_t loop)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < MODEL_ROOMS_MAX; i++)
        count += model->rooms[i].is_live && model->rooms[i].loop == loop;
    return count;
}

struct model_room *find_live_room(struct model *model, const char *code)
{
    for (uint32_t i = 0; i < MODEL_ROOMS_MAX; i++) {
        if (model->rooms[i].is_live && strcmp(model->rooms[i].code, code) == 0)
            return &model->rooms[i];
    }
    return NULL;
}

struct model_room *place_room(struct model *model, const char *code)
{
    struct model_room *place = NULL;
    assert_null(find_live_room(model, code));
    for (uint32_t i = 0; i < MODEL_ROOMS_MAX; i++) {
        struct model_room *room = &model->rooms[i];
        if (strcmp(room->code, code) == 0)
            room->code[0] = '\0'; /* no longer the code of a room that is gone */
        if (!room->is_live && (place == NULL || room->code[0] == '\0'))
            place = room;
    }
    assert_non_null(place);
    *place = (struct model_room){0};
    strcpy(place->code, code);
    place->is_live = true;
    return place;
}

static void forget(struct model_room *room, struct model_member *member)
{
    uint32_t at = (uint32_t)(member - room->known);
    free(member->id);
    for (uint32_t i = at + 1; i < room->known_count; i++)
        room->known[i - 1] = room->known[i];
    room->known_count--;
}

void clear_room(struct model *model, struct model_room *room)
{
    while (room->known_count > 0) {
        if (room->known[0].client != MODEL_NOBODY)
            model->clients[room->known[0].client].room = NULL;
        forget(room, &room->known[0]);
    }
    free(room->url);
    free(room->state);
    room->url = NULL;
    room->state = NULL;
    room->is_live = false;
}

uint32_t count_absent(const struct model_room *room)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < room->known_count; i++)
        count += room->known[i].client == MODEL_NOBODY;
    return count;
}

uint32_t count_present(const struct model_room *room)
{
    return room->known_count - count_absent(room);
}

bool is_hostless(const struct model_room *room)
{
    return room->is_live && room->known_count > 0 && room->known[0].index == 0 &&
           room->known[0].client == MODEL_NOBODY;
}

struct model_member *find_known(struct model_room *room, struct simple_value id)
{
    char *canonical = canonical_form(id);
    struct model_member *found = NULL;
    for (uint32_t i = 0; i < room->known_count; i++) {
        if (strcmp(room->known[i].id, canonical) == 0)
            found = &room->known[i];
    }
    free(canonical);
    return found;
}

struct model_member *find_seated(struct model_room *room, uint32_t client)
{
    for (uint32_t i = 0; i < room->known_count; i++) {
        if (room->known[i].client == client)
            return &room->known[i];
    }
    return NULL;
}

void add_member(struct model *model, struct model_room *room, uint32_t client,
                struct simple_value id)
{
    assert_true(room->known_count < MODEL_KNOWN_MAX);
    room->known[room->known_count++] = (struct model_member){
        .id = canonical_form(id),
        .index = room->next_index++,
        .client = client,
        .entered_ms = model->now_ms,
    };
    model->clients[client].room = room;
}

size_t state_size(size_t data_length)
{
    return allocation_cost(sizeof(struct payload) + strlen("{\"type\":\"state\",\"data\":}") +
                           data_length);
}

/* A host is kept in any case, and is not counted. */
static size_t absent_size(const struct model_member *member)
{
    return member->index == 0 ? 0 : allocation_cost(member_size(false, strlen(member->id))) + 32;
}

static size_t retained_bytes(const struct model_room *room)
{
    size_t bytes = room->url == NULL ? 0 : allocation_cost(strlen(room->url));
    bytes += room->state == NULL ? 0 : state_size(strlen(room->state));
    for (uint32_t i = 0; i < room->known_count; i++) {
        if (room->known[i].client == MODEL_NOBODY)
            bytes += absent_size(&room->known[i]);
    }
    return bytes;
}

bool is_room_for(const struct model *model, uint32_t loop, size_t bytes)
{
    for (uint32_t i = 0; i < MODEL_ROOMS_MAX; i++) {
        if (model->rooms[i].is_live && model->rooms[i].loop == loop)
            bytes += retained_bytes(&model->rooms[i]);
    }
    return bytes <= model->bytes_max;
}

/* Who of those who are gone was here shortest, and is gone longest then, and is not the host. */
static struct model_member *first_forgotten(struct model_room *room)
{
    struct model_member *found = NULL;
    for (uint32_t i = 0; i < room->known_count; i++) {
        struct model_member *member = &room->known[i];
        bool is_candidate = member->client == MODEL_NOBODY && member->index != 0;
        if (!is_candidate)
            continue;
        bool is_first = found == NULL || member->stayed_ms < found->stayed_ms ||
                        (member->stayed_ms == found->stayed_ms && member->left < found->left);
        if (is_first)
            found = member;
    }
    assert_non_null(found);
    return found;
}

bool outlives(const struct model *model, const struct model_room *room, enum departure departure)
{
    bool is_somebody_cut_off = departure == DEPARTURE_CUT_OFF;
    for (uint32_t i = 0; i < room->known_count; i++) {
        const struct model_member *member = &room->known[i];
        if (member->client == MODEL_NOBODY && member->was_cut_off &&
            member->left_ms + WORLD_EMPTY_GRACE_MS > model->now_ms)
            is_somebody_cut_off = true;
    }
    return room->protocol == PROTOCOL_2 && is_somebody_cut_off;
}

void depart(struct model *model, uint32_t client, enum departure departure)
{
    struct model_room *room = model->clients[client].room;
    struct model_member *member = find_seated(room, client);
    model->clients[client].room = NULL;
    if (room->protocol == PROTOCOL_1) {
        forget(room, member);
        return;
    }
    /* What is kept is counted without the one about to be added. */
    bool is_crowded =
        member->index != 0 && count_absent(room) - is_hostless(room) == MODEL_ABSENT_MAX;
    member->client = MODEL_NOBODY;
    member->left = ++model->departures;
    member->left_ms = model->now_ms;
    member->stayed_ms += model->now_ms - member->entered_ms;
    member->was_cut_off = departure == DEPARTURE_CUT_OFF;
    if (member->index == 0)
        room->host_left_ms = model->now_ms;
    if (count_present(room) == 0) {
        room->deserted = model->departures;
        room->deserted_ms = model->now_ms;
    }
    if (is_crowded)
        forget(room, first_forgotten(room));
    /* For a host nobody is forgotten, nor any more when it was the one who has just left. */
    bool may_forget = false;
    for (uint32_t i = 0; i < room->known_count; i++)
        may_forget =
            may_forget || (room->known[i].left == model->departures &&
                           room->known[i].client == MODEL_NOBODY && room->known[i].index != 0);
    while (may_forget && !is_room_for(model, room->loop, 0)) {
        struct model_member *gone = first_forgotten(room);
        may_forget = gone->left != model->departures;
        forget(room, gone);
    }
}

/* The room whose host is gone longest, or NULL. */
static struct model_room *first_hostless(struct model *model, uint32_t loop)
{
    struct model_room *first = NULL;
    for (uint32_t i = 0; i < MODEL_ROOMS_MAX; i++) {
        struct model_room *room = &model->rooms[i];
        if (room->loop == loop && is_hostless(room) &&
            (first == NULL || room->known[0].left < first->known[0].left))
            first = room;
    }
    return first;
}

struct model_room *first_deserted(struct model *model, uint32_t loop)
{
    struct model_room *first = NULL;
    for (uint32_t i = 0; i < MODEL_ROOMS_MAX; i++) {
        struct model_room *room = &model->rooms[i];
        if (room->loop == loop && room->is_live && count_present(room) == 0 &&
            (first == NULL || room->deserted < first->deserted))
            first = room;
    }
    return first;
}

uint64_t next_end_ms(struct model *model, uint32_t loop)
{
    const struct model_room *hostless = first_hostless(model, loop);
    const struct model_room *deserted = first_deserted(model, loop);
    uint64_t hostless_ms = UINT64_MAX;
    uint64_t deserted_ms = UINT64_MAX;
    if (hostless != NULL)
        hostless_ms = hostless->host_left_ms + WORLD_GRACE_MS;
    if (deserted != NULL)
        deserted_ms = deserted->deserted_ms + WORLD_EMPTY_GRACE_MS;
    return hostless_ms < deserted_ms ? hostless_ms : deserted_ms;
}

struct model_room *next_to_end(struct model *model, uint32_t loop, uint64_t now_ms)
{
    struct model_room *room = first_hostless(model, loop);
    if (room != NULL && room->host_left_ms + WORLD_GRACE_MS <= now_ms)
        return room;
    return first_deserted(model, loop);
}
