/* Opening and closing, and the threads. */
#include "server/node.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "bus/bus_nats.h"
#include "server/node_parts.h"
#include "server/records.h"
#include "store/store.h"

#define OPEN_MS 5000 /* of a try */
#define END_LOOK_MS 5

bool node_condition_init(pthread_cond_t *condition)
{
    pthread_condattr_t attributes;
    if (pthread_condattr_init(&attributes) != 0)
        return false;
    bool is_made = pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC) == 0 &&
                   pthread_cond_init(condition, &attributes) == 0;
    pthread_condattr_destroy(&attributes);
    return is_made;
}

void node_wait(pthread_cond_t *condition, pthread_mutex_t *lock, uint32_t wait_ms)
{
    struct timespec end;
    clock_gettime(CLOCK_MONOTONIC, &end);
    end.tv_sec += wait_ms / 1000;
    end.tv_nsec += (long)(wait_ms % 1000) * 1000000;
    if (end.tv_nsec >= 1000000000) {
        end.tv_sec++;
        end.tv_nsec -= 1000000000;
    }
    pthread_cond_timedwait(condition, lock, &end);
}

/* The name of the node, or the host's, in which other characters become '-'. */
static bool set_id(struct node_id *id, const struct config *config)
{
    char name[256] = "";
    uint64_t incarnation;
    kernel_linux.random(&incarnation, sizeof incarnation);
    if (config->node_name != NULL)
        return node_id_set(id, bytes_of_string(config->node_name), incarnation);
    if (gethostname(name, sizeof name - 1) != 0 || name[0] == '\0')
        strcpy(name, "node");
    name[NODE_NAME_MAX] = '\0';
    for (char *at = name; *at != '\0'; at++) {
        uint8_t c = ascii_lower((uint8_t)*at);
        bool is_good = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
        if (!is_good)
            *at = '-';
    }
    return node_id_set(id, bytes_of_string(name), incarnation);
}

#ifdef PARTY_HAS_NATS
static enum node_opening open_buses(struct node *node, const struct config *config,
                                    char ret_why[NODE_WHY_MAX])
{
    char why[BUS_WHY_MAX] = "";
    const struct bus_nats_options options = {
        .servers = config->cluster,
        .cluster = config->cluster_name,
        .node = node->id.name,
        .credentials = config->nats_credentials,
        .authority = config->nats_authority,
        .replicas = (uint32_t)config->nats_replicas,
    };
    node->bus = bus_nats_open(&options, OPEN_MS, why);
    if (node->bus != NULL)
        node->records_bus = bus_nats_open(&options, OPEN_MS, why);
    if (node->records_bus != NULL)
        return NODE_OPEN;
    if (node->bus != NULL)
        node->bus->functions->close(node->bus);
    node->bus = NULL;
    snprintf(ret_why, NODE_WHY_MAX, "--cluster: %s", why);
    return NODE_RETRY;
}
#else
static enum node_opening open_buses(struct node *node, const struct config *config,
                                    char ret_why[NODE_WHY_MAX])
{
    (void)node;
    (void)config;
    snprintf(ret_why, NODE_WHY_MAX,
             "--cluster: this program was built without NATS (libnats-dev was missing)");
    return NODE_WRONG;
}
#endif

enum node_opening node_open(const struct config *config, struct node **ret_node,
                            char ret_why[NODE_WHY_MAX])
{
    struct node *node = calloc(1, sizeof *node);
    enum node_opening opening = NODE_WRONG;
    snprintf(ret_why, NODE_WHY_MAX, "not enough memory to start");
    if (node == NULL)
        return opening;
    if (set_id(&node->id, config) && node_desk_init(&node->desk)) {
        if (node_outbox_init(&node->outbox)) {
            opening = open_buses(node, config, ret_why);
            if (opening == NODE_OPEN) {
                peers_init(&node->peers, node->id.incarnation);
                memcpy(node->peers.name, node->id.name, sizeof node->peers.name);
                node->peers.publish = node_publish;
                node->peers.context = node;
                *ret_node = node;
                return opening;
            }
            node_outbox_release(&node->outbox);
        }
        node_desk_release(&node->desk);
    }
    free(node);
    return opening;
}

struct peers *node_peers(struct node *node)
{
    return &node->peers;
}

