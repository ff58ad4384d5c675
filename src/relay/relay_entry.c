/*
 * Create and join: checks, limits, and what the new member hears. The protocol defines the order of
 * the checks.
 */
#include <assert.h>

#include "relay/relay_parts.h"

/* So many times more when only some codes are this relay's: it has one slice of 256 at least. */
#define CODE_DRAWS_OF_SLICES 64

/*
 * Codes that are drawn before `create` gives up, for each loop. Even when 95 of 100 codes are in
 * use, it gives up in vain only once in some 10^19 times.
 */
#define CODE_DRAWS_PER_LOOP 1024

static bool is_non_empty_string(const struct json_value *value)
{
    return value->kind == JSON_STRING && value->raw.length > 2;
}

/* The first checks of create and join. False: the client was refused. */
static bool check_newcomer(const struct relay *relay, struct speaker speaker,
                           const struct envelope *envelope, struct canonical_id *ret_id,
                           struct effects *effects)
{
    if (*speaker.seat != NULL) {
        effects_refuse(effects, speaker, ERROR_ALREADY_IN_ROOM);
        return false;
    }
    if (!is_non_empty_string(&envelope->client_id)) {
        effects_refuse(effects, speaker, ERROR_ID_REQUIRED);
        return false;
    }
    if (!id_canonicalize(relay, &envelope->client_id, ret_id)) {
        effects_refuse(effects, speaker, ERROR_ID_TOO_LONG);
        return false;
    }
    return true;
}

static uint64_t draw_random(const struct relay_config *config, enum protocol protocol)
{
    uint64_t random = config->random(config->context);
    return protocol == PROTOCOL_1 ? random : random << 32 | config->random(config->context);
}

/* The letters that a code of protocol 3 must have; 0 in other protocols, whose codes have one
 * length. */
static uint32_t code_length(const struct relay_config *config, struct speaker speaker,
                            uint32_t region)
{
    uint64_t rooms;
    bool is_private;
    if (speaker.protocol != PROTOCOL_3)
        return 0;
    config->code_needs(config->context, speaker.client, &rooms, &is_private);
    return code_length_needed(rooms, is_private, region);
}

bool relay_draw_code(const struct relay *relay, enum protocol protocol, uint32_t length,
                     uint64_t *ret_code)
{
    const struct relay_config *config = &relay->config;
    uint32_t region = code_region_index(config->instance.region);
    uint64_t draws = (uint64_t)CODE_DRAWS_PER_LOOP * config->loop_count;
    if (config->may_make != NULL)
        draws *= CODE_DRAWS_OF_SLICES;
    for (uint64_t draw = 0; draw < draws; draw++) {
        uint64_t random = draw_random(config, protocol);
        uint64_t code = protocol == PROTOCOL_3 ? code_3_from_random(length, region, random)
                                               : code_from_random(protocol, region, random);
        if (code_owner(code, config->loop_count) != config->loop_index)
            continue;
        if (!code_reads_back(code) || code_is_obscene(code))
            continue;
        if (config->may_make != NULL && !config->may_make(config->context, code))
            continue;
        if (room_table_find(&relay->rooms, code) != NULL)
            continue;
        *ret_code = code;
        return true;
    }
    return false;
}

/* A code for a new room. False: none is free. */
static bool find_code(const struct relay *relay, struct speaker speaker, uint64_t *ret_code)
{
    const struct relay_config *config = &relay->config;
    uint32_t length = code_length(config, speaker, code_region_index(config->instance.region));
    if (config->take_code == NULL)
        return relay_draw_code(relay, speaker.protocol, length, ret_code);
    return config->take_code(config->context, speaker.protocol, length, ret_code) &&
           room_table_find(&relay->rooms, *ret_code) == NULL;
}

static bool set_url(const struct relay *relay, struct room *room)
{
    uint8_t code[CODE_LENGTH_MAX];
    uint8_t url[URL_FILLED_BYTES_MAX];
    size_t code_length = code_write(room->code, code);
    size_t length = url_template_fill(&relay->template, bytes_of(code, code_length),
                                      relay->config.instance.id, url);
    return relay_keep_url(relay, room, bytes_of(url, length));
}

