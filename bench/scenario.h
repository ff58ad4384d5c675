/*
 * A scenario consists of a few functions that the workers call, each worker in its own thread.
 *
 * The usual course is scenario_measure(). It seats all rooms. With begin() and tick() it then lets
 * the traffic flow for the warm-up and the measured time. At the end it waits for messages that are
 * under way. A scenario may have a course of its own.
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
    /* Sends messages that are due by worker->now_ns, a bounded number. Returns when the next one is
     * due. */
    uint64_t (*tick)(struct worker *worker);
    void (*receive)(struct worker *worker, struct client *client, const struct message *message);
    /* Called when a room that was opened during the traffic is complete, and when a client has
     * left. NULL: this never happens. */
    void (*room_ready)(struct worker *worker, struct room *room);
    void (*left)(struct worker *worker, struct client *client);
    /* The WebSocket is open. NULL: the client enters its room. */
    void (*opened)(struct worker *worker, struct client *client);
    /* The client has come back to its seat; see seating_return(). NULL: none does. */
    void (*returned)(struct worker *worker, struct client *client);
    /* The server ended the connection, and left() follows. NULL: that ends the run. */
    void (*lost)(struct worker *worker, struct client *client);

    /* Protocol 3: members of small rooms confirm what they saw of the seating, as in a real game.
     */
    bool confirms_seating;

    const char *second; /* the name of the second histogram in the report; NULL: there is none */
};

extern const struct scenario scenario_lockstep;
extern const struct scenario scenario_party;
extern const struct scenario scenario_audience;
extern const struct scenario scenario_churn;
extern const struct scenario scenario_idle;
extern const struct scenario scenario_startup;
extern const struct scenario scenario_handshakes;
extern const struct scenario scenario_storm;

const struct scenario *scenario_of(const struct options *options);

/* Seats all rooms, measures once, and reports. */
void scenario_measure(const struct options *options, struct report *report);

#endif
