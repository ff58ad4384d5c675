/*
 * idle: clients that sit in their rooms. They answer the server's pings and send nothing. Only with
 * --active, the clients of the first rooms play lockstep.
 *
 * A client's cost is the growth of the server's resident memory, from before the first client came
 * to the end of the run.
 */
#include "crew.h"
#include "lockstep.h"

#define KIB 1024.0

static struct plan idle_plan(const struct options *options)
{
    uint64_t rooms = (options->clients + options->clients_per_room - 1) / options->clients_per_room;
    return (struct plan){
        .rooms = (uint32_t)rooms,
        .clients_per_room = (uint32_t)options->clients_per_room,
        .clients = (uint32_t)options->clients,
    };
}

static void idle_conduct(const struct options *options, struct report *report)
{
    static struct measurement measurement;
    struct process_usage before;
    struct plan plan = idle_plan(options);
    struct crew *crew = crew_new(options, &plan);
    bool has_server = crew_read_server(crew, &before);
    double setup_seconds = crew_seat(crew, plan.rooms);
    crew_measure(crew, (uint32_t)(options->active / options->clients_per_room), &measurement);
    report_number(report, NULL, "setup_seconds", setup_seconds);
    measurement_report(&measurement, NULL, report);
    if (has_server) {
        double grown_kib = (double)measurement.end.resident_kib - (double)before.resident_kib;
        report_count(report, "server", "resident_kib_before", before.resident_kib);
        report_number(report, "server", "bytes_per_client",
                      grown_kib * KIB / (double)options->clients);
    }
    crew_free(crew);
}

const struct scenario scenario_idle = {
    .conduct = idle_conduct,
    .begin = lockstep_begin,
    .end = lockstep_end,
    .tick = lockstep_tick,
    .receive = lockstep_receive,
    .confirms_seating = true,
};
