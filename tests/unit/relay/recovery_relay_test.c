/*
 * The players of protocol 3 against the relay. SEED=<number> in the environment plays that seed
 * alone, with a trace; SEEDS=<number> plays so many seeds of the clock.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "recovery/recovery_text.h"
#include "relay/recovery_play.h"
#include "relay/relay_fixture.h"

#define SEEDS 300
#define STEPS 600
#define FIXED_SEED 1
#define KEPT_EVENTS 64 /* that a log of WORLD_LOG_BYTES has, at least */

struct adapter {
    struct world world;
    struct recovery_server server;
    uint32_t unasked;                        /* so many members were seated anew */
    uint32_t barriers[RECOVERY_CONNECTIONS]; /* the answer that is due; 0: none is */
};

static bool was_closed(const struct fake_client *client, uint16_t *ret_code)
{
    *ret_code = client->was_replaced ? CLOSE_REPLACED
                : client->was_closed ? CLOSE_ROOM_CLOSED
                : client->was_kicked ? CLOSE_KICKED
                                     : CLOSE_GIVEN_UP;
    return client->was_replaced || client->was_closed || client->was_kicked || client->was_given_up;
}

/* What came out of the last call: texts, then ends. */
static void hand_on(struct adapter *adapter)
{
    const struct recovery_hearer *hearer = adapter->server.hearer;
    for (uint32_t i = 0; i < RECOVERY_CONNECTIONS; i++) {
        struct fake_client *client = &adapter->world.clients[i];
        for (uint32_t k = 0; k < client->text_count; k++) {
            hearer->told(hearer->context, i, bytes_of_string(client->texts[k]));
            free(client->texts[k]);
        }
        client->text_count = 0;
    }
    for (uint32_t i = 0; i < RECOVERY_CONNECTIONS; i++) {
        struct fake_client *client = &adapter->world.clients[i];
        uint16_t code;
        if (!was_closed(client, &code))
            continue;
        client->was_replaced = client->was_closed = false;
        client->was_kicked = client->was_given_up = false;
        hearer->closed(hearer->context, i, code);
    }
}

static void open_connection(void *context, uint32_t connection)
{
    struct adapter *adapter = context;
    assert_null(adapter->world.clients[connection].seat);
    adapter->barriers[connection] = 0;
}

/* What was said before the client knew of its `joined` does not reach the relay. */
static bool is_dropped(struct adapter *adapter, uint32_t connection, struct bytes text)
{
    uint32_t barrier = adapter->barriers[connection];
    if (barrier != 0 && text_has_string(text, "type", "resumed") &&
        text_number(text, "unasked") == barrier)
        adapter->barriers[connection] = 0;
    return adapter->barriers[connection] != 0;
}

static void receive(void *context, uint32_t connection, struct bytes text)
{
    struct adapter *adapter = context;
    if (is_dropped(adapter, connection, text))
        return;
    if (text.data[0] == '{')
        say_bytes(&adapter->world, connection, text);
    else
        say_garbage(&adapter->world, connection);
    hand_on(adapter);
}

static void close_connection(void *context, uint32_t connection, uint16_t code)
{
    struct adapter *adapter = context;
    if (code == CLOSE_FAREWELL)
        drop(&adapter->world, connection);
    else
        cut_off(&adapter->world, connection);
    hand_on(adapter);
}

static void pass(void *context, uint32_t ms)
{
    struct adapter *adapter = context;
    pass_time(&adapter->world, ms);
    hand_on(adapter);
}

/* As when a node of a cluster has lost the member's connection, and another one brings it again. */
static void seat_anew(void *context, uint32_t connection, uint64_t seen)
{
    struct adapter *adapter = context;
    struct world *world = &adapter->world;
    struct join join;
    assert_true(relay_way_back(world->clients[connection].seat, &join));
    join.seen = seen;
    join.unasked = ++adapter->unasked;
    adapter->barriers[connection] = join.unasked;
    cut_off(world, connection);
    hand_on(adapter);
    carry_out(world, connection, &join);
    hand_on(adapter);
    if (world->clients[connection].seat == NULL) /* its room held no seats */
        adapter->server.hearer->closed(adapter->server.hearer->context, connection, CLOSE_RESET);
}

static struct recovery_outcome play(uint64_t seed, bool has_trace)
{
    static const uint32_t log_bytes[] = {700, 2000, WORLD_LOG_BYTES};
    static struct adapter adapter;
    adapter = (struct adapter){0};
    world_init_3_random(&adapter.world, 1);
    uint32_t bytes = log_bytes[seed % ARRAY_LENGTH(log_bytes)];
    adapter.world.relay.config.log_bytes_max = bytes;
    adapter.server = (struct recovery_server){
        .context = &adapter,
        .kept_events = bytes == WORLD_LOG_BYTES ? KEPT_EVENTS : 0,
        .large_bytes = bytes == WORLD_LOG_BYTES ? 0 : bytes,
        .forgets_sessions = true,
        .open = open_connection,
        .receive = receive,
        .close = close_connection,
        .pass = pass,
        .seat_anew = seat_anew,
    };
    struct recovery_options options = {.seed = seed, .steps = STEPS, .has_trace = has_trace};
    struct recovery_outcome outcome = recovery_play(&adapter.server, &options);
    if (!outcome.verdict.is_broken)
        world_release(&adapter.world);
    return outcome;
}

static void play_seeds(uint64_t first, uint32_t count)
{
    struct recovery_outcome sum = {0};
    for (uint64_t seed = first; seed < first + count; seed++) {
        struct recovery_outcome outcome = play(seed, false);
        if (outcome.verdict.is_broken)
            fail_msg("SEED=%" PRIu64 ": %s", seed, outcome.verdict.what);
        sum.messages += outcome.messages;
        sum.recovered += outcome.recovered;
        sum.unrecovered += outcome.unrecovered;
    }
    assert_true(sum.messages > 20 * count);
    assert_true(sum.recovered > count && sum.unrecovered > count / 20);
    print_message("%u seeds from SEED=%" PRIu64 " on: %u messages, %u recovered, %u not\n", count,
                  first, sum.messages, sum.recovered, sum.unrecovered);
}

static void nothing_is_lost(void **state)
{
    (void)state;
    const char *seed = getenv("SEED");
    const char *seeds = getenv("SEEDS");
    if (seed != NULL) {
        struct recovery_outcome outcome = play(strtoull(seed, NULL, 10), true);
        if (outcome.verdict.is_broken)
            fail_msg("SEED=%s: %s", seed, outcome.verdict.what);
    } else if (seeds != NULL) {
        play_seeds((uint64_t)time(NULL) * SEEDS, (uint32_t)strtoul(seeds, NULL, 10));
    } else {
        play_seeds(FIXED_SEED, SEEDS);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(nothing_is_lost)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
