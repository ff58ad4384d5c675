/* The recorder's thread, with a bus of its own: a record must not wait for a lease, or a lease for
 * records. */
#include <poll.h>

#include "server/node_parts.h"

/* The map as the recorder itself has read it. */
static bool look(void *context)
{
    struct node *node = context;
    struct bus_entries entries;
    struct map_entry list[BUS_MAP_HISTORY_MAX];
    node->recorder_map_is_known = false;
    if (node->records_bus->functions->map_read(node->records_bus, RECORDER_CALLS_MS, &entries) !=
        BUS_DONE)
        return false;
    struct map_history history = node_history_of(&entries, list);
    node->recorder_map_is_known = map_history_is_sound(&history) &&
                                  map_find_last(&history, &node->recorder_map) < history.count;
    return node->recorder_map_is_known;
}

static bool owns(void *context, uint32_t slice, uint64_t term)
{
    const struct node *node = context;
    const struct map_slice *owned = &node->recorder_map.slices[slice];
    return node->recorder_map_is_known && owned->term == term && owned->next == MAP_NO_NODE &&
           node_id_equal(&node->recorder_map.nodes[owned->owner], &node->id);
}

static void *run_recorder(void *argument)
{
    struct node *node = argument;
    struct pollfd mail = {.fd = node->server->recorder->wake_fd, .events = POLLIN};
    while (!atomic_load(&node->is_stopping)) {
        if (!recorder_turn(node->recorder, clock_boot_ms()))
            (void)poll(&mail, 1, NODE_RECORDS_MS);
    }
    return NULL;
}

bool node_recorder_begin(struct node *node)
{
    const struct recorder_owners owners = {look, owns, node};
    node->recorder = recorder_new(node->server, node->records_bus, &owners);
    node->has_recorder = node->recorder != NULL &&
                         pthread_create(&node->recorder_thread, NULL, run_recorder, node) == 0;
    return node->has_recorder;
}
