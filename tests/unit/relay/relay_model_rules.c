/* The rules of both protocols, in the order in which they are checked. */
#include <stdlib.h>

#include "relay/relay_model_parts.h"

#define STATE_COMPACT_MAX 16384
#define STATE_SPAN_MAX 65536

/* The client hears this, which is JSON, next. Takes the text. */
static void expect_heard(struct model *model, uint32_t client, char *text)
{
    assert_int_equal(simple_json_parse(bytes_of_string(text)).kind, JSON_OBJECT);
    expect_next(world_of(model, client), client, text);
    free(text);
}

void expect_heard_in_room(struct model *model, const struct model_room *room, uint32_t except,
                          char *text)
{
    for (uint32_t i = 0; i < room->known_count; i++) {
        uint32_t client = room->known[i].client;
        if (client != MODEL_NOBODY && client != except)
            expect_heard(model, client, format_text("%s", text));
    }
    free(text);
}

/* How many effects of a kind the last call had, and the last of them. */
static uint32_t count_effects(const struct world *world, enum effect_kind kind,
                              const struct effect **ret_last)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < world->effects.count; i++) {
        if (world->effects.items[i].kind != kind)
            continue;
        *ret_last = &world->effects.items[i];
        count++;
    }
    return count;
}

const struct effect *expect_effect(const struct world *world, enum effect_kind kind)
{
    const struct effect *effect = NULL;
    assert_int_equal(count_effects(world, kind, &effect), 1);
    return effect;
}

void expect_no_effect(const struct world *world, enum effect_kind kind)
{
    const struct effect *effect;
    assert_int_equal(count_effects(world, kind, &effect), 0);
}

void expect_refusal(struct model *model, uint32_t client, const char *message)
{
    struct world *world = world_of(model, client);
    bool is_not_found = strcmp(message, "Room not found") == 0;
    assert_int_equal(world->effects.count, 1);
    const struct effect *effect =
        expect_effect(world, is_not_found ? EFFECT_NOT_FOUND : EFFECT_TO_CLIENT);
    assert_int_equal(is_not_found ? effect->not_found.client : effect->to_client.client, client);
    expect_error(world, client, message);
}

/* How the members of a room call each other, as JSON; to be freed. */
static char *name_of(const struct model_room *room, const struct model_member *member)
{
    if (room->protocol == PROTOCOL_1)
        return format_text("\"%s\"", member->id);
    return format_text("%u", member->index);
}

char *peer_text(const char *type, const struct model_room *room, const struct model_member *member)
{
    char *name = name_of(room, member);
    char *text = format_text("{\"type\":\"%s\",\"%s\":%s}", type,
                             room->protocol == PROTOCOL_1 ? "clientId" : "index", name);
    free(name);
    return text;
}

/* The error that whoever wants to be a member is refused with, or NULL. */
static const char *newcomer_fault(const struct model *model, const struct said *said)
{
    struct simple_value id = simple_json_member(said->text, "clientId");
    if (model->clients[said->client].room != NULL)
        return "Already in a room";
    if (!is_non_empty_string(id))
        return "clientId is required";
    char *canonical = canonical_form(id);
    bool is_too_long =
        decoded_length(id) > WORLD_ID_BYTES_MAX || strlen(canonical) > 2 * WORLD_ID_BYTES_MAX;
    free(canonical);
    return is_too_long ? "clientId is too long" : NULL;
}

/* The url that is asked for, absent where there are none. */
static struct simple_value asked_url(const struct model *model, const struct said *said)
{
    if (model->clients[said->client].protocol == PROTOCOL_1)
        return (struct simple_value){0};
    return simple_json_member(said->text, "url");
}

/* Whether the client's loop has all rooms that it may have. */
static bool is_full(const struct model *model, uint32_t client)
{
    return count_live_rooms(model, model->clients[client].loop) == WORLD_ROOMS_MAX;
}