void relay_drop_room(struct relay *relay, struct room *room)
{
    if (room->party != NULL)
        relay_3_release_room(relay, room);
    relay_discount_room(relay, room);
    room_free(room);
}

/* Creates a room with its first member, and adds it to the table. NULL: memory is short. */
static struct member *make_room(struct relay *relay, uint64_t code,
                                const struct room_settings *settings, struct speaker speaker)
{
    struct room *room = room_new(code, settings->members_max, speaker.origin_number);
    if (room == NULL)
        return NULL;
    relay_begin_noting(relay, room);
    room->maker = settings->maker;
    if (relay->config.crowds != NULL)
        room_begin_counting(room, &relay->config.crowds[speaker.origin_number]);
    bool is_prepared = room->party == NULL || relay_3_prepare_room(relay, room, settings->wishes);
    struct member *member = NULL;
    if (is_prepared)
        member = room->party == NULL ? room_add(room, settings->id, speaker.client)
                                     : relay_3_add_seat(relay, room, settings->id, speaker.client);
    if (member == NULL || (settings->has_url && !set_url(relay, room)) ||
        !room_table_add(&relay->rooms, room)) {
        relay_drop_room(relay, room);
        return NULL;
    }
    member->active_ms = relay->now_ms;
    member->entered_ms = relay->now_ms;
    return member;
}

static void refuse_create(struct speaker speaker, enum relay_error error, struct effects *effects)
{
    if (speaker.protocol == PROTOCOL_3)
        relay_3_refuse(speaker, envelope_type_name(ENVELOPE_CREATE), error, effects);
    else
        effects_refuse(effects, speaker, error);
}

struct member *relay_open_room(struct relay *relay, struct room_settings *settings,
                               struct speaker speaker, struct effects *effects)
{
    const struct relay_config *config = &relay->config;
    struct member *member = NULL;
    uint64_t code;
    bool is_admitted = config->admit_room(config->context, speaker.client, &settings->maker);
    if (!is_admitted && relay_end_first_deserted(relay, effects))
        is_admitted = config->admit_room(config->context, speaker.client, &settings->maker);
    if (!is_admitted) {
        refuse_create(speaker, ERROR_TOO_MANY_ROOMS, effects);
        return NULL;
    }
    if (!find_code(relay, speaker, &code)) {
        refuse_create(speaker, ERROR_NO_CODE_FREE, effects);
    } else {
        member = make_room(relay, code, settings, speaker);
        if (member == NULL)
            effects_add_no_memory(effects, (struct effect_no_memory){speaker.client});
    }
    if (member == NULL)
        config->dismiss_room(config->context, settings->maker);
    return member;
}

void relay_seat_creator(const struct relay *relay, struct speaker speaker, struct member *member,
                        struct effects *effects)
{
    *speaker.seat = member;
    effects_add_room_added(effects, (struct effect_room_added){speaker.origin_number});
    effects_tell_client(effects, speaker.client,
                        (struct event){.type = EVENT_CREATED,
                                       .room = member->room,
                                       .peer = member,
                                       .instance = &relay->config.instance});
}

bool relay_read_max_clients(const struct relay *relay, const struct json_value *value,
                            uint32_t *ret_members_max)
{
    double max_clients = value->kind == JSON_NUMBER ? json_member_number(value) : 0;
    if (!(max_clients >= 1))
        return false;
    /* A room admits members while their count is below the number: 1.5 admits two. */
    return json_member_ceiling(value, relay->config.members_max, ret_members_max);
}

/* Reads maxClients. False: the client was refused. */
static bool read_max_clients(const struct relay *relay, struct speaker speaker,
                             const struct json_value *value, uint32_t *ret_members_max,
                             struct effects *effects)
{
    bool is_read = relay_read_max_clients(relay, value, ret_members_max);
    if (!is_read)
        effects_refuse(effects, speaker, ERROR_MAX_CLIENTS);
    return is_read;
}

/* Reads a URL template, which protocol 1 does not have. False: the client was refused. */
static bool read_url(struct relay *relay, struct speaker speaker, const struct json_value *value,
                     bool *ret_has_url, struct effects *effects)
{
    struct event event = {.type = EVENT_ERROR};
    *ret_has_url = speaker.protocol == PROTOCOL_2 && value->kind != JSON_ABSENT;
    if (!*ret_has_url || url_template_read(value, relay->config.instance.id, false,
                                           &relay->template, &event.error, &event.detail))
        return true;
    effects_tell_client(effects, speaker.client, event);
    return false;
}

