/* What can be done to a model of protocol 3, and the comparison of everything after each step. */
#include "relay/relay_model_3.h"

#include <stdlib.h>

#include "fuzz/simple_utf8.h"
#include "relay/relay_model_3_parts.h"

#define FIRST_MS (UINT32_MAX - 200000) /* the relay's clock wraps soon */

/* Origins tell the rooms' creators apart; 0 stands for none. */
static uint16_t origin_of(uint32_t client)
{
    return (uint16_t)(client + 1);
}

static void init_world(struct model_3 *model, uint32_t loop, uint64_t seed, uint32_t log_bytes_max)
{
    struct world *world = &model->worlds[loop];
    world_init_3_random(world, seed + loop);
    world->relay.config.loop_index = loop;
    world->relay.config.loop_count = model->loop_count;
    world->relay.config.instance = model->instance;
    world->relay.config.log_bytes_max = log_bytes_max;
    world->relay.config.hold_ms_max = (uint32_t)model->hold_ms_max;
    world->relay.now_ms = (uint32_t)model->now_ms;
    for (uint32_t client = 0; client < WORLD_CLIENTS; client++)
        world->clients[client].origin_number = origin_of(client);
}

/* A room of another protocol, which lives as long as the model. */
static void create_foreign_room(struct model_3 *model, uint32_t which)
{
    uint32_t client = MODEL_3_CLIENTS + which;
    struct world *world = world_of_3(model, client);
    char *code = model->foreign_codes[which];
    world->clients[client].protocol = which == 0 ? PROTOCOL_1 : PROTOCOL_2;
    create_room(world, client, "a foreigner", 2);
    forget_texts_of(world, client);
    code[code_write(world->clients[client].seat->room->code, (uint8_t *)code)] = '\0';
}

void model_3_init(struct model_3 *model, uint32_t loop_count, uint64_t seed, uint32_t log_bytes_max)
{
    assert_in_range(loop_count, 1, MODEL_3_LOOPS_MAX);
    model->loop_count = loop_count;
    model->is_draining = false;
    model->asks_for_token = false;
    model->hold_ms_max = seed % 5 == 1 ? 30000 : HOLD_MS_MAX;
    model->has_large_logs = log_bytes_max >= MODEL_3_LOG_PLENTY;
    model->is_lost = false;
    model->instance = (struct instance){{0}, {0}};
    if (seed % 2 == 1)
        model->instance = (struct instance){BYTES("d891.a-b_c"), BYTES("sjc")};
    model->now_ms = FIRST_MS;
    model->desertions = 0;
    model->moved_to = MODEL_3_NONE;
    memset(model->guesses, 0, sizeof model->guesses);
    memset(model->rooms, 0, sizeof model->rooms);
    for (uint32_t client = 0; client < WORLD_CLIENTS; client++)
        model->clients[client] = (struct model_3_client){.loop = client % loop_count};
    for (uint32_t loop = 0; loop < loop_count; loop++)
        init_world(model, loop, seed, log_bytes_max);
    for (uint32_t which = 0; which < MODEL_3_FOREIGNERS; which++)
        create_foreign_room(model, which);
}

static void check_member(const struct room *room, const struct model_3_member *expected)
{
    const struct member *member = room_find(room, bytes_of_string(expected->id));
    assert_non_null(member);
    assert_int_equal(member->is_audience, watches_3(expected));
    assert_int_equal(member->client,
                     expected->client == MODEL_3_NONE ? CLIENT_NONE : expected->client);
    if (!watches_3(expected))
        assert_int_equal(member->index, expected->index);
}

static void check_room(const struct model_3 *model, const struct model_3_room *expected)
{
    uint64_t number;
    assert_true(code_read(bytes_of_string(expected->code), &number));
    const struct room *room = relay_find_room(&model->worlds[expected->loop].relay, number);
    assert_non_null(room);
    assert_int_equal(room->members_max, expected->members_max);
    assert_int_equal(room->known_count, expected->member_count);
    assert_int_equal(room->member_count, count_present_3(expected));
    assert_int_equal(room->host_index,
                     expected->host == MODEL_3_NONE ? INDEX_NONE : expected->host);
    for (uint32_t i = 0; i < expected->member_count; i++)
        check_member(room, &expected->members[i]);
}

