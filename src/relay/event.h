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
    EVENT_STATE,
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
    ERROR_URL_NO_STRING,
    ERROR_URL_TOO_LARGE,
    ERROR_URL_SPACES,
    ERROR_URL_PLACEHOLDER, /* `detail` says which */
    ERROR_URL_BRACE,
    ERROR_URL_INVALID,
    ERROR_URL_NOT_HTTPS,
    ERROR_ROOM_REQUIRED,
    ERROR_ROOM_NOT_FOUND,
    ERROR_USES_PROTOCOL_1,
    ERROR_USES_PROTOCOL_2,
    ERROR_ROOM_FULL,
    ERROR_TOO_MANY_ROOMS,
    ERROR_NO_CODE_FREE,
    ERROR_NOT_IN_ROOM,
    ERROR_CLIENT_NOT_FOUND, /* protocol 1 */
    ERROR_PEER_NOT_FOUND,   /* protocol 2 */
    ERROR_STATE_NOT_HOST,
    ERROR_STATE_REQUIRED,
    ERROR_STATE_TOO_LARGE,
    ERROR_STATE_NO_MEMORY,
    ERROR_CLOSE_NOT_HOST,
    RELAY_ERRORS,
};

/* The text of an error, as it is in the protocol; plain ASCII that needs no escaping. */
const char *relay_error_text(enum relay_error error);

/* Which of the servers behind one name this is. Letters, digits, `.`, `-` and `_`; empty: unset. */
struct instance {
    struct bytes id;
    struct bytes region;
};

/* Views are valid as long as the message that caused the event, and the room, are. */
struct event {
    enum event_type type;
    enum relay_error error;  /* ERROR */
    const struct room *room; /* of all but ERROR */
    const struct member
        *peer; /* CREATED, JOINED (who is told); PEER_JOINED, PEER_LEFT; MESSAGE (the sender) */
    const struct instance *instance; /* CREATED */
    struct bytes data;   /* MESSAGE, STATE: the value as it was written, empty when there is none */
    struct bytes detail; /* ERROR: what follows its text, UTF-8; empty for most */
};

#endif
