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

/* What a client is refused with; relay_error_text() has the words. */
enum relay_error {
    ERROR_INVALID_JSON,
    ERROR_UNKNOWN_TYPE,
    ERROR_DRAINING,
    ERROR_ALREADY_IN_ROOM,
    ERROR_ID_REQUIRED,
    ERROR_ID_TOO_LONG,
    ERROR_MAX_CLIENTS,
    ERROR_ROOM_REQUIRED,
    ERROR_ROOM_NOT_FOUND,
    ERROR_ROOM_FULL,
    ERROR_TOO_MANY_ROOMS,
    ERROR_NO_CODE_FREE,
    ERROR_NOT_IN_ROOM,
    ERROR_TARGET_NOT_FOUND,
    RELAY_ERRORS,
};

/* The text of an error, as it is in the protocol; plain ASCII that needs no escaping. */
const char *relay_error_text(enum relay_error error);

/* Views are valid as long as the message that caused the event, and the room, are. */
struct event {
    enum event_type type;
    const struct room *room; /* CREATED, JOINED */
    struct bytes peer;       /* canonical id: PEER_JOINED, PEER_LEFT, MESSAGE (the sender) */
    struct bytes data;       /* MESSAGE: the value as it was written, empty when there is none */
    enum relay_error error;  /* ERROR */
};

#endif
