/* Seats whose members are away or gone, who is the host then, and what time brings. */
#include <stdlib.h>

#include "relay/relay_model_3_parts.h"

#define HOLD_LEAST_MS 5000
#define SILENT_CREATOR_HOLD_MS 10000
#define AUDIENCE_PAUSE_MS 1000

void expect_shut_3(struct model_3 *model, struct model_3_room *room)
{
    for (uint32_t i = 0; i < room->member_count; i++) {
        if (room->members[i].client == MODEL_3_NONE)
            continue;
        struct fake_client *client = &model->worlds[room->loop].clients[room->members[i].client];
        assert_true(client->was_closed);
        client->was_closed = false;
    }
    clear_room_3(model, room);
}

/* The present member with the lowest index; NULL: there is none. */
static const struct model_3_member *first_present(const struct model_3_room *room)
{
    const struct model_3_member *first = NULL;
    for (uint32_t i = 0; i < room->member_count; i++) {
        const struct model_3_member *member = &room->members[i];
        if (is_here_3(member) && (first == NULL || member->index < first->index))
            first = member;
    }
    return first;
}

void expect_private_state_3(struct model_3 *model, const struct model_3_room *room,
                            const struct model_3_member *member)
{
    if (room->private_state != NULL && member->index == room->host)
        expect_heard_3(
            model, member->client,
            format_text("{\"type\":\"private_state\",\"data\":%s}", room->private_state));
}

void note_audience_3(const struct model_3 *model, struct model_3_room *room)
{
    bool is_of_interest = room->audience_max > 0 || room->told > 0 || count_watching_3(room) > 0;
    if (room->audience_ms != MODEL_3_NEVER || !is_of_interest)
        return;
    room->audience_ms = room->told_ms + AUDIENCE_PAUSE_MS;
    if (room->audience_ms < model->now_ms)
        room->audience_ms = model->now_ms;
}

void make_host_3(struct model_3 *model, struct model_3_room *room, uint32_t index)
{
    room->host = index;
    room->migrates_ms = MODEL_3_NEVER;
    note_audience_3(model, room);
    tell_all_3(model, room, NULL, MODEL_3_KEPT,
               format_text("{\"type\":\"host\",\"index\":%u}", index));
    expect_private_state_3(model, room, find_seat_3(room, index));
}

void review_host_3(struct model_3 *model, struct model_3_room *room)
{
    const struct model_3_member *first = first_present(room);
    const struct model_3_member *host = find_seat_3(room, room->host);
    if (!room->host_migrates)
        return;
    if (first == NULL || (host != NULL && is_here_3(host)))
        room->migrates_ms = MODEL_3_NEVER;
    else if (host == NULL)
        make_host_3(model, room, first->index);
    else if (room->migrates_ms == MODEL_3_NEVER)
        room->migrates_ms = model->now_ms + WORLD_MIGRATE_MS;
}

static void note_desertion(struct model_3 *model, struct model_3_room *room)
{
    if (count_present_3(room) == 0)
        room->deserted = ++model->desertions;
}

void vacate_3(struct model_3 *model, struct model_3_room *room, struct model_3_member *member,
              const char *why)
{
    uint32_t index = member->index;
    bool was_here = is_here_3(member);
    remove_member_3(model, room, member);
    if (index == MODEL_3_NONE) {
        note_audience_3(model, room);
        return;
    }
    bool was_host = index == room->host;
    if (count_seats_3(room) == 0 || (was_host && !room->host_migrates)) {
        expect_shut_3(model, room);
        return;
    }
    if (was_host)
        room->host = MODEL_3_NONE;
    tell_room_3(model, room, NULL, MODEL_3_KEPT,
                format_text("{\"type\":\"peer_left\",\"index\":%u,\"why\":\"%s\"}", index, why));
    if (was_here)
        note_desertion(model, room);
    review_host_3(model, room);
}

uint64_t hold_ms_3(const struct model_3_room *room, const struct model_3_member *member)
{
    uint64_t hold = member->stayed_ms < HOLD_LEAST_MS ? HOLD_LEAST_MS : member->stayed_ms;
    if (hold > room->hold_ms)
        hold = room->hold_ms;
    if (member->index == room->host && hold < WORLD_GRACE_MS)
        hold = WORLD_GRACE_MS;
    if (!room->is_known && hold > SILENT_CREATOR_HOLD_MS)
        hold = SILENT_CREATOR_HOLD_MS;
    return hold;
}

