/*
 * The process of a loop ends, and another one makes its rooms of their records. To the model that
 * is as if all connections had been cut off at once, but that epochs are new and holds longer. Or
 * it replaces itself, of which nobody hears.
 */
#include <stdio.h>
#include <stdlib.h>

#include "relay/relay_model_3_parts.h"

#define HOLD_LEAST_MS 30000
#define INDEX_STEP 16

/* The foreigner is in its room until the very end. */
static char *foreign_record_of(struct world *world, const char *code)
{
    bool is_of_stop = world->is_of_stop;
    world->is_of_stop = false;
    char *record = record_of(world, code);
    world->is_of_stop = is_of_stop;
    return record;
}

static void read_record(struct world *world, char *record, uint16_t origin_number)
{
    struct record_fault fault;
    world->restored_origin = origin_number;
    if (!restore(world, record, &fault))
        fail_msg("%s: %s (%s)", record, record_error_text(fault.error),
                 fault.field == NULL ? "" : fault.field);
    free(record);
}

/* Who was in the room of another protocol comes back to it at once. */
static void bring_foreigner_back(struct model_3 *model, uint32_t which)
{
    uint32_t client = MODEL_3_CLIENTS + which;
    struct world *world = world_of_3(model, client);
    join_room(world, client, "a foreigner", model->foreign_codes[which]);
    assert_non_null(world->clients[client].seat);
    forget_texts_of(world, client);
}

/* How long the seat would be held if its member were cut off now. */
static uint64_t hold_of(const struct model_3 *model, const struct model_3_room *room,
                        struct model_3_member *member)
{
    uint64_t hold_ms = member->expires_ms - model->now_ms;
    if (is_here_3(member)) {
        member->stayed_ms += model->now_ms - member->entered_ms;
        hold_ms = hold_ms_3(room, member);
    }
    return hold_ms < HOLD_LEAST_MS ? HOLD_LEAST_MS : hold_ms;
}

/* What the relay has drawn, which no client can know. */
static void renew_epoch(const struct room *room, struct model_3_member *member)
{
    const struct member *known = room_find(room, bytes_of_string(member->id));
    assert_non_null(known);
    forget_events_3(member);
    strcpy(member->lost_epoch, member->epoch);
    snprintf(member->epoch, sizeof member->epoch, "%016jx", (uintmax_t)member_seat(known)->epoch);
    assert_string_not_equal(member->epoch, member->lost_epoch);
    free(member->epochs);
    member->epochs = format_text(" %s", member->epoch);
}

static void restart_member(struct model_3 *model, struct model_3_room *room,
                           const struct room *restored, struct model_3_member *member)
{
    member->expires_ms = model->now_ms + hold_of(model, room, member);
    if (member->client != MODEL_3_NONE)
        model->clients[member->client].room = NULL;
    member->client = MODEL_3_NONE;
    for (uint32_t i = 0; i < MODEL_3_SESSIONS; i++) {
        free(member->sessions[i]);
        member->sessions[i] = NULL;
    }
    member->attempt = 0;
    renew_epoch(restored, member);
}

/* After a planned stop the member goes on where it was. */
static void hold_on(const struct model_3 *model, struct model_3_member *member)
{
    if (member->expires_ms < model->now_ms + HOLD_LEAST_MS)
        member->expires_ms = model->now_ms + HOLD_LEAST_MS;
}

static void restart_room(struct model_3 *model, struct model_3_room *room, bool is_of_stop)
{
    uint64_t number;
    assert_true(code_read(bytes_of_string(room->code), &number));
    const struct room *restored = relay_find_room(&model->worlds[room->loop].relay, number);
    assert_non_null(restored);
    for (uint32_t i = room->member_count; i > 0; i--) {
        if (watches_3(&room->members[i - 1]))
            remove_member_3(model, room, &room->members[i - 1]);
    }
    for (uint32_t i = 0; i < room->member_count; i++) {
        if (is_of_stop)
            hold_on(model, &room->members[i]);
        else
            restart_member(model, room, restored, &room->members[i]);
    }
    room->next_index = (room->next_index / INDEX_STEP + 1) * INDEX_STEP;
    room->deserted = ++model->desertions;
    room->migrates_ms = MODEL_3_NEVER;
    room->audience_ms = MODEL_3_NEVER;
    room->told_ms = 0;
    room->told = 0;
    room->busy_since_ms = 0;
    room->busy_count = 0;
}

static void restart(struct model_3 *model, uint32_t loop)
{
    struct world *world = &model->worlds[loop];
    char *records[MODEL_3_ROOMS_MAX] = {NULL};
    char *foreign_records[MODEL_3_FOREIGNERS] = {NULL};
    assert_false(model->is_lost);
    for (uint32_t i = 0; i < MODEL_3_ROOMS_MAX; i++) {
        if (model->rooms[i].is_live && model->rooms[i].loop == loop)
            records[i] = record_of(world, model->rooms[i].code);
    }
    for (uint32_t i = 0; i < MODEL_3_FOREIGNERS; i++) {
        if (model->clients[MODEL_3_CLIENTS + i].loop == loop)
            foreign_records[i] = foreign_record_of(world, model->foreign_codes[i]);
    }
    end_process(world);
    for (uint32_t i = 0; i < MODEL_3_FOREIGNERS; i++) {
        if (foreign_records[i] == NULL)
            continue;
        read_record(world, foreign_records[i], world->clients[MODEL_3_CLIENTS + i].origin_number);
        bring_foreigner_back(model, i);
    }
    for (uint32_t i = 0; i < MODEL_3_ROOMS_MAX; i++) {
        if (records[i] == NULL)
            continue;
        read_record(world, records[i], world->clients[model->rooms[i].creator].origin_number);
        restart_room(model, &model->rooms[i], world->is_of_stop);
    }
    check_all_3(model);
}

void model_3_restart(struct model_3 *model, uint32_t loop)
{
    restart(model, loop);
}

void model_3_stop(struct model_3 *model, uint32_t loop)
{
    for (uint32_t client = 0; client < WORLD_CLIENTS; client++) {
        if (model->clients[client].loop != loop)
            continue;
        if (client < MODEL_3_CLIENTS)
            model_3_end(model, client, DEPARTURE_CUT_OFF);
    }
    model->worlds[loop].is_of_stop = true;
    restart(model, loop);
    model->worlds[loop].is_of_stop = false;
}

/* What the new relay does not know of the old one. */
static void forget_times(const struct model_3 *model, struct model_3_room *room)
{
    if (room->migrates_ms != MODEL_3_NEVER)
        room->migrates_ms = model->now_ms + WORLD_MIGRATE_MS;
    if (room->audience_ms != MODEL_3_NEVER)
        room->audience_ms = model->now_ms; /* no longer a second after the last time */
    room->told_ms = 0;
    room->busy_since_ms = 0;
    room->busy_count = 0;
}

void model_3_upgrade(struct model_3 *model, uint32_t loop)
{
    struct world *world = &model->worlds[loop];
    assert_false(model->is_lost);
    upgrade(world);
    for (uint32_t i = 0; i < MODEL_3_ROOMS_MAX; i++) {
        if (model->rooms[i].is_live && model->rooms[i].loop == loop)
            forget_times(model, &model->rooms[i]);
    }
    LIST_FOR_EACH(link, &world->relay.waiting)
    {
        const struct room *room = CONTAINER_OF(link, struct retained, deserted)->room;
        char code[CODE_LENGTH_MAX + 1] = "";
        code[code_write(room->code, (uint8_t *)code)] = '\0';
        find_room_3(model, code)->deserted = ++model->desertions;
    }
    check_all_3(model);
}