static bool begin_readers(struct node *node)
{
    for (uint32_t i = 0; i < node->server->loop_count; i++) {
        struct node_reader *reader = &node->readers[i];
        reader->node = node;
        reader->loop = node->server->loops[i];
        if (!node_reader_open(reader))
            return false;
        reader->has_thread = pthread_create(&reader->thread, NULL, node_run_reader, reader) == 0;
        if (!reader->has_thread)
            return false;
    }
    return true;
}

static bool begin_pulses(struct node *node)
{
    node->has_pulse_thread = node_pulse_open(node) &&
                             pthread_create(&node->pulse_thread, NULL, node_run_pulse, node) == 0;
    return node->has_pulse_thread;
}

bool node_begin(struct node *node, struct server *server)
{
    node->server = server;
    node->has_sender = pthread_create(&node->sender, NULL, node_run_sender, node) == 0;
    if (!node->has_sender || !begin_readers(node) || !begin_pulses(node))
        return false;
    uint64_t random;
    kernel_linux.random(&random, sizeof random);
    ownership_init(&node->ownership, &node->id, server->loop_count, random);
    if (server->config->is_edge_only)
        ownership_be_edge_only(&node->ownership);
    if (!node_recorder_begin(node))
        return false;
    node->has_clerk = pthread_create(&node->clerk, NULL, node_run_clerk, node) == 0;
    node->has_keeper =
        node->has_clerk && pthread_create(&node->keeper, NULL, node_run_keeper, node) == 0;
    return node->has_keeper;
}

void node_drain(struct node *node)
{
    if (node != NULL)
        atomic_store(&node->must_drain, true);
}

void node_leave(struct node *node)
{
    atomic_store(&node->must_leave, true);
    node_wake_keeper(&node->desk);
}

bool node_has_left(const struct node *node)
{
    return atomic_load(&node->has_left);
}

/* Whoever gets the slices is to find the last records. False: they are not all written. */
static bool wait_for_records(struct node *node)
{
    struct store_status status;
    uint64_t began_ms = clock_boot_ms();
    do {
        store_get_status(node->server->store, &status);
        if (status.pending == 0)
            return true;
        nanosleep(&(struct timespec){.tv_nsec = END_LOOK_MS * 1000000L}, NULL);
    } while (!status.is_failing && clock_boot_ms() - began_ms < NODE_RECORDS_END_MS);
    return false;
}

void node_end(struct node *node)
{
    if (node == NULL || !node->has_keeper)
        return;
    /* A lease that says that the node has ended says that its records are the last ones, too. */
    if (!wait_for_records(node))
        return;
    uint64_t began_ms = clock_boot_ms();
    atomic_store(&node->must_end, true);
    node_wake_keeper(&node->desk);
    while (!atomic_load(&node->has_ended) && clock_boot_ms() - began_ms < NODE_END_MS)
        nanosleep(&(struct timespec){.tv_nsec = END_LOOK_MS * 1000000L}, NULL);
}

void node_stop(struct node *node)
{
    if (node == NULL)
        return;
    atomic_store(&node->is_stopping, true);
    node_desk_stop(&node->desk);
    node_outbox_stop(&node->outbox);
    if (node->has_keeper)
        pthread_join(node->keeper, NULL);
    if (node->has_clerk)
        pthread_join(node->clerk, NULL);
    if (node->has_sender)
        pthread_join(node->sender, NULL);
    if (node->has_recorder)
        pthread_join(node->recorder_thread, NULL);
    if (node->has_pulse_thread)
        pthread_join(node->pulse_thread, NULL);
    node_pulse_close(node);
    node->has_pulse_thread = false;
    node->has_keeper = node->has_clerk = node->has_sender = node->has_recorder = false;
    if (node->recorder != NULL)
        records_end(node->server);
    recorder_free(node->recorder); /* whose mail may have come from the loops, which are there */
    node->recorder = NULL;
    for (uint32_t i = 0; i < LOOPS_MAX; i++) {
        struct node_reader *reader = &node->readers[i];
        if (reader->has_thread)
            pthread_join(reader->thread, NULL);
        reader->has_thread = false;
        node_reader_close(reader);
    }
}

void node_free(struct node *node)
{
    if (node == NULL)
        return;
    node_stop(node);
    node->records_bus->functions->close(node->records_bus);
    node->bus->functions->close(node->bus);
    node_outbox_release(&node->outbox);
    node_desk_release(&node->desk);
    free(node);
}
