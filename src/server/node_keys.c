/*
 * The clerk: carries out what the keeper asks of the keyed store. It waits with the next call until
 * the keeper has taken the outcome of the last one, whose texts belong to the bus.
 */
#include "server/node_parts.h"

bool node_desk_init(struct node_desk *desk)
{
    if (pthread_mutex_init(&desk->lock, NULL) != 0)
        return false;
    if (!node_condition_init(&desk->asked)) {
        pthread_mutex_destroy(&desk->lock);
        return false;
    }
    if (node_condition_init(&desk->answered))
        return true;
    pthread_cond_destroy(&desk->asked);
    pthread_mutex_destroy(&desk->lock);
    return false;
}

void node_desk_release(struct node_desk *desk)
{
    pthread_cond_destroy(&desk->answered);
    pthread_cond_destroy(&desk->asked);
    pthread_mutex_destroy(&desk->lock);
}

void node_ask(struct node_desk *desk, int kind, const struct ownership_request *request)
{
    pthread_mutex_lock(&desk->lock);
    struct node_order *order = &desk->orders[kind];
    order->is_asked = true;
    order->kind = kind;
    order->place = ++desk->last_place;
    order->serial = request->serial;
    order->revision = request->revision;
    order->asked_ms = clock_boot_ms();
    order->length = request->text.length;
    if (order->length > 0)
        memcpy(order->text, request->text.data, order->length);
    pthread_cond_signal(&desk->asked);
    pthread_mutex_unlock(&desk->lock);
}

bool node_wait_for_outcome(struct node_desk *desk, uint32_t wait_ms,
                           struct node_outcome *ret_outcome)
{
    pthread_mutex_lock(&desk->lock);
    if (!desk->has_outcome && !desk->is_woken)
        node_wait(&desk->answered, &desk->lock, wait_ms);
    /* Who wakes the keeper all the time does not keep it busy. */
    uint64_t rested_ms = clock_boot_ms() - desk->turned_ms;
    if (!desk->has_outcome && rested_ms < NODE_MOVING_TURN_MS)
        node_wait(&desk->answered, &desk->lock, (uint32_t)(NODE_MOVING_TURN_MS - rested_ms));
    desk->turned_ms = clock_boot_ms();
    desk->is_woken = false;
    bool has_outcome = desk->has_outcome;
    if (has_outcome)
        *ret_outcome = desk->outcome;
    pthread_mutex_unlock(&desk->lock);
    return has_outcome;
}

void node_wake_keeper(struct node_desk *desk)
{
    pthread_mutex_lock(&desk->lock);
    desk->is_woken = true;
    pthread_cond_signal(&desk->answered);
    pthread_mutex_unlock(&desk->lock);
}

void node_outcome_taken(struct node_desk *desk)
{
    pthread_mutex_lock(&desk->lock);
    desk->has_outcome = false;
    pthread_cond_signal(&desk->asked);
    pthread_mutex_unlock(&desk->lock);
}

void node_desk_stop(struct node_desk *desk)
{
    pthread_mutex_lock(&desk->lock);
    desk->is_stopping = true;
    pthread_cond_signal(&desk->asked);
    pthread_mutex_unlock(&desk->lock);
}

static struct node_order *find_oldest(struct node_desk *desk)
{
    struct node_order *oldest = NULL;
    for (int kind = 0; kind < NODE_ORDERS; kind++) {
        struct node_order *order = &desk->orders[kind];
        if (order->is_asked && (oldest == NULL || order->place < oldest->place))
            oldest = order;
    }
    return oldest;
}

/* Waits for an order, which is in `desk->current` then. False: the clerk has to end. */
static bool take_order(struct node_desk *desk)
{
    struct node_order *order = NULL;
    pthread_mutex_lock(&desk->lock);
    while (!desk->is_stopping && (desk->has_outcome || (order = find_oldest(desk)) == NULL))
        pthread_cond_wait(&desk->asked, &desk->lock);
    bool must_stop = desk->is_stopping;
    if (!must_stop && order != NULL) {
        desk->current = *order;
        order->is_asked = false;
    }
    pthread_mutex_unlock(&desk->lock);
    return !must_stop;
}

static enum bus_outcome carry_out(struct node *node, const struct node_order *order,
                                  uint32_t most_ms, struct node_outcome *outcome)
{
    const struct bus_functions *bus = node->bus->functions;
    struct bytes text = bytes_of(order->text, order->length);
    char key[NODE_ID_TEXT_MAX + 1];
    struct writer writer = writer_over((uint8_t *)key, sizeof key - 1);
    switch (order->kind) {
    case OWNERSHIP_WRITE_LEASE:
        node_id_write(&writer, &node->id);
        key[writer.length] = '\0';
        return bus->lease_write(node->bus, key, text, most_ms, &outcome->revision);
    case NODE_REMOVE_LEASE:
        writer_put(&writer, text);
        key[writer.length] = '\0';
        return bus->lease_remove(node->bus, key, order->revision, most_ms);
    case OWNERSHIP_READ_MAP:
        return bus->map_read(node->bus, most_ms, &outcome->entries);
    case OWNERSHIP_WRITE_MAP:
        return bus->map_write(node->bus, text, order->revision, most_ms, &outcome->revision);
    default: /* OWNERSHIP_READ_LEASES, NODE_LOOK_AT_LEASES */
        return bus->leases_read(node->bus, most_ms, &outcome->entries);
    }
}

static void answer(struct node_desk *desk, const struct node_outcome *outcome)
{
    pthread_mutex_lock(&desk->lock);
    desk->outcome = *outcome;
    desk->has_outcome = true;
    pthread_cond_signal(&desk->answered);
    pthread_mutex_unlock(&desk->lock);
}

void *node_run_clerk(void *argument)
{
    struct node *node = argument;
    struct node_desk *desk = &node->desk;
    while (take_order(desk)) {
        const struct node_order *order = &desk->current;
        struct node_outcome outcome = {
            .kind = order->kind, .serial = order->serial, .outcome = BUS_UNKNOWN};
        uint64_t waited_ms = clock_boot_ms() - order->asked_ms;
        /* The machine waits for no outcome that comes later. */
        if (waited_ms < OWNERSHIP_PATIENCE_MS)
            outcome.outcome =
                carry_out(node, order, OWNERSHIP_PATIENCE_MS - (uint32_t)waited_ms, &outcome);
        answer(desk, &outcome);
    }
    return NULL;
}
