/* Sets limits from options and the machine, then creates tables, then loops. */
#include "server/server.h"

#include <stdio.h>

#include "net/machine.h"
#include "server/loop_thread.h"

static uint64_t lower_of(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* The number of connections that fit into the memory. */
static uint64_t connections_in_memory(const struct server *server)
{
    uint64_t all = machine_memory_bytes() / CONNECTIONS_PART_OF_MEMORY / CONNECTION_BYTES;
    uint64_t secure =
        server->buffered_bytes_max / 100 * TLS_SESSIONS_PERCENT_OF_BUDGET / TLS_SESSION_BYTES;
    return server->tls != NULL ? lower_of(all, secure) : all;
}

/* Sets limits to what the machine allows, or to lower ones of the operator. */
static bool set_limits(struct server *server, uint32_t descriptors)
{
    const struct config *config = server->config;
    uint32_t reserved = DESCRIPTORS_RESERVED + DESCRIPTORS_PER_LOOP * server->loop_count;
    uint32_t descriptors_left = descriptors > reserved ? descriptors - reserved : 1;
    server->stop_timeout_ms = STOP_TIMEOUT_MS;
    server->buffered_bytes_max = config->buffered_bytes_max;
    if (server->buffered_bytes_max == 0)
        server->buffered_bytes_max = machine_memory_bytes() / 4;
    server->retained_bytes_max = server->buffered_bytes_max / RETAINED_PART_OF_BUDGET;
    if (config->connections_max > descriptors_left)
        fprintf(stderr, "party-sockets: the limit of descriptors allows %u connections only\n",
                descriptors_left);
    uint64_t wanted = config->connections_max;
    if (wanted == 0)
        wanted = connections_in_memory(server);
    server->connections_max = (uint32_t)lower_of(wanted, descriptors_left);
    return conn_table_init(&server->connections, descriptors);
}

static bool make_loops(struct server *server)
{
    for (uint32_t i = 0; i < server->loop_count; i++) {
        server->loops[i] = loop_thread_new(server, i);
        if (server->loops[i] == NULL)
            return false;
    }
    return true;
}

bool server_init(struct server *server, uint32_t descriptors)
{
    const struct config *config = server->config;
    server->loop_count = (uint32_t)config->loops;
    if (server->started_ns == 0) /* the program before has not told it */
        server->started_ns = server->kernel->now_ns();
    return set_limits(server, descriptors) &&
           origins_init(&server->origins, config->origin_proof_ms == 0) &&
           subnets_init(&server->subnets, (uint32_t)config->failed_joins_per_address_max,
                        server->kernel) &&
           makers_init(&server->makers) && make_loops(server);
}

void server_release(struct server *server)
{
    for (uint32_t i = 0; i < server->loop_count; i++)
        loop_thread_free(server->loops[i]);
    makers_release(&server->makers);
    subnets_release(&server->subnets);
    origins_release(&server->origins);
    conn_table_release(&server->connections);
}
