/* Who is in which room of protocol 3, and all events that were ever for a seat. */
#include <stdio.h>
#include <stdlib.h>

#include "relay/relay_model_3_parts.h"

struct model_3_room *find_room_3(struct model_3 *model, const char *code)
{
    for (uint32_t i = 0; i < MODEL_3_ROOMS_MAX; i++) {
        if (model->rooms[i].is_live && strcmp(model->rooms[i].code, code) == 0)
            return &model->rooms[i];
    }
    return NULL;
}

uint32_t count_rooms_3(const struct model_3 *model, uint32_t loop)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < MODEL_3_ROOMS_MAX; i++)
        count += model->rooms[i].is_live && model->rooms[i].loop == loop;
    return count;
}

struct model_3_room *place_room_3(struct model_3 *model, const char *code)
{
    struct model_3_room *place = NULL;
    assert_null(find_room_3(model, code));
    for (uint32_t i = 0; i < MODEL_3_ROOMS_MAX; i++) {
        struct model_3_room *room = &model->rooms[i];
        if (strcmp(room->code, code) == 0)
            room->code[0] = '\0'; /* no longer the code of a room that is gone */
        if (!room->is_live && (place == NULL || room->code[0] == '\0'))
            place = room;
    }
    assert_non_null(place);
    *place = (struct model_3_room){.migrates_ms = MODEL_3_NEVER, .audience_ms = MODEL_3_NEVER};
    strcpy(place->code, code);
    place->is_live = true;
    return place;
}

bool watches_3(const struct model_3_member *member)
{
    return member->index == MODEL_3_NONE;
}

bool is_here_3(const struct model_3_member *member)
{
    return !watches_3(member) && member->client != MODEL_3_NONE;
}

uint32_t count_present_3(const struct model_3_room *room)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < room->member_count; i++)
        count += is_here_3(&room->members[i]);
    return count;
}

uint32_t count_watching_3(const struct model_3_room *room)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < room->member_count; i++)
        count += watches_3(&room->members[i]);
    return count;
}

uint32_t count_seats_3(const struct model_3_room *room)
{
    return room->member_count - count_watching_3(room);
}

struct model_3_member *find_known_3(struct model_3_room *room, const char *id)
{
    for (uint32_t i = 0; i < room->member_count; i++) {
        if (strcmp(room->members[i].id, id) == 0)
            return &room->members[i];
    }
    return NULL;
}

struct model_3_member *find_seat_3(struct model_3_room *room, uint32_t index)
{
    for (uint32_t i = 0; index != MODEL_3_NONE && i < room->member_count; i++) {
        if (room->members[i].index == index)
            return &room->members[i];
    }
    return NULL;
}

struct model_3_member *find_client_3(struct model_3 *model, uint32_t client)
{
    struct model_3_room *room = model->clients[client].room;
    for (uint32_t i = 0; room != NULL && i < room->member_count; i++) {
        if (room->members[i].client == client)
            return &room->members[i];
    }
    return NULL;
}

struct model_3_member *add_member_3(struct model_3 *model, struct model_3_room *room,
                                    uint32_t client, char *id)
{
    assert_true(room->member_count < MODEL_3_MEMBERS_MAX);
    struct model_3_member *member = &room->members[room->member_count++];
    *member = (struct model_3_member){
        .id = id,
        .index = MODEL_3_NONE,
        .client = client,
        .entered_ms = model->now_ms,
        .expires_ms = MODEL_3_NEVER,
    };
    model->clients[client].room = room;
    return member;
}

void forget_events_3(struct model_3_member *member)
{
    for (uint64_t i = 0; i < member->event_count; i++)
        free(member->events[i].text);
    free(member->events);
    member->events = NULL;
    member->event_count = 0;
    member->confirmed = 0;
    member->retold = 0;
    member->heard = 0;
}

static void release_member(struct model_3_member *member)
{
    forget_events_3(member);
    free(member->id);
    free(member->epochs);
    for (uint32_t i = 0; i < MODEL_3_SESSIONS; i++)
        free(member->sessions[i]);
}

void remove_member_3(struct model_3 *model, struct model_3_room *room,
                     struct model_3_member *member)
{
    uint32_t at = (uint32_t)(member - room->members);
    if (member->client != MODEL_3_NONE)
        model->clients[member->client].room = NULL;
    release_member(member);
    for (uint32_t i = at + 1; i < room->member_count; i++)
        room->members[i - 1] = room->members[i];
    room->member_count--;
}

void cast_out_3(struct model_3_outcasts *outcasts, char *name)
{
    if (outcasts->count == MODEL_3_OUTCASTS) {
        free(outcasts->names[0]);
        for (uint32_t i = 1; i < MODEL_3_OUTCASTS; i++)
            outcasts->names[i - 1] = outcasts->names[i];
        outcasts->count--;
    }
    outcasts->names[outcasts->count++] = name;
}

