/*
 * Random clients against a simple model of rooms. Whatever any client hears in any step is
 * compared with what the model says, in order; the relay's rooms and seats are compared, too.
 *
 * The seed is printed; SEED=<number> in the environment runs that one instead.
 */
#include "relay/relay_fixture.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "relay/code.h"

#define STEPS 20000
#define CLIENTS 60
#define IDS 14
#define NOWHERE UINT32_MAX
#define FIXED_SEED 20240229u

struct model_room {
    bool is_live;
    char code[CODE_LENGTH + 1];
    uint32_t members_max;
    uint32_t member_count;
    uint32_t clients[WORLD_MEMBERS_MAX]; /* in order of entry */
};

struct model_client {
    uint32_t room;                /* or NOWHERE */
    uint32_t id;                  /* as `p<id>`, while in a room */
    uint32_t said;                /* how many messages */
    uint32_t last_heard[CLIENTS]; /* the number of the last message from each sender */
};

struct simulation {
    struct world world;
    struct model_room rooms[WORLD_ROOMS_MAX];
    struct model_client clients[CLIENTS];
    uint64_t random_state;
};

static uint32_t random_below(struct simulation *simulation, uint32_t bound)
{
    return random_next(&simulation->random_state) % bound;
}

/* The member of a room with this id, or NOWHERE. */
static uint32_t member_called(const struct simulation *simulation, uint32_t room, uint32_t id)
{
    const struct model_room *model = &simulation->rooms[room];
    for (uint32_t i = 0; i < model->member_count; i++) {
        if (simulation->clients[model->clients[i]].id == id)
            return model->clients[i];
    }
    return NOWHERE;
}

/* All members but one hear the text. */
static void expect_in_room(struct simulation *simulation, uint32_t room, uint32_t except,
                           const char *text)
{
    const struct model_room *model = &simulation->rooms[room];
    for (uint32_t i = 0; i < model->member_count; i++) {
        if (model->clients[i] != except)
            expect_only(&simulation->world, model->clients[i], text);
    }
}

static void expect_joined(struct simulation *simulation, uint32_t client)
{
    const struct model_room *model = &simulation->rooms[simulation->clients[client].room];
    char text[256];
    int length = snprintf(text, sizeof text, "{\"type\":\"joined\",\"room\":\"%s\",\"clients\":[",
                          model->code);
    for (uint32_t i = 0; i < model->member_count; i++)
        length += snprintf(text + length, sizeof text - (size_t)length, "%s\"p%u\"",
                           i == 0 ? "" : ",", simulation->clients[model->clients[i]].id);
    snprintf(text + length, sizeof text - (size_t)length, "]}");
    expect_only(&simulation->world, client, text);
}

/* A code that a room had once may come again: then it is no longer the code of a dead room. */
static void forget_dead_code(struct simulation *simulation, const char *code)
{
    for (uint32_t i = 0; i < WORLD_ROOMS_MAX; i++) {
        struct model_room *model = &simulation->rooms[i];
        if (strcmp(model->code, code) == 0) {
            assert_false(model->is_live);
            model->code[0] = '\0';
        }
    }
}

static void step_create(struct simulation *simulation, uint32_t client)
{
    struct model_client *model = &simulation->clients[client];
    uint32_t id = random_below(simulation, IDS);
    uint32_t max_clients = 1 + random_below(simulation, WORLD_MEMBERS_MAX + 2);
    char id_text[16];
    snprintf(id_text, sizeof id_text, "p%u", id);
    create_room(&simulation->world, client, id_text, max_clients);
    if (model->room != NOWHERE) {
        expect_error(&simulation->world, client, "Already in a room");
        return;
    }
    uint32_t free_room = 0;
    while (free_room < WORLD_ROOMS_MAX && simulation->rooms[free_room].is_live)
        free_room++;
    if (free_room == WORLD_ROOMS_MAX) {
        expect_error(&simulation->world, client, "Too many rooms");
        return;
    }
    const struct member *seat = simulation->world.clients[client].seat;
    assert_non_null(seat);
    struct model_room *room = &simulation->rooms[free_room];
    *room = (struct model_room){.members_max = max_clients, .member_count = 1};
    if (max_clients > WORLD_MEMBERS_MAX)
        room->members_max = WORLD_MEMBERS_MAX;
    char code[CODE_LENGTH + 1] = "";
    code_write(seat->room->code, (uint8_t *)code);
    forget_dead_code(simulation, code);
    memcpy(room->code, code, sizeof code);
    room->is_live = true;
    room->clients[0] = client;
    model->room = free_room;
    model->id = id;
    char text[64];
    snprintf(text, sizeof text, "{\"type\":\"created\",\"room\":\"%s\"}", room->code);
    expect_only(&simulation->world, client, text);
}

