/* What can be done to a model, and the comparison of everything after each step. */
#include "relay/relay_model.h"

#include <stdlib.h>

#include "fuzz/simple_utf8.h"
#include "relay/relay_model_parts.h"

#define FIRST_MS (UINT32_MAX - 200000) /* the relay's clock wraps soon */

static void init_world(struct model *model, uint32_t loop, uint64_t seed)
{
    struct world *world = &model->worlds[loop];
    world_init_random(world, seed + loop);
    world->relay.config.loop_index = loop;
    world->relay.config.loop_count = model->loop_count;
    world->relay.config.instance = model->instance;
    world->relay.now_ms = FIRST_MS;
    for (uint32_t client = 0; client < WORLD_CLIENTS; client++) {
        world->clients[client].origin_number = origin_of(client);
        world->clients[client].protocol = model->clients[client].protocol;
    }
}

void model_init(struct model *model, uint32_t loop_count, uint64_t seed)
{
    assert_in_range(loop_count, 1, MODEL_LOOPS_MAX);
    model->loop_count = loop_count;
    model->is_draining = false;
    model->bytes_max = SIZE_MAX;
    model->instance = (struct instance){{0}, {0}};
    if (seed % 2 == 1)
        model->instance = (struct instance){BYTES("d891.a-b_c"), BYTES("sjc")};
    model->now_ms = FIRST_MS;
    model->departures = 0;
    memset(model->rooms, 0, sizeof model->rooms);
    for (uint32_t client = 0; client < WORLD_CLIENTS; client++)
        model->clients[client] = (struct model_client){
            .loop = client % loop_count,
            .protocol = client / loop_count % 2 == 0 ? PROTOCOL_1 : PROTOCOL_2,
        };
    for (uint32_t loop = 0; loop < loop_count; loop++)
        init_world(model, loop, seed);
}

/* The room is known to the relay with the same members, here and gone in the same order. */
static void check_members(const struct world *world, const struct room *room,
                          struct model_room *expected)
{
    uint32_t at = 0;
    assert_int_equal(room->member_count, count_present(expected));
    assert_int_equal(room->known_count, expected->known_count);
    for (uint32_t i = 0; i < expected->known_count; i++) {
        const struct model_member *known = &expected->known[i];
        const struct member *member = room_find(room, bytes_of_string(known->id));
        assert_non_null(member);
        assert_int_equal(member->index, known->index);
        assert_int_equal(member->client,
                         known->client == MODEL_NOBODY ? CLIENT_NONE : known->client);
        if (known->client == MODEL_NOBODY)
            continue;
        assert_ptr_equal(room->members[at++], member);
        assert_ptr_equal(world->clients[known->client].seat, member);
    }
}

static void check_bytes(struct bytes actual, const char *expected)
{
    assert_true(bytes_equal(actual, bytes_of_string(expected == NULL ? "" : expected)));
}

static void check_room(const struct world *world, struct model_room *expected)
{
    uint64_t number;
    assert_true(code_read(bytes_of_string(expected->code), &number));
    const struct room *room = relay_find_room(&world->relay, number);
    assert_non_null(room);
    assert_int_equal(room_protocol(room), expected->protocol);
    assert_int_equal(room->members_max, expected->members_max);
    assert_in_range(room->member_count, room_protocol(room) == PROTOCOL_1 ? 1 : 0,
                    expected->members_max);
    check_members(world, room, expected);
    check_bytes(room_url(room), expected->url);
    char *state = NULL;
    if (expected->state != NULL)
        state = format_text("{\"type\":\"state\",\"data\":%s}", expected->state);
    struct bytes kept = {0};
    if (room_state(room) != NULL)
        kept = bytes_of(room_state(room)->data, room_state(room)->length);
    check_bytes(kept, state);
    free(state);
}

/* The relay of a loop has the model's rooms, and no others; and waits for the same time. */
static void check_rooms(struct model *model, uint32_t loop)
{
    const struct world *world = &model->worlds[loop];
    uint32_t crowds[WORLD_CLIENTS + 1] = {0};
    assert_int_equal(world->relay.rooms.room_count, count_live_rooms(model, loop));
    for (uint32_t i = 0; i < MODEL_ROOMS_MAX; i++) {
        if (model->rooms[i].is_live && model->rooms[i].loop == loop) {
            check_room(world, &model->rooms[i]);
            crowds[origin_of(model->rooms[i].creator)] += count_present(&model->rooms[i]);
        }
    }
    assert_memory_equal(world->crowds, crowds, sizeof crowds);
    uint64_t end_ms = next_end_ms(model, loop);
    int64_t left_ms = end_ms == UINT64_MAX ? -1 : (int64_t)(end_ms - model->now_ms);
    assert_int_equal(relay_due_left_ms(&world->relay), left_ms);
}