/* The relay of a loop has the model's rooms, and no others; and waits for the same time. */
static void check_rooms(const struct model_3 *model, uint32_t loop)
{
    const struct world *world = &model->worlds[loop];
    uint32_t crowds[WORLD_CLIENTS + 1] = {0};
    uint32_t room_count = count_rooms_3(model, loop);
    for (uint32_t i = 0; i < MODEL_3_ROOMS_MAX; i++) {
        const struct model_3_room *room = &model->rooms[i];
        if (!room->is_live || room->loop != loop)
            continue;
        check_room(model, room);
        crowds[origin_of(room->creator)] += count_present_3(room) + count_watching_3(room);
    }
    for (uint32_t i = MODEL_3_CLIENTS; i < WORLD_CLIENTS; i++) {
        room_count += model->clients[i].loop == loop;
        crowds[origin_of(i)] += model->clients[i].loop == loop;
    }
    assert_int_equal(world->relay.rooms.room_count, room_count);
    assert_memory_equal(world->crowds, crowds, sizeof crowds);
    uint64_t due_ms = next_due_3(model, loop);
    int64_t left_ms = due_ms == MODEL_3_NEVER ? -1 : (int64_t)(due_ms - model->now_ms);
    assert_int_equal(relay_due_left_ms(&world->relay), left_ms);
}

/* Who is in a room has a seat on the room's loop, and nobody has another; nobody's connection was
 * ended but those that were expected to be. */
static void check_clients(const struct model_3 *model, uint32_t loop)
{
    for (uint32_t i = 0; i < MODEL_3_CLIENTS; i++) {
        const struct fake_client *client = &model->worlds[loop].clients[i];
        const struct model_3_room *room = model->clients[i].room;
        bool has_seat = room != NULL && model->clients[i].loop == loop;
        assert_int_equal(client->seat != NULL, has_seat);
        if (has_seat)
            assert_int_equal(room->loop, loop);
        assert_false(client->was_replaced || client->was_closed || client->was_kicked ||
                     client->was_given_up);
    }
}

/* What is said is JSON, or begins as a binary message does. */
static void check_texts(struct world *world)
{
    for (uint32_t i = 0; i < WORLD_CLIENTS; i++) {
        struct fake_client *client = &world->clients[i];
        for (uint32_t at = 0; at < client->text_count; at++) {
            bool is_binary = strncmp(client->texts[at], "\\x0", 3) == 0;
            assert_true(is_binary ||
                        simple_json_parse(bytes_of_string(client->texts[at])).kind == JSON_OBJECT);
        }
        client->was_replaced = client->was_closed = false;
        client->was_kicked = client->was_given_up = false;
    }
    forget_texts(world);
}

void check_all_3(struct model_3 *model)
{
    for (uint32_t loop = 0; loop < model->loop_count; loop++) {
        if (model->is_lost) {
            check_texts(&model->worlds[loop]);
            continue;
        }
        expect_silence(&model->worlds[loop]);
        check_rooms(model, loop);
        check_clients(model, loop);
    }
    assert_int_equal(model->moved_to, MODEL_3_NONE);
}

/* A join may send its client to another loop, where it is carried out. */
static void follow(struct model_3 *model, uint32_t client)
{
    const struct effects *effects = &world_of_3(model, client)->effects;
    if (effects->count == 0 || effects->items[0].kind != EFFECT_MOVE)
        return;
    assert_int_equal(effects->count, 1);
    const struct effect_move *move = &effects->items[0].move;
    assert_int_equal(move->client, client);
    carry_out(&model->worlds[move->loop], client, move->join);
    if (model->is_lost)
        model->clients[client].loop = move->loop;
    else
        model->moved_to = move->loop;
}

void model_3_say(struct model_3 *model, uint32_t client, struct bytes text)
{
    bool is_text = simple_utf8_is_valid(text);
    assert_in_range(client, 0, MODEL_3_CLIENTS - 1);
    if (is_text)
        say_bytes(world_of_3(model, client), client, text);
    else
        say_garbage(world_of_3(model, client), client);
    follow(model, client);
    if (!model->is_lost)
        expect_answer_3(model, client, is_text ? text : BYTES(""));
    check_all_3(model);
}

