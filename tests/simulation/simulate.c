/*
 * Whole servers in a simulated network, driven by a seed: thousands of seconds in one.
 *
 *     simulate [--seed N] [--seeds COUNT] [--for SECONDS] [--seconds N] [--rooms N] [--members N]
 *              [--no-faults] [--trace]
 *
 * Plays so many seeds, or as many as the time is enough for, one after the other, from a random one
 * on or from the one that is given; the first one twice, which must be the same. It prints TAP: a
 * test a seed. The first seed that breaks a promise is told, and ends the program.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "clients.h"
#include "network.h"
#include "server/config.h"
#include "server/server.h"
#include "server/settle.h"
#include "server/stopping.h"
#include "server/turn.h"

#define DESCRIPTORS 2048
#define REST_NS (25 * NETWORK_S) /* without faults, until all is said and done */
#define SILENCE_NS (3 * NETWORK_S)

struct options {
    uint64_t seed;
    uint64_t seeds;
    uint64_t for_seconds; /* of the clock; 0: so many seeds */
    uint64_t seconds;
    uint32_t rooms;
    uint32_t members;
    bool has_faults;
    bool is_traced;
};

/* What two runs of a seed have in common. */
struct outcome_of_seed {
    uint64_t digest;
    uint64_t heard;
    uint64_t turns;
};

static _Noreturn void fail(const char *sentence, unsigned long long number)
{
    fflush(stdout);
    fprintf(stderr, "%s: %llu\n", sentence, number);
    abort();
}

/* When each loop takes a turn even if nothing happens. */
struct timetable {
    uint64_t due_ns[LOOPS_MAX];
    uint64_t jumps_ns; /* when everything stands still next */
    uint64_t turns;
};

static void take_turn(struct server *server, uint32_t index, struct timetable *timetable)
{
    struct loop *loop = server->loops[index];
    turn_take(loop);
    timetable->turns++;
    int wait_ms = turn_wait_ms(loop);
    timetable->due_ns[index] =
        wait_ms < 0 ? UINT64_MAX : network_now_ns() + (uint64_t)wait_ms * NETWORK_MS;
}

/* As loop_thread_run() ends. */
static bool has_ended(const struct loop *loop)
{
    bool is_over = (int32_t)(loop->now_ms - loop->stop_due_ms) >= 0;
    return loop->is_stopping && (loop->stats.connections == 0 || is_over);
}

/* One loop that has something to do, drawn from all that have; false: there is none. */
static bool run_one_loop(struct server *server, struct timetable *timetable)
{
    uint32_t due[LOOPS_MAX];
    uint32_t count = 0;
    uint64_t now_ns = network_now_ns();
    for (uint32_t i = 0; i < server->loop_count; i++) {
        const struct loop *loop = server->loops[i];
        bool is_due = network_poller_is_due(loop->poller) || timetable->due_ns[i] <= now_ns;
        if (is_due && !has_ended(loop))
            due[count++] = i;
    }
    if (count == 0)
        return false;
    take_turn(server, due[network_below(count)], timetable);
    return true;
}

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* The process is stopped, or its machine sleeps: nobody could have been heard meanwhile. */
static void stand_still(struct timetable *timetable)
{
    uint64_t for_ns = NETWORK_S + network_random() % (20 * NETWORK_S);
    timetable->jumps_ns = network_now_ns() + 5 * NETWORK_S + network_random() % (60 * NETWORK_S);
    network_advance(network_now_ns() + for_ns);
    timetable->jumps_ns += for_ns;
    clients_stand_still(for_ns);
}

static void run_until(struct server *server, struct timetable *timetable, uint64_t end_ns)
{
    while (network_now_ns() < end_ns) {
        if (timetable->jumps_ns <= network_now_ns())
            stand_still(timetable);
        network_deliver();
        clients_act();
        if (run_one_loop(server, timetable))
            continue;
        uint64_t next_ns = least(least(network_next_ns(), clients_next_ns()), end_ns);
        for (uint32_t i = 0; i < server->loop_count; i++) {
            if (!has_ended(server->loops[i]))
                next_ns = least(next_ns, timetable->due_ns[i]);
        }
        network_advance(next_ns);
    }
}

