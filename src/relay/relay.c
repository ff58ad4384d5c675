/*
 * One function for each type of envelope. The order of the checks in each is part of the protocol.
 */
#include "relay/relay.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>

#include "relay/code.h"

/*
 * How often a code is drawn before giving up, for each loop: with 95 codes in 100 taken, one
 * `create` in some 10^22 fails that need not.
 */
#define CODE_DRAWS_PER_LOOP 1024

void relay_init(struct relay *relay, const struct relay_config *config)
{
    assert(config->loop_index < config->loop_count);
    assert(config->id_bytes_max <= CLIENT_ID_BYTES_LIMIT);
    *relay = (struct relay){.config = *config};
}

void relay_release(struct relay *relay)
{
    room_table_release(&relay->rooms);
    free(relay->departed);
    relay->departed = NULL;
}

static struct effect *add_effect(struct effects *effects, enum effect_kind kind)
{
    assert(effects->count < EFFECTS_MAX);
    struct effect *effect = &effects->items[effects->count++];
    *effect = (struct effect){.kind = kind, .client = CLIENT_NONE};
    return effect;
}

static void tell_client(struct effects *effects, uint32_t client, struct event event)
{
    struct effect *effect = add_effect(effects, EFFECT_TO_CLIENT);
    effect->client = client;
    effect->event = event;
}

static void tell_room(struct effects *effects, struct room *room, uint32_t except,
                      struct event event)
{
    struct effect *effect = add_effect(effects, EFFECT_TO_ROOM);
    effect->room = room;
    effect->client = except;
    effect->event = event;
}

static void refuse(struct effects *effects, struct speaker speaker, enum relay_error error)
{
    tell_client(effects, speaker.client, (struct event){.type = EVENT_ERROR, .error = error});
}

static bool is_non_empty_string(const struct json_value *value)
{
    return value->kind == JSON_STRING && value->raw.length > 2;
}

/* A clientId in its canonical form. */
struct canonical_id {
    size_t length;
    uint8_t data[CLIENT_ID_CANONICAL_MAX];
};

/* False: the id is longer than ids may be here. */
static bool canonicalize_id(const struct relay *relay, const struct json_value *string,
                            struct canonical_id *ret_id)
{
    struct json_string_sizes sizes;
    if (!json_string_canonicalize(string, ret_id->data, sizeof ret_id->data, &sizes))
        return false;
    ret_id->length = sizes.written;
    return sizes.decoded <= relay->config.id_bytes_max;
}

static struct bytes id_view(const struct canonical_id *id)
{
    return bytes_of(id->data, id->length);
}

/* What create and join check first. False: refused. */
static bool check_newcomer(const struct relay *relay, struct speaker speaker,
                           const struct envelope *envelope, struct canonical_id *ret_id,
                           struct effects *effects)
{
    if (*speaker.seat != NULL) {
        refuse(effects, speaker, ERROR_ALREADY_IN_ROOM);
        return false;
    }
    if (!is_non_empty_string(&envelope->client_id)) {
        refuse(effects, speaker, ERROR_ID_REQUIRED);
        return false;
    }
    if (!canonicalize_id(relay, &envelope->client_id, ret_id)) {
        refuse(effects, speaker, ERROR_ID_TOO_LONG);
        return false;
    }
    return true;
}

static bool draw_code(struct relay *relay, uint32_t *ret_code)
{
    const struct relay_config *config = &relay->config;
    for (uint64_t draw = 0; draw < (uint64_t)CODE_DRAWS_PER_LOOP * config->loop_count; draw++) {
        uint32_t number = config->random(config->context) % CODE_COUNT;
        uint8_t code[CODE_LENGTH];
        if (code_owner(number, config->loop_count) != config->loop_index)
            continue;
        code_write(number, code);
        if (room_table_find(&relay->rooms, number) != NULL || code_is_obscene(code))
            continue;
        *ret_code = number;
        return true;
    }
    return false;
}

/* A room with its first member, in the table; NULL when memory is short. */
static struct member *make_room(struct relay *relay, uint32_t code, uint32_t members_max,
                                struct speaker speaker, struct bytes id)
{
    struct room *room = room_new(code, members_max, speaker.origin);
    if (room == NULL)
        return NULL;
    struct member *member = room_add(room, id, speaker.client);
    if (member == NULL || !room_table_add(&relay->rooms, room)) {
        room_free(room);
        return NULL;
    }
    return member;
}

