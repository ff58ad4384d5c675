/*
 * All workers, from the main thread's side: orders go out, results come back and are added up.
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

/* What one run gave, all workers together. */
struct measurement {
    double seconds; /* in which messages were sent, or due */
    struct tally tally;
    struct histogram latency;
    struct histogram second;
    struct histogram lateness;
    double generator_share;     /* of a core, that the busiest worker needed */
    bool has_server;            /* --pid was given: */
    struct process_usage begin; /* at the begin and at the end of the measured time */
    struct process_usage end;
};

/* Starts the workers; gives up on whatever stands in the way. */
struct crew *crew_new(const struct options *options, const struct plan *plan);

/* Lets the clients leave without a word, and frees all. */
void crew_free(struct crew *crew);

/* The most rooms of that size for which there are descriptors. */
uint32_t crew_rooms_max(uint32_t clients_per_room);

/* Fills rooms until `rooms` are full; returns the seconds that it took. */
double crew_seat(struct crew *crew, uint32_t rooms);

/* Traffic in the first `rooms` of them, for the warm-up and the measured time. */
void crew_measure(struct crew *crew, uint32_t rooms, struct measurement *ret_measurement);

/* Reads the server's process, if --pid was given. */
bool crew_read_server(const struct crew *crew, struct process_usage *ret_usage);

/* Shares of a core, of the server's busiest thread and of the server as a whole. */
double measurement_busiest_share(const struct measurement *measurement);
double measurement_server_share(const struct measurement *measurement);

void measurement_report(const struct measurement *measurement, const char *second,
                        struct report *report);

#endif