/* All loops end, as their threads would. */
static void stop(struct server *server, struct timetable *timetable)
{
    for (uint32_t i = 0; i < server->loop_count; i++)
        mailbox_post(&server->loops[i]->mailbox, &server->loops[i]->stop_mail);
    run_until(server, timetable, network_now_ns() + 3 * NETWORK_S);
    for (uint32_t i = 0; i < server->loop_count; i++) {
        struct loop *loop = server->loops[i];
        stopping_abandon_all(loop);
        stopping_wait_for_kernel(loop);
        if (loop->stats.connections != 0)
            fail("connections that are left at the end", loop->stats.connections);
        if (loop->charged != 0)
            fail("bytes of the budget that nobody gave back", loop->charged);
    }
    if (atomic_load(&server->connection_count) != 0)
        fail("connections that are still counted", atomic_load(&server->connection_count));
}

static void configure(struct config *config)
{
    char why[256];
    char *arguments[] = {
        "simulate", "--loops", "1", "--max-buffered-bytes", "67108864", "--max-connections", "1000",
    };
    char loops[2] = {(char)('1' + network_below(4)), '\0'};
    arguments[2] = loops;
    if (config_read(ARRAY_LENGTH(arguments), arguments, config, why, sizeof why) != CONFIG_RUN)
        fail(why, 0);
}

static struct outcome_of_seed play(const struct options *options, uint64_t seed)
{
    static struct config config;
    struct timetable timetable = {0};
    network_init(seed);
    configure(&config);
    struct server server = {
        .config = &config,
        .kernel = &network_kernel,
        .admin_fd = -1,
        .listener_fd = network_listener(),
        .news_fd = network_kernel.wake_new(),
        .poller = network_once_in(2) ? POLLER_EPOLL : POLLER_IO_URING,
    };
    if (!server_init(&server, DESCRIPTORS))
        fail("The server does not start", 0);
    const struct clients_plan plan = {
        .rooms = options->rooms,
        .members = options->members,
        .message_interval_ns = NETWORK_S,
        .has_faults = options->has_faults,
        .idle_timeout_ns = config.idle_timeout_ms * NETWORK_MS,
        .is_traced = options->is_traced,
    };
    clients_begin(&plan);
    timetable.jumps_ns =
        options->has_faults && network_once_in(3) ? network_now_ns() + 10 * NETWORK_S : UINT64_MAX;
    uint64_t begin_ns = network_now_ns();
    run_until(&server, &timetable, begin_ns + options->seconds * NETWORK_S);
    clients_end_faults();
    timetable.jumps_ns = UINT64_MAX;
    run_until(&server, &timetable, network_now_ns() + REST_NS);
    clients_fall_silent();
    run_until(&server, &timetable, network_now_ns() + SILENCE_NS);
    clients_check_rest();
    clients_leave();
    run_until(&server, &timetable, network_now_ns() + NETWORK_S);
    stop(&server, &timetable);
    const struct outcome_of_seed outcome = {clients_digest(), clients_heard(), timetable.turns};
    server_release(&server);
    clients_end();
    network_release();
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
        else if (strcmp(arguments[i], "--rooms") == 0)
            options->rooms = (uint32_t)number_of(value);
        else if (strcmp(arguments[i], "--members") == 0)
            options->members = (uint32_t)number_of(value);
        else
            number_of("");
        i++;
    }
}

int main(int argument_count, char **arguments)
{
    struct options options = {
        .seeds = 1, .seconds = 60, .rooms = 4, .members = 5, .has_faults = true};
    if (getrandom(&options.seed, sizeof options.seed, 0) < 0)
        return 1;
    options.seed %= 1000000000;
    read_options(argument_count, arguments, &options);
    time_t end = time(NULL) + (time_t)options.for_seconds;
    uint64_t i = 0;
    for (; options.for_seconds > 0 ? time(NULL) < end : i < options.seeds; i++) {
        uint64_t seed = options.seed + i;
        /* On stderr, so that it is there when the seed ends the program. */
        fprintf(stderr, "# seed %llu\n", (unsigned long long)seed);
        struct outcome_of_seed first = play(&options, seed);
        if (i == 0) {
            struct outcome_of_seed again = play(&options, seed);
            if (again.digest != first.digest || again.turns != first.turns)
                fail("two runs of the seed differ", seed);
        }
        printf("ok %llu - seed %llu: %llu messages heard, %llu turns\n", (unsigned long long)i + 1,
               (unsigned long long)seed, (unsigned long long)first.heard,
               (unsigned long long)first.turns);
    }
    printf("1..%llu\n", (unsigned long long)i);
    return 0;
}
