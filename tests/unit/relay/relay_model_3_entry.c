/* How clients of protocol 3 come: rooms that are created, seats that are taken or taken back. */
#include <stdlib.h>

#include "relay/relay_model_3_parts.h"

#define HOLD_STANDARD 60
#define GUESSES_PER_HIT 20000 /* of random codes; creators are near */
#define LETTERS_LEAST 4

/* The code of the room in which the client is now, which is as long as it must be. */
static void check_code(struct model_3 *model, uint32_t client, char ret_code[CODE_LENGTH_MAX + 1])
{
    struct world *world = world_of_3(model, client);
    assert_non_null(world->clients[client].seat);
    uint64_t number = world->clients[client].seat->room->code;
    size_t length = code_write(number, (uint8_t *)ret_code);
    ret_code[length] = '\0';
    assert_false(code_is_obscene(number));
    assert_int_equal(number % model->loop_count, model->clients[client].loop);
    assert_int_equal(strspn(ret_code, LETTERS_3), length);
    bool has_region = model->instance.region.length > 0;
    if (has_region)
        assert_int_equal(ret_code[0], LETTERS_3[15]); /* `sjc` is number 15 of the regions */
    size_t needed = LETTERS_LEAST;
    uint64_t codes = has_region ? 8000 : 160000;
    for (; codes <= (uint64_t)world->rooms_admitted * GUESSES_PER_HIT; codes *= 20)
        needed++;
    assert_int_equal(length, needed);
}

static uint32_t or_else(uint32_t number, uint32_t otherwise)
{
    return number == MODEL_3_NONE ? otherwise : number;
}

/* What a `create` without a fault makes. */
static void add_room(struct model_3 *model, const struct said_3 *said, const char *code)
{
    struct model_3_room *room = place_room_3(model, code);
    struct simple_value url = field_3(said, "url");
    struct simple_value on_host_left = field_3(said, "onHostLeft");
    struct simple_value password = field_3(said, "password");
    room->loop = model->clients[said->client].loop;
    room->creator = said->client;
    room->members_max = ceiling_3(field_3(said, "maxClients"), WORLD_MEMBERS_MAX);
    if (model->asks_for_token && room->members_max > MODEL_3_TOKEN_MEMBERS)
        room->members_max = MODEL_3_TOKEN_MEMBERS;
    room->audience_max = or_else(ceiling_3(field_3(said, "maxAudience"), WORLD_MEMBERS_MAX), 0);
    room->hold_ms =
        (uint64_t)1000 * or_else(ceiling_3(field_3(said, "hold"), UINT32_MAX), HOLD_STANDARD);
    if (room->hold_ms > model->hold_ms_max)
        room->hold_ms = model->hold_ms_max;
    if (on_host_left.kind == JSON_STRING) {
        char *form = canonical_form(on_host_left);
        room->host_migrates = strcmp(form, "migrate") == 0;
        free(form);
    }
    if (password.kind == JSON_STRING)
        room->password = canonical_form(password);
    if (url.kind != JSON_ABSENT)
        room->url = filled_url(&model->instance, url, code);
    struct model_3_member *member =
        add_member_3(model, room, said->client, canonical_form(field_3(said, "clientId")));
    member->index = room->next_index++;
    member->sessions[0] = canonical_form(field_3(said, "session")); /* `create` is attempt 0 */
}

/* The loop has all rooms that it may have, and those of other protocols. */
static bool is_full(const struct model_3 *model, uint32_t loop)
{
    uint32_t count = count_rooms_3(model, loop);
    for (uint32_t i = MODEL_3_CLIENTS; i < WORLD_CLIENTS; i++)
        count += model->clients[i].loop == loop;
    return count == WORLD_ROOMS_MAX;
}

void expect_create_3(struct model_3 *model, const struct said_3 *said)
{
    uint32_t loop = model->clients[said->client].loop;
    struct fault_3 fault = create_fault_3(model, said);
    if (fault.code == NULL && is_full(model, loop)) {
        struct model_3_room *oldest = first_deserted_3(model, loop);
        if (oldest != NULL)
            expect_shut_3(model, oldest);
        else
            fault = (struct fault_3){"server-full", "Too many rooms"};
    }
    if (fault.code != NULL) {
        refuse_3(model, said, fault);
        return;
    }
    char code[CODE_LENGTH_MAX + 1];
    check_code(model, said->client, code);
    add_room(model, said, code);
    expect_created_3(model, said->client);
}