/* The room and the code are there to be had, or the speaker hears why not. */
static struct member *open_room(struct relay *relay, uint32_t members_max, struct speaker speaker,
                                struct bytes id, struct effects *effects)
{
    const struct relay_config *config = &relay->config;
    struct member *member = NULL;
    uint32_t code;
    if (!config->admit_room(config->context)) {
        refuse(effects, speaker, ERROR_TOO_MANY_ROOMS);
        return NULL;
    }
    if (!draw_code(relay, &code)) {
        refuse(effects, speaker, ERROR_NO_CODE_FREE);
    } else {
        member = make_room(relay, code, members_max, speaker, id);
        if (member == NULL)
            add_effect(effects, EFFECT_NO_MEMORY);
    }
    if (member == NULL)
        config->dismiss_room(config->context);
    return member;
}

static void receive_create(struct relay *relay, struct speaker speaker,
                           const struct envelope *envelope, struct effects *effects)
{
    struct canonical_id id;
    if (relay->is_draining) {
        refuse(effects, speaker, ERROR_DRAINING);
        return;
    }
    if (!check_newcomer(relay, speaker, envelope, &id, effects))
        return;
    double max_clients = 0;
    if (envelope->max_clients.kind == JSON_NUMBER)
        max_clients = json_member_number(&envelope->max_clients);
    if (!(max_clients >= 1)) {
        refuse(effects, speaker, ERROR_MAX_CLIENTS);
        return;
    }

    /* A fraction admits as many as a whole count can stay below it: 1.5 admits two. */
    double ceiling = ceil(max_clients);
    uint32_t members_max = relay->config.members_max;
    if (ceiling < members_max)
        members_max = (uint32_t)ceiling;
    struct member *member = open_room(relay, members_max, speaker, id_view(&id), effects);
    if (member == NULL)
        return;
    *speaker.seat = member;
    add_effect(effects, EFFECT_ROOM_ADDED)->origin = speaker.origin;
    tell_client(effects, speaker.client,
                (struct event){.type = EVENT_CREATED, .room = member->room});
}

/* The newcomer takes over the place of a member who has its id. */
static void replace_member(struct speaker speaker, struct member *member, struct effects *effects)
{
    add_effect(effects, EFFECT_REPLACED)->client = member->client;
    member->client = speaker.client;
    *speaker.seat = member;
    tell_client(effects, speaker.client,
                (struct event){.type = EVENT_JOINED, .room = member->room});
}

static void enter_room(struct speaker speaker, struct room *room, struct bytes id,
                       struct effects *effects)
{
    if (room->member_count >= room->members_max) {
        refuse(effects, speaker, ERROR_ROOM_FULL);
        return;
    }
    struct member *member = room_add(room, id, speaker.client);
    if (member == NULL) {
        add_effect(effects, EFFECT_NO_MEMORY);
        return;
    }
    *speaker.seat = member;
    tell_client(effects, speaker.client, (struct event){.type = EVENT_JOINED, .room = room});
    tell_room(effects, room, speaker.client,
              (struct event){.type = EVENT_PEER_JOINED, .peer = member_id(member)});
}

/* The number of the code that `string` spells; false when no room can have it. */
static bool read_code(const struct json_value *string, uint32_t *ret_code)
{
    uint8_t decoded[6 * CODE_LENGTH]; /* the canonical form of a possible code has no escapes */
    struct json_string_sizes sizes;
    if (!json_string_canonicalize(string, decoded, sizeof decoded, &sizes))
        return false;
    return code_read(bytes_of(decoded, sizes.written), ret_code);
}

static void refuse_not_found(struct effects *effects, struct speaker speaker)
{
    struct effect *effect = add_effect(effects, EFFECT_NOT_FOUND);
    effect->client = speaker.client;
    effect->event = (struct event){.type = EVENT_ERROR, .error = ERROR_ROOM_NOT_FOUND};
}

