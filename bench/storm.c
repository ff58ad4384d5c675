/*
 * storm: clients sit in their rooms until the server ends all connections (somebody restarts it),
 * or with --cut until the clients themselves end them. As soon as the server's port accepts, all
 * come back to their seats at once, as after a restart. How long until each is back, and does the
 * server turn anybody away?
 *
 * A client that is turned away does not try again: it counts as lost.
 */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "clock_ns.h"
#include "crew.h"
#include "give_up.h"
#include "scenario.h"
#include "seating.h"

#define CONNECTS_PER_TURN 128u
#define TRY_NS 2000000    /* between two looks whether the port accepts */
#define PROBE_NS 50000000 /* a server that accepts for so long is not the one that is ending */

struct storm {
    uint32_t clients;
    uint32_t gone;  /* before the storm: clients that have lost their connection */
    uint32_t came;  /* clients that have connected again */
    uint32_t over;  /* of these, those who are back, or were turned away */
    uint32_t lost;  /* clients that were turned away */
    bool is_raging; /* they come back */
    bool has_cut;
    int probe_fd; /* a connection to the next server; -1: none */
    uint64_t probed_ns;
    uint64_t began_ns;
    uint64_t *connected_ns; /* of each client */
};

static struct plan storm_plan(const struct options *options)
{
    return (struct plan){
        .rooms = (uint32_t)options->rooms,
        .clients_per_room = (uint32_t)options->clients,
        .clients = (uint32_t)(options->rooms * options->clients),
    };
}

static void storm_begin(struct worker *worker)
{
    struct storm *storm = allocate_or_give_up(1, sizeof *storm);
    storm->clients = worker->room_count * worker->setting->plan.clients_per_room;
    storm->connected_ns = allocate_or_give_up(storm->clients, sizeof *storm->connected_ns);
    storm->probe_fd = -1;
    worker->state = storm;
}

static void storm_end(struct worker *worker)
{
    struct storm *storm = worker->state;
    worker->tally.lost = storm->lost;
    if (storm->probe_fd >= 0)
        close(storm->probe_fd);
    free(storm->connected_ns);
    free(storm);
}

static void cut_all(struct worker *worker, struct storm *storm)
{
    storm->has_cut = true;
    for (uint32_t i = 0; i < storm->clients; i++) {
        seating_leave(worker, &worker->clients[i]);
        worker_end(worker, &worker->clients[i]);
    }
}

/* Whether the probe is still there. A process that ends resets what its port had accepted. */
static bool has_server(struct storm *storm)
{
    uint8_t byte;
    bool is_there = recv(storm->probe_fd, &byte, 1, MSG_DONTWAIT) < 0 && errno == EAGAIN;
    close(storm->probe_fd);
    storm->probe_fd = -1;
    return is_there;
}

static uint64_t await_server(struct worker *worker, struct storm *storm)
{
    if (worker->setting->options->cuts && !storm->has_cut)
        cut_all(worker, storm);
    if (storm->gone < storm->clients)
        return UINT64_MAX;
    if (storm->probe_fd < 0) {
        storm->probe_fd = target_try(&worker->setting->entrances[0].target);
        storm->probed_ns = worker->now_ns;
        return worker->now_ns + (storm->probe_fd < 0 ? TRY_NS : PROBE_NS);
    }
    if (worker->now_ns < storm->probed_ns + PROBE_NS)
        return storm->probed_ns + PROBE_NS;
    if (!has_server(storm))
        return worker->now_ns;
    storm->is_raging = true;
    worker->hub.waits_to_connect = false; /* nobody waits for another one's place in a backlog */
    storm->began_ns = clock_now_ns();
    return storm->began_ns;
}

static uint32_t arriving_max(const struct worker *worker)
{
    const struct options *options = worker->setting->options;
    return options->at_once == 0 ? UINT32_MAX : worker_share(worker, (uint32_t)options->at_once);
}

static uint64_t storm_tick(struct worker *worker)
{
    struct storm *storm = worker->state;
    if (!storm->is_raging)
        return await_server(worker, storm);
    uint32_t most = arriving_max(worker);
    for (uint32_t i = 0; i < CONNECTS_PER_TURN && storm->came < storm->clients; i++) {
        if (worker->arriving >= most)
            return UINT64_MAX;
        seating_return(worker, &worker->clients[storm->came]);
        storm->connected_ns[storm->came++] = clock_now_ns();
    }
    worker->is_finished = storm->over == storm->clients;
    return storm->came < storm->clients ? worker->now_ns : UINT64_MAX;
}

static void storm_returned(struct worker *worker, struct client *client)
{
    struct storm *storm = worker->state;
    if (storm == NULL)
        return; /* the time was over before */
    storm->over++;
    worker->tally.cycles++;
    worker->tally.resumed += client->tls != NULL && client_tls_is_resumed(client->tls);
    uint64_t connected_ns = storm->connected_ns[client - worker->clients];
    histogram_add(&worker->latency, worker->now_ns - storm->began_ns);
    histogram_add(&worker->second, worker->now_ns - connected_ns);
}

static void storm_lost(struct worker *worker, struct client *client)
{
    struct storm *storm = worker->state;
    if (storm->is_raging) {
        storm->lost++;
        storm->over += !client->is_seated;
    }
    seating_leave(worker, client);
}

static void storm_left(struct worker *worker, struct client *client)
{
    struct storm *storm = worker->state;
    (void)client;
    storm->gone++;
}

static void storm_conduct(const struct options *options, struct report *report)
{
    static struct measurement measurement;
    struct plan plan = storm_plan(options);
    struct crew *crew = crew_new(options, &plan);
    double setup_seconds = crew_seat(crew, plan.rooms);
    crew_measure(crew, plan.rooms, &measurement);
    const struct tally *tally = &measurement.tally;
    report_number(report, NULL, "setup_seconds", setup_seconds);
    report_count(report, NULL, "clients", plan.clients);
    report_count(report, NULL, "returned", tally->cycles);
    report_count(report, NULL, "resumed", tally->resumed);
    report_count(report, NULL, "lost", tally->lost);
    report_latency(report, "back_us", &measurement.latency);
    report_latency(report, "connection_us", &measurement.second);
    report_number(report, "generator", "cpu_share", measurement.generator_share);
    crew_free(crew);
}

const struct scenario scenario_storm = {
    .conduct = storm_conduct,
    .begin = storm_begin,
    .end = storm_end,
    .tick = storm_tick,
    .returned = storm_returned,
    .lost = storm_lost,
    .left = storm_left,
};
