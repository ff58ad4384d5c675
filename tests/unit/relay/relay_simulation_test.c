/*
 * Random clients of both protocols against the model of rooms, on one loop and over several.
 *
 * The seed is printed; SEED=<number> in the environment runs that one instead.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "relay/relay_model.h"

#define STEPS 20000
#define CLIENTS 60
#define IDS 14
#define FIXED_SEED 20240229u

struct simulation {
    struct model model;
    uint32_t message_count; /* each message has data of its own */
    uint32_t visitor_count; /* each visitor has an id of its own */
    uint64_t random_state;
};

static uint32_t random_below(struct simulation *simulation, uint32_t bound)
{
    return random_next(&simulation->random_state) % bound;
}

PRINTF_LIKE(3, 4)
static void say_in_model(struct simulation *simulation, uint32_t client, const char *format, ...)
{
    char text[256];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    assert_in_range(length, 0, sizeof text - 1);
    model_say(&simulation->model, client, bytes_of(text, (size_t)length));
}

/* Every second room of protocol 2 has a page. */
static void step_create(struct simulation *simulation, uint32_t client)
{
    uint32_t id = random_below(simulation, IDS);
    uint32_t max_clients = 1 + random_below(simulation, WORLD_MEMBERS_MAX + 2);
    bool has_url = random_below(simulation, 2) == 0;
    say_in_model(simulation, client,
                 "{\"type\":\"create\",\"clientId\":\"p%u\",\"maxClients\":%u%s}", id, max_clients,
                 has_url ? ",\"url\":\"https://{instance}.a/\\\"#{room}\"" : "");
}

static const struct model_room *any_room(struct simulation *simulation)
{
    uint32_t place = random_below(simulation, WORLD_ROOMS_MAX * simulation->model.loop_count);
    return &simulation->model.rooms[place];
}

/*
 * Mostly of a room that is there for the client. Rooms that are gone, or speak the other protocol,
 * are asked for, too; before its first room the code of a place is empty.
 */
static const char *any_code(struct simulation *simulation, uint32_t client)
{
    const struct model_room *room = any_room(simulation);
    for (uint32_t i = 0; i < 6; i++) {
        if (room->known_count > 0 && room->protocol == simulation->model.clients[client].protocol)
            break;
        room = any_room(simulation);
    }
    return room->code;
}

static void join(struct simulation *simulation, uint32_t client, const char *id, const char *code)
{
    say_in_model(simulation, client, "{\"type\":\"join\",\"clientId\":\"%s\",\"room\":\"%s\"}", id,
                 code);
}

static void step_join(struct simulation *simulation, uint32_t client)
{
    char id[16];
    snprintf(id, sizeof id, "p%u", random_below(simulation, IDS));
    join(simulation, client, id, any_code(simulation, client));
}

static void step_send(struct simulation *simulation, uint32_t client)
{
    uint32_t number = ++simulation->message_count;
    uint32_t way = random_below(simulation, 3);
    uint32_t target = random_below(simulation, IDS);
    if (way == 0)
        say_in_model(simulation, client, "{\"type\":\"send\",\"data\":[%u,%u]}", client, number);
    else if (way == 1)
        say_in_model(simulation, client, "{\"type\":\"send\",\"to\":\"p%u\",\"data\":[%u,%u]}",
                     target, client, number);
    else
        say_in_model(simulation, client, "{\"type\":\"send\",\"to\":%u,\"data\":[%u,%u]}", target,
                     client, number);
}

static void step_set_state(struct simulation *simulation, uint32_t client)
{
    say_in_model(simulation, client, "{\"type\":\"set_state\",\"data\": { \"n\" : %u } }",
                 ++simulation->message_count);
}

/* Around the cap, in the compact form or as it is written. */
static void step_set_long_state(struct simulation *simulation, uint32_t client)
{
    static const struct {
        const char *unit;
        uint32_t count; /* at most; or some fewer */
    } states[] = {{"1,", 8194}, {"\"\\u00e9\" , ", 3280}, {"\t\n 1,", 8194}, {"       1,", 7285}};
    uint32_t which = random_below(simulation, ARRAY_LENGTH(states));
    model_set_long_state(&simulation->model, client, states[which].unit,
                         states[which].count - random_below(simulation, 10));
}