static void receive_join(struct relay *relay, struct speaker speaker,
                         const struct envelope *envelope, struct effects *effects)
{
    struct canonical_id id;
    if (!check_newcomer(relay, speaker, envelope, &id, effects))
        return;
    if (!is_non_empty_string(&envelope->room)) {
        refuse(effects, speaker, ERROR_ROOM_REQUIRED);
        return;
    }
    uint32_t code;
    if (!read_code(&envelope->room, &code)) {
        refuse_not_found(effects, speaker);
        return;
    }
    uint32_t owner = code_owner(code, relay->config.loop_count);
    if (owner != relay->config.loop_index) {
        add_effect(effects, EFFECT_MOVE)->loop = owner;
        return;
    }
    struct room *room = room_table_find(&relay->rooms, code);
    if (room == NULL) {
        refuse_not_found(effects, speaker);
        return;
    }
    struct member *member = room_find(room, id_view(&id));
    if (member != NULL)
        replace_member(speaker, member, effects);
    else
        enter_room(speaker, room, id_view(&id), effects);
}

/* Values of `to` that JavaScript takes for false mean everyone else. */
static bool names_everyone(const struct json_value *to)
{
    switch (to->kind) {
    case JSON_ABSENT:
    case JSON_NULL:
    case JSON_FALSE:
        return true;
    case JSON_STRING:
        return to->raw.length == 2;
    case JSON_NUMBER:
        return json_member_number(to) == 0;
    default:
        return false;
    }
}

static struct member *find_target(const struct relay *relay, const struct room *room,
                                  const struct json_value *to)
{
    struct canonical_id id;
    if (to->kind != JSON_STRING || !canonicalize_id(relay, to, &id))
        return NULL;
    return room_find(room, id_view(&id));
}

static void receive_send(const struct relay *relay, struct speaker speaker,
                         const struct envelope *envelope, struct effects *effects)
{
    const struct member *sender = *speaker.seat;
    if (sender == NULL) {
        refuse(effects, speaker, ERROR_NOT_IN_ROOM);
        return;
    }
    struct event event = {
        .type = EVENT_MESSAGE,
        .peer = member_id(sender),
        .data = envelope->data.raw,
    };
    if (names_everyone(&envelope->to)) {
        tell_room(effects, sender->room, speaker.client, event);
        return;
    }
    const struct member *target = find_target(relay, sender->room, &envelope->to);
    if (target == NULL)
        refuse(effects, speaker, ERROR_TARGET_NOT_FOUND);
    else
        tell_client(effects, target->client, event);
}

void relay_receive_envelope(struct relay *relay, struct speaker speaker,
                            enum envelope_result result, const struct envelope *envelope,
                            struct effects *ret_effects)
{
    assert(result != ENVELOPE_PAUSED);
    ret_effects->count = 0;
    if (result != ENVELOPE_OK) {
        bool is_json = result == ENVELOPE_UNKNOWN_TYPE;
        refuse(ret_effects, speaker, is_json ? ERROR_UNKNOWN_TYPE : ERROR_INVALID_JSON);
        return;
    }
    switch (envelope->type) {
    case ENVELOPE_CREATE:
        receive_create(relay, speaker, envelope, ret_effects);
        break;
    case ENVELOPE_JOIN:
        receive_join(relay, speaker, envelope, ret_effects);
        break;
    case ENVELOPE_SEND:
        receive_send(relay, speaker, envelope, ret_effects);
        break;
    }
}

void relay_receive(struct relay *relay, struct speaker speaker, struct bytes text,
                   struct effects *ret_effects)
{
    struct envelope envelope;
    enum envelope_result result = envelope_parse(text, &envelope);
    relay_receive_envelope(relay, speaker, result, &envelope, ret_effects);
}

void relay_receive_garbage(struct speaker speaker, struct effects *ret_effects)
{
    ret_effects->count = 0;
    refuse(ret_effects, speaker, ERROR_INVALID_JSON);
}

void relay_leave(struct relay *relay, struct member **seat, struct effects *ret_effects)
{
    ret_effects->count = 0;
    struct member *member = *seat;
    if (member == NULL)
        return;
    *seat = NULL;
    struct room *room = member->room;
    free(relay->departed);
    relay->departed = member;
    room_remove(room, member);
    if (room->member_count == 0) {
        add_effect(ret_effects, EFFECT_ROOM_GONE)->origin = room->origin;
        room_table_remove(&relay->rooms, room);
        room_free(room);
        relay->config.dismiss_room(relay->config.context);
        return;
    }
    tell_room(ret_effects, room, CLIENT_NONE,
              (struct event){.type = EVENT_PEER_LEFT, .peer = member_id(member)});
}
