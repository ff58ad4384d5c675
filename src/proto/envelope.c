/* Picks an envelope's fields out of a JSON object. */
#include "proto/envelope.h"

/* The field that a key names, or NULL. Most messages have two: type and data. */
static struct json_value *field_for_key(struct envelope_parser *parser,
                                        const struct json_value *key)
{
    struct envelope *envelope = &parser->envelope;
    if (json_string_equals(key, BYTES("type")))
        return &parser->type;
    if (json_string_equals(key, BYTES("data")))
        return &envelope->data;
    if (json_string_equals(key, BYTES("to")))
        return &envelope->to;
    if (json_string_equals(key, BYTES("room")))
        return &envelope->room;
    if (json_string_equals(key, BYTES("clientId")))
        return &envelope->client_id;
    if (json_string_equals(key, BYTES("maxClients")))
        return &envelope->max_clients;
    return NULL;
}

static bool find_type(const struct json_value *value, enum envelope_type *ret_type)
{
    if (value->kind != JSON_STRING)
        return false;
    if (json_string_equals(value, BYTES("send")))
        *ret_type = ENVELOPE_SEND;
    else if (json_string_equals(value, BYTES("join")))
        *ret_type = ENVELOPE_JOIN;
    else if (json_string_equals(value, BYTES("create")))
        *ret_type = ENVELOPE_CREATE;
    else
        return false;
    return true;
}

void envelope_begin(struct envelope_parser *parser, struct bytes text)
{
    json_walk_begin(&parser->walk, text);
    parser->type = (struct json_value){0};
    parser->envelope = (struct envelope){0};
}

enum envelope_result envelope_continue(struct envelope_parser *parser, size_t length)
{
    struct envelope *envelope = &parser->envelope;
    struct json_value key;
    struct json_value value;
    enum json_next next;
    json_walk_allow(&parser->walk, length);
    while ((next = json_walk_next(&parser->walk, &key, &value)) == JSON_NEXT_MEMBER) {
        struct json_value *field = field_for_key(parser, &key);
        if (field != NULL)
            *field = value;
    }
    if (next == JSON_NEXT_PAUSED)
        return ENVELOPE_PAUSED;
    if (next == JSON_NEXT_INVALID)
        return ENVELOPE_INVALID_JSON;
    return find_type(&parser->type, &envelope->type) ? ENVELOPE_OK : ENVELOPE_UNKNOWN_TYPE;
}

enum envelope_result envelope_parse(struct bytes text, struct envelope *ret_envelope)
{
    struct envelope_parser parser;
    envelope_begin(&parser, text);
    enum envelope_result result = envelope_continue(&parser, text.length);
    *ret_envelope = parser.envelope;
    return result;
}
