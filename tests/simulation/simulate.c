/*
 * Whole servers in a simulated network, driven by a seed: thousands of seconds in one.
 *
 *     simulate [--seed N] [--seeds COUNT] [--for SECONDS] [--seconds N] [--rooms N] [--members N]
 *              [--nodes N] [--loops N] [--scene NAME] [--no-faults] [--trace]
 *
 * Plays so many seeds, or as many as the time is enough for, one after the other, from a random one
 * on or from the one that is given; the first one twice, which must be the same. It traces the
 * first time only. It prints TAP: a test a seed. The first seed that breaks a promise is told, and
 * ends the program.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "bus.h"
#include "clients.h"
#include "network.h"
#include "scenes.h"
#include "world.h"

#define TLS_ONCE_IN 6            /* seeds */
#define UPGRADES_ONCE_IN 4       /* seeds, unless these have TLS */
#define RESTARTS_ONCE_IN 5       /* seeds; the server has a store, and no TLS */
#define RESTARTS_AT 3            /* so that most of the seeds that are kept are none of these */
#define CLUSTERS_FROM 1000000000 /* seeds from this one on have several servers */
#define REST_NS (25 * NETWORK_S) /* without faults, until all is said and done */
#define SILENCE_NS (3 * NETWORK_S)

struct options {
    uint64_t seed;
    uint64_t seeds;
    uint64_t for_seconds; /* of the clock; 0: so many seeds */
    uint64_t seconds;
    uint32_t rooms;    /* 0: the seed chooses */
    uint32_t members;  /* the same */
    uint32_t nodes;    /* that are one relay; 0: the seed chooses */
    uint32_t loops;    /* of each node; the same */
    const char *scene; /* the only one that is played; NULL: the seed chooses */
    bool has_faults;
    bool is_traced;
};

/* Of the time in which clients talk: what they heard, and what went between servers for it. */
struct talk {
    uint64_t heard;
    uint64_t bus_messages;
    uint64_t bus_bytes;
};

/* What two runs of a seed have in common. */
struct outcome_of_seed {
    uint64_t digest;
    uint64_t heard;
    uint64_t turns;
    struct talk talk;
};

/* Tells those who plant faults that servers start. */
static void tell_start(void)
{
    static bool is_told;
    if (!is_told)
        fprintf(stderr, "# starts\n");
    is_told = true;
}

/* All leave, and what they leave behind is over when the graces are. */
static void end_politely(void)
{
    const struct config *config = world_config();
    uint64_t graces_ms = config->host_grace_ms + config->empty_room_grace_ms + config->hold_ms;
    clients_leave();
    world_run_until(world_now_ns() + graces_ms * NETWORK_MS + 15 * NETWORK_S);
    world_check_rest();
}

static struct outcome_of_seed play(const struct options *options, uint64_t seed)
{
    network_init(seed);
    uint32_t nodes = options->nodes;
    if (nodes == 0)
        nodes = seed < CLUSTERS_FROM ? 1 : 2 + (uint32_t)(seed % 3);
    /* Without a draw, so that other seeds are what they were before there were upgrades. */
    bool may_end = options->has_faults && options->scene == NULL && nodes == 1;
    bool upgrades = may_end && seed % UPGRADES_ONCE_IN == 0;
    bool restarts = may_end && seed % RESTARTS_ONCE_IN == RESTARTS_AT;
    const struct clients_plan clients_plan = {
        .rooms = options->rooms > 0 ? options->rooms : 2 + network_below(5),
        .members = options->members > 0 ? options->members : 2 + network_below(7),
        .message_interval_ns = NETWORK_S,
        .has_faults = options->has_faults,
        .is_traced = options->is_traced,
        .restarts = restarts,
    };
    const struct world_plan world_plan = {
        .has_faults = options->has_faults,
        .speaks_tls = options->has_faults && network_once_in(TLS_ONCE_IN) && !restarts,
        .upgrades = upgrades,
        .nodes = nodes,
        .loops = options->loops,
        .restarts = restarts,
        .is_traced = options->is_traced,
    };
    world_begin(&world_plan);
    tell_start();
    clients_begin(&clients_plan);
    uint64_t end_ns = world_now_ns() + options->seconds * NETWORK_S;
    /*
     * Scenes say what must happen, and nobody could say it where memory lacks, or times begin anew
     * at any moment.
     */
    if (world_has_store())
        world_run_until(end_ns);
    else if (world_refuses_memory() || world_upgrades() || world_has_link_faults())
        scenes_visit(end_ns, options->is_traced);
    else if (options->scene != NULL || options->has_faults)
        scenes_play(end_ns, options->scene, options->is_traced);
    world_run_until(end_ns);
    struct outcome_of_seed outcome = {.talk.heard = clients_heard()};
    bus_count(&outcome.talk.bus_messages, &outcome.talk.bus_bytes);
    clients_end_faults();
    world_end_faults();
    world_run_until(world_now_ns() + REST_NS);
    clients_fall_silent();
    world_run_until(world_now_ns() + SILENCE_NS);
    clients_check_rest();
    world_check_members();
    bool drains = network_once_in(2) && !world_has_store();
    if (drains) {
        scene_server_drains(options->is_traced);
        clients_expect_stop();
    } else {
        end_politely();
        if (world_is_cluster())
            scene_node_dies(options->is_traced);
    }
    world_stop();
    if (drains)
        scene_server_has_stopped();
    outcome.digest = clients_digest();
    outcome.heard = clients_heard();
    outcome.turns = world_turns();
    clients_end();
    network_release();
    clients_release();
    return outcome;
}

