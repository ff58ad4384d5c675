#include "bus/bus_nats.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bus/nats_parts.h"

uint64_t nats_now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

int64_t nats_left_ms(uint64_t end_ms)
{
    uint64_t now_ms = nats_now_ms();
    return now_ms < end_ms ? (int64_t)(end_ms - now_ms) : 1;
}

sigset_t nats_block_signals(void)
{
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    return before;
}

/* Without the place in libnats' sources, `(conn.c:733): `, with which it begins. */
static const char *skip_place(const char *said)
{
    static const char end[] = "): ";
    const char *place_end = said[0] == '(' ? strstr(said, end) : NULL;
    return place_end == NULL ? said : place_end + strlen(end);
}

void nats_note_why(const struct nats_library *library, const char *what, natsStatus status,
                   char why[BUS_WHY_MAX])
{
    natsStatus last = NATS_OK;
    const char *said = library->nats_GetLastError(&last);
    const char *text = library->natsStatus_GetText(status);
    if (said != NULL && said[0] != '\0' && last == status)
        snprintf(why, BUS_WHY_MAX, "%s: %s (%s)", what, text, skip_place(said));
    else
        snprintf(why, BUS_WHY_MAX, "%s: %s", what, text);
}

static void get_state(struct bus *bus, struct bus_state *ret_state)
{
    struct nats_bus *nats_bus = nats_bus_of(bus);
    const struct nats_link *messages = &nats_bus->messages;
    const struct nats_link *keys = &nats_bus->keys;
    *ret_state = (struct bus_state){
        .has_messages = atomic_load(&messages->is_connected),
        .has_keys = atomic_load(&keys->is_connected),
        .has_given_up = atomic_load(&messages->has_closed) || atomic_load(&keys->has_closed),
        .disconnects = atomic_load(&messages->disconnects) + atomic_load(&keys->disconnects),
    };
}

static uint64_t now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

/* Over the connection of the keyed store, on which no message is before it. */
static enum bus_outcome run_round_trip(struct nats_bus *bus, struct nats_call *call)
{
    uint64_t begin_us = now_us();
    natsStatus status =
        bus->library.natsConnection_FlushTimeout(bus->keys.connection, nats_left_ms(call->end_ms));
    if (status != NATS_OK) {
        nats_note_why(&bus->library, "no answer to a ping", status, call->why);
        return BUS_UNKNOWN;
    }
    call->number = now_us() - begin_us;
    return BUS_DONE;
}

static enum bus_outcome take_round_trip(struct bus *bus, uint32_t most_ms, uint64_t *ret_us)
{
    struct nats_call call = {.run = run_round_trip, .end_ms = nats_now_ms() + most_ms};
    enum bus_outcome outcome = nats_worker_run(nats_bus_of(bus), &call);
    if (outcome == BUS_DONE)
        *ret_us = call.number;
    return outcome;
}

static void close_bus(struct bus *bus)
{
    struct nats_bus *nats_bus = nats_bus_of(bus);
    nats_worker_stop(nats_bus);
    nats_buckets_close(nats_bus);
    bool has_messages_ended = nats_link_close(&nats_bus->messages);
    bool has_keys_ended = nats_link_close(&nats_bus->keys);
    if (has_messages_ended && has_keys_ended)
        free(nats_bus);
}

static const struct bus_functions functions = {
    .publish = nats_publish,
    .subscribe = nats_subscribe,
    .read = nats_read,
    .unsubscribe = nats_unsubscribe,
    .state = get_state,
    .round_trip = take_round_trip,
    .map_read = nats_map_read,
    .map_write = nats_map_write,
    .lease_write = nats_lease_write,
    .lease_remove = nats_lease_remove,
    .leases_read = nats_leases_read,
    .record_read = nats_record_read,
    .record_write = nats_record_write,
    .record_remove = nats_record_remove,
    .records_list = nats_records_list,
    .close = close_bus,
};

static bool open_parts(struct nats_bus *nats_bus, const struct bus_nats_options *options,
                       uint64_t end_ms, char why[BUS_WHY_MAX])
{
    const char *file = options->library == NULL ? NATS_SONAME : options->library;
    const struct nats_library *library = &nats_bus->library;
    if (!nats_library_load(file, &nats_bus->library, why) ||
        !nats_link_open(&nats_bus->messages, library, options, end_ms, why) ||
        !nats_link_open(&nats_bus->keys, library, options, end_ms, why) ||
        !nats_buckets_open(nats_bus, options->replicas, end_ms, why))
        return false;
    if (!nats_worker_start(nats_bus)) {
        snprintf(why, BUS_WHY_MAX, "no thread for the keyed store");
        return false;
    }
    return true;
}

struct bus *bus_nats_open(const struct bus_nats_options *options, uint32_t most_ms,
                          char ret_why[BUS_WHY_MAX])
{
    uint64_t end_ms = nats_now_ms() + most_ms;
    if (!bus_cluster_is_valid(options->cluster)) {
        snprintf(ret_why, BUS_WHY_MAX, "a cluster's name is 1 to %d letters, digits and '-'",
                 BUS_CLUSTER_MAX);
        return NULL;
    }
    struct nats_bus *nats_bus = calloc(1, sizeof *nats_bus);
    if (nats_bus == NULL) {
        snprintf(ret_why, BUS_WHY_MAX, "memory is short");
        return NULL;
    }
    nats_bus->bus.functions = &functions;
    strcpy(nats_bus->cluster, options->cluster);
    nats_buckets_init(nats_bus);
    if (!open_parts(nats_bus, options, end_ms, ret_why)) {
        close_bus(&nats_bus->bus);
        return NULL;
    }
    return &nats_bus->bus;
}