/* One after the other, so that a room has to forget some. */
static void step_visitors(struct simulation *simulation, uint32_t client)
{
    const char *code = any_code(simulation, client);
    char id[16];
    model_cut_off(&simulation->model, client);
    for (uint32_t i = random_below(simulation, 80); i > 0; i--) {
        snprintf(id, sizeof id, "v%u", ++simulation->visitor_count);
        join(simulation, client, id, code);
        model_drop(&simulation->model, client);
    }
}

/* Both of them ways in which connections end often. */
static void step_leave(struct simulation *simulation, uint32_t client)
{
    if (random_below(simulation, 2) == 0)
        model_drop(&simulation->model, client);
    else
        model_cut_off(&simulation->model, client);
}

static void step_time(struct simulation *simulation)
{
    static const uint32_t lengths_ms[] = {0,
                                          1,
                                          100,
                                          30000,
                                          WORLD_EMPTY_GRACE_MS - 1,
                                          WORLD_EMPTY_GRACE_MS,
                                          WORLD_GRACE_MS - 1,
                                          WORLD_GRACE_MS};
    uint32_t which = random_below(simulation, ARRAY_LENGTH(lengths_ms));
    model_pass_time(&simulation->model, lengths_ms[which], random_below(simulation, 4) == 0);
}

/* Less than rooms keep already, or not much more; or enough for all. */
static void step_memory(struct simulation *simulation)
{
    bool is_short = random_below(simulation, 2) == 0;
    model_set_bytes_max(&simulation->model, is_short ? random_below(simulation, 5000) : SIZE_MAX);
}

static void step_reconnect(struct simulation *simulation, uint32_t client)
{
    model_reconnect(&simulation->model, client,
                    random_below(simulation, 2) == 0 ? PROTOCOL_1 : PROTOCOL_2);
}

static void step(struct simulation *simulation)
{
    uint32_t client = random_below(simulation, CLIENTS);
    uint32_t choice = random_below(simulation, 1000);
    if (choice < 80)
        step_create(simulation, client);
    else if (choice < 420)
        step_join(simulation, client);
    else if (choice < 700)
        step_send(simulation, client);
    else if (choice < 790)
        step_set_state(simulation, client);
    else if (choice < 793)
        step_set_long_state(simulation, client);
    else if (choice < 800)
        say_in_model(simulation, client, "{\"type\":\"close_room\"}");
    else if (choice < 803)
        step_visitors(simulation, client);
    else if (choice < 806)
        model_upgrade(&simulation->model, random_below(simulation, simulation->model.loop_count));
    else if (choice < 820)
        step_time(simulation);
    else if (choice < 830)
        step_memory(simulation);
    else if (choice < 860)
        step_reconnect(simulation, client);
    else
        step_leave(simulation, client);
}

static void simulate(uint32_t loop_count, uint64_t seed)
{
    print_message("SEED=%" PRIu64 "\n", seed);
    static struct simulation simulation;
    simulation.message_count = 0;
    simulation.visitor_count = 0;
    simulation.random_state = ~seed;
    model_init(&simulation.model, loop_count, seed);
    for (uint32_t i = 0; i < STEPS; i++)
        step(&simulation);
    model_release(&simulation.model);
}

static uint64_t seed_from_environment(uint64_t otherwise)
{
    const char *seed = getenv("SEED");
    return seed == NULL ? otherwise : strtoull(seed, NULL, 10);
}

static void relay_agrees_with_the_model_for_the_fixed_seed(void **state)
{
    (void)state;
    simulate(1, seed_from_environment(FIXED_SEED));
}

static void relays_of_several_loops_agree_with_the_model(void **state)
{
    (void)state;
    simulate(MODEL_LOOPS_MAX, seed_from_environment(FIXED_SEED));
}

static void relay_agrees_with_the_model_for_a_seed_of_the_clock(void **state)
{
    (void)state;
    if (getenv("SEED") != NULL)
        skip();
    simulate(1, (uint64_t)time(NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(relay_agrees_with_the_model_for_the_fixed_seed),
        cmocka_unit_test(relays_of_several_loops_agree_with_the_model),
        cmocka_unit_test(relay_agrees_with_the_model_for_a_seed_of_the_clock),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