static uint64_t number_of(const char *text)
{
    char *end;
    uint64_t number = strtoull(text, &end, 10);
    if (*text == '\0' || *end != '\0') {
        fprintf(stderr, "simulate: %s is no number\n", text);
        exit(2);
    }
    return number;
}

static uint32_t at_most(uint64_t number, uint32_t most)
{
    if (number > most) {
        fprintf(stderr, "simulate: there may be %u at most\n", most);
        exit(2);
    }
    return (uint32_t)number;
}

static void read_options(int argument_count, char **arguments, struct options *options)
{
    for (int i = 1; i < argument_count; i++) {
        const char *value = i + 1 < argument_count ? arguments[i + 1] : "";
        if (strcmp(arguments[i], "--no-faults") == 0) {
            options->has_faults = false;
            continue;
        }
        if (strcmp(arguments[i], "--trace") == 0) {
            options->is_traced = true;
            continue;
        }
        if (strcmp(arguments[i], "--seed") == 0)
            options->seed = number_of(value);
        else if (strcmp(arguments[i], "--seeds") == 0)
            options->seeds = number_of(value);
        else if (strcmp(arguments[i], "--for") == 0)
            options->for_seconds = number_of(value);
        else if (strcmp(arguments[i], "--seconds") == 0)
            options->seconds = number_of(value);
        else if (strcmp(arguments[i], "--scene") == 0)
            options->scene = value;
        else if (strcmp(arguments[i], "--rooms") == 0)
            options->rooms = (uint32_t)number_of(value);
        else if (strcmp(arguments[i], "--nodes") == 0)
            options->nodes = at_most(number_of(value), WORLD_NODES_MAX);
        else if (strcmp(arguments[i], "--loops") == 0)
            options->loops = at_most(number_of(value), WORLD_LOOPS_MAX);
        else if (strcmp(arguments[i], "--members") == 0)
            options->members = (uint32_t)number_of(value);
        else
            number_of("");
        i++;
    }
}

static void print_traffic(const struct talk *talk)
{
    if (talk->bus_messages == 0 || talk->heard == 0)
        return;
    double heard = (double)talk->heard;
    printf(", %.3f messages with %.0f bytes between servers for each",
           (double)talk->bus_messages / heard, (double)talk->bus_bytes / heard);
}

int main(int argument_count, char **arguments)
{
    struct options options = {.seeds = 1, .seconds = 60, .has_faults = true};
    if (getrandom(&options.seed, sizeof options.seed, 0) < 0)
        return 1;
    options.seed %= 2 * CLUSTERS_FROM;
    read_options(argument_count, arguments, &options);
    if (options.is_traced)
        setvbuf(stdout, NULL, _IOLBF, 0); /* an assertion that fails loses no line */
    time_t end = time(NULL) + (time_t)options.for_seconds;
    uint64_t i = 0;
    for (; options.for_seconds > 0 ? time(NULL) < end : i < options.seeds; i++) {
        uint64_t seed = options.seed + i;
        /* On stderr, so that it is there when the seed ends the program. */
        fprintf(stderr, "# seed %llu\n", (unsigned long long)seed);
        struct outcome_of_seed first = play(&options, seed);
        if (i == 0) {
            struct options untraced = options;
            untraced.is_traced = false;
            struct outcome_of_seed again = play(&untraced, seed);
            if (again.digest != first.digest || again.turns != first.turns)
                world_fail("two runs of the seed differ", seed);
        }
        printf("ok %llu - seed %llu: %llu messages heard, %llu turns", (unsigned long long)i + 1,
               (unsigned long long)seed, (unsigned long long)first.heard,
               (unsigned long long)first.turns);
        print_traffic(&first.talk);
        putchar('\n');
    }
    printf("1..%llu\n", (unsigned long long)i);
    return 0;
}
