/*
 * A worker is a thread of the generator: it has its share of the rooms, their clients, and one
 * poller for all of them.
 *
 * Workers share only the setting, which does not change while they work. The main thread gives
 * orders and waits until all workers have done them. Between orders a worker goes on reading and
 * answering pings.
 */
#ifndef PARTY_BENCH_WORKER_H
#define PARTY_BENCH_WORKER_H

#include <pthread.h>
#include <stdatomic.h>

#include "client.h"
#include "histogram.h"
#include "options.h"

#define ROOM_CODE_MAX 15

struct scenario;

struct room {
    struct list waiting;    /* in the worker's list of rooms that can take one more member */
    struct client *clients; /* `size` of them, the host first */
    uint32_t index;         /* among this worker's rooms */
    uint32_t number;        /* among all rooms */
    uint32_t size;
    uint32_t opened; /* clients that have been connected */
    uint32_t seated; /* clients that are in the room */
    char code[ROOM_CODE_MAX + 1];
};

/* The largest number of rooms, and the number of their members. */
struct plan {
    uint32_t rooms;
    uint32_t clients_per_room;
    uint32_t clients;        /* in all; the last room may be smaller than the others */
    bool opens_rooms_itself; /* the scenario opens rooms when it wants */
};

enum order_kind {
    ORDER_SEAT, /* fill rooms until `rooms` are full */
    ORDER_RUN,  /* play in the first `rooms` of them */
    ORDER_END,
};

/* Written by the main thread while all workers wait; raising the count publishes it. */
struct orders {
    _Atomic uint32_t count;
    enum order_kind kind;
    uint32_t rooms;    /* of all workers together */
    uint64_t start_ns; /* of the traffic */
    uint64_t begin_ns; /* of what is measured */
    uint64_t end_ns;   /* of both; after it, workers wait for messages under way */
};

struct setting {
    const struct options *options;
    const struct scenario *scenario;
    struct plan plan;
    struct entrance entrances[URLS_MAX]; /* as many as options->url_count */
    struct greeting greeting;
    struct client_tls_settings tls;
    struct client_tls_context *tls_context; /* NULL: ws:// */
    struct orders orders;
};

/* Of the messages that were sent, or due, in the measured time. */
struct tally {
    uint64_t sent;
    uint64_t delivered;  /* in order */
    uint64_t lost;       /* deliveries that never came, also of the warm-up */
    uint64_t misordered; /* doubled, out of order, or to the wrong member; of the whole run */
    uint64_t cycles;     /* of churn; connections of handshakes and storm */
    uint64_t resumed;    /* of the cycles: they resumed a TLS session */
};

struct worker {
    struct hub hub;
    const struct setting *setting;
    uint32_t index;

    struct room *rooms; /* all rooms that this worker will ever have, and their clients */
    uint32_t room_count;
    struct client *clients;
    struct list waiting; /* rooms that can take one more member */
    uint32_t arriving;   /* clients on their way into their room */
    uint32_t rooms_full;
    uint64_t announcements;      /* `peer_joined` events that came */
    uint64_t announcements_owed; /* `peer_joined` events that full rooms must have caused */
    uint64_t connections;        /* ever opened */
    uint64_t looked_ns;          /* see confirming.c: when clients were looked at last, */
    uint32_t look_at;            /* and at which the worker looks next */

    uint64_t now_ns; /* the time of the event that is being handled */
    uint64_t begin_ns;
    uint64_t end_ns;
    bool is_finished; /* the scenario needs no more time */
    bool is_sending;  /* the traffic flows; otherwise the worker waits for messages under way */
    uint32_t active_rooms; /* the first ones of `rooms` */
    uint64_t under_way;    /* deliveries that have not come yet */
    uint64_t heard_ns;     /* when the last delivery came */
    size_t mark_place;     /* see message_read() */
    struct tally tally;
    struct histogram latency;
    struct histogram second;   /* the scenario's own use */
    struct histogram lateness; /* of our own sends: how long after they were due */
    void *state;               /* the scenario's own; NULL between runs */

    /* For the main thread. */
    pthread_t thread;
    _Atomic uint32_t orders_done;
    _Atomic uint64_t deliveries_told; /* so far, for the live line */
    _Atomic uint64_t idle_ns;         /* spent on polls that gave nothing */
};

/* A worker and its share of the planned rooms. Gives up when memory or descriptors are short. */
struct worker *worker_new(const struct setting *setting, uint32_t index);
void worker_free(struct worker *worker);

/* The thread's function. */
void *worker_work(void *worker);

/* Ends a client's connection at once. The scenario's left() is called now or later. */
void worker_end(struct worker *worker, struct client *client);

/* How many of `total` rooms this worker has. */
uint32_t worker_share(const struct worker *worker, uint32_t total);

/* Counts a message that a client sent now, for `recipients` members. `time_ns` is when it was due.
 */
static inline void worker_count_sent(struct worker *worker, uint64_t time_ns, uint32_t recipients)
{
    worker->under_way += recipients;
    if (time_ns >= worker->begin_ns)
        worker->tally.sent++;
}

/* Counts the delivery of a message, in order, to one recipient. */
static inline void worker_count_delivery(struct worker *worker, uint64_t time_ns)
{
    worker->under_way--;
    worker->heard_ns = worker->now_ns;
    if (time_ns >= worker->begin_ns)
        worker->tally.delivered++;
}

/* Adds the time from `time_ns` to now to a histogram, if `time_ns` is in the measured time. */
static inline void worker_time(struct worker *worker, struct histogram *histogram, uint64_t time_ns)
{
    if (time_ns >= worker->begin_ns)
        histogram_add(histogram, worker->now_ns - time_ns);
}

#endif