/* To be freed; or NULL. */
static char *create_fault(struct model *model, const struct said *said)
{
    if (model->is_draining)
        return format_text("Server draining");
    const char *fault = newcomer_fault(model, said);
    if (fault != NULL)
        return format_text("%s", fault);
    struct simple_value max_clients = simple_json_member(said->text, "maxClients");
    if (max_clients.kind != JSON_NUMBER || number_of(max_clients) < 1)
        return format_text("maxClients must be a positive number");
    struct simple_value url = asked_url(model, said);
    char *of_url = url.kind == JSON_ABSENT ? NULL : url_fault(&model->instance, url, false);
    if (of_url != NULL)
        return of_url;
    bool makes_way = first_deserted(model, model->clients[said->client].loop) != NULL;
    return is_full(model, said->client) && !makes_way ? format_text("Too many rooms") : NULL;
}

/* The code of the room in which the client is now, which the relay alone could say. */
static void check_code(struct model *model, uint32_t client, char ret_code[CODE_LENGTH_MAX + 1])
{
    const struct member *seat = world_of(model, client)->clients[client].seat;
    assert_non_null(seat);
    uint64_t number = seat->room->code;
    size_t length = code_write(number, (uint8_t *)ret_code);
    ret_code[length] = '\0';
    assert_false(code_is_obscene(number));
    assert_int_equal(number % model->loop_count, model->clients[client].loop);
    assert_true(strspn(ret_code, LETTERS_3 "bcdfghjklmnpqrstvwxz") < length);
    if (model->clients[client].protocol == PROTOCOL_1) {
        assert_int_equal(length, 4);
        return;
    }
    assert_int_equal(length, 6);
    if (bytes_equal(model->instance.region, BYTES("sjc")))
        assert_int_equal((number >> 30) % 32, 15);
}

/* A `,"url":...` for who enters the room, to be freed. */
static char *url_field(const struct model_room *room)
{
    if (room->url == NULL)
        return format_text("%s", "");
    return format_text(",\"url\":\"%s\"", room->url);
}

static void expect_created(struct model *model, uint32_t client)
{
    const struct model_room *room = model->clients[client].room;
    char *url = url_field(room);
    if (room->protocol == PROTOCOL_1)
        expect_heard(model, client,
                     format_text("{\"type\":\"created\",\"room\":\"%s\"}", room->code));
    else
        expect_heard(model, client,
                     format_text("{\"type\":\"created\",\"room\":\"%s\",\"instance\":\"%.*s\","
                                 "\"region\":\"%.*s\",\"index\":0%s}",
                                 room->code, (int)model->instance.id.length,
                                 (const char *)model->instance.id.data,
                                 (int)model->instance.region.length,
                                 (const char *)model->instance.region.data, url));
    free(url);
}

/* There is no memory for the url: the room is not made, and the client's connection ends. */
static bool expect_too_long_a_url(struct model *model, const struct said *said,
                                  uint32_t effect_count)
{
    struct world *world = world_of(model, said->client);
    struct simple_value url = asked_url(model, said);
    if (url.kind == JSON_ABSENT)
        return false;
    bool is_long = model->clients[said->client].protocol == PROTOCOL_2;
    char *filled = filled_url(&model->instance, url, is_long ? "ABCDEF" : "ABCD");
    bool fits =
        is_room_for(model, model->clients[said->client].loop, allocation_cost(strlen(filled)));
    free(filled);
    if (fits)
        return false;
    assert_int_equal(world->effects.count, effect_count);
    expect_effect(world, EFFECT_NO_MEMORY);
    world->effects.count = 0;
    return true;
}