static void go_away(struct model_3 *model, struct model_3_room *room, struct model_3_member *member)
{
    member->stayed_ms += model->now_ms - member->entered_ms;
    uint64_t hold = hold_ms_3(room, member);
    if (hold == 0) {
        vacate_3(model, room, member, "expired");
        return;
    }
    model->clients[member->client].room = NULL;
    member->client = MODEL_3_NONE;
    member->expires_ms = model->now_ms + hold;
    tell_room_3(model, room, member, MODEL_3_KEPT,
                format_text("{\"type\":\"peer_away\",\"index\":%u}", member->index));
    note_desertion(model, room);
    review_host_3(model, room);
}

void depart_3(struct model_3 *model, uint32_t client, enum departure departure)
{
    struct model_3_room *room = model->clients[client].room;
    struct model_3_member *member = find_client_3(model, client);
    if (member == NULL)
        return;
    if (watches_3(member) || departure == DEPARTURE_FAREWELL)
        vacate_3(model, room, member, "left");
    else
        go_away(model, room, member);
}

struct model_3_room *first_deserted_3(struct model_3 *model, uint32_t loop)
{
    struct model_3_room *first = NULL;
    for (uint32_t i = 0; i < MODEL_3_ROOMS_MAX; i++) {
        struct model_3_room *room = &model->rooms[i];
        if (room->is_live && room->loop == loop && count_present_3(room) == 0 &&
            (first == NULL || room->deserted < first->deserted))
            first = room;
    }
    return first;
}

static uint64_t earlier(uint64_t a_ms, uint64_t b_ms)
{
    return a_ms < b_ms ? a_ms : b_ms;
}

uint64_t next_due_3(const struct model_3 *model, uint32_t loop)
{
    uint64_t next_ms = MODEL_3_NEVER;
    for (uint32_t i = 0; i < MODEL_3_ROOMS_MAX; i++) {
        const struct model_3_room *room = &model->rooms[i];
        if (!room->is_live || room->loop != loop)
            continue;
        next_ms = earlier(next_ms, earlier(room->migrates_ms, room->audience_ms));
        for (uint32_t at = 0; at < room->member_count; at++)
            next_ms = earlier(next_ms, room->members[at].expires_ms);
    }
    return next_ms;
}

static void tell_audience(struct model_3 *model, struct model_3_room *room)
{
    const struct model_3_member *host = find_seat_3(room, room->host);
    room->audience_ms = MODEL_3_NEVER;
    if (host == NULL || !is_here_3(host))
        return;
    room->told = count_watching_3(room);
    room->told_ms = model->now_ms;
    expect_heard_3(model, host->client,
                   format_text("{\"type\":\"audience\",\"count\":%u}", room->told));
}

/* What a deadline of the relay is about. */
struct subject {
    struct model_3_room *room;
    enum due_kind kind;
    uint32_t index; /* of a seat that expires */
};

static struct subject subject_of(struct model_3 *model, struct due *due)
{
    struct subject subject = {.kind = (enum due_kind)due->kind};
    const struct room *room = NULL;
    char code[CODE_LENGTH_MAX + 1] = "";
    if (subject.kind == DUE_EXPIRY) {
        const struct member *member = seat_member(CONTAINER_OF(due, struct seat, expiry));
        subject.index = member->index;
        room = member->room;
    } else if (subject.kind == DUE_MIGRATION) {
        room = CONTAINER_OF(due, struct party, migration)->room;
    } else {
        room = CONTAINER_OF(due, struct audience, telling)->room;
    }
    code[code_write(room->code, (uint8_t *)code)] = '\0';
    subject.room = find_room_3(model, code);
    assert_non_null(subject.room);
    return subject;
}

/* Of things that are due at the same time, the relay chooses which one it does first. */
void expect_due_3(struct model_3 *model, uint32_t loop, uint64_t due_ms)
{
    struct world *world = &model->worlds[loop];
    struct subject subject = subject_of(model, due_first(&world->relay.dues));
    struct model_3_room *room = subject.room;
    struct model_3_member *member = find_seat_3(room, subject.index);
    assert_true(do_due(world));
    switch (subject.kind) {
    case DUE_EXPIRY:
        assert_non_null(member);
        assert_int_equal(member->expires_ms, due_ms);
        vacate_3(model, room, member, "expired");
        break;
    case DUE_MIGRATION:
        assert_int_equal(room->migrates_ms, due_ms);
        make_host_3(model, room, first_present(room)->index);
        break;
    case DUE_AUDIENCE:
        assert_int_equal(room->audience_ms, due_ms);
        tell_audience(model, room);
        break;
    }
}