void relay_create(struct relay *relay, struct speaker speaker, const struct envelope *envelope,
                  struct effects *effects)
{
    struct canonical_id id;
    struct room_settings settings;
    if (relay->is_draining) {
        effects_refuse(effects, speaker, ERROR_DRAINING);
        return;
    }
    if (!check_newcomer(relay, speaker, envelope, &id, effects) ||
        !read_max_clients(relay, speaker, &envelope->max_clients, &settings.members_max, effects) ||
        !read_url(relay, speaker, &envelope->url, &settings.has_url, effects))
        return;
    settings.id = id_view(&id);
    struct member *member = relay_open_room(relay, &settings, speaker, effects);
    if (member == NULL)
        return;
    relay_seat_creator(relay, speaker, member, effects);
}

/* Gives the speaker its seat, and queues what it has missed, before any newer event. */
static void give_seat(struct relay *relay, struct speaker speaker, struct member *member,
                      struct effects *effects)
{
    struct room *room = member->room;
    *speaker.seat = member;
    member->active_ms = relay->now_ms;
    effects_tell_client(effects, speaker.client,
                        (struct event){.type = EVENT_JOINED, .room = room, .peer = member});
    if (room_state(room) != NULL)
        effects_add_tell_state(effects, (struct effect_tell_state){speaker.client, room});
    if (room->retained == NULL)
        return;
    relay_occupy(relay, room);
    if (member_is_host(member))
        list_remove(&room->retained->hostless);
}

/* Gives the seat of a present member to a client that joins with the same id. */
static void replace_member(struct relay *relay, struct speaker speaker, struct member *member,
                           struct effects *effects)
{
    relay_unseat(relay, member->client);
    effects_add_replaced(
        effects, (struct effect_replaced){.client = member->client, .heir = speaker.client});
    member->client = speaker.client;
    give_seat(relay, speaker, member, effects);
}

/* Whether the client's address may bring one more new member; if not, the client is sent away. */
static bool may_bring(const struct relay *relay, struct speaker speaker, const struct room *room,
                      struct effects *effects)
{
    const struct relay_config *config = &relay->config;
    if (speaker.protocol == PROTOCOL_1 || config->may_bring(config->context, speaker.client, room))
        return true;
    effects_add_untold(effects, (struct effect_untold){speaker.client});
    return false;
}

/*
 * Forgets a member that a restored room of protocol 1 was waiting for. It enters as somebody new:
 * in protocol 1 all members have the same list, in the order in which they came.
 */
static void stop_waiting_for(struct relay *relay, struct member *member)
{
    relay_discount_absent(relay, member);
    room_remove(member->room, member);
    member_free(member);
}

/* Adds a new member, or lets the absent member `known` come back. */
static void enter_room(struct relay *relay, struct speaker speaker, struct room *room,
                       struct member *known, struct bytes id, struct effects *effects)
{
    bool has_index = known != NULL || room->next_index < UINT32_MAX;
    if (room->member_count >= room->members_max || !has_index) {
        effects_refuse(effects, speaker, ERROR_ROOM_FULL);
        return;
    }
    if (known == NULL && !may_bring(relay, speaker, room, effects))
        return;
    if (known != NULL && room_protocol(room) == PROTOCOL_1) {
        stop_waiting_for(relay, known);
        known = NULL;
    }
    struct member *member = known;
    if (known == NULL) {
        member = room_add(room, id, speaker.client);
    } else {
        room_return(room, known, speaker.client);
        relay_discount_absent(relay, known);
    }
    if (member == NULL) {
        effects_add_no_memory(effects, (struct effect_no_memory){speaker.client});
        return;
    }
    member->entered_ms = relay->now_ms;
    if (room->member_count == 2)
        relay_begin_proof(relay, room);
    give_seat(relay, speaker, member, effects);
    effects_tell_room(effects, room, speaker.client,
                      (struct event){.type = EVENT_PEER_JOINED, .room = room, .peer = member});
}

