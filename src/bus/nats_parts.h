/* What the files of the engine NATS share, and nobody else includes. */
#ifndef PARTY_BUS_NATS_PARTS_H
#define PARTY_BUS_NATS_PARTS_H

#include <signal.h>
#include <stdatomic.h>

#include "bus/bus_names.h"
#include "bus/bus_nats.h"
#include "bus/nats_library.h"
#include "bus/nats_worker.h"

/* A connection to one of the servers. libnats' threads call it back. */
struct nats_link {
    const struct nats_library *library;
    natsConnection *connection; /* NULL: there is none */
    atomic_bool is_connected;
    atomic_bool has_closed; /* for good; it is the last thing that libnats tells */
    atomic_uint_fast64_t disconnects;
};

/* What all nodes rely on in a bucket. */
struct nats_bucket_shape {
    const char *purpose;
    size_t text_max;
    int64_t history;      /* entries of a key */
    int64_t entries_max;  /* of all keys; -1: any number */
    int64_t remembers_ns; /* ids of messages, for so long */
};

/* A bucket, and the messages of it that the worker has read last. */
struct nats_bucket {
    const struct nats_bucket_shape *shape;
    char name[BUS_NAME_MAX];
    char stream[BUS_NAME_MAX];
    uint32_t count;
    natsMsg *messages[BUS_LEASES_MAX];
    struct bus_entry entries[BUS_LEASES_MAX];
};

_Static_assert(BUS_MAP_HISTORY_MAX <= BUS_LEASES_MAX, "a bucket has a place for each entry");

/*
 * Two connections, since a server answers in order: with one, a lease would wait behind all
 * messages that are on their way, and a write of a message that waits would hold the connection's
 * lock.
 */
struct nats_bus {
    struct bus bus;
    struct nats_library library;
    char cluster[BUS_CLUSTER_MAX + 1];
    struct nats_link messages;
    struct nats_link keys;
    jsCtx *stream_context; /* of `keys` */
    struct nats_worker worker;
    /* The worker's, while it has a call: */
    struct nats_bucket map;
    int64_t map_created; /* when the stream of `map.entries` was made */
    struct nats_bucket leases;
    struct nats_bucket records; /* one of them */
    jsStreamInfo *list_info;    /* whose texts the entries of `list` have; NULL: there is none */
    struct bus_entry *list;
};

static inline struct nats_bus *nats_bus_of(struct bus *bus)
{
    return CONTAINER_OF(bus, struct nats_bus, bus);
}

/* Milliseconds of the monotonic clock. */
uint64_t nats_now_ms(void);

/* What is left until a time, at least 1 ms, since libnats wants that. */
int64_t nats_left_ms(uint64_t end_ms);

/* Keeps what libnats said of the last call of this thread. */
void nats_note_why(const struct nats_library *library, const char *what, natsStatus status,
                   char why[BUS_WHY_MAX]);

/* Blocks all signals of this thread, which threads that it starts inherit; returns those that were.
 */
sigset_t nats_block_signals(void);

/* nats_link.c */
MUST_CHECK bool nats_link_open(struct nats_link *link, const struct nats_library *library,
                               const struct bus_nats_options *options, uint64_t end_ms,
                               char why[BUS_WHY_MAX]);
/* False: libnats may still call back, so the link's memory must stay. */
bool nats_link_close(struct nats_link *link);

/* nats_messages.c: see bus.h. */
enum bus_outcome nats_publish(struct bus *bus, const char *subject, struct bytes text);
struct bus_subscription *nats_subscribe(struct bus *bus, const char *subject, uint32_t messages_max,
                                        uint32_t bytes_max);
enum bus_reading nats_read(struct bus_subscription *subscription, uint32_t wait_ms,
                           struct bytes *ret_text);
void nats_unsubscribe(struct bus_subscription *subscription);

/* nats_buckets.c */
void nats_buckets_init(struct nats_bus *bus);
MUST_CHECK bool nats_buckets_open(struct nats_bus *bus, uint32_t replicas, uint64_t end_ms,
                                  char why[BUS_WHY_MAX]);
void nats_buckets_close(struct nats_bus *bus);

/* The key that a subject stands for; empty: for none. It is a part of the subject. */
struct bytes nats_bucket_key(const struct nats_bucket *bucket, const char *subject);

/* Takes the message over, as the newest one. There must be room. */
void nats_bucket_keep(struct nats_bus *bus, struct nats_bucket *bucket, natsMsg *message);

/* Forgets so many messages, the oldest ones. */
void nats_bucket_forget(struct nats_bus *bus, struct nats_bucket *bucket, uint32_t count);

jsOptions nats_options_until(struct nats_bus *bus, uint64_t end_ms);

/*
 * What the stream's leader says of the stream, with its subjects that fit, or NULL for none of
 * these. To be destroyed. NULL: no answer, and the call says why.
 */
jsStreamInfo *nats_ask_stream(struct nats_bus *bus, struct nats_bucket *bucket,
                              const char *subjects, struct nats_call *call);

/* Publishes the call's message to its stream: a `run` of a call. */
enum bus_outcome nats_run_write(struct nats_bus *bus, struct nats_call *call);

/* Removes messages of the call's subject: those before the sequence; 0: all. */
enum bus_outcome nats_purge(struct nats_bus *bus, const struct nats_bucket *bucket,
                            struct nats_call *call, uint64_t sequence);

/* Have a call run that reads, or one that writes a text. */
enum bus_outcome nats_read_entries(struct bus *bus, struct nats_call *call,
                                   struct bus_entries *ret_entries);
enum bus_outcome nats_write_text(struct bus *bus, struct nats_call *call, const char *subject,
                                 struct bytes text, uint64_t *ret_revision);

/* nats_keys.c: see bus.h. */
enum bus_outcome nats_map_read(struct bus *bus, uint32_t most_ms, struct bus_entries *ret_entries);
enum bus_outcome nats_map_write(struct bus *bus, struct bytes text, uint64_t expected_revision,
                                uint32_t most_ms, uint64_t *ret_revision);
enum bus_outcome nats_lease_write(struct bus *bus, const char *key, struct bytes text,
                                  uint32_t most_ms, uint64_t *ret_revision);
enum bus_outcome nats_lease_remove(struct bus *bus, const char *key, uint64_t revision,
                                   uint32_t most_ms);
enum bus_outcome nats_leases_read(struct bus *bus, uint32_t most_ms,
                                  struct bus_entries *ret_entries);

/* nats_records.c: see bus.h. */
enum bus_outcome nats_record_read(struct bus *bus, const char *key, uint32_t most_ms,
                                  struct bus_entries *ret_entries);
enum bus_outcome nats_record_write(struct bus *bus, const char *key, struct bytes text,
                                   uint64_t expected_revision, uint32_t most_ms,
                                   uint64_t *ret_revision);
enum bus_outcome nats_record_remove(struct bus *bus, const char *key, uint32_t most_ms);
enum bus_outcome nats_records_list(struct bus *bus, const char *prefix, uint32_t most_ms,
                                   struct bus_entries *ret_entries);
void nats_list_forget(struct nats_bus *bus);

#endif
