/*
 * All workers, as the main thread sees them: it sends orders, and adds up the results.
 */
#ifndef PARTY_BENCH_CREW_H
#define PARTY_BENCH_CREW_H

#include "process.h"
#include "report.h"
#include "worker.h"

struct crew {
    struct setting setting;
    struct worker *workers[THREADS_MAX];
    uint32_t worker_count;
};

/* The result of one run, for all workers together. */
struct measurement {
    double seconds; /* the time in which messages were sent, or due */
    struct tally tally;
    struct histogram latency;
    struct histogram second;
    struct histogram lateness;
    double generator_share;     /* the share of a core that the busiest worker needed */
    bool has_server;            /* --pid was given; then the next two are valid */
    struct process_usage begin; /* usage at the beginning and the end of the measured time */
    struct process_usage end;
};

/* Starts the workers. Gives up on any failure. */
struct crew *crew_new(const struct options *options, const struct plan *plan);

/* Lets the clients leave without a close frame, and frees all. */
void crew_free(struct crew *crew);

/* The largest number of rooms of that size for which descriptors suffice. */
uint32_t crew_rooms_max(uint32_t clients_per_room);

/* Fills rooms until `rooms` rooms are full. Returns the seconds that this took. */
double crew_seat(struct crew *crew, uint32_t rooms);

/* Plays in the first `rooms` rooms, for the warm-up and the measured time. */
void crew_measure(struct crew *crew, uint32_t rooms, struct measurement *ret_measurement);

/* Reads the server's process, if --pid was given. */
bool crew_read_server(const struct crew *crew, struct process_usage *ret_usage);

/* The shares of a core that the server's busiest thread and the whole server needed. */
double measurement_busiest_share(const struct measurement *measurement);
double measurement_server_share(const struct measurement *measurement);

void measurement_report(const struct measurement *measurement, const char *second,
                        struct report *report);

#endif