static void forget_outcasts(struct model_3_outcasts *outcasts)
{
    while (outcasts->count > 0)
        free(outcasts->names[--outcasts->count]);
}

void clear_room_3(struct model_3 *model, struct model_3_room *room)
{
    while (room->member_count > 0)
        remove_member_3(model, room, &room->members[0]);
    forget_outcasts(&room->kicked);
    forget_outcasts(&room->banned);
    free(room->password);
    free(room->url);
    free(room->state);
    free(room->private_state);
    room->is_live = false;
}

void expect_heard_3(struct model_3 *model, uint32_t client, char *text)
{
    expect_next(world_of_3(model, client), client, text);
    free(text);
}

void tell_seat_3(struct model_3 *model, struct model_3_member *member, enum model_3_keeping keeping,
                 char *text)
{
    member->events =
        realloc(member->events, (member->event_count + 1) * sizeof(struct model_3_event));
    assert_non_null(member->events);
    member->events[member->event_count++] = (struct model_3_event){keeping, text};
    if (member->client != MODEL_3_NONE)
        expect_heard_3(model, member->client, format_text("%s", text));
}

/* There is a newer state: older ones are only counted. */
static void skip_states(struct model_3_room *room)
{
    for (uint32_t i = 0; i < room->member_count; i++) {
        struct model_3_member *member = &room->members[i];
        for (uint64_t at = 0; at < member->event_count; at++) {
            if (member->events[at].keeping == MODEL_3_STATE)
                member->events[at].keeping = MODEL_3_COUNTED;
        }
    }
}

void tell_room_3(struct model_3 *model, struct model_3_room *room,
                 const struct model_3_member *except, enum model_3_keeping keeping, char *text)
{
    if (keeping == MODEL_3_STATE)
        skip_states(room);
    for (uint32_t i = 0; i < room->member_count; i++) {
        struct model_3_member *member = &room->members[i];
        if (member != except && !watches_3(member))
            tell_seat_3(model, member, keeping, format_text("%s", text));
    }
    free(text);
}

void tell_all_3(struct model_3 *model, struct model_3_room *room,
                const struct model_3_member *except, enum model_3_keeping keeping, char *text)
{
    for (uint32_t i = 0; i < room->member_count; i++) {
        if (watches_3(&room->members[i]))
            expect_heard_3(model, room->members[i].client, format_text("%s", text));
    }
    tell_room_3(model, room, except, keeping, text);
}

static void expect_skipped(struct model_3 *model, uint32_t client, uint64_t count)
{
    if (count > 0)
        expect_heard_3(model, client,
                       format_text("{\"type\":\"skipped\",\"count\":%ju}", (uintmax_t)count));
}

/* Whether the text is a message from the audience, or from a seat that there is. */
static bool is_retold(struct model_3_room *room, const char *text)
{
    static const char watched[] = "{\"type\":\"message\",\"audience\"";
    static const char binary[] = "\\x00\\x00\\x00\\x00"; /* see printable() */
    const char *last = text + strlen(binary);
    unsigned from;
    if (strncmp(text, binary, strlen(binary)) == 0)
        return find_seat_3(room, sscanf(last, "\\x%2X", &from) == 1 ? from : (unsigned)*last) !=
               NULL;
    if (sscanf(text, "{\"type\":\"message\",\"from\":%u", &from) == 1)
        return find_seat_3(room, from) != NULL;
    return strncmp(text, "\\x01", 4) == 0 || strncmp(text, watched, strlen(watched)) == 0;
}

/* So many of the first events a small log has forgotten, which only the relay knows. */
static uint64_t lost_of(struct model_3 *model, const struct model_3_member *member)
{
    if (model->has_large_logs || member->event_count == 0)
        return 0;
    struct simple_value count = heard_field_3(model, member->client, "count");
    if (!is_whole_3(count, 1, (double)member->event_count))
        return 0;
    return (uint64_t)number_of(count);
}

void expect_replay_3(struct model_3 *model, const struct model_3_member *member, uint64_t seen,
                     struct model_3_room *retelling)
{
    uint64_t skipped = retelling == NULL || seen > 0 ? 0 : lost_of(model, member);
    for (uint64_t i = seen + skipped; i < member->event_count; i++) {
        bool is_wanted = retelling == NULL || is_retold(retelling, member->events[i].text);
        if (member->events[i].keeping == MODEL_3_COUNTED || !is_wanted) {
            skipped++;
            continue;
        }
        expect_skipped(model, member->client, skipped);
        skipped = 0;
        expect_heard_3(model, member->client, format_text("%s", member->events[i].text));
    }
    expect_skipped(model, member->client, skipped);
}
