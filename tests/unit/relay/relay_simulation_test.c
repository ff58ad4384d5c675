/*
 * Random clients against the model of rooms, on one loop and over several.
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

static void step_create(struct simulation *simulation, uint32_t client)
{
    uint32_t id = random_below(simulation, IDS);
    uint32_t max_clients = 1 + random_below(simulation, WORLD_MEMBERS_MAX + 2);
    say_in_model(simulation, client, "{\"type\":\"create\",\"clientId\":\"p%u\",\"maxClients\":%u}",
                 id, max_clients);
}

/* Rooms that are gone are asked for, too; before its first room the code of a place is empty. */
static void step_join(struct simulation *simulation, uint32_t client)
{
    uint32_t place = random_below(simulation, WORLD_ROOMS_MAX * simulation->model.loop_count);
    uint32_t id = random_below(simulation, IDS);
    say_in_model(simulation, client, "{\"type\":\"join\",\"clientId\":\"p%u\",\"room\":\"%s\"}", id,
                 simulation->model.rooms[place].code);
}

static void step_send(struct simulation *simulation, uint32_t client)
{
    uint32_t number = ++simulation->message_count;
    if (random_below(simulation, 2) == 0)
        say_in_model(simulation, client, "{\"type\":\"send\",\"data\":[%u,%u]}", client, number);
    else
        say_in_model(simulation, client, "{\"type\":\"send\",\"to\":\"p%u\",\"data\":[%u,%u]}",
                     random_below(simulation, IDS), client, number);
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
        model_drop(&simulation->model, client);
}

static void simulate(uint32_t loop_count, uint64_t seed)
{
    print_message("SEED=%" PRIu64 "\n", seed);
    static struct simulation simulation;
    simulation.message_count = 0;
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
