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
    /* The following are of protocol 3. */
    EVENT_LEFT,
    EVENT_PEER_AWAY,
    EVENT_PEER_BACK,
    EVENT_HOST,
    EVENT_ROOM,
    EVENT_BINARY,
    EVENT_PRIVATE_STATE,
    EVENT_SKIPPED,
    EVENT_AUDIENCE,
    EVENT_PONG,
};

/* Why a seat of protocol 3 is gone. */
enum leaving {
    LEAVING_LEFT,
    LEAVING_EXPIRED,
    LEAVING_KICKED,
};

/*
 * The reasons to refuse a client's message, each in one line: its name here; its text, which is
 * plain ASCII without need of escapes; and its code, which never changes and by which programs know
 * the error.
 */
/* clang-format off */
#define FOR_EACH_RELAY_ERROR(X) \
    X(INVALID_JSON, "Invalid JSON", "invalid-json") \
    X(INVALID_BINARY, "Invalid binary message", "invalid-binary") \
    X(UNKNOWN_TYPE, "Unknown message type", "unknown-type") \
    X(DRAINING, "Server draining", "server-draining") \
    X(ALREADY_IN_ROOM, "Already in a room", "already-in-room") \
    X(ID_REQUIRED, "clientId is required", "client-id-required") \
    X(ID_TOO_SHORT, "clientId is too short", "client-id-too-short") \
    X(ID_TOO_LONG, "clientId is too long", "client-id-too-long") \
    X(SESSION, "session must be a string of 8 to 64 bytes", "bad-session") \
    X(ATTEMPT, "attempt must be a positive integer", "bad-attempt") \
    X(MAX_CLIENTS, "maxClients must be a positive number", "bad-max-clients") \
    X(URL_NO_STRING, "url must be a string", "url-not-a-string") \
    X(URL_TOO_LARGE, "url too large", "url-too-large") \
    X(URL_SPACES, "url must not contain spaces or control characters", "url-has-spaces") \
    X(URL_PLACEHOLDER, "Unknown url placeholder", "url-placeholder") /* `detail` is the placeholder */ \
    X(URL_BRACE, "url has an unmatched placeholder brace", "url-brace") \
    X(URL_INVALID, "url is not a valid URL", "url-invalid") \
    X(URL_NOT_HTTPS, "url must be an https URL", "url-not-https") \
    X(HOLD, "hold must be a number from 0 to 600", "bad-hold") \
    X(ON_HOST_LEFT, "onHostLeft must be close or migrate", "bad-on-host-left") \
    X(MAX_AUDIENCE, "maxAudience must be a number, 0 or more", "bad-max-audience") \
    X(PASSWORD, "password must be a string of 1 to 64 bytes", "bad-password") \
    X(TOKEN_REQUIRED, "token is required", "token-required") \
    X(TOKEN_INVALID, "token is not valid", "token-invalid") \
    X(TOKEN_EXPIRED, "token is not valid now", "token-expired") \
    X(TOKEN_ORIGIN, "token is for another origin", "token-origin") \
    X(TOKEN_NO_MEMORY, "No memory to check the token", "server-full") \
    X(ROOM_REQUIRED, "room is required", "room-required") \
    X(ROLE, "role must be audience", "bad-role") \
    X(ROOM_NOT_FOUND, "Room not found", "room-not-found") \
    X(USES_PROTOCOL_1, "Room uses protocol 1", "wrong-protocol") \
    X(USES_PROTOCOL_2, "Room uses protocol 2", "wrong-protocol") \
    X(USES_PROTOCOL_3, "Room uses protocol 3", "wrong-protocol") \
    X(KICKED, "Kicked from the room", "kicked") \
    X(BANNED, "Banned from the room", "banned") \
    X(PASSWORD_REQUIRED, "Room needs a password", "password-required") \
    X(PASSWORDS_BUSY, "Too many wrong passwords", "passwords-busy") \
    X(WRONG_PASSWORD, "Wrong password", "wrong-password") \
    X(ROOM_LOCKED, "Room is locked", "room-locked") \
    X(ROOM_FULL, "Room is full", "room-full") \
    X(AUDIENCE_FULL, "Audience is full", "audience-full") \
    X(TOO_MANY_ROOMS, "Too many rooms", "server-full") \
    X(NO_CODE_FREE, "No room code free", "server-full") \
    X(NOT_IN_ROOM, "Not in a room", "not-in-room") \
    X(NOT_HOST, "Only the host can do that", "not-host") \
    X(TO, "to must name 1 to 64 peers", "bad-to") \
    X(CLIENT_NOT_FOUND, "Target client not found", "peer-not-found") \
    X(PEER_NOT_FOUND, "Target peer not found", "peer-not-found") \
    X(VOLATILE, "volatile must be true or false", "bad-volatile") \
    X(AUDIENCE_BUSY, "The audience sends too much", "audience-busy") \
    X(AUDIENCE_MUTED, "The audience is muted", "audience-muted") \
    X(STATE_NOT_HOST, "Only the host can set state", "not-host") \
    X(STATE_REQUIRED, "State data is required", "state-required") \
    X(STATE_TOO_LARGE, "State too large", "state-too-large") \
    X(STATE_NO_MEMORY, "No memory for state", "server-full") \
    X(PRIVATE, "private must be true or false", "bad-private") \
    X(LOCKED, "locked must be true or false", "bad-locked") \
    X(NOTHING_TO_SET, "set_room needs a field to set", "nothing-to-set") \
    X(KICK_SELF, "The host can't kick itself", "kick-self") \
    X(REASON, "reason must be a string of at most 123 bytes", "bad-reason") \
    X(BAN, "ban must be true or false", "bad-ban") \
    X(MUTED, "muted must be true or false", "bad-muted") \
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
    enum protocol protocol;  /* ERROR: of the recipient */
    enum leaving leaving;    /* PEER_LEFT in protocol 3 */
    bool is_recovered;       /* JOINED in protocol 3 */
    const struct room *room; /* for all types but ERROR */
    /*
     * CREATED, JOINED: the recipient; PEER_JOINED, PEER_LEFT, PEER_AWAY, PEER_BACK: the other one;
     * MESSAGE, BINARY: the sender; PONG: the recipient.
     */
    const struct member *peer;
    const struct instance *instance; /* CREATED */
    /*
     * MESSAGE, STATE, PRIVATE_STATE: the JSON value as the client wrote it; empty: none. BINARY:
     * the payload. ERROR in protocol 3: `to` of the refused message, JSON; empty: none.
     */
    struct bytes data;
    struct bytes detail; /* ERROR: follows the error's text, UTF-8; mostly empty */
    const char *of;      /* ERROR in protocol 3: the type that was refused; NULL: it has no name */
    /*
     * In protocol 3. ERROR: the number of the refused message, 0 for none. JOINED: the seat's
     * events that the client has, or goes on from. PONG: `heard`; SKIPPED, AUDIENCE: `count`.
     */
    uint64_t number;
    uint32_t unasked; /* JOINED in protocol 3: see struct join; 0: the client has asked */
};

#endif