/* False: the join is stale. */
static bool note_session(struct model_3_member *member, const struct entrant_3 *entrant)
{
    for (uint32_t i = 0; i < MODEL_3_SESSIONS; i++) {
        bool is_known =
            member->sessions[i] != NULL && strcmp(member->sessions[i], entrant->session) == 0;
        if (is_known && (i > 0 || entrant->attempt <= member->attempt))
            return false;
        if (is_known) {
            member->attempt = entrant->attempt;
            return true;
        }
    }
    free(member->sessions[MODEL_3_SESSIONS - 1]);
    for (uint32_t i = MODEL_3_SESSIONS - 1; i > 0; i--)
        member->sessions[i] = member->sessions[i - 1];
    member->sessions[0] = format_text("%s", entrant->session);
    member->attempt = entrant->attempt;
    return true;
}

static void expect_replaced(struct model_3 *model, struct model_3_member *member)
{
    struct fake_client *old = &world_of_3(model, member->client)->clients[member->client];
    assert_true(old->was_replaced);
    old->was_replaced = false;
    model->clients[member->client].room = NULL;
}

static void expect_return(struct model_3 *model, struct model_3_room *room,
                          struct model_3_member *member, const struct entrant_3 *entrant)
{
    bool was_away = member->client == MODEL_3_NONE;
    if (was_away)
        member->entered_ms = model->now_ms;
    else
        expect_replaced(model, member);
    member->client = entrant->client;
    member->expires_ms = MODEL_3_NEVER;
    room->is_known = true;
    model->clients[entrant->client].room = room;
    expect_resumption_3(model, room, member, entrant);
    if (was_away)
        tell_room_3(model, room, member, MODEL_3_KEPT,
                    format_text("{\"type\":\"peer_back\",\"index\":%u}", member->index));
    if (member->index == room->host)
        note_audience_3(model, room);
    review_host_3(model, room);
}

static bool is_among(const struct model_3_outcasts *outcasts, const char *name)
{
    for (uint32_t i = 0; name[0] != '\0' && i < outcasts->count; i++) {
        if (strstr(outcasts->names[i], name) != NULL)
            return true;
    }
    return false;
}

static struct fault_3 password_fault(struct model_3 *model, const struct model_3_room *room,
                                     const struct entrant_3 *entrant)
{
    if (room->password == NULL)
        return (struct fault_3){0};
    if (entrant->password == NULL)
        return (struct fault_3){"password-required", "Room needs a password"};
    if (model->guesses[room->loop] >= WORLD_GUESSES_MAX)
        return (struct fault_3){"passwords-busy", "Too many wrong passwords"};
    if (strcmp(room->password, entrant->password) == 0)
        return (struct fault_3){0};
    model->guesses[room->loop]++;
    return (struct fault_3){"wrong-password", "Wrong password"};
}

static struct fault_3 place_fault(const struct model_3_room *room, const struct entrant_3 *entrant)
{
    if (entrant->watches && count_watching_3(room) >= room->audience_max)
        return (struct fault_3){"audience-full", "Audience is full"};
    if (!entrant->watches && count_seats_3(room) >= room->members_max)
        return (struct fault_3){"room-full", "Room is full"};
    return (struct fault_3){0};
}

/* Why somebody new is not let in. */
static struct fault_3 entry_fault(struct model_3 *model, const struct model_3_room *room,
                                  const struct entrant_3 *entrant)
{
    if (is_among(&room->kicked, entrant->epoch))
        return (struct fault_3){"kicked", "Kicked from the room"};
    for (uint32_t i = 0; i < room->banned.count; i++) {
        if (strcmp(room->banned.names[i], entrant->id) == 0)
            return (struct fault_3){"banned", "Banned from the room"};
    }
    struct fault_3 fault = password_fault(model, room, entrant);
    if (fault.code != NULL)
        return fault;
    if (room->is_locked)
        return (struct fault_3){"room-locked", "Room is locked"};
    return place_fault(room, entrant);
}

static struct model_3_member *add_entrant(struct model_3 *model, struct model_3_room *room,
                                          const struct entrant_3 *entrant)
{
    struct model_3_member *member =
        add_member_3(model, room, entrant->client, format_text("%s", entrant->id));
    member->sessions[0] = format_text("%s", entrant->session);
    member->attempt = entrant->attempt;
    room->is_known = true;
    return member;
}

