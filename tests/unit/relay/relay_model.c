/*
 * The rules of protocol 1, in the order in which they are checked. Functions that expect_ something
 * have just seen the relay do it.
 */
#include "relay/relay_model.h"

#include <stdio.h>
#include <stdlib.h>

#include "fuzz/simple_json.h"
#include "fuzz/simple_utf8.h"

/* A message that is an object, and who said it. */
struct said {
    uint32_t client;
    struct bytes text;
};

static struct world *world_of(struct model *model, uint32_t client)
{
    return &model->worlds[model->clients[client].loop];
}

/* Origins tell the rooms' creators apart; 0 stands for none. */
static uint16_t origin_of(uint32_t client)
{
    return (uint16_t)(client + 1);
}

void model_init(struct model *model, uint32_t loop_count, uint64_t seed)
{
    assert_in_range(loop_count, 1, MODEL_LOOPS_MAX);
    model->loop_count = loop_count;
    model->is_draining = false;
    memset(model->rooms, 0, sizeof model->rooms);
    for (uint32_t loop = 0; loop < loop_count; loop++) {
        struct world *world = &model->worlds[loop];
        world_init_random(world, seed + loop);
        world->relay.config.loop_index = loop;
        world->relay.config.loop_count = loop_count;
        for (uint32_t client = 0; client < WORLD_CLIENTS; client++)
            world->clients[client].origin = origin_of(client);
    }
    for (uint32_t client = 0; client < WORLD_CLIENTS; client++)
        model->clients[client] = (struct model_client){.loop = client % loop_count};
}

/* What is expected, as text; to be freed. */
PRINTF_LIKE(1, 2) static char *format_text(const char *format, ...)
{
    char *text;
    va_list arguments;
    va_start(arguments, format);
    assert_true(vasprintf(&text, format, arguments) >= 0);
    va_end(arguments);
    return text;
}

/* The client hears this, which is JSON, and nothing else. Takes the text. */
static void expect_heard(struct model *model, uint32_t client, char *text)
{
    assert_int_equal(simple_json_parse(bytes_of_string(text)).kind, JSON_OBJECT);
    expect_only(world_of(model, client), client, text);
    free(text);
}

/* All members but one hear the text. Takes it. */
static void expect_heard_in_room(struct model *model, const struct model_room *room,
                                 uint32_t except, char *text)
{
    for (uint32_t i = 0; i < room->member_count; i++) {
        if (room->clients[i] != except)
            expect_heard(model, room->clients[i], format_text("%s", text));
    }
    free(text);
}

/* How many effects of a kind the last message had, and the last of them. */
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

/* The last message had one effect of this kind. */
static const struct effect *expect_effect(const struct world *world, enum effect_kind kind)
{
    const struct effect *effect = NULL;
    assert_int_equal(count_effects(world, kind, &effect), 1);
    return effect;
}

static void expect_no_effect(const struct world *world, enum effect_kind kind)
{
    const struct effect *effect;
    assert_int_equal(count_effects(world, kind, &effect), 0);
}

/* Nothing happened but that the client heard of its error. */
static void expect_refusal(struct model *model, uint32_t client, const char *message)
{
    struct world *world = world_of(model, client);
    bool is_not_found = strcmp(message, "Room not found") == 0;
    assert_int_equal(world->effects.count, 1);
    const struct effect *effect =
        expect_effect(world, is_not_found ? EFFECT_NOT_FOUND : EFFECT_TO_CLIENT);
    assert_int_equal(effect->client, client);
    expect_error(world, client, message);
}

static bool is_non_empty_string(struct simple_value value)
{
    return value.kind == JSON_STRING && value.raw.length > 2;
}

/* What the number of a value is for JavaScript. */
static double number_of(struct simple_value value)
{
    char *text = strndup((const char *)value.raw.data, value.raw.length);
    assert_non_null(text);
    double number = strtod(text, NULL);
    free(text);
    return number;
}

/* The canonical form of a string; to be freed. */
static char *canonical_form(struct simple_value string)
{
    struct simple_string decoded = simple_json_decode(string.raw);
    char *form = simple_string_stringify(&decoded);
    simple_string_release(&decoded);
    return form;
}

static size_t decoded_length(struct simple_value string)
{
    struct simple_string decoded = simple_json_decode(string.raw);
    size_t length = simple_string_utf8_length(&decoded);
    simple_string_release(&decoded);
    return length;
}

/* The error that whoever wants to be a member is refused with, or NULL. */
static const char *newcomer_fault(const struct model *model, const struct said *said)
{
    struct simple_value id = simple_json_member(said->text, "clientId");
    if (model->clients[said->client].room != NULL)
        return "Already in a room";
    if (!is_non_empty_string(id))
        return "clientId is required";
    return decoded_length(id) > WORLD_ID_BYTES_MAX ? "clientId is too long" : NULL;
}

