/* Picks an envelope's fields out of a JSON object. */
#include "proto/envelope.h"

#include "base/attributes.h"

/* The field that a key names; NULL: none. Most messages have only type and data. */
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
    if (json_string_equals(key, BYTES("url")))
        return &envelope->url;
    return NULL;
}

static bool find_type(const struct json_value *value, enum envelope_type *ret_type)
{
    static const struct {
        struct bytes name;
        enum envelope_type type;
    } types[] = {
        {{(const uint8_t *)"send", 4}, ENVELOPE_SEND},
        {{(const uint8_t *)"join", 4}, ENVELOPE_JOIN},
        {{(const uint8_t *)"create", 6}, ENVELOPE_CREATE},
        {{(const uint8_t *)"set_state", 9}, ENVELOPE_SET_STATE},
        {{(const uint8_t *)"close_room", 10}, ENVELOPE_CLOSE_ROOM},
    };
    if (value->kind != JSON_STRING)
        return false;
    for (size_t i = 0; i < ARRAY_LENGTH(types); i++) {
        if (json_string_equals(value, types[i].name)) {
            *ret_type = types[i].type;
            return true;
        }
    }
    return false;
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
