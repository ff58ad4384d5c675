/*
 * What the relay tells a client, as values. A dialect writes it as text.
 */
#ifndef PARTY_RELAY_EVENT_H
#define PARTY_RELAY_EVENT_H

#include "base/bytes.h"
#include "relay/room.h"

enum event_type {
    EVENT_CREATED,
    EVENT_JOINED,
    EVENT_PEER_JOINED,
    EVENT_PEER_LEFT,
    EVENT_MESSAGE,
    EVENT_ERROR,
};

/* Views are valid as long as the message that caused the event, and the room, are. */
struct event {
    enum event_type type;
    const struct room *room; /* CREATED, JOINED */
    struct bytes peer;       /* canonical id: PEER_JOINED, PEER_LEFT, MESSAGE (the sender) */
    struct bytes data;       /* MESSAGE: the value as it was written, empty when there is none */
    struct bytes error;      /* ERROR: plain text that needs no escaping */
};

#endif