static void seat_client(struct model *model, struct model_room *room, const struct said *said)
{
    struct model_client *client = &model->clients[said->client];
    client->room = room;
    client->id = canonical_form(simple_json_member(said->text, "clientId"));
}

static void unseat_client(struct model *model, uint32_t client)
{
    model->clients[client].room = NULL;
    free(model->clients[client].id);
    model->clients[client].id = NULL;
}

static bool is_live(const struct model_room *room)
{
    return room->member_count > 0;
}

static uint32_t count_live_rooms(const struct model *model, uint32_t loop)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < MODEL_ROOMS_MAX; i++)
        count += is_live(&model->rooms[i]) && model->rooms[i].loop == loop;
    return count;
}

static struct model_room *find_live_room(struct model *model, const char *code)
{
    for (uint32_t i = 0; i < MODEL_ROOMS_MAX; i++) {
        if (is_live(&model->rooms[i]) && strcmp(model->rooms[i].code, code) == 0)
            return &model->rooms[i];
    }
    return NULL;
}

/* A place for a new room with this code, which no live room has. */
static struct model_room *place_room(struct model *model, const char *code)
{
    struct model_room *place = NULL;
    assert_null(find_live_room(model, code));
    for (uint32_t i = 0; i < MODEL_ROOMS_MAX; i++) {
        struct model_room *room = &model->rooms[i];
        if (strcmp(room->code, code) == 0)
            room->code[0] = '\0'; /* no longer the code of a room that is gone */
        if (!is_live(room) && (place == NULL || room->code[0] == '\0'))
            place = room;
    }
    assert_non_null(place);
    *place = (struct model_room){0};
    memcpy(place->code, code, sizeof place->code);
    return place;
}

static const char *create_fault(const struct model *model, const struct said *said)
{
    if (model->is_draining)
        return "Server draining";
    const char *fault = newcomer_fault(model, said);
    if (fault != NULL)
        return fault;
    struct simple_value max_clients = simple_json_member(said->text, "maxClients");
    if (max_clients.kind != JSON_NUMBER || number_of(max_clients) < 1)
        return "maxClients must be a positive number";
    bool is_full = count_live_rooms(model, model->clients[said->client].loop) == WORLD_ROOMS_MAX;
    return is_full ? "Too many rooms" : NULL;
}

static void expect_create(struct model *model, const struct said *said)
{
    struct world *world = world_of(model, said->client);
    const char *fault = create_fault(model, said);
    if (fault != NULL) {
        expect_refusal(model, said->client, fault);
        return;
    }
    /* Which code it is, the relay alone can say. */
    const struct member *seat = world->clients[said->client].seat;
    assert_non_null(seat);
    char code[CODE_LENGTH + 1] = "";
    code_write(seat->room->code, (uint8_t *)code);
    assert_false(code_is_obscene((const uint8_t *)code));
    struct model_room *room = place_room(model, code);
    room->loop = model->clients[said->client].loop;
    room->creator = said->client;
    assert_int_equal(seat->room->code % model->loop_count, room->loop);
    /* A fraction admits as many as a whole count can stay below it. */
    double max_clients = number_of(simple_json_member(said->text, "maxClients"));
    while (room->members_max < max_clients && room->members_max < WORLD_MEMBERS_MAX)
        room->members_max++;
    room->clients[room->member_count++] = said->client;
    seat_client(model, room, said);
    assert_int_equal(expect_effect(world, EFFECT_ROOM_ADDED)->origin, origin_of(said->client));
    expect_heard(model, said->client,
                 format_text("{\"type\":\"created\",\"room\":\"%s\"}", room->code));
}

static void expect_joined(struct model *model, uint32_t client)
{
    const struct model_room *room = model->clients[client].room;
    char *ids = format_text("%s", "");
    for (uint32_t i = 0; i < room->member_count; i++) {
        char *more =
            format_text("%s%s\"%s\"", ids, i == 0 ? "" : ",", model->clients[room->clients[i]].id);
        free(ids);
        ids = more;
    }
    expect_heard(
        model, client,
        format_text("{\"type\":\"joined\",\"room\":\"%s\",\"clients\":[%s]}", room->code, ids));
    free(ids);
}

/* The place in the room of the member with this id, or `member_count`. */
static uint32_t find_member(const struct model *model, const struct model_room *room,
                            struct simple_value id)
{
    char *canonical = canonical_form(id);
    uint32_t at = 0;
    while (at < room->member_count && strcmp(model->clients[room->clients[at]].id, canonical) != 0)
        at++;
    free(canonical);
    return at;
}