static void expect_watching(struct model_3 *model, struct model_3_room *room,
                            const struct entrant_3 *entrant)
{
    const struct model_3_member *member = add_entrant(model, room, entrant);
    expect_joined_3(model, room, member, false, 0);
    note_audience_3(model, room);
}

static void expect_new_seat(struct model_3 *model, struct model_3_room *room,
                            const struct entrant_3 *entrant)
{
    struct model_3_member *member = add_entrant(model, room, entrant);
    member->index = room->next_index++;
    begin_epoch_3(model, member);
    expect_joined_3(model, room, member, false, 0);
    tell_room_3(model, room, member, MODEL_3_KEPT,
                format_text("{\"type\":\"peer_joined\",\"index\":%u}", member->index));
    review_host_3(model, room);
}

/* `member` is who is known already, but has no seat or will have none, or NULL. */
static void expect_entry(struct model_3 *model, struct model_3_room *room,
                         struct model_3_member *member, const struct said_3 *said,
                         const struct entrant_3 *entrant)
{
    struct fault_3 fault = {0};
    if (member == NULL || (watches_3(member) && !entrant->watches))
        fault = entry_fault(model, room, entrant);
    else if (!watches_3(member))
        fault = place_fault(room, entrant);
    if (fault.code != NULL) {
        refuse_3(model, said, fault);
        return;
    }
    if (member != NULL && member->client != MODEL_3_NONE)
        expect_replaced(model, member);
    if (member != NULL)
        vacate_3(model, room, member, "left");
    if (!room->is_live)
        refuse_3(model, said, (struct fault_3){"room-not-found", "Room not found"});
    else if (entrant->watches)
        expect_watching(model, room, entrant);
    else
        expect_new_seat(model, room, entrant);
}

static void expect_entrant(struct model_3 *model, const char *code, const struct said_3 *said,
                           const struct entrant_3 *entrant)
{
    struct model_3_room *room = find_room_3(model, code);
    if (strcmp(code, model->foreign_codes[0]) == 0) {
        refuse_3(model, said, (struct fault_3){"wrong-protocol", "Room uses protocol 1"});
        return;
    }
    if (strcmp(code, model->foreign_codes[1]) == 0) {
        refuse_3(model, said, (struct fault_3){"wrong-protocol", "Room uses protocol 2"});
        return;
    }
    if (room == NULL) {
        refuse_3(model, said, (struct fault_3){"room-not-found", "Room not found"});
        return;
    }
    struct model_3_member *member = find_known_3(room, entrant->id);
    if (member != NULL && !note_session(member, entrant)) {
        struct fake_client *client = &world_of_3(model, said->client)->clients[said->client];
        assert_true(client->was_given_up);
        client->was_given_up = false;
    } else if (member != NULL && !watches_3(member) && !entrant->watches) {
        expect_return(model, room, member, entrant);
    } else {
        expect_entry(model, room, member, said, entrant);
    }
}

void expect_join_3(struct model_3 *model, const struct said_3 *said)
{
    struct simple_value password = field_3(said, "password");
    struct simple_value seen = field_3(said, "seen");
    struct fault_3 fault = join_fault_3(model, said);
    char code[CODE_LENGTH_MAX + 1];
    uint64_t number = 0;
    if (fault.code == NULL && !read_code(field_3(said, "room"), code, &number))
        fault = (struct fault_3){"room-not-found", "Room not found"};
    if (fault.code != NULL) {
        refuse_3(model, said, fault);
        return;
    }
    uint32_t owner = (uint32_t)(number % model->loop_count);
    if (owner != model->clients[said->client].loop) {
        assert_int_equal(model->moved_to, owner);
        model->clients[said->client].loop = owner;
        model->moved_to = MODEL_3_NONE;
    }
    struct entrant_3 entrant = {
        .client = said->client,
        .id = canonical_form(field_3(said, "clientId")),
        .session = canonical_form(field_3(said, "session")),
        .password = password.kind == JSON_STRING ? canonical_form(password) : NULL,
        .attempt = number_of(field_3(said, "attempt")),
        .seen = is_whole_3(seen, 0, 0x1p53) ? number_of(seen) : -1,
        .watches = field_3(said, "role").kind == JSON_STRING,
    };
    read_epoch_3(field_3(said, "epoch"), entrant.epoch);
    expect_entrant(model, code, said, &entrant);
    free(entrant.id);
    free(entrant.session);
    free(entrant.password);
}