static void expect_create(struct model *model, const struct said *said)
{
    char *fault = create_fault(model, said);
    if (fault != NULL) {
        expect_refusal(model, said->client, fault);
        free(fault);
        return;
    }
    uint32_t effect_count = 1;
    if (is_full(model, said->client)) {
        struct model_room *room = first_deserted(model, model->clients[said->client].loop);
        const struct effect *gone = &world_of(model, said->client)->effects.items[0];
        assert_int_equal(gone->kind, EFFECT_ROOM_GONE);
        assert_int_equal(gone->room_gone.origin_number, origin_of(room->creator));
        clear_room(model, room);
        effect_count++;
    }
    if (expect_too_long_a_url(model, said, effect_count))
        return;
    char code[CODE_LENGTH_MAX + 1];
    check_code(model, said->client, code);
    struct model_room *room = place_room(model, code);
    room->protocol = model->clients[said->client].protocol;
    room->loop = model->clients[said->client].loop;
    room->creator = said->client;
    /* A fraction admits as many as a whole count can stay below it. */
    double max_clients = number_of(simple_json_member(said->text, "maxClients"));
    while (room->members_max < max_clients && room->members_max < WORLD_MEMBERS_MAX)
        room->members_max++;
    struct simple_value url = asked_url(model, said);
    if (url.kind != JSON_ABSENT)
        room->url = filled_url(&model->instance, url, code);
    add_member(model, room, said->client, simple_json_member(said->text, "clientId"));
    struct world *world = world_of(model, said->client);
    assert_int_equal(expect_effect(world, EFFECT_ROOM_ADDED)->room_added.origin_number,
                     origin_of(said->client));
    expect_created(model, said->client);
}

/* The names of those who are here, but for the client itself where it is told apart; to be freed.
 */
static char *names_of_present(const struct model_room *room, uint32_t client)
{
    char *names = format_text("%s", "");
    for (uint32_t i = 0; i < room->known_count; i++) {
        const struct model_member *member = &room->known[i];
        bool is_left_out = room->protocol == PROTOCOL_2 && member->client == client;
        if (member->client == MODEL_NOBODY || is_left_out)
            continue;
        char *name = name_of(room, member);
        char *more = format_text("%s%s%s", names, names[0] == '\0' ? "" : ",", name);
        free(name);
        free(names);
        names = more;
    }
    return names;
}

/* The state comes right behind. */
static void expect_joined(struct model *model, uint32_t client)
{
    struct model_room *room = model->clients[client].room;
    char *names = names_of_present(room, client);
    char *url = url_field(room);
    if (room->protocol == PROTOCOL_1)
        expect_heard(model, client,
                     format_text("{\"type\":\"joined\",\"room\":\"%s\",\"clients\":[%s]}",
                                 room->code, names));
    else
        expect_heard(model, client,
                     format_text("{\"type\":\"joined\",\"room\":\"%s\",\"index\":%u,"
                                 "\"peers\":[%s]%s}",
                                 room->code, find_seated(room, client)->index, names, url));
    free(url);
    free(names);
    if (room->state != NULL)
        expect_heard(model, client, format_text("{\"type\":\"state\",\"data\":%s}", room->state));
}

/* The newcomer takes the place of a member who is here, of which nobody else hears. */
static void expect_replacement(struct model *model, struct model_room *room,
                               struct model_member *member, uint32_t client)
{
    struct world *world = world_of(model, client);
    uint32_t old = member->client;
    const struct effect *replaced = expect_effect(world, EFFECT_REPLACED);
    assert_int_equal(replaced->replaced.client, old);
    assert_int_equal(replaced->replaced.heir, client);
    assert_true(world->clients[old].was_replaced);
    world->clients[old].was_replaced = false;
    model->clients[old].room = NULL;
    model->clients[client].room = room;
    member->client = client;
    expect_joined(model, client);
}

/* `member` is who comes back, or NULL. */
static void expect_entry(struct model *model, struct model_room *room, struct model_member *member,
                         const struct said *said)
{
    if (count_present(room) == room->members_max) {
        expect_refusal(model, said->client, "Room is full");
        return;
    }
    if (member == NULL) {
        add_member(model, room, said->client, simple_json_member(said->text, "clientId"));
        member = find_seated(room, said->client);
    } else {
        model->clients[said->client].room = room;
        member->client = said->client;
        member->entered_ms = model->now_ms;
    }
    expect_joined(model, said->client);
    expect_heard_in_room(model, room, said->client, peer_text("peer_joined", room, member));
}

/* The relay sent the client to the loop that owns the code, where its join is carried out. */
static void expect_move(struct model *model, const struct said *said, uint32_t owner)
{
    struct world *old = world_of(model, said->client);
    assert_int_equal(old->effects.count, 1);
    const struct effect *effect = expect_effect(old, EFFECT_MOVE);
    assert_int_equal(effect->move.loop, owner);
    expect_silence(old);
    model->clients[said->client].loop = owner;
    carry_out(&model->worlds[owner], said->client, effect->move.join);
}