/* Who is in a room has a seat on the room's loop, and nobody has another. */
static void check_seats(const struct model *model, uint32_t loop)
{
    for (uint32_t i = 0; i < WORLD_CLIENTS; i++) {
        const struct model_client *expected = &model->clients[i];
        bool has_seat = expected->room != NULL && expected->loop == loop;
        assert_int_equal(model->worlds[loop].clients[i].seat != NULL, has_seat);
        assert_false(model->worlds[loop].clients[i].was_replaced);
        assert_false(model->worlds[loop].clients[i].was_closed);
        if (has_seat)
            assert_int_equal(expected->room->loop, loop);
    }
}

static void check_all(struct model *model)
{
    for (uint32_t loop = 0; loop < model->loop_count; loop++) {
        expect_silence(&model->worlds[loop]);
        expect_no_effect(&model->worlds[loop], EFFECT_NO_MEMORY);
        check_rooms(model, loop);
        check_seats(model, loop);
    }
}

void model_say(struct model *model, uint32_t client, struct bytes text)
{
    struct said said = {client, text};
    if (simple_utf8_is_valid(text)) {
        enum json_kind kind = simple_json_parse(text).kind;
        say_bytes(world_of(model, client), client, text);
        expect_answer(model, &said, kind);
    } else {
        say_garbage(world_of(model, client), client);
        expect_refusal(model, client, "Invalid JSON");
    }
    check_all(model);
}

void model_set_long_state(struct model *model, uint32_t client, const char *unit, size_t count)
{
    static const char before[] = "{\"data\":[";
    static const char after[] = "10],\"type\":\"set_state\"}";
    size_t unit_length = strlen(unit);
    size_t length = strlen(before) + count * unit_length + strlen(after);
    char *text = malloc(length + 1);
    assert_non_null(text);
    char *end = stpcpy(text, before);
    for (size_t i = 0; i < count; i++)
        end = stpcpy(end, unit);
    strcpy(end, after);
    model_say(model, client, bytes_of(text, length));
    free(text);
}

static void expect_departure(struct model *model, uint32_t client, enum departure departure)
{
    const struct world *world = world_of(model, client);
    struct model_room *room = model->clients[client].room;
    bool is_last = room != NULL && count_present(room) == 1;
    bool is_heard = room != NULL && !is_last;
    bool is_end = is_last && !outlives(model, room, departure);
    assert_int_equal(world->effects.count, is_heard || is_end ? 1 : 0);
    if (room == NULL)
        return;
    if (is_end) {
        assert_int_equal(expect_effect(world, EFFECT_ROOM_GONE)->room_gone.origin_number,
                         origin_of(room->creator));
        clear_room(model, room);
        return;
    }
    char *text = peer_text("peer_left", room, find_seated(room, client));
    depart(model, client, departure);
    expect_heard_in_room(model, room, MODEL_NOBODY, text);
}

void model_drop(struct model *model, uint32_t client)
{
    drop(world_of(model, client), client);
    expect_departure(model, client, DEPARTURE_FAREWELL);
    check_all(model);
}

void model_cut_off(struct model *model, uint32_t client)
{
    cut_off(world_of(model, client), client);
    expect_departure(model, client, DEPARTURE_CUT_OFF);
    check_all(model);
}

void model_reconnect(struct model *model, uint32_t client, enum protocol protocol)
{
    model_drop(model, client);
    model->clients[client].protocol = protocol;
    for (uint32_t loop = 0; loop < model->loop_count; loop++)
        model->worlds[loop].clients[client].protocol = protocol;
}

