/* Picks an envelope's fields out of a JSON object. */
#include "proto/envelope.h"

#include "base/attributes.h"

static const struct {
    struct bytes name;
    size_t offset; /* of the field in struct envelope */
} fields[] = {
    {{(const uint8_t *)"clientId", 8}, offsetof(struct envelope, client_id)},
    {{(const uint8_t *)"maxClients", 10}, offsetof(struct envelope, max_clients)},
    {{(const uint8_t *)"room", 4}, offsetof(struct envelope, room)},
    {{(const uint8_t *)"to", 2}, offsetof(struct envelope, to)},
    {{(const uint8_t *)"data", 4}, offsetof(struct envelope, data)},
};

static const struct {
    struct bytes name;
    enum envelope_type type;
} types[] = {
    {{(const uint8_t *)"send", 4}, ENVELOPE_SEND},
    {{(const uint8_t *)"join", 4}, ENVELOPE_JOIN},
    {{(const uint8_t *)"create", 6}, ENVELOPE_CREATE},
};

static struct json_value *field_for_key(struct envelope *envelope, const struct json_value *key)
{
    for (size_t i = 0; i < ARRAY_LENGTH(fields); i++) {
        if (json_string_equals(key, fields[i].name))
            return (struct json_value *)((char *)envelope + fields[i].offset);
    }
    return NULL;
}

static bool find_type(const struct json_value *value, enum envelope_type *ret_type)
{
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
        struct json_value *field =
            json_string_equals(&key, BYTES("type")) ? &parser->type : field_for_key(envelope, &key);
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
