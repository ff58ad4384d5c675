/* Messages between nodes, over core NATS. */
#include <assert.h>
#include <limits.h>
#include <stdlib.h>

#include "bus/nats_parts.h"

struct bus_subscription {
    const struct nats_library *library;
    const struct nats_link *link;
    natsSubscription *subscription;
    natsMsg *message;     /* the last one that was read; NULL: there is none */
    uint64_t disconnects; /* of those of the link, the ones that were told */
    int64_t dropped;      /* of those of libnats, the ones that were told */
};

enum bus_outcome nats_publish(struct bus *bus, const char *subject, struct bytes text)
{
    struct nats_bus *nats_bus = nats_bus_of(bus);
    char name[BUS_NAME_MAX];
    if (text.length > BUS_MESSAGE_MAX || !bus_name_subject(nats_bus->cluster, subject, name) ||
        !atomic_load(&nats_bus->messages.is_connected))
        return BUS_REFUSED;
    natsStatus status = nats_bus->library.natsConnection_Publish(nats_bus->messages.connection,
                                                                 name, text.data, (int)text.length);
    switch (status) {
    case NATS_OK:
        return BUS_DONE;
    case NATS_INSUFFICIENT_BUFFER: /* of what waits for a new connection */
    case NATS_CONNECTION_CLOSED:
    case NATS_MAX_PAYLOAD:
    case NATS_NO_MEMORY:
        return BUS_REFUSED;
    default:
        return BUS_UNKNOWN;
    }
}

struct bus_subscription *nats_subscribe(struct bus *bus, const char *subject, uint32_t messages_max,
                                        uint32_t bytes_max)
{
    struct nats_bus *nats_bus = nats_bus_of(bus);
    const struct nats_library *nats = &nats_bus->library;
    char name[BUS_NAME_MAX];
    assert(messages_max > 0 && messages_max <= INT_MAX && bytes_max > 0 && bytes_max <= INT_MAX);
    if (!bus_name_subject(nats_bus->cluster, subject, name))
        return NULL;
    struct bus_subscription *subscription = calloc(1, sizeof *subscription);
    if (subscription == NULL)
        return NULL;
    subscription->library = nats;
    subscription->link = &nats_bus->messages;
    /* Before the server knows of the subscription, so that no loss is missed. */
    subscription->disconnects = atomic_load(&nats_bus->messages.disconnects);
    natsStatus status = nats->natsConnection_SubscribeSync(&subscription->subscription,
                                                           nats_bus->messages.connection, name);
    if (status == NATS_OK)
        status = nats->natsSubscription_SetPendingLimits(subscription->subscription,
                                                         (int)messages_max, (int)bytes_max);
    if (status != NATS_OK) {
        nats_unsubscribe(subscription);
        return NULL;
    }
    return subscription;
}

/* Whether messages were lost that have not been told of; they count as told then. */
static bool take_gap(struct bus_subscription *subscription)
{
    int64_t dropped = 0;
    uint64_t disconnects = atomic_load(&subscription->link->disconnects);
    (void)subscription->library->natsSubscription_GetDropped(subscription->subscription, &dropped);
    bool is_gap = dropped != subscription->dropped || disconnects != subscription->disconnects;
    subscription->dropped = dropped;
    subscription->disconnects = disconnects;
    return is_gap;
}

/*
 * libnats tells once that a subscription became full, before the messages that wait. Its count of
 * what was dropped tells the same earlier, so this is not told again.
 */
static natsStatus take_message(struct bus_subscription *subscription, uint32_t wait_ms)
{
    const struct nats_library *nats = subscription->library;
    natsStatus status =
        nats->natsSubscription_NextMsg(&subscription->message, subscription->subscription, wait_ms);
    if (status == NATS_SLOW_CONSUMER)
        status = nats->natsSubscription_NextMsg(&subscription->message, subscription->subscription,
                                                wait_ms);
    return status;
}

enum bus_reading nats_read(struct bus_subscription *subscription, uint32_t wait_ms,
                           struct bytes *ret_text)
{
    const struct nats_library *nats = subscription->library;
    nats->natsMsg_Destroy(subscription->message);
    subscription->message = NULL;
    if (take_gap(subscription))
        return BUS_GAP;
    switch (take_message(subscription, wait_ms)) {
    case NATS_OK:
        *ret_text = bytes_of(nats->natsMsg_GetData(subscription->message),
                             (size_t)nats->natsMsg_GetDataLength(subscription->message));
        return BUS_MESSAGE;
    case NATS_CONNECTION_CLOSED:
    case NATS_INVALID_SUBSCRIPTION:
        return BUS_CLOSED;
    default:
        return BUS_NOTHING;
    }
}

void nats_unsubscribe(struct bus_subscription *subscription)
{
    subscription->library->natsMsg_Destroy(subscription->message);
    /* Ends the server's interest, too. */
    subscription->library->natsSubscription_Destroy(subscription->subscription);
    free(subscription);
}