static void enter(struct simulation *simulation, uint32_t client, uint32_t room, uint32_t id)
{
    struct model_room *model = &simulation->rooms[room];
    if (model->member_count == model->members_max) {
        expect_error(&simulation->world, client, "Room is full");
        return;
    }
    char text[64];
    snprintf(text, sizeof text, "{\"type\":\"peer_joined\",\"clientId\":\"p%u\"}", id);
    expect_in_room(simulation, room, client, text);
    model->clients[model->member_count++] = client;
    simulation->clients[client].room = room;
    simulation->clients[client].id = id;
    expect_joined(simulation, client);
}

static void replace(struct simulation *simulation, uint32_t client, uint32_t old)
{
    struct model_room *model = &simulation->rooms[simulation->clients[old].room];
    for (uint32_t i = 0; i < model->member_count; i++) {
        if (model->clients[i] == old)
            model->clients[i] = client;
    }
    simulation->clients[client].room = simulation->clients[old].room;
    simulation->clients[client].id = simulation->clients[old].id;
    simulation->clients[old].room = NOWHERE;
    assert_true(simulation->world.clients[old].was_replaced);
    simulation->world.clients[old].was_replaced = false;
    expect_joined(simulation, client);
}

static void step_join(struct simulation *simulation, uint32_t client)
{
    uint32_t room = random_below(simulation, WORLD_ROOMS_MAX);
    uint32_t id = random_below(simulation, IDS);
    const struct model_room *model = &simulation->rooms[room];
    char id_text[16];
    snprintf(id_text, sizeof id_text, "p%u", id);
    /* A code of a room that is gone is asked for, too; before its first room it is empty. */
    join_room(&simulation->world, client, id_text, model->code);
    if (simulation->clients[client].room != NOWHERE) {
        expect_error(&simulation->world, client, "Already in a room");
    } else if (!model->is_live) {
        expect_error(&simulation->world, client,
                     model->code[0] == '\0' ? "room is required" : "Room not found");
    } else {
        uint32_t old = member_called(simulation, room, id);
        if (old == NOWHERE)
            enter(simulation, client, room, id);
        else
            replace(simulation, client, old);
    }
}

/* The numbers of messages from any one sender only grow, at every hearer. */
static void check_order(struct simulation *simulation, uint32_t sender)
{
    for (uint32_t i = 0; i < CLIENTS; i++) {
        const struct fake_client *hearer = &simulation->world.clients[i];
        for (uint32_t j = 0; j < hearer->text_count; j++) {
            const char *data = strstr(hearer->texts[j], "\"data\":[");
            uint32_t from;
            uint32_t number;
            if (data == NULL)
                continue;
            int count = sscanf(data, "\"data\":[%" SCNu32 ",%" SCNu32 "]", &from, &number);
            assert_int_equal(count, 2);
            assert_int_equal(from, sender);
            assert_true(number > simulation->clients[i].last_heard[from]);
            simulation->clients[i].last_heard[from] = number;
        }
    }
}

static void step_send(struct simulation *simulation, uint32_t client)
{
    struct model_client *model = &simulation->clients[client];
    bool is_targeted = random_below(simulation, 2) == 0;
    uint32_t target_id = random_below(simulation, IDS);
    uint32_t number = ++model->said;
    if (is_targeted)
        say_format(&simulation->world, client,
                   "{\"type\":\"send\",\"to\":\"p%u\",\"data\":[%u,%u]}", target_id, client,
                   number);
    else
        say_format(&simulation->world, client, "{\"type\":\"send\",\"data\":[%u,%u]}", client,
                   number);
    check_order(simulation, client);
    if (model->room == NOWHERE) {
        expect_error(&simulation->world, client, "Not in a room");
        return;
    }
    char text[96];
    snprintf(text, sizeof text, "{\"type\":\"message\",\"from\":\"p%u\",\"data\":[%u,%u]}",
             model->id, client, number);
    if (!is_targeted) {
        expect_in_room(simulation, model->room, client, text);
        return;
    }
    uint32_t target = member_called(simulation, model->room, target_id);
    if (target == NOWHERE)
        expect_error(&simulation->world, client, "Target client not found");
    else
        expect_only(&simulation->world, target, text);
}

