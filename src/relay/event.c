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
        [ERROR_ROOM_REQUIRED] = "room is required",
        [ERROR_ROOM_NOT_FOUND] = "Room not found",
        [ERROR_ROOM_FULL] = "Room is full",
        [ERROR_TOO_MANY_ROOMS] = "Too many rooms",
        [ERROR_NO_CODE_FREE] = "No room code free",
        [ERROR_NOT_IN_ROOM] = "Not in a room",
        [ERROR_TARGET_NOT_FOUND] = "Target client not found",
    };
    return texts[error];
}