/* The next room to end does not a millisecond before its time, and does when it is asked for. */
static void end_next(struct model *model, uint32_t loop, uint64_t end_ms, uint64_t asked_ms)
{
    struct world *world = &model->worlds[loop];
    struct model_room *room = next_to_end(model, loop, asked_ms);
    world->relay.now_ms = (uint32_t)(end_ms - 1);
    assert_int_equal(relay_due_left_ms(&world->relay), 1);
    assert_false(do_due(world));
    world->relay.now_ms = (uint32_t)asked_ms;
    assert_int_equal(relay_due_left_ms(&world->relay), 0);
    assert_true(do_due(world));
    expect_closing(model, room);
}

static void pass_time_of(struct model *model, uint32_t loop, uint64_t until_ms, bool is_late)
{
    struct world *world = &model->worlds[loop];
    uint64_t end_ms;
    while ((end_ms = next_end_ms(model, loop)) <= until_ms)
        end_next(model, loop, end_ms, is_late ? until_ms : end_ms);
    world->relay.now_ms = (uint32_t)until_ms;
    assert_false(do_due(world));
}

void model_pass_time(struct model *model, uint32_t ms, bool is_late)
{
    uint64_t until_ms = model->now_ms + ms;
    for (uint32_t loop = 0; loop < model->loop_count; loop++)
        pass_time_of(model, loop, until_ms, is_late);
    model->now_ms = until_ms;
    check_all(model);
}

/* Of those who are gone and were here equally long, the new relay knows only the ids. */
static void order_absent(struct model *model, struct model_room *room)
{
    uint64_t before = model->departures;
    for (;;) {
        struct model_member *next = NULL;
        for (uint32_t i = 0; i < room->known_count; i++) {
            struct model_member *member = &room->known[i];
            bool is_left = member->client == MODEL_NOBODY && member->left <= before;
            if (is_left && (next == NULL || strcmp(member->id, next->id) < 0))
                next = member;
        }
        if (next == NULL)
            return;
        next->left = ++model->departures;
    }
}

static struct model_room *room_of(struct model *model, const struct retained *retained)
{
    char code[CODE_LENGTH_MAX + 1] = "";
    code[code_write(retained->room->code, (uint8_t *)code)] = '\0';
    struct model_room *room = find_live_room(model, code);
    assert_non_null(room);
    return room;
}

/* Graces begin anew, those of rooms in the order in which the relay has made the rooms. */
static void begin_graces(struct model *model, const struct relay *relay)
{
    LIST_FOR_EACH(link, &relay->hostless)
    {
        struct model_room *room = room_of(model, CONTAINER_OF(link, struct retained, hostless));
        room->known[0].left = ++model->departures;
        room->host_left_ms = model->now_ms;
    }
    LIST_FOR_EACH(link, &relay->deserted)
    {
        struct model_room *room = room_of(model, CONTAINER_OF(link, struct retained, deserted));
        room->deserted = ++model->departures;
        room->deserted_ms = model->now_ms;
    }
}

/* A record is one line. */
static void replace_line_breaks(char *state)
{
    for (char *at = state; at != NULL && *at != '\0'; at++) {
        if (*at == '\n' || *at == '\r')
            *at = ' ';
    }
}

void model_upgrade(struct model *model, uint32_t loop)
{
    upgrade(&model->worlds[loop]);
    for (uint32_t i = 0; i < MODEL_ROOMS_MAX; i++) {
        if (!model->rooms[i].is_live || model->rooms[i].loop != loop)
            continue;
        order_absent(model, &model->rooms[i]);
        replace_line_breaks(model->rooms[i].state);
    }
    begin_graces(model, &model->worlds[loop].relay);
    check_all(model);
}

void model_set_draining(struct model *model, bool is_draining)
{
    model->is_draining = is_draining;
    for (uint32_t loop = 0; loop < model->loop_count; loop++)
        model->worlds[loop].relay.is_draining = is_draining;
}

void model_set_bytes_max(struct model *model, size_t bytes_max)
{
    model->bytes_max = bytes_max;
    for (uint32_t loop = 0; loop < model->loop_count; loop++)
        model->worlds[loop].bytes_max = bytes_max;
}

void model_release(struct model *model)
{
    for (uint32_t client = 0; client < WORLD_CLIENTS; client++)
        model_drop(model, client);
    model_pass_time(model, WORLD_GRACE_MS, false);
    for (uint32_t loop = 0; loop < model->loop_count; loop++) {
        assert_int_equal(model->worlds[loop].relay.rooms.room_count, 0);
        world_release(&model->worlds[loop]);
    }
}
