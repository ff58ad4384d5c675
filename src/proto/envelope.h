/*
 * The envelope of a client's message: its type, and views of the fields that messages may have.
 *
 * Fields may be in any order. Unknown fields are skipped, and of a repeated one the last counts.
 * The relay decides what the values mean (whether an id is acceptable, what `to` names).
 */
#ifndef PARTY_PROTO_ENVELOPE_H
#define PARTY_PROTO_ENVELOPE_H

#include "proto/json.h"

/*
 * Each type in one line: its name here and its name in a message; up to `close_room` they are those
 * of protocols 1 and 2.
 */
/* clang-format off */
#define FOR_EACH_ENVELOPE_TYPE(X) \
    X(CREATE, "create") \
    X(JOIN, "join") \
    X(SEND, "send") \
    X(SET_STATE, "set_state") \
    X(CLOSE_ROOM, "close_room") \
    X(PING, "ping") \
    X(SET_ROOM, "set_room") \
    X(SET_HOST, "set_host") \
    X(KICK, "kick") \
    X(MUTE_AUDIENCE, "mute_audience") \
    X(LEAVE, "leave") \
    X(RESUMED, "resumed")

/* Each field that only protocol 3 has: its name here and its name in a message. */
#define FOR_EACH_ENVELOPE_FIELD(X) \
    X(VOLATILE, "volatile") \
    X(SEEN, "seen") \
    X(SESSION, "session") \
    X(ATTEMPT, "attempt") \
    X(EPOCH, "epoch") \
    X(ROLE, "role") \
    X(PASSWORD, "password") \
    X(HOLD, "hold") \
    X(ON_HOST_LEFT, "onHostLeft") \
    X(MAX_AUDIENCE, "maxAudience") \
    X(TOKEN, "token") \
    X(PRIVATE, "private") \
    X(LOCKED, "locked") \
    X(INDEX, "index") \
    X(REASON, "reason") \
    X(BAN, "ban") \
    X(MUTED, "muted") \
    X(UNASKED, "unasked")
/* clang-format on */

#define ENVELOPE_TYPE(name, text) ENVELOPE_##name,
#define ENVELOPE_FIELD(name, text) FIELD_##name,

enum envelope_type { FOR_EACH_ENVELOPE_TYPE(ENVELOPE_TYPE) ENVELOPE_TYPES };

enum envelope_field { FOR_EACH_ENVELOPE_FIELD(ENVELOPE_FIELD) ENVELOPE_FIELDS };

/* Views into the message; a field that is missing has the kind JSON_ABSENT. */
struct envelope {
    enum envelope_type type;
    struct json_value client_id;
    struct json_value max_clients;
    struct json_value room;
    struct json_value to;
    struct json_value url;
    struct json_value data;
    /* Use envelope_field(): only those that are in `more_present` are initialised. */
    struct json_value more[ENVELOPE_FIELDS];
    uint32_t more_present; /* a bit for each field */
};

_Static_assert(ENVELOPE_FIELDS <= 32, "more_present has a bit for each field");

static inline struct json_value envelope_field(const struct envelope *envelope,
                                               enum envelope_field field)
{
    bool is_present = envelope->more_present >> field & 1;
    return is_present ? envelope->more[field] : (struct json_value){.kind = JSON_ABSENT};
}

/* The name of a type in a message. */
const char *envelope_type_name(enum envelope_type type);

enum envelope_result {
    ENVELOPE_OK,
    ENVELOPE_INVALID_JSON,
    ENVELOPE_UNKNOWN_TYPE, /* valid JSON, but no object, or no known `type` */
    ENVELOPE_PAUSED,       /* the slice has ended before the text */
};

/* Validates the whole of `text`, which must be UTF-8, and picks out the fields, in one pass. */
enum envelope_result envelope_parse(struct bytes text, struct envelope *ret_envelope);

/*
 * As envelope_parse(), in several slices, so that a long text does not delay other clients. The
 * text must stay where it is until the last slice.
 */
struct envelope_parser {
    struct json_walk walk;
    struct json_value type;
    struct envelope envelope; /* the result, when envelope_continue() returns OK */
};

void envelope_begin(struct envelope_parser *parser, struct bytes text);

/* Parses the next slice, of about `length` bytes. */
enum envelope_result envelope_continue(struct envelope_parser *parser, size_t length);

#endif