void model_3_say_binary(struct model_3 *model, uint32_t client, struct bytes message)
{
    assert_in_range(client, 0, MODEL_3_CLIENTS - 1);
    say_binary(world_of_3(model, client), client, message);
    if (!model->is_lost)
        expect_binary_answer_3(model, client, message);
    check_all_3(model);
}

void model_3_end(struct model_3 *model, uint32_t client, enum departure departure)
{
    assert_in_range(client, 0, MODEL_3_CLIENTS - 1);
    end_connection(world_of_3(model, client), client, departure);
    if (!model->is_lost)
        depart_3(model, client, departure);
    check_all_3(model);
}

/* What is due next is not done a millisecond before its time, and is when it is asked for. */
static void do_next(struct model_3 *model, uint32_t loop, uint64_t due_ms, uint64_t asked_ms)
{
    struct world *world = &model->worlds[loop];
    if (due_ms > model->now_ms) {
        world->relay.now_ms = (uint32_t)(due_ms - 1);
        assert_int_equal(relay_due_left_ms(&world->relay), 1);
        assert_false(do_due(world));
    }
    world->relay.now_ms = (uint32_t)asked_ms;
    assert_int_equal(relay_due_left_ms(&world->relay), 0);
    model->now_ms = asked_ms;
    expect_due_3(model, loop, due_ms);
}

static void pass_time_of(struct model_3 *model, uint32_t loop, uint64_t until_ms, bool is_late)
{
    struct world *world = &model->worlds[loop];
    uint64_t due_ms;
    while ((due_ms = next_due_3(model, loop)) <= until_ms)
        do_next(model, loop, due_ms, is_late ? until_ms : due_ms);
    world->relay.now_ms = (uint32_t)until_ms;
    assert_false(do_due(world));
}

void model_3_pass_time(struct model_3 *model, uint32_t ms, bool is_late)
{
    uint64_t begin_ms = model->now_ms;
    for (uint32_t loop = 0; loop < model->loop_count; loop++) {
        model->now_ms = begin_ms;
        if (model->is_lost)
            pass_time(&model->worlds[loop], ms);
        else
            pass_time_of(model, loop, begin_ms + ms, is_late);
    }
    model->now_ms = begin_ms + ms;
    check_all_3(model);
}

void model_3_forget_guesses(struct model_3 *model)
{
    for (uint32_t loop = 0; loop < model->loop_count; loop++)
        model->guesses[loop] = model->worlds[loop].guesses = 0;
}

void model_3_set_token(struct model_3 *model, bool asks_for_token)
{
    model->asks_for_token = asks_for_token;
    for (uint32_t loop = 0; loop < model->loop_count; loop++) {
        model->worlds[loop].token = asks_for_token ? MODEL_3_TOKEN : NULL;
        model->worlds[loop].token_answer = TOKEN_OK;
    }
}

void model_3_set_draining(struct model_3 *model, bool is_draining)
{
    model->is_draining = is_draining;
    for (uint32_t loop = 0; loop < model->loop_count; loop++)
        model->worlds[loop].relay.is_draining = is_draining;
}

static void clear_rooms(struct model_3 *model)
{
    for (uint32_t i = 0; i < MODEL_3_ROOMS_MAX; i++) {
        if (model->rooms[i].is_live)
            clear_room_3(model, &model->rooms[i]);
    }
}

void model_3_set_bytes_left(struct model_3 *model, size_t bytes_left)
{
    model->is_lost = true;
    clear_rooms(model);
    for (uint32_t loop = 0; loop < model->loop_count; loop++) {
        struct world *world = &model->worlds[loop];
        world->bytes_max = bytes_left == SIZE_MAX ? SIZE_MAX : world->bytes_admitted + bytes_left;
    }
}

void model_3_release(struct model_3 *model)
{
    for (uint32_t client = 0; client < MODEL_3_CLIENTS; client++)
        model_3_end(model, client, DEPARTURE_FAREWELL);
    model_3_pass_time(model, HOLD_MS_MAX, false);
    for (uint32_t loop = 0; loop < model->loop_count; loop++) {
        struct world *world = &model->worlds[loop];
        assert_int_equal(count_rooms_3(model, loop), 0);
        world->bytes_max = SIZE_MAX;
        world_release(world);
    }
}