/* The newcomer takes the place of the member there, of which nobody else hears. */
static void expect_replacement(struct model *model, struct model_room *room, uint32_t at,
                               const struct said *said)
{
    struct world *world = world_of(model, said->client);
    uint32_t old = room->clients[at];
    assert_int_equal(expect_effect(world, EFFECT_REPLACED)->client, old);
    assert_true(world->clients[old].was_replaced);
    world->clients[old].was_replaced = false;
    unseat_client(model, old);
    room->clients[at] = said->client;
    seat_client(model, room, said);
    expect_joined(model, said->client);
}

static void expect_entry(struct model *model, struct model_room *room, const struct said *said)
{
    if (room->member_count == room->members_max) {
        expect_refusal(model, said->client, "Room is full");
        return;
    }
    room->clients[room->member_count++] = said->client;
    seat_client(model, room, said);
    expect_joined(model, said->client);
    expect_heard_in_room(model, room, said->client,
                         format_text("{\"type\":\"peer_joined\",\"clientId\":\"%s\"}",
                                     model->clients[said->client].id));
}

/* The code that somebody typed, folded. False: no room can have it. */
static bool read_code(struct simple_value typed, char ret_code[CODE_LENGTH + 1],
                      uint32_t *ret_number)
{
    static const char alphabet[] = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789";
    struct simple_string decoded = simple_json_decode(typed.raw);
    bool is_possible = decoded.length == CODE_LENGTH;
    *ret_number = 0;
    for (uint32_t i = 0; is_possible && i < CODE_LENGTH; i++) {
        uint16_t unit = decoded.units[i];
        if (unit >= 'a' && unit <= 'z')
            unit = (uint16_t)(unit - 'a' + 'A');
        const char *found = unit > 0 && unit < 0x80 ? strchr(alphabet, unit) : NULL;
        is_possible = found != NULL;
        if (found != NULL)
            *ret_number = *ret_number * 32 + (uint32_t)(found - alphabet);
        ret_code[i] = (char)unit;
    }
    ret_code[CODE_LENGTH] = '\0';
    simple_string_release(&decoded);
    return is_possible;
}

/* The relay sent the client to the loop that owns the code, where it says the same again. */
static void expect_move(struct model *model, const struct said *said, uint32_t owner)
{
    struct world *old = world_of(model, said->client);
    assert_int_equal(old->effects.count, 1);
    assert_int_equal(expect_effect(old, EFFECT_MOVE)->loop, owner);
    expect_silence(old);
    model->clients[said->client].loop = owner;
    say_bytes(&model->worlds[owner], said->client, said->text);
}

static void expect_join(struct model *model, const struct said *said)
{
    struct simple_value typed = simple_json_member(said->text, "room");
    const char *fault = newcomer_fault(model, said);
    if (fault == NULL && !is_non_empty_string(typed))
        fault = "room is required";
    if (fault != NULL) {
        expect_refusal(model, said->client, fault);
        return;
    }
    char code[CODE_LENGTH + 1];
    uint32_t number;
    if (!read_code(typed, code, &number)) {
        expect_refusal(model, said->client, "Room not found");
        return;
    }
    if (number % model->loop_count != model->clients[said->client].loop)
        expect_move(model, said, number % model->loop_count);
    struct model_room *room = find_live_room(model, code);
    if (room == NULL) {
        expect_refusal(model, said->client, "Room not found");
        return;
    }
    uint32_t at = find_member(model, room, simple_json_member(said->text, "clientId"));
    if (at < room->member_count)
        expect_replacement(model, room, at, said);
    else
        expect_entry(model, room, said);
}

