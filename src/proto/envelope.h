/*
 * The envelope of a client's message: which type, and views of the fields that types have.
 *
 * Fields are in any order; unknown ones are skipped; of a repeated one the last counts. What the
 * values mean (whether an id is acceptable, what `to` names) is decided by the relay.
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

/* Views into the message; kind JSON_ABSENT where a field did not come. */
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
    ENVELOPE_UNKNOWN_TYPE, /* valid JSON, but no object or no known `type` */
    ENVELOPE_PAUSED,       /* the go is over, and the text is not */
};

/* Validates the whole of `text` (which must be UTF-8) and picks out the fields, in one pass. */
enum envelope_result envelope_parse(struct bytes text, struct envelope *ret_envelope);

/*
 * The same in several goes, so that a long text takes nobody's time at once. The text must stay
 * where it is meanwhile.
 */
struct envelope_parser {
    struct json_walk walk;
    struct json_value type;
    struct envelope envelope; /* the result, once envelope_continue() says OK */
};

void envelope_begin(struct envelope_parser *parser, struct bytes text);

/* Reads on for about so many bytes. */
enum envelope_result envelope_continue(struct envelope_parser *parser, size_t length);

#endif
