/* The exact texts of errors. */
#include "relay/event.h"

const char *relay_error_text(enum relay_error error)
{
    static const char *const texts[RELAY_ERRORS] = {
        [ERROR_INVALID_JSON] = "Invalid JSON",
        [ERROR_UNKNOWN_TYPE] = "Unknown message type",
        [ERROR_DRAINING] = "Server draining",
        [ERROR_ALREADY_IN_ROOM] = "Already in a room",
        [ERROR_ID_REQUIRED] = "clientId is required",
        [ERROR_ID_TOO_LONG] = "clientId is too long",
        [ERROR_MAX_CLIENTS] = "maxClients must be a positive number",
        [ERROR_URL_NO_STRING] = "url must be a string",
        [ERROR_URL_TOO_LARGE] = "url too large",
        [ERROR_URL_SPACES] = "url must not contain spaces or control characters",
        [ERROR_URL_PLACEHOLDER] = "Unknown url placeholder",
        [ERROR_URL_BRACE] = "url has an unmatched placeholder brace",
        [ERROR_URL_INVALID] = "url is not a valid URL",
        [ERROR_URL_NOT_HTTPS] = "url must be an https URL",
        [ERROR_ROOM_REQUIRED] = "room is required",
        [ERROR_ROOM_NOT_FOUND] = "Room not found",
        [ERROR_USES_PROTOCOL_1] = "Room uses protocol 1",
        [ERROR_USES_PROTOCOL_2] = "Room uses protocol 2",
        [ERROR_ROOM_FULL] = "Room is full",
        [ERROR_TOO_MANY_ROOMS] = "Too many rooms",
        [ERROR_NO_CODE_FREE] = "No room code free",
        [ERROR_NOT_IN_ROOM] = "Not in a room",
        [ERROR_CLIENT_NOT_FOUND] = "Target client not found",
        [ERROR_PEER_NOT_FOUND] = "Target peer not found",
        [ERROR_STATE_NOT_HOST] = "Only the host can set state",
        [ERROR_STATE_REQUIRED] = "State data is required",
        [ERROR_STATE_TOO_LARGE] = "State too large",
        [ERROR_STATE_NO_MEMORY] = "No memory for state",
        [ERROR_CLOSE_NOT_HOST] = "Only the host can close the room",
    };
    return texts[error];
}
