/*
 * What a scenario is made of: a few functions that the workers call, each in its own thread.
 *
 * The usual course, scenario_measure(), is: seat all rooms; then, with begin() and tick(), let the
 * traffic flow for the warm-up and the measured time; then wait for what is under way. A scenario
 * with another course brings its own.
 */
#ifndef PARTY_BENCH_SCENARIO_H
#define PARTY_BENCH_SCENARIO_H

#include "message.h"
#include "options.h"
#include "report.h"
#include "worker.h"

struct scenario {
    /* The whole run; NULL: scenario_measure(). */
    void (*conduct)(const struct options *options, struct report *report);

    struct plan (*plan)(const struct options *options);
    void (*begin)(struct worker *worker);
    void (*end)(struct worker *worker);
    /* Sends what is due by worker->now_ns, a bounded amount of it. Returns when the next is due. */
    uint64_t (*tick)(struct worker *worker);
    void (*receive)(struct worker *worker, struct client *client, const struct message *message);
    /* A room that was opened during the traffic is complete; a client has left. NULL: never. */
    void (*room_ready)(struct worker *worker, struct room *room);
    void (*left)(struct worker *worker, struct client *client);

    const char *second; /* what the second histogram is called in the report; NULL: not used */
};

extern const struct scenario scenario_lockstep;
extern const struct scenario scenario_party;
extern const struct scenario scenario_audience;
extern const struct scenario scenario_churn;
extern const struct scenario scenario_idle;
extern const struct scenario scenario_startup;

const struct scenario *scenario_of(const struct options *options);

/* Seats, measures once, and reports. */
void scenario_measure(const struct options *options, struct report *report);

#endif