bool relay_read_code(const struct json_value *string, uint64_t *ret_code)
{
    uint8_t decoded[CODE_TYPED_BYTES_MAX]; /* the canonical form of a valid code has no escapes */
    struct json_string_sizes sizes;
    if (!json_string_canonicalize(string, decoded, sizeof decoded, &sizes))
        return false;
    return code_read(bytes_of(decoded, sizes.written), ret_code);
}

bool relay_may_tell(const struct relay *relay, struct speaker speaker, bool is_found,
                    struct effects *effects)
{
    const struct relay_config *config = &relay->config;
    if (config->may_tell(config->context, speaker.client, is_found))
        return true;
    effects_add_untold(effects, (struct effect_untold){speaker.client});
    return false;
}

void relay_refuse_not_found(const struct relay *relay, struct speaker speaker,
                            struct effects *effects)
{
    if (!relay_may_tell(relay, speaker, false, effects))
        return;
    struct event event = {.type = EVENT_ERROR,
                          .error = ERROR_ROOM_NOT_FOUND,
                          .protocol = speaker.protocol,
                          .of = envelope_type_name(ENVELOPE_JOIN)};
    effects_add_not_found(effects,
                          (struct effect_not_found){.client = speaker.client, .event = event});
}

enum relay_error relay_uses_protocol(const struct room *room)
{
    static const enum relay_error errors[] = {[PROTOCOL_1] = ERROR_USES_PROTOCOL_1,
                                              [PROTOCOL_2] = ERROR_USES_PROTOCOL_2,
                                              [PROTOCOL_3] = ERROR_USES_PROTOCOL_3};
    return errors[room_protocol(room)];
}

/* Carries out a join, on the loop that owns the code. */
static void carry_out(struct relay *relay, struct speaker speaker, uint64_t code, struct bytes id,
                      struct effects *effects)
{
    struct room *room = room_table_find(&relay->rooms, code);
    if (room == NULL) {
        relay_refuse_not_found(relay, speaker, effects);
        return;
    }
    struct member *member = room_find(room, id);
    if (member == NULL && !relay_may_tell(relay, speaker, true, effects))
        return;
    if (room_protocol(room) != speaker.protocol) {
        effects_refuse(effects, speaker, relay_uses_protocol(room));
        return;
    }
    if (member != NULL && member->client != CLIENT_NONE)
        replace_member(relay, speaker, member, effects);
    else
        enter_room(relay, speaker, room, member, id, effects);
}

static void move(struct relay *relay, struct speaker speaker, uint32_t owner, uint64_t code,
                 struct bytes id, struct effects *effects)
{
    relay->join.code = code;
    relay->join.id_length = id.length;
    memcpy(relay->join.id, id.data, id.length);
    effects_add_move(effects, (struct effect_move){
                                  .client = speaker.client, .loop = owner, .join = &relay->join});
}

void relay_join(struct relay *relay, struct speaker speaker, const struct envelope *envelope,
                struct effects *effects)
{
    struct canonical_id id;
    uint64_t code;
    if (!check_newcomer(relay, speaker, envelope, &id, effects))
        return;
    if (!is_non_empty_string(&envelope->room)) {
        effects_refuse(effects, speaker, ERROR_ROOM_REQUIRED);
        return;
    }
    if (!relay_read_code(&envelope->room, &code)) {
        relay_refuse_not_found(relay, speaker, effects);
        return;
    }
    uint32_t owner = code_owner(code, relay->config.loop_count);
    if (owner == relay->config.loop_index)
        carry_out(relay, speaker, code, id_view(&id), effects);
    else
        move(relay, speaker, owner, code, id_view(&id), effects);
}

void relay_carry_out(struct relay *relay, struct speaker speaker, const struct join *join,
                     struct effects *ret_effects)
{
    ret_effects->count = 0;
    assert(*speaker.seat == NULL);
    assert(code_owner(join->code, relay->config.loop_count) == relay->config.loop_index);
    relay_free_departed(relay);
    if (speaker.protocol == PROTOCOL_3)
        relay_3_carry_out(relay, speaker, join, ret_effects);
    else
        carry_out(relay, speaker, join->code, bytes_of(join->id, join->id_length), ret_effects);
}
