/*
 * The thread that calls libnats for the keyed store, so that each call of the seam ends in its
 * time.
 *
 * libnats holds a connection's lock while it connects anew, for up to a second, and a call that
 * wants the lock waits as long, whatever time it was given. Then the caller goes on without the
 * worker.
 */
#ifndef PARTY_BUS_NATS_WORKER_H
#define PARTY_BUS_NATS_WORKER_H

#include <pthread.h>

#include "bus/bus_names.h"
#include "bus/nats_library.h"

struct nats_bus;

/* A call. The worker has a copy of its own. */
struct nats_call {
    enum bus_outcome (*run)(struct nats_bus *bus, struct nats_call *call);
    uint64_t end_ms;
    natsMsg *message;  /* to write; whoever has the call destroys it */
    uint64_t expected; /* a revision */
    char subject[BUS_NAME_MAX + sizeof ".>"];
    uint64_t number;            /* the answer: a revision, or microseconds */
    struct bus_entries entries; /* the answer of a read */
    enum bus_outcome outcome;
    char why[BUS_WHY_MAX]; /* if it was not done */
};

struct nats_worker {
    pthread_t thread;
    bool has_thread;
    pthread_mutex_t lock; /* guards what follows; nobody calls libnats while holding it */
    pthread_cond_t changed;
    bool is_busy;
    bool is_stopping;
    struct nats_call call;
};

/* Starts the thread. False: it can't be. */
MUST_CHECK bool nats_worker_start(struct nats_bus *bus);

/* Waits for the call under way, and ends the thread. */
void nats_worker_stop(struct nats_bus *bus);

/*
 * Has the call run, and waits for it until its end. Takes the message over. The answers are in
 * `call` afterwards, unless it was given up; the rest of it goes on in the worker, and calls wait
 * for that.
 */
enum bus_outcome nats_worker_run(struct nats_bus *bus, struct nats_call *call);

#endif