static void step_drop(struct simulation *simulation, uint32_t client)
{
    struct model_client *model = &simulation->clients[client];
    uint32_t room = model->room;
    drop(&simulation->world, client);
    if (room == NOWHERE)
        return;
    struct model_room *left = &simulation->rooms[room];
    uint32_t kept = 0;
    for (uint32_t i = 0; i < left->member_count; i++) {
        if (left->clients[i] != client)
            left->clients[kept++] = left->clients[i];
    }
    left->member_count = kept;
    left->is_live = kept > 0;
    model->room = NOWHERE;
    char text[64];
    snprintf(text, sizeof text, "{\"type\":\"peer_left\",\"clientId\":\"p%u\"}", model->id);
    expect_in_room(simulation, room, client, text);
}

/* The relay has the model's rooms with the model's members in their seats, and nothing else. */
static void check_rooms_and_seats(const struct simulation *simulation)
{
    uint32_t live = 0;
    for (uint32_t i = 0; i < WORLD_ROOMS_MAX; i++) {
        const struct model_room *model = &simulation->rooms[i];
        if (!model->is_live)
            continue;
        live++;
        uint32_t number;
        assert_true(code_read(bytes_of_string(model->code), &number));
        const struct room *room = room_table_find(&simulation->world.relay.rooms, number);
        assert_non_null(room);
        assert_int_equal(room->member_count, model->member_count);
        uint32_t at = 0;
        LIST_FOR_EACH(link, &room->members)
        {
            const struct member *member = member_of_link(link);
            assert_true(at < model->member_count);
            assert_int_equal(member->client, model->clients[at++]);
            assert_ptr_equal(member->room, room);
            assert_ptr_equal(simulation->world.clients[member->client].seat, member);
        }
        assert_int_equal(at, model->member_count);
    }
    assert_int_equal(simulation->world.relay.rooms.room_count, live);
    for (uint32_t i = 0; i < CLIENTS; i++) {
        assert_int_equal(simulation->world.clients[i].seat == NULL,
                         simulation->clients[i].room == NOWHERE);
        assert_false(simulation->world.clients[i].was_replaced);
    }
}

static void step(struct simulation *simulation)
{
    uint32_t client = random_below(simulation, CLIENTS);
    uint32_t choice = random_below(simulation, 100);
    if (choice < 8)
        step_create(simulation, client);
    else if (choice < 45)
        step_join(simulation, client);
    else if (choice < 85)
        step_send(simulation, client);
    else
        step_drop(simulation, client);
    expect_silence(&simulation->world);
    check_rooms_and_seats(simulation);
}

static void simulate(uint64_t seed)
{
    print_message("SEED=%" PRIu64 "\n", seed);
    static struct simulation simulation;
    simulation = (struct simulation){.random_state = ~seed};
    world_init_random(&simulation.world, seed);
    for (uint32_t i = 0; i < CLIENTS; i++)
        simulation.clients[i].room = NOWHERE;
    for (uint32_t i = 0; i < STEPS; i++)
        step(&simulation);
    for (uint32_t i = 0; i < CLIENTS; i++)
        step_drop(&simulation, i);
    check_rooms_and_seats(&simulation);
    assert_int_equal(simulation.world.relay.rooms.room_count, 0);
    world_release(&simulation.world);
}

static void relay_agrees_with_the_model_for_the_fixed_seed(void **state)
{
    (void)state;
    const char *seed = getenv("SEED");
    simulate(seed == NULL ? FIXED_SEED : strtoull(seed, NULL, 10));
}

static void relay_agrees_with_the_model_for_a_seed_of_the_clock(void **state)
{
    (void)state;
    if (getenv("SEED") != NULL)
        skip();
    simulate((uint64_t)time(NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(relay_agrees_with_the_model_for_the_fixed_seed),
        cmocka_unit_test(relay_agrees_with_the_model_for_a_seed_of_the_clock),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