static void expect_join_of(struct model *model, const struct said *said, const char *code)
{
    struct model_room *room = find_live_room(model, code);
    if (room == NULL) {
        expect_refusal(model, said->client, "Room not found");
        return;
    }
    if (room->protocol != model->clients[said->client].protocol) {
        expect_refusal(model, said->client,
                       room->protocol == PROTOCOL_1 ? "Room uses protocol 1"
                                                    : "Room uses protocol 2");
        return;
    }
    struct model_member *member = find_known(room, simple_json_member(said->text, "clientId"));
    if (member != NULL && member->client != MODEL_NOBODY)
        expect_replacement(model, room, member, said->client);
    else
        expect_entry(model, room, member, said);
}

static void expect_join(struct model *model, const struct said *said)
{
    struct simple_value typed = simple_json_member(said->text, "room");
    const char *fault = newcomer_fault(model, said);
    if (fault == NULL && !is_non_empty_string(typed))
        fault = "room is required";
    char code[CODE_LENGTH_MAX + 1];
    uint64_t number = 0;
    if (fault == NULL && !read_code(typed, code, &number))
        fault = "Room not found";
    if (fault != NULL) {
        expect_refusal(model, said->client, fault);
        return;
    }
    uint32_t owner = (uint32_t)(number % model->loop_count);
    if (owner != model->clients[said->client].loop)
        expect_move(model, said, owner);
    expect_join_of(model, said, code);
}

static bool names_everyone(enum protocol protocol, struct simple_value to)
{
    if (protocol == PROTOCOL_2)
        return to.kind == JSON_ABSENT;
    switch (to.kind) {
    case JSON_ABSENT:
    case JSON_NULL:
    case JSON_FALSE:
        return true;
    case JSON_NUMBER:
        return number_of(to) == 0;
    default:
        return to.kind == JSON_STRING && !is_non_empty_string(to);
    }
}

/* The client that `to` names, or MODEL_NOBODY. */
static uint32_t find_target(struct model_room *room, struct simple_value to)
{
    if (room->protocol == PROTOCOL_1) {
        struct model_member *named = to.kind == JSON_STRING ? find_known(room, to) : NULL;
        return named == NULL ? MODEL_NOBODY : named->client;
    }
    for (uint32_t i = 0; to.kind == JSON_NUMBER && i < room->known_count; i++) {
        if ((double)room->known[i].index == number_of(to))
            return room->known[i].client;
    }
    return MODEL_NOBODY;
}

static char *message_text(struct model_room *room, const struct said *said)
{
    struct bytes data = simple_json_member(said->text, "data").raw;
    char *name = name_of(room, find_seated(room, said->client));
    char *text =
        format_text("{\"type\":\"message\",\"from\":%s%s%.*s}", name,
                    data.length > 0 ? ",\"data\":" : "", (int)data.length, (const char *)data.data);
    free(name);
    return text;
}

static void expect_send(struct model *model, const struct said *said)
{
    struct model_room *room = model->clients[said->client].room;
    if (room == NULL) {
        expect_refusal(model, said->client, "Not in a room");
        return;
    }
    struct simple_value to = simple_json_member(said->text, "to");
    if (names_everyone(room->protocol, to)) {
        expect_heard_in_room(model, room, said->client, message_text(room, said));
        return;
    }
    uint32_t target = find_target(room, to);
    if (target != MODEL_NOBODY)
        expect_heard(model, target, message_text(room, said));
    else
        expect_refusal(model, said->client,
                       room->protocol == PROTOCOL_1 ? "Target client not found"
                                                    : "Target peer not found");
}

