/*
 * The envelope of a client's message: its type, and views of the fields that messages may have.
 *
 * Fields may be in any order. Unknown fields are skipped, and of a repeated one the last counts.
 * The relay decides what the values mean (whether an id is acceptable, what `to` names).
 */
#ifndef PARTY_PROTO_ENVELOPE_H
#define PARTY_PROTO_ENVELOPE_H

#include "proto/json.h"

enum envelope_type {
    ENVELOPE_CREATE,
    ENVELOPE_JOIN,
    ENVELOPE_SEND,
    ENVELOPE_SET_STATE,
    ENVELOPE_CLOSE_ROOM,
};

/* Views into the message; a field that is missing has the kind JSON_ABSENT. */
struct envelope {
    enum envelope_type type;
    struct json_value client_id;
    struct json_value max_clients;
    struct json_value room;
    struct json_value to;
    struct json_value url;
    struct json_value data;
};

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
