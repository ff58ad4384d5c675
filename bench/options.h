/* The command line of party-bench. */
#ifndef PARTY_BENCH_OPTIONS_H
#define PARTY_BENCH_OPTIONS_H

#include "base/attributes.h"
#include "base/bytes.h"

enum scenario_kind {
    SCENARIO_LOCKSTEP,
    SCENARIO_PARTY,
    SCENARIO_AUDIENCE,
    SCENARIO_CHURN,
    SCENARIO_IDLE,
    SCENARIO_STARTUP,
    SCENARIO_HANDSHAKES,
    SCENARIO_STORM,
    SCENARIO_COUNT,
};

enum protocol {
    PROTOCOL_1,
    PROTOCOL_2,
    PROTOCOL_3,
    PROTOCOL_FLOOR, /* the server is party-floor, without WebSocket and `create`: see bench/floor.c
                     */
};

enum poller_choice {
    POLLER_CHOICE_EPOLL,
    POLLER_CHOICE_IO_URING,
    POLLER_CHOICE_AUTO,
};

enum state_recipients {
    STATE_TO_ONE,
    STATE_TO_ALL,
};

#define THREADS_MAX 64
#define AUDIENCE_MAX 20000
#define URLS_MAX 32

struct options {
    uint64_t scenario;          /* enum scenario_kind */
    const char *urls[URLS_MAX]; /* `url_count` of them */
    uint64_t url_count;
    const char *authorities; /* PEM file of certificates; NULL: the system's */
    uint64_t is_insecure;
    uint64_t keeps_no_tickets;
    uint64_t protocol; /* enum protocol */
    uint64_t threads;
    uint64_t pid;     /* 0: unknown */
    const char *json; /* NULL: none */
    double duration;  /* seconds */
    double warm_up;   /* seconds */
    uint64_t poller;  /* enum poller_choice */
    uint64_t is_quiet;
    double poll_every; /* seconds; 0: as soon as there is input */
    uint64_t rooms;
    uint64_t clients; /* in each room; of all rooms for `idle` */
    uint64_t in_flight;
    uint64_t payload; /* bytes of the value `data` */
    double rate;      /* broadcasts a second, of all rooms together; 0: not given */
    uint64_t prints_lengths;
    uint64_t is_watching;
    uint64_t state; /* enum state_recipients */
    double speed;
    uint64_t finds_rooms;
    double p99; /* seconds */
    uint64_t clients_per_room;
    uint64_t active;
    const char *command;
    uint64_t rounds;
    uint64_t at_once; /* connections on their way at the same time; 0: all */
    uint64_t count;   /* of handshakes; 0: as many as the time allows */
    uint64_t cuts;    /* the clients of `storm` end their connections themselves */
};

enum options_result {
    OPTIONS_RUN,
    OPTIONS_HELP,
    OPTIONS_INVALID,
};

/* The texts of `arguments` must outlive the options. INVALID: `ret_why` has a sentence. */
MUST_CHECK enum options_result options_read(int argument_count, char **arguments,
                                            struct options *ret_options, char *ret_why,
                                            size_t why_capacity);

void options_print_help(void);

const char *scenario_name(enum scenario_kind scenario);

/* Visits each option that the scenario has, as a word and a JSON value. */
typedef void option_visitor(void *context, const char *name, const char *json);
void options_visit(const struct options *options, option_visitor *visit, void *context);

#endif
