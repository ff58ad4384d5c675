/* Picks an envelope's fields out of a JSON object. */
#include "proto/envelope.h"

#include "base/attributes.h"

static const struct bytes type_names[] = {
#define NAME(name, text) [ENVELOPE_##name] = {(const uint8_t *)(text), sizeof(text) - 1},
    FOR_EACH_ENVELOPE_TYPE(NAME)
#undef NAME
};

static const struct bytes field_names[] = {
#define NAME(name, text) [FIELD_##name] = {(const uint8_t *)(text), sizeof(text) - 1},
    FOR_EACH_ENVELOPE_FIELD(NAME)
#undef NAME
};

const char *envelope_type_name(enum envelope_type type)
{
    return (const char *)type_names[type].data;
}

/* The field of protocol 3 that a key names; NULL: none. */
static struct json_value *find_more(struct envelope *envelope, const struct json_value *key)
{
    for (uint32_t field = 0; field < ENVELOPE_FIELDS; field++) {
        if (!json_string_equals(key, field_names[field]))
            continue;
        envelope->more_present |= 1u << field;
        return &envelope->more[field];
    }
    return NULL;
}

/* The field that a key names; NULL: none. Most messages have only type and data. */
static struct json_value *field_for_key(struct json_value *type, struct envelope *envelope,
                                        const struct json_value *key)
{
    if (json_string_equals(key, BYTES("type")))
        return type;
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
    return find_more(envelope, key);
}

static bool find_type(const struct json_value *value, enum envelope_type *ret_type)
{
    /* The most frequent one first. */
    if (value->kind != JSON_STRING)
        return false;
    *ret_type = ENVELOPE_SEND;
    if (json_string_equals(value, type_names[ENVELOPE_SEND]))
        return true;
    for (enum envelope_type type = 0; type < ENVELOPE_TYPES; type++) {
        if (json_string_equals(value, type_names[type])) {
            *ret_type = type;
            return true;
        }
    }
    return false;
}

/* Leaves `more` as it is, which would take long for each message. */
static void clear(struct envelope *envelope)
{
    envelope->type = ENVELOPE_TYPES;
    envelope->client_id = (struct json_value){0};
    envelope->max_clients = (struct json_value){0};
    envelope->room = (struct json_value){0};
    envelope->to = (struct json_value){0};
    envelope->url = (struct json_value){0};
    envelope->data = (struct json_value){0};
    envelope->more_present = 0;
}

static enum envelope_result parse(struct json_walk *walk, struct json_value *type,
                                  struct envelope *envelope)
{
    struct json_value key;
    struct json_value value;
    enum json_next next;
    while ((next = json_walk_next(walk, &key, &value)) == JSON_NEXT_MEMBER) {
        struct json_value *field = field_for_key(type, envelope, &key);
        if (field != NULL)
            *field = value;
    }
    if (next == JSON_NEXT_PAUSED)
        return ENVELOPE_PAUSED;
    if (next == JSON_NEXT_INVALID)
        return ENVELOPE_INVALID_JSON;
    return find_type(type, &envelope->type) ? ENVELOPE_OK : ENVELOPE_UNKNOWN_TYPE;
}

void envelope_begin(struct envelope_parser *parser, struct bytes text)
{
    json_walk_begin(&parser->walk, text);
    parser->type = (struct json_value){0};
    clear(&parser->envelope);
}

enum envelope_result envelope_continue(struct envelope_parser *parser, size_t length)
{
    json_walk_allow(&parser->walk, length);
    return parse(&parser->walk, &parser->type, &parser->envelope);
}

enum envelope_result envelope_parse(struct bytes text, struct envelope *ret_envelope)
{
    struct json_walk walk;
    struct json_value type = {0};
    json_walk_begin(&walk, text);
    clear(ret_envelope);
    return parse(&walk, &type, ret_envelope);
}
