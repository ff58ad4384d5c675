/* Events: what the relay tells a client, as values. A dialect writes an event as text. */
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

/*
 * The reasons to refuse a client's message, each in one line: its name here; its text, which is
 * plain ASCII without need of escapes; and its code, which never changes and by which programs know
 * the error.
 */
/* clang-format off */
#define FOR_EACH_RELAY_ERROR(X) \
    X(INVALID_JSON, "Invalid JSON", "invalid-json") \
    X(UNKNOWN_TYPE, "Unknown message type", "unknown-type") \
    X(DRAINING, "Server draining", "server-draining") \
    X(ALREADY_IN_ROOM, "Already in a room", "already-in-room") \
    X(ID_REQUIRED, "clientId is required", "client-id-required") \
    X(ID_TOO_LONG, "clientId is too long", "client-id-too-long") \
    X(MAX_CLIENTS, "maxClients must be a positive number", "bad-max-clients") \
    X(URL_NO_STRING, "url must be a string", "url-not-a-string") \
    X(URL_TOO_LARGE, "url too large", "url-too-large") \
    X(URL_SPACES, "url must not contain spaces or control characters", "url-has-spaces") \
    X(URL_PLACEHOLDER, "Unknown url placeholder", "url-placeholder") /* `detail` is the placeholder */ \
    X(URL_BRACE, "url has an unmatched placeholder brace", "url-brace") \
    X(URL_INVALID, "url is not a valid URL", "url-invalid") \
    X(URL_NOT_HTTPS, "url must be an https URL", "url-not-https") \
    X(ROOM_REQUIRED, "room is required", "room-required") \
    X(ROOM_NOT_FOUND, "Room not found", "room-not-found") \
    X(USES_PROTOCOL_1, "Room uses protocol 1", "wrong-protocol") \
    X(USES_PROTOCOL_2, "Room uses protocol 2", "wrong-protocol") \
    X(ROOM_FULL, "Room is full", "room-full") \
    X(TOO_MANY_ROOMS, "Too many rooms", "server-full") \
    X(NO_CODE_FREE, "No room code free", "server-full") \
    X(NOT_IN_ROOM, "Not in a room", "not-in-room") \
    X(CLIENT_NOT_FOUND, "Target client not found", "peer-not-found") \
    X(PEER_NOT_FOUND, "Target peer not found", "peer-not-found") \
    X(STATE_NOT_HOST, "Only the host can set state", "not-host") \
    X(STATE_REQUIRED, "State data is required", "state-required") \
    X(STATE_TOO_LARGE, "State too large", "state-too-large") \
    X(STATE_NO_MEMORY, "No memory for state", "server-full") \
    X(CLOSE_NOT_HOST, "Only the host can close the room", "not-host")
/* clang-format on */

#define RELAY_ERROR_NAME(name, text, code) ERROR_##name,

enum relay_error {
    FOR_EACH_RELAY_ERROR(RELAY_ERROR_NAME) RELAY_ERRORS,
};

const char *relay_error_text(enum relay_error error);
const char *relay_error_code(enum relay_error error);

/* This server among several behind one name. Letters, digits, `.`, `-` and `_`; empty: unset. */
struct instance {
    struct bytes id;
    struct bytes region;
};

/* Views are valid as long as the room and the message that caused the event. */
struct event {
    enum event_type type;
    enum relay_error error;  /* ERROR */
    const struct room *room; /* for all types but ERROR */
    /* CREATED, JOINED: the recipient; PEER_JOINED, PEER_LEFT: the other one; MESSAGE: the sender.
     */
    const struct member *peer;
    const struct instance *instance; /* CREATED */
    struct bytes data;   /* MESSAGE, STATE: the JSON value as the client wrote it; empty: none */
    struct bytes detail; /* ERROR: follows the error's text, UTF-8; mostly empty */
};

#endif