/* Why a state is not set, or NULL. */
static const char *state_fault(const struct model *model, struct model_room *room,
                               const struct said *said)
{
    struct simple_value data = simple_json_member(said->text, "data");
    if (room == NULL)
        return "Not in a room";
    if (find_seated(room, said->client)->index != 0)
        return "Only the host can set state";
    if (data.kind == JSON_ABSENT)
        return "State data is required";
    if (data.raw.length > STATE_SPAN_MAX ||
        simple_json_compact_length(data.raw) > STATE_COMPACT_MAX)
        return "State too large";
    size_t size = state_size(data.raw.length);
    size_t before = room->state == NULL ? 0 : state_size(strlen(room->state));
    bool fits = size <= before || is_room_for(model, room->loop, size - before);
    return fits ? NULL : "No memory for state";
}

static void expect_set_state(struct model *model, const struct said *said)
{
    struct world *world = world_of(model, said->client);
    struct model_room *room = model->clients[said->client].room;
    const char *fault = state_fault(model, room, said);
    if (fault != NULL && strcmp(fault, "No memory for state") == 0) {
        expect_effect(world, EFFECT_KEEP_STATE);
        expect_error(world, said->client, fault);
        return;
    }
    if (fault != NULL) {
        expect_refusal(model, said->client, fault);
        return;
    }
    struct bytes data = simple_json_member(said->text, "data").raw;
    free(room->state);
    room->state = strndup((const char *)data.data, data.length);
    assert_int_equal(world->effects.count, 1);
    expect_effect(world, EFFECT_KEEP_STATE);
    expect_heard_in_room(model, room, said->client,
                         format_text("{\"type\":\"state\",\"data\":%s}", room->state));
}

void expect_closing(struct model *model, struct model_room *room)
{
    struct world *world = &model->worlds[room->loop];
    bool is_empty = count_present(room) == 0;
    const struct effect *gone = &world->effects.items[is_empty ? 0 : 1];
    assert_int_equal(world->effects.count, is_empty ? 1 : 2);
    if (!is_empty)
        assert_int_equal(world->effects.items[0].kind, EFFECT_ROOM_CLOSED);
    assert_int_equal(gone->kind, EFFECT_ROOM_GONE);
    assert_int_equal(gone->room_gone.origin_number, origin_of(room->creator));
    for (uint32_t i = 0; i < room->known_count; i++) {
        if (room->known[i].client == MODEL_NOBODY)
            continue;
        assert_true(world->clients[room->known[i].client].was_closed);
        world->clients[room->known[i].client].was_closed = false;
    }
    clear_room(model, room);
    expect_silence(world);
}

static void expect_close_room(struct model *model, const struct said *said)
{
    struct model_room *room = model->clients[said->client].room;
    if (room == NULL)
        expect_refusal(model, said->client, "Not in a room");
    else if (find_seated(room, said->client)->index != 0)
        expect_refusal(model, said->client, "Only the host can close the room");
    else
        expect_closing(model, room);
}

struct rule {
    const char *type;
    enum protocol since;
    void (*expect)(struct model *model, const struct said *said);
};

/* The rule of a type that the protocol knows, or NULL. */
static const struct rule *find_rule(enum protocol protocol, struct simple_value type)
{
    static const struct rule rules[] = {
        {"create", PROTOCOL_1, expect_create},
        {"join", PROTOCOL_1, expect_join},
        {"send", PROTOCOL_1, expect_send},
        {"set_state", PROTOCOL_2, expect_set_state},
        {"close_room", PROTOCOL_2, expect_close_room},
    };
    const struct rule *found = NULL;
    if (type.kind != JSON_STRING)
        return NULL;
    struct simple_string name = simple_json_decode(type.raw);
    for (size_t i = 0; i < ARRAY_LENGTH(rules); i++) {
        if (rules[i].since <= protocol && simple_string_equals(&name, rules[i].type))
            found = &rules[i];
    }
    simple_string_release(&name);
    return found;
}

void expect_answer(struct model *model, const struct said *said, enum json_kind kind)
{
    if (kind == JSON_ABSENT) {
        expect_refusal(model, said->client, "Invalid JSON");
        return;
    }
    struct simple_value type = {0};
    if (kind == JSON_OBJECT)
        type = simple_json_member(said->text, "type");
    const struct rule *rule = find_rule(model->clients[said->client].protocol, type);
    if (rule != NULL)
        rule->expect(model, said);
    else
        expect_refusal(model, said->client, "Unknown message type");
}