static bool names_everyone(struct simple_value to)
{
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

static void expect_send(struct model *model, const struct said *said)
{
    const struct model_client *sender = &model->clients[said->client];
    const struct model_room *room = sender->room;
    if (room == NULL) {
        expect_refusal(model, said->client, "Not in a room");
        return;
    }
    struct simple_value to = simple_json_member(said->text, "to");
    uint32_t target = room->member_count;
    if (to.kind == JSON_STRING)
        target = find_member(model, room, to);
    if (!names_everyone(to) && target == room->member_count) {
        expect_refusal(model, said->client, "Target client not found");
        return;
    }
    struct bytes data = simple_json_member(said->text, "data").raw;
    char *text =
        format_text("{\"type\":\"message\",\"from\":\"%s\"%s%.*s}", sender->id,
                    data.length > 0 ? ",\"data\":" : "", (int)data.length, (const char *)data.data);
    if (names_everyone(to))
        expect_heard_in_room(model, room, said->client, text);
    else
        expect_heard(model, room->clients[target], text);
}

static void expect_answer(struct model *model, const struct said *said, enum json_kind kind)
{
    static const struct {
        const char *name;
        void (*expect)(struct model *model, const struct said *said);
    } types[] = {{"create", expect_create}, {"join", expect_join}, {"send", expect_send}};
    if (kind == JSON_ABSENT) {
        expect_refusal(model, said->client, "Invalid JSON");
        return;
    }
    struct simple_value type = {0};
    if (kind == JSON_OBJECT)
        type = simple_json_member(said->text, "type");
    struct simple_string name = {0};
    if (type.kind == JSON_STRING)
        name = simple_json_decode(type.raw);
    size_t found = 0;
    while (found < ARRAY_LENGTH(types) && !simple_string_equals(&name, types[found].name))
        found++;
    simple_string_release(&name);
    if (found < ARRAY_LENGTH(types))
        types[found].expect(model, said);
    else
        expect_refusal(model, said->client, "Unknown message type");
}

/* The relay of a loop has the model's rooms with the model's members, and no others. */
static void check_rooms(const struct model *model, uint32_t loop)
{
    const struct world *world = &model->worlds[loop];
    assert_int_equal(world->relay.rooms.room_count, count_live_rooms(model, loop));
    for (uint32_t i = 0; i < MODEL_ROOMS_MAX; i++) {
        const struct model_room *expected = &model->rooms[i];
        uint32_t number;
        if (!is_live(expected) || expected->loop != loop)
            continue;
        assert_true(code_read(bytes_of_string(expected->code), &number));
        const struct room *room = room_table_find(&world->relay.rooms, number);
        assert_non_null(room);
        assert_int_equal(room->member_count, expected->member_count);
        assert_in_range(room->member_count, 1, expected->members_max);
        uint32_t at = 0;
        LIST_FOR_EACH(link, &room->members)
        {
            const struct member *member = member_of_link(link);
            assert_true(at < expected->member_count);
            assert_int_equal(member->client, expected->clients[at++]);
            assert_ptr_equal(member->room, room);
            assert_ptr_equal(world->clients[member->client].seat, member);
        }
        assert_int_equal(at, expected->member_count);
    }
}

/* Who is in a room has a seat on the room's loop, and nobody has another. */
static void check_seats(const struct model *model, uint32_t loop)
{
    for (uint32_t i = 0; i < WORLD_CLIENTS; i++) {
        const struct model_client *expected = &model->clients[i];
        bool has_seat = expected->room != NULL && expected->loop == loop;
        assert_int_equal(model->worlds[loop].clients[i].seat != NULL, has_seat);
        assert_false(model->worlds[loop].clients[i].was_replaced);
        if (has_seat)
            assert_int_equal(expected->room->loop, loop);
    }
}

static void check_all(struct model *model)
{
    for (uint32_t loop = 0; loop < model->loop_count; loop++) {
        expect_silence(&model->worlds[loop]);
        expect_no_effect(&model->worlds[loop], EFFECT_NO_MEMORY);
        check_rooms(model, loop);
        check_seats(model, loop);
    }
}

void model_say(struct model *model, uint32_t client, struct bytes text)
{
    struct said said = {client, text};
    if (simple_utf8_is_valid(text)) {
        enum json_kind kind = simple_json_parse(text).kind;
        say_bytes(world_of(model, client), client, text);
        expect_answer(model, &said, kind);
    } else {
        say_garbage(world_of(model, client), client);
        expect_refusal(model, client, "Invalid JSON");
    }
    check_all(model);
}

static void take_out(struct model_room *room, uint32_t client)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < room->member_count; i++) {
        if (room->clients[i] != client)
            room->clients[kept++] = room->clients[i];
    }
    room->member_count = kept;
}

void model_drop(struct model *model, uint32_t client)
{
    struct world *world = world_of(model, client);
    struct model_room *room = model->clients[client].room;
    drop(world, client);
    if (room == NULL) {
        assert_int_equal(world->effects.count, 0);
        return;
    }
    take_out(room, client);
    expect_heard_in_room(
        model, room, client,
        format_text("{\"type\":\"peer_left\",\"clientId\":\"%s\"}", model->clients[client].id));
    if (!is_live(room))
        assert_int_equal(expect_effect(world, EFFECT_ROOM_GONE)->origin, origin_of(room->creator));
    else
        expect_no_effect(world, EFFECT_ROOM_GONE);
    unseat_client(model, client);
    check_all(model);
}

void model_set_draining(struct model *model, bool is_draining)
{
    model->is_draining = is_draining;
    for (uint32_t loop = 0; loop < model->loop_count; loop++)
        model->worlds[loop].relay.is_draining = is_draining;
}

void model_release(struct model *model)
{
    for (uint32_t client = 0; client < WORLD_CLIENTS; client++)
        model_drop(model, client);
    for (uint32_t loop = 0; loop < model->loop_count; loop++) {
        assert_int_equal(model->worlds[loop].relay.rooms.room_count, 0);
        world_release(&model->worlds[loop]);
    }
}
