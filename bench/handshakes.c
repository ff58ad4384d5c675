/*
 * handshakes: a number of clients that each connect, do the handshakes, and close, over and over.
 * Nobody enters a room. Over TLS, the first handshake of a client is a full one, and later ones
 * resume its session, unless --no-tickets is given.
 *
 * The latency is the time from connect until the server's answer to the WebSocket handshake.
 */
#include <stdlib.h>

#include "crew.h"
#include "give_up.h"
#include "scenario.h"
#include "seating.h"

struct handshakes {
    uint64_t *began_ns;     /* of each client's connection */
    struct client **closed; /* clients that have no connection */
    uint32_t closed_count;
    uint64_t left; /* connections that may still begin */
    uint64_t lost; /* connections that the server ended */
};

static struct plan handshakes_plan(const struct options *options)
{
    return (struct plan){
        .rooms = (uint32_t)options->at_once,
        .clients_per_room = 1,
        .clients = (uint32_t)options->at_once,
        .opens_rooms_itself = true,
    };
}

static uint64_t share_of_count(const struct worker *worker)
{
    const struct options *options = worker->setting->options;
    if (options->count == 0)
        return UINT64_MAX;
    return (options->count + options->threads - 1 - worker->index) / options->threads;
}

static void handshakes_begin(struct worker *worker)
{
    struct handshakes *handshakes = allocate_or_give_up(1, sizeof *handshakes);
    uint32_t count = worker->active_rooms;
    handshakes->began_ns = allocate_or_give_up(count, sizeof *handshakes->began_ns);
    handshakes->closed = allocate_or_give_up(count, sizeof(struct client *));
    for (uint32_t i = 0; i < count; i++)
        handshakes->closed[i] = &worker->clients[i];
    handshakes->closed_count = count;
    handshakes->left = share_of_count(worker);
    worker->state = handshakes;
}

static void handshakes_end(struct worker *worker)
{
    struct handshakes *handshakes = worker->state;
    worker->tally.lost += handshakes->lost;
    free(handshakes->began_ns);
    free(handshakes->closed);
    free(handshakes);
}

static uint64_t handshakes_tick(struct worker *worker)
{
    struct handshakes *handshakes = worker->state;
    while (handshakes->closed_count > 0 && handshakes->left > 0) {
        struct client *client = handshakes->closed[--handshakes->closed_count];
        handshakes->left--;
        handshakes->began_ns[client->room->index] = worker->now_ns;
        worker->under_way++; /* so that the end of the run waits for it */
        seating_connect(worker, client);
    }
    worker->is_finished = handshakes->left == 0 && worker->under_way == 0;
    return UINT64_MAX;
}

static void handshakes_opened(struct worker *worker, struct client *client)
{
    const struct handshakes *handshakes = worker->state;
    worker_time(worker, &worker->latency, handshakes->began_ns[client->room->index]);
    if (worker->now_ns >= worker->begin_ns && worker->now_ns < worker->end_ns) {
        worker->tally.cycles++;
        worker->tally.resumed += client->tls != NULL && client_tls_is_resumed(client->tls);
        worker->heard_ns = worker->now_ns;
    }
    worker_end(worker, client);
}

static void handshakes_lost(struct worker *worker, struct client *client)
{
    struct handshakes *handshakes = worker->state;
    (void)client;
    handshakes->lost++;
}

static void handshakes_left(struct worker *worker, struct client *client)
{
    struct handshakes *handshakes = worker->state;
    handshakes->closed[handshakes->closed_count++] = client;
    worker->under_way--;
}

/* With --count the last handshake ends the measured time. */
static double seconds_measured(const struct crew *crew)
{
    const struct options *options = crew->setting.options;
    uint64_t last_ns = 0;
    if (options->count == 0)
        return options->duration;
    for (uint32_t i = 0; i < crew->worker_count; i++) {
        if (crew->workers[i]->heard_ns > last_ns)
            last_ns = crew->workers[i]->heard_ns;
    }
    uint64_t begin_ns = crew->setting.orders.begin_ns;
    return last_ns > begin_ns ? (double)(last_ns - begin_ns) / 1e9 : options->duration;
}

static void report_costs(const struct measurement *measurement, struct report *report)
{
    double cpu_us = (measurement->end.cpu_seconds - measurement->begin.cpu_seconds) * 1e6;
    report_number(report, "generator", "cpu_share", measurement->generator_share);
    if (!measurement->has_server)
        return;
    if (measurement->tally.cycles > 0)
        report_number(report, "server", "cpu_us_per_handshake",
                      cpu_us / (double)measurement->tally.cycles);
    report_number(report, "server", "cpu_share", measurement_server_share(measurement));
    report_count(report, "server", "resident_kib", measurement->end.resident_kib);
}

static void handshakes_conduct(const struct options *options, struct report *report)
{
    static struct measurement measurement;
    struct plan plan = handshakes_plan(options);
    struct crew *crew = crew_new(options, &plan);
    crew_measure(crew, plan.rooms, &measurement);
    double seconds = seconds_measured(crew);
    report_number(report, NULL, "seconds", seconds);
    report_count(report, NULL, "handshakes", measurement.tally.cycles);
    report_count(report, NULL, "resumed", measurement.tally.resumed);
    report_count(report, NULL, "lost", measurement.tally.lost);
    report_number(report, NULL, "handshakes_per_second",
                  (double)measurement.tally.cycles / seconds);
    report_latency(report, "latency_us", &measurement.latency);
    report_costs(&measurement, report);
    crew_free(crew);
}

const struct scenario scenario_handshakes = {
    .conduct = handshakes_conduct,
    .begin = handshakes_begin,
    .end = handshakes_end,
    .tick = handshakes_tick,
    .opened = handshakes_opened,
    .lost = handshakes_lost,
    .left = handshakes_left,
};
