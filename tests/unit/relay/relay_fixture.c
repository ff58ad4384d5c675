/* Clients and inboxes around a relay; nothing here knows the rules. */
#include "relay/relay_fixture.h"

#include <stdio.h>
#include <stdlib.h>

#include "relay/dialect.h"

#define SAID_BYTES_MAX 4096

uint32_t random_next(uint64_t *state)
{
    /* splitmix64 */
    *state += 0x9E3779B97F4A7C15u;
    uint64_t mixed = *state;
    mixed = (mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9u;
    mixed = (mixed ^ (mixed >> 27)) * 0x94D049BB133111EBu;
    return (uint32_t)((mixed ^ (mixed >> 31)) >> 32);
}

static uint32_t draw_counted(void *context)
{
    struct world *world = context;
    return (uint32_t)++world->random_state;
}

/* Codes of protocol 2 take two draws, the more significant one first. */
static uint32_t draw_counted_pairs(void *context)
{
    struct world *world = context;
    uint64_t draw = world->random_state++;
    return draw % 2 == 0 ? 0 : (uint32_t)(draw / 2 + 1);
}

static uint32_t draw_random(void *context)
{
    struct world *world = context;
    return random_next(&world->random_state);
}

static uint32_t draw_given(void *context)
{
    struct world *world = context;
    uint32_t draw = *world->draws;
    if (world->draw_count > 1) {
        world->draws++;
        world->draw_count--;
    }
    return draw;
}

static bool admit_room(void *context, uint32_t client, struct maker **ret_maker)
{
    struct world *world = context;
    bool is_restored = client == CLIENT_NONE;
    if (!is_restored)
        assert_in_range(client, 0, WORLD_CLIENTS - 1);
    *ret_maker = is_restored ? NULL : context;
    if (world->rooms_admitted == WORLD_ROOMS_MAX)
        return false;
    world->rooms_admitted++;
    return true;
}

/* A restored room has no maker. */
static void check_maker(struct world *world, struct maker *maker)
{
    if (maker != NULL)
        assert_ptr_equal(maker, world);
}

static void dismiss_room(void *context, struct maker *maker)
{
    struct world *world = context;
    assert_in_range(world->rooms_admitted, 1, WORLD_ROOMS_MAX);
    check_maker(world, maker);
    world->rooms_admitted--;
}

static void room_deserted(void *context, struct room *room)
{
    struct world *world = context;
    assert_int_equal(room->member_count, 0);
    assert_false(room->retained->vacancy.is_over);
    room->retained->vacancy.is_over = true; /* the server's to use */
    world->rooms_deserted++;
}

static void room_occupied(void *context, struct room *room)
{
    struct world *world = context;
    assert_true(room->retained->vacancy.is_over);
    room->retained->vacancy.is_over = false;
    world->rooms_deserted--;
}

static bool admit_bytes(void *context, struct maker *maker, size_t count, bool is_certain)
{
    struct world *world = context;
    check_maker(world, maker);
    if (world->bytes_admitted + count > world->bytes_max)
        return false;
    if (!is_certain && world->bytes_admitted + count > world->maker_bytes_max)
        return false;
    world->bytes_admitted += count;
    return true;
}

static void dismiss_bytes(void *context, struct maker *maker, size_t count)
{
    struct world *world = context;
    check_maker(world, maker);
    assert_true(count <= world->bytes_admitted);
    world->bytes_admitted -= count;
}

static bool may_tell(void *context, uint32_t client, bool is_found)
{
    struct world *world = context;
    assert_in_range(client, 0, WORLD_CLIENTS - 1);
    if (!world->is_reticent && !is_found)
        world->misses++;
    return !world->is_reticent;
}

static bool may_bring(void *context, uint32_t client, const struct room *room)
{
    struct world *world = context;
    assert_int_equal(world->clients[client].protocol, room_protocol(room));
    assert_true(room->member_count < room->members_max);
    if (world->newcomers_left == 0)
        return false;
    world->newcomers_left--;
    return true;
}

static struct member **seat_of(void *context, uint32_t client)
{
    struct world *world = context;
    assert_in_range(client, 0, WORLD_CLIENTS - 1);
    assert_non_null(world->clients[client].seat);
    return &world->clients[client].seat;
}

static void code_needs(void *context, uint32_t client, uint64_t *ret_rooms, bool *ret_is_private)
{
    struct world *world = context;
    assert_in_range(client, 0, WORLD_CLIENTS - 1);
    *ret_rooms = world->rooms_admitted;
    *ret_is_private = true;
}

static enum token_answer check_token(void *context, uint32_t client, struct bytes token,
                                     uint32_t *ret_members_max)
{
    struct world *world = context;
    assert_in_range(client, 0, WORLD_CLIENTS - 1);
    if (world->token == NULL)
        return TOKEN_NOT_ASKED;
    if (!bytes_equal(token, bytes_of_string(world->token)))
        return TOKEN_INVALID;
    if (world->token_answer == TOKEN_OK && *ret_members_max > 2)
        *ret_members_max = 2;
    return world->token_answer;
}

static bool may_guess(void *context, uint32_t client, const struct room *room, bool was_wrong)
{
    struct world *world = context;
    assert_in_range(client, 0, WORLD_CLIENTS - 1);
    assert_true(access_has_password(room->party->access));
    world->guesses += was_wrong;
    return world->guesses < WORLD_GUESSES_MAX;
}

static void init_with_source(struct world *world, uint32_t (*source)(void *), uint64_t seed)
{
    memset(world, 0, sizeof *world);
    world->random_state = seed;
    world->bytes_max = SIZE_MAX;
    world->newcomers_left = UINT32_MAX;
    world->maker_bytes_max = SIZE_MAX;
    for (uint32_t i = 0; i < WORLD_CLIENTS; i++)
        world->clients[i].protocol = PROTOCOL_1;
    relay_init(&world->relay, &(struct relay_config){
                                  .loop_index = 0,
                                  .loop_count = 1,
                                  .members_max = WORLD_MEMBERS_MAX,
                                  .id_bytes_max = WORLD_ID_BYTES_MAX,
                                  .host_grace_ms = WORLD_GRACE_MS,
                                  .empty_room_grace_ms = WORLD_EMPTY_GRACE_MS,
                                  .crowds = world->crowds,
                                  .random = source,
                                  .seat_of = seat_of,
                                  .admit_room = admit_room,
                                  .dismiss_room = dismiss_room,
                                  .room_deserted = room_deserted,
                                  .room_occupied = room_occupied,
                                  .admit_bytes = admit_bytes,
                                  .dismiss_bytes = dismiss_bytes,
                                  .may_tell = may_tell,
                                  .may_bring = may_bring,
                                  .hold_ms_max = HOLD_MS_MAX,
                                  .migrate_ms = WORLD_MIGRATE_MS,
                                  .log_bytes_max = WORLD_LOG_BYTES,
                                  .code_needs = code_needs,
                                  .check_token = check_token,
                                  .may_guess = may_guess,
                                  .context = world,
                              });
}

void world_init(struct world *world)
{
    init_with_source(world, draw_counted, 0);
}

void world_init_2(struct world *world)
{
    init_with_source(world, draw_counted_pairs, 0);
    for (uint32_t i = 0; i < WORLD_CLIENTS; i++)
        world->clients[i].protocol = PROTOCOL_2;
}

void world_init_3(struct world *world)
{
    init_with_source(world, draw_counted_pairs, 0);
    for (uint32_t i = 0; i < WORLD_CLIENTS; i++)
        world->clients[i].protocol = PROTOCOL_3;
}

void world_init_3_random(struct world *world, uint64_t seed)
{
    world_init_3(world);
    world->random_state = seed;
    world->relay.config.random = draw_random;
}

void world_init_random(struct world *world, uint64_t seed)
{
    init_with_source(world, draw_random, seed);
}

void world_set_draws(struct world *world, const uint32_t *draws, size_t draw_count)
{
    world->draws = draws;
    world->draw_count = draw_count;
    world->relay.config.random = draw_given;
}

/* What the event reads as, to be released. */
static struct payload *event_text(struct world *world, const struct event *event)
{
    struct writer measure = writer_over(NULL, 0);
    dialect_write(&measure, event);
    struct payload *text = payload_new((uint32_t)measure.length, &world->held);
    assert_non_null(text);
    struct writer writer = writer_over(text->data, text->length);
    dialect_write(&writer, event);
    assert_int_equal(writer.length, text->length);
    return text;
}

char *printable(struct bytes message)
{
    char *copy = malloc(message.length * 4 + 1);
    size_t at = 0;
    assert_non_null(copy);
    for (size_t i = 0; i < message.length; i++) {
        if (message.data[i] < ' ')
            at += (size_t)sprintf(copy + at, "\\x%02X", message.data[i]);
        else
            copy[at++] = (char)message.data[i];
    }
    copy[at] = 0;
    return copy;
}

static void deliver_text(struct world *world, uint32_t number, const struct payload *text)
{
    assert_in_range(number, 0, WORLD_CLIENTS - 1);
    struct fake_client *client = &world->clients[number];
    assert_true(client->text_count < INBOX_TEXTS_MAX);
    bool is_binary = text->data[0] <= 1; /* no JSON begins like this */
    client->texts[client->text_count] = is_binary ? printable(bytes_of(text->data, text->length))
                                                  : strndup((const char *)text->data, text->length);
    assert_non_null(client->texts[client->text_count]);
    client->text_count++;
}

static void deliver(struct world *world, uint32_t client, const struct event *event)
{
    struct payload *text = event_text(world, event);
    deliver_text(world, client, text);
    payload_release(text);
}

static void deliver_to_room(struct world *world, const struct room *room, uint32_t except,
                            const struct payload *text)
{
    uint32_t at = 0;
    uint32_t client;
    while (room_next_client(room, &at, &client)) {
        if (client != except)
            deliver_text(world, client, text);
    }
}

static void perform_emit(struct world *world, const struct effect_emit *effect)
{
    const struct room *room = effect->room;
    struct payload *text = event_text(world, &effect->event);
    enum log_readers readers = effect->address.readers;
    uint32_t except = effect->except == NULL ? CLIENT_NONE : effect->except->client;
    uint32_t at = 0;
    uint32_t client;
    if (readers == LOG_EVERYONE || readers == LOG_EVERYONE_BUT) {
        while ((effect->is_for_audience || at < room->member_count) &&
               room_next_client(room, &at, &client)) {
            if (client != except)
                deliver_text(world, client, text);
        }
    } else {
        while (party_next_target(room->party, &effect->address, &at, &client))
            deliver_text(world, client, text);
    }
    relay_note_event(effect->room, effect, bytes_of(text->data, text->length), NULL);
    payload_release(text);
}

static void refuse_state(struct world *world, uint32_t client, const struct room *room)
{
    if (room->party == NULL) {
        deliver(world, client,
                &(struct event){.type = EVENT_ERROR, .error = ERROR_STATE_NO_MEMORY});
        return;
    }
    struct effect_emit refusal = relay_refusal_of_state(room);
    perform_emit(world, &refusal);
}

static void perform_keep_private(struct world *world, const struct effect_keep_private *effect)
{
    struct payload *text = event_text(world, &effect->event);
    if (!relay_keep_private(&world->relay, effect->room, text))
        refuse_state(world, effect->client, effect->room);
    payload_release(text);
}

static void perform_tell_private(struct world *world, const struct effect_tell_private *effect)
{
    deliver_text(world, effect->client, effect->room->party->private_state);
}

static void deliver_bytes(struct world *world, uint32_t client, struct bytes bytes)
{
    struct payload *text = payload_new((uint32_t)bytes.length, &world->held);
    assert_non_null(text);
    memcpy(text->data, bytes.data, bytes.length);
    deliver_text(world, client, text);
    payload_release(text);
}

static bool is_retold(const struct log_filter *filter, struct bytes frame)
{
    return relay_is_retold(filter->room, frame);
}

static void perform_tell_missed(struct world *world, const struct effect_tell_missed *effect)
{
    struct log_cursor cursor = effect->cursor;
    struct log_missed missed;
    const struct log_filter filter = {.is_wanted = is_retold, .room = effect->room};
    cursor.filter = effect->is_retold ? &filter : NULL;
    while (log_next_missed(&cursor, &missed)) {
        if (missed.skipped > 0)
            deliver(world, effect->client,
                    &(struct event){
                        .type = EVENT_SKIPPED, .room = effect->room, .number = missed.skipped});
        else
            deliver_bytes(world, effect->client, missed.frame);
    }
}

static void perform_to_client(struct world *world, const struct effect_to_client *effect)
{
    deliver(world, effect->client, &effect->event);
}

static void perform_not_found(struct world *world, const struct effect_not_found *effect)
{
    deliver(world, effect->client, &effect->event);
}

static void perform_to_room(struct world *world, const struct effect_to_room *effect)
{
    struct payload *text = event_text(world, &effect->event);
    deliver_to_room(world, effect->room, effect->except, text);
    payload_release(text);
}

static void perform_keep_state(struct world *world, const struct effect_keep_state *effect)
{
    struct payload *text = event_text(world, &effect->event);
    if (relay_keep_state(&world->relay, effect->room, text))
        deliver_to_room(world, effect->room, effect->client, text);
    else
        refuse_state(world, effect->client, effect->room);
    payload_release(text);
}

/* The client's fake, which has lost its seat. */
static struct fake_client *unseated(struct world *world, uint32_t client)
{
    assert_in_range(client, 0, WORLD_CLIENTS - 1);
    assert_null(world->clients[client].seat);
    return &world->clients[client];
}

static void perform_tell_state(struct world *world, const struct effect_tell_state *effect)
{
    deliver_text(world, effect->client, room_state(effect->room));
}

static void perform_replaced(struct world *world, const struct effect_replaced *effect)
{
    /* In protocol 3 it may have given the seat up for the audience, and the room with it. */
    const struct fake_client *heir = &world->clients[effect->heir];
    assert_true(heir->seat != NULL || heir->protocol == PROTOCOL_3);
    unseated(world, effect->client)->was_replaced = true;
}

static void perform_room_closed(struct world *world, const struct effect_room_closed *effect)
{
    uint32_t at = 0;
    uint32_t client;
    while (room_next_client(effect->room, &at, &client))
        unseated(world, client)->was_closed = true;
}

static void perform_room_lost(struct world *world, const struct effect_room_lost *effect)
{
    uint32_t at = 0;
    uint32_t client;
    while (room_next_client(effect->room, &at, &client))
        unseated(world, client)->was_sent_away = true;
}

static void perform_kicked(struct world *world, const struct effect_kicked *effect)
{
    struct fake_client *client = unseated(world, effect->client);
    client->was_kicked = true;
    assert_true(effect->reason.length < sizeof client->reason);
    memcpy(client->reason, effect->reason.data, effect->reason.length);
    client->reason[effect->reason.length] = 0;
}

static void perform_given_up(struct world *world, const struct effect_given_up *effect)
{
    unseated(world, effect->client)->was_given_up = true;
}

static void perform_no_memory(struct world *world, const struct effect_no_memory *effect)
{
    assert_in_range(effect->client, 0, WORLD_CLIENTS - 1);
    relay_unhear(world->clients[effect->client].seat);
    if (world->bytes_max == SIZE_MAX)
        fail_msg("out of memory");
}

/* What the server does about these is nothing that a client hears; tests look at the effect. */
#define PERFORM_NOTHING(member)                                                                   \
    static void perform_##member(const struct world *world, const struct effect_##member *effect) \
    {                                                                                             \
        (void)world;                                                                              \
        (void)effect;                                                                             \
    }

PERFORM_NOTHING(untold)
PERFORM_NOTHING(move)
PERFORM_NOTHING(room_added)
PERFORM_NOTHING(room_gone)
PERFORM_NOTHING(room_proven)

#define PERFORM(name, member, fields)             \
    case EFFECT_##name:                           \
        perform_##member(world, &effect->member); \
        break;

static void perform_one(struct world *world, const struct effect *effect)
{
    switch (effect->kind) {
        FOR_EACH_EFFECT(PERFORM)
    }
}

/* What the rooms keep, as it should have been counted. */
struct counted {
    size_t bytes;        /* of absent members, hosts left out, URLs and states */
    size_t absent_bytes; /* of the first of these */
    size_t states;
};

static void check_members(const struct room *room)
{
    for (uint32_t i = 0; i < room->member_count; i++) {
        assert_ptr_equal(room->members[i]->room, room);
        assert_int_not_equal(room->members[i]->client, CLIENT_NONE);
        assert_true(room->members[i]->index < room->next_index);
        if (i > 0)
            assert_true(room->members[i - 1]->index < room->members[i]->index);
    }
    for (uint32_t i = 1; i < room->known_count; i++)
        assert_true(
            bytes_compare(member_id(room_by_id(room)[i - 1]), member_id(room_by_id(room)[i])) < 0);
}

/* Seats that are away, and the audience. */
static void check_party(const struct room *room, struct counted *counted)
{
    const struct retained *retained = room->retained;
    const struct party *party = room->party;
    bool is_deserted = room->member_count == 0;
    assert_int_equal(!list_is_empty(&retained->deserted), is_deserted);
    assert_int_equal(retained->vacancy.is_over, is_deserted);
    assert_int_equal(room->known_count,
                     room->member_count + room->absent_count + party_audience_count(party));
    assert_true(party_seats(party) > 0);
    for (uint32_t i = 0; i < room->absent_count; i++) {
        const struct member *member = room_absent(room)[i];
        assert_int_equal(member->client, CLIENT_NONE);
        assert_int_not_equal(member_seat(member)->expiry.place, 0);
        counted->absent_bytes += allocation_cost(member_size(true, member->id_length)) + 32;
        if (i > 0)
            assert_true(room_absent(room)[i - 1]->index < member->index);
    }
    for (uint32_t i = 0; i < party_audience_count(party); i++)
        assert_true(party->audience->members[i]->is_audience);
    assert_int_equal(retained->absent_bytes, counted->absent_bytes);
}

static void check_absent(const struct room *room, struct counted *counted)
{
    const struct retained *retained = room->retained;
    bool is_deserted = room->member_count == 0;
    bool has_host = room_protocol(room) == PROTOCOL_2; /* a restored one of protocol 1 has none */
    bool is_hostless = has_host && (is_deserted || room->members[0]->index != 0);
    assert_int_equal(!list_is_empty(&retained->deserted), is_deserted);
    assert_int_equal(retained->vacancy.is_over, is_deserted); /* see room_deserted() */
    assert_int_equal(!list_is_empty(&retained->hostless), is_hostless);
    assert_int_equal(room->known_count, room->member_count + room->absent_count + is_hostless);
    assert_true(room->absent_count <= (room->members_max > 64 ? room->members_max : 64));
    for (uint32_t i = 0; i < room->absent_count; i++) {
        const struct member *member = room_absent(room)[i];
        assert_int_equal(member->client, CLIENT_NONE);
        if (has_host)
            assert_int_not_equal(member->index, 0);
        assert_ptr_equal(member->room, room);
        counted->absent_bytes += allocation_cost(member_size(false, member->id_length)) + 32;
        if (i > 0)
            assert_true(room_absent(room)[i - 1]->stayed_ms <= member->stayed_ms);
    }
    assert_int_equal(retained->absent_bytes, counted->absent_bytes);
    assert_true(counted->absent_bytes <= ROOM_ABSENT_BYTES_MAX);
}

static void count_party(const struct party *party, struct counted *own, struct counted *counted)
{
    const struct payload *state = party->private_state;
    own->bytes += party->log.bytes;
    if (party->access != NULL)
        own->bytes +=
            (party->access->kicked.count + party->access->banned.count) * sizeof(struct outcast);
    if (state != NULL) {
        own->bytes += allocation_cost(sizeof *state + state->length);
        counted->states += state->length;
    }
}

static void check_room(const struct room *room, struct counted *counted)
{
    struct counted own = {0};
    check_members(room);
    if (room->party == NULL) /* `set_room` may allow fewer than are here */
        assert_in_range(room->member_count, room->retained == NULL ? 1 : 0, room->members_max);
    if (room->retained == NULL) {
        assert_int_equal(room_protocol(room), PROTOCOL_1);
        assert_int_equal(room->known_count, room->member_count);
        return;
    }
    if (room->party == NULL)
        check_absent(room, &own);
    else
        check_party(room, &own);
    own.bytes = own.absent_bytes;
    if (room->party != NULL)
        count_party(room->party, &own, counted);
    if (room->retained->unknown != NULL)
        own.bytes += allocation_cost(room->retained->unknown_length);
    if (room_url(room).length > 0)
        own.bytes += allocation_cost(room_url(room).length);
    if (room_state(room) != NULL) {
        own.bytes += allocation_cost(sizeof(struct payload) + room_state(room)->length);
        counted->states += room_state(room)->length;
    }
    assert_int_equal(room->retained->bytes, own.bytes);
    assert_true(own.bytes <= (room->party == NULL ? ROOM_RETAINED_MAX : ROOM_3_RETAINED_MAX));
    counted->bytes += own.bytes;
}

/* Whatever was said, and however it was refused: rooms are sound, and what is counted is there. */
static void check_relay(const struct world *world)
{
    const struct room_table *table = &world->relay.rooms;
    struct counted counted = {0};
    uint32_t room_count = 0;
    for (uint32_t i = 0; i < table->bucket_count; i++) {
        for (const struct room *room = table->buckets[i]; room; room = room->next_in_bucket) {
            check_room(room, &counted);
            room_count++;
        }
    }
    assert_int_equal(table->room_count, room_count);
    assert_int_equal(world->rooms_admitted, room_count);
    assert_int_equal(world->bytes_admitted, counted.bytes);
    /* The effects of the last call may still need the room that they closed. */
    const struct room *closed = world->relay.closed;
    if (closed != NULL && room_state(closed) != NULL)
        counted.states += room_state(closed)->length;
    if (closed != NULL && closed->party != NULL && closed->party->private_state != NULL)
        counted.states += closed->party->private_state->length;
    assert_int_equal(world->held, counted.states);
}

static void perform(struct world *world)
{
    for (uint32_t i = 0; i < world->effects.count; i++)
        perform_one(world, &world->effects.items[i]);
    check_relay(world);
}

static struct speaker speaker_of(struct world *world, uint32_t client)
{
    assert_in_range(client, 0, WORLD_CLIENTS - 1);
    return (struct speaker){
        .client = client,
        .protocol = world->clients[client].protocol,
        .origin_number = world->clients[client].origin_number,
        .seat = &world->clients[client].seat,
    };
}

void say_bytes(struct world *world, uint32_t client, struct bytes text)
{
    /* A copy of the exact size, so that reading past the end is caught by a sanitizer. */
    uint8_t *copy = malloc(text.length);
    assert_non_null(copy);
    if (text.length > 0)
        memcpy(copy, text.data, text.length);
    relay_receive(&world->relay, speaker_of(world, client), bytes_of(copy, text.length),
                  &world->effects);
    perform(world);
    free(copy);
}

void carry_out(struct world *world, uint32_t client, const struct join *join)
{
    relay_carry_out(&world->relay, speaker_of(world, client), join, &world->effects);
    perform(world);
}

void say(struct world *world, uint32_t client, const char *text)
{
    say_bytes(world, client, bytes_of_string(text));
}

void say_format(struct world *world, uint32_t client, const char *format, ...)
{
    char text[SAID_BYTES_MAX];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    assert_in_range(length, 0, sizeof text - 1);
    say(world, client, text);
}

void say_garbage(struct world *world, uint32_t client)
{
    relay_receive_garbage(&world->relay, speaker_of(world, client), &world->effects);
    perform(world);
}

void say_binary(struct world *world, uint32_t client, struct bytes message)
{
    uint8_t *copy = malloc(message.length);
    assert_non_null(copy);
    if (message.length > 0)
        memcpy(copy, message.data, message.length);
    relay_receive_binary(&world->relay, speaker_of(world, client), bytes_of(copy, message.length),
                         &world->effects);
    perform(world);
    free(copy);
}

void end_connection(struct world *world, uint32_t client, enum departure departure)
{
    relay_leave(&world->relay, &world->clients[client].seat, departure, &world->effects);
    assert_null(world->clients[client].seat);
    perform(world);
}

void drop(struct world *world, uint32_t client)
{
    end_connection(world, client, DEPARTURE_FAREWELL);
}

void cut_off(struct world *world, uint32_t client)
{
    end_connection(world, client, DEPARTURE_CUT_OFF);
}

static struct payload *encode(void *context, const struct event *event)
{
    return event_text(context, event);
}

/* Any bytes, of which a copy has the exact size. */
static bool restore_copy(struct world *world, struct bytes record, struct bytes log,
                         enum ending ending, struct record_fault *ret_fault)
{
    const struct restoring restoring = {.origin_number = world->restored_origin,
                                        .ending = ending,
                                        .log = log,
                                        .encode = encode,
                                        .context = world};
    uint8_t *copy = malloc(record.length);
    assert_non_null(copy);
    if (record.length > 0)
        memcpy(copy, record.data, record.length);
    *ret_fault = (struct record_fault){RECORD_ERRORS, NULL};
    bool is_restored = record_restore(&world->relay, bytes_of(copy, record.length), &restoring,
                                      &world->effects, ret_fault);
    free(copy);
    assert_int_equal(world->effects.count, is_restored ? 1 : 0);
    assert_int_equal(ret_fault->error == RECORD_ERRORS, is_restored);
    perform(world);
    return is_restored;
}

bool restore_bytes(struct world *world, struct bytes record, struct record_fault *ret_fault)
{
    return restore_copy(world, record, (struct bytes){0},
                        world->is_of_stop ? ENDING_STOP : ENDING_ANY, ret_fault);
}

bool restore_with_log(struct world *world, const char *record, struct bytes log,
                      struct record_fault *ret_fault)
{
    return restore_copy(world, bytes_of_string(record), log, ENDING_UPGRADE, ret_fault);
}

void restore_at_upgrade(struct world *world, struct room_picture picture)
{
    struct record_fault fault;
    struct bytes log = bytes_of(picture.log.data, picture.log.length);
    if (!restore_with_log(world, picture.record, log, &fault))
        fail_msg("%s: %s (%s)", picture.record, record_error_text(fault.error),
                 fault.field == NULL ? "" : fault.field);
}

bool restore(struct world *world, const char *record, struct record_fault *ret_fault)
{
    return restore_bytes(world, bytes_of_string(record), ret_fault);
}

typedef void write_of_record(struct writer *writer, const struct relay *relay,
                             const struct room *room);

static char *write_record(const struct world *world, const struct room *room,
                          write_of_record *write)
{
    struct writer measure = writer_over(NULL, 0);
    write(&measure, &world->relay, room);
    char *text = malloc(measure.length + 1);
    assert_non_null(text);
    struct writer writer = writer_over((uint8_t *)text, measure.length);
    write(&writer, &world->relay, room);
    assert_int_equal(writer.length, measure.length);
    text[writer.length] = '\0';
    return text;
}

char *record_of(const struct world *world, const char *code)
{
    uint64_t number;
    assert_true(code_read(bytes_of_string(code), &number));
    const struct room *room = relay_find_room(&world->relay, number);
    assert_non_null(room);
    return write_record(world, room, world->is_of_stop ? record_write_at_stop : record_write);
}

static struct bytes_mut write_log(const struct room *room)
{
    struct writer measure = writer_over(NULL, 0);
    record_write_log(&measure, room);
    struct bytes_mut log = {malloc(measure.length), measure.length};
    assert_true(log.data != NULL || log.length == 0);
    struct writer writer = writer_over(log.data, log.length);
    record_write_log(&writer, room);
    assert_int_equal(writer.length, log.length);
    return log;
}

struct room_picture picture_at_upgrade(const struct world *world, const struct room *room)
{
    return (struct room_picture){
        .record = write_record(world, room, record_write_at_upgrade),
        .log = write_log(room),
    };
}

void free_room_picture(struct room_picture picture)
{
    free(picture.record);
    free(picture.log.data);
}

static bool is_another(void *context, uint64_t code)
{
    const uint64_t *given_up = context;
    return code != *given_up;
}

bool give_up(struct world *world, uint64_t code)
{
    uint32_t bucket = 0;
    struct room *room = relay_find_unserved(&world->relay, &bucket, is_another, &code);
    if (room == NULL)
        return false;
    relay_give_up(&world->relay, room, &world->effects);
    perform(world);
    return true;
}

bool do_due(struct world *world)
{
    bool is_over = relay_do_due(&world->relay, &world->effects);
    perform(world);
    return is_over;
}

void pass_time(struct world *world, uint32_t ms)
{
    uint32_t end_ms = world->relay.now_ms + ms;
    int32_t left_ms;
    while ((left_ms = relay_due_left_ms(&world->relay)) >= 0 &&
           (uint32_t)left_ms <= end_ms - world->relay.now_ms) {
        world->relay.now_ms += (uint32_t)left_ms;
        assert_true(do_due(world));
    }
    world->relay.now_ms = end_ms;
    assert_false(do_due(world));
}

void set_state(struct world *world, uint32_t client, const char *data)
{
    say_format(world, client, "{\"type\":\"set_state\",\"data\":%s}", data);
}

void init_party(struct world *world, uint32_t max_clients)
{
    world_init_2(world);
    create_room(world, 1, "a", max_clients);
    join_room(world, 2, "b", "111112");
    join_room(world, 3, "c", "111112");
    forget_texts(world);
}

void world_release(struct world *world)
{
    expect_silence(world);
    for (uint32_t i = 0; i < WORLD_CLIENTS; i++)
        drop(world, i);
    pass_time(world, HOLD_MS_MAX);
    pass_time(world, WORLD_GRACE_MS > WORLD_EMPTY_GRACE_MS ? WORLD_GRACE_MS : WORLD_EMPTY_GRACE_MS);
    forget_texts(world);
    assert_int_equal(world->rooms_deserted, 0);
    assert_int_equal(world->rooms_admitted, 0);
    assert_int_equal(world->bytes_admitted, 0);
    assert_int_equal(relay_due_left_ms(&world->relay), -1);
    relay_release(&world->relay);
    assert_int_equal(world->held, 0);
}

void create_room(struct world *world, uint32_t client, const char *id, uint32_t max_clients)
{
    say_format(world, client, "{\"type\":\"create\",\"clientId\":\"%s\",\"maxClients\":%u}", id,
               max_clients);
}

void join_room(struct world *world, uint32_t client, const char *id, const char *code)
{
    say_format(world, client, "{\"type\":\"join\",\"clientId\":\"%s\",\"room\":\"%s\"}", id, code);
}

void expect_next(struct world *world, uint32_t number, const char *text)
{
    struct fake_client *client = &world->clients[number];
    if (client->text_count == 0)
        fail_msg("client %u heard nothing, but should have heard %s", number, text);
    char *heard = client->texts[0];
    client->text_count--;
    memmove(client->texts, client->texts + 1, client->text_count * sizeof client->texts[0]);
    assert_string_equal(heard, text);
    free(heard);
}

void expect_only(struct world *world, uint32_t client, const char *text)
{
    expect_next(world, client, text);
    if (world->clients[client].text_count > 0)
        fail_msg("client %u also heard %s", client, world->clients[client].texts[0]);
}

void expect_error(struct world *world, uint32_t client, const char *message)
{
    char text[SAID_BYTES_MAX];
    snprintf(text, sizeof text, "{\"type\":\"error\",\"message\":\"%s\"}", message);
    expect_only(world, client, text);
    expect_silence(world);
}

void expect_code(struct world *world, uint32_t client, const char *code, const char *of,
                 uint32_t number)
{
    expect_code_to(world, client, code, of, "", number);
}

void expect_code_to(struct world *world, uint32_t client, const char *code, const char *of,
                    const char *to, uint32_t number)
{
    const struct fake_client *fake = &world->clients[client];
    char begin[SAID_BYTES_MAX];
    char end[SAID_BYTES_MAX];
    snprintf(begin, sizeof begin, "{\"type\":\"error\",\"code\":\"%s\",\"message\":\"", code);
    const char *before_to = to[0] == 0 ? "" : ",\"to\":";
    snprintf(end, sizeof end, "\",\"of\":\"%s\"%s%s,\"n\":%u}", of, before_to, to, number);
    if (number == 0)
        snprintf(end, sizeof end, "\",\"of\":\"%s\"}", of);
    if (fake->text_count != 1)
        fail_msg("client %u should have heard %s, and nothing else", client, code);
    const char *text = fake->texts[0];
    size_t length = strlen(text);
    if (strncmp(text, begin, strlen(begin)) != 0 || length < strlen(end) ||
        strcmp(text + length - strlen(end), end) != 0)
        fail_msg("client %u heard %s instead of %s ... %s", client, text, begin, end);
    forget_texts_of(world, client);
    expect_silence(world);
}

void expect_silence(struct world *world)
{
    for (uint32_t i = 0; i < WORLD_CLIENTS; i++) {
        if (world->clients[i].text_count > 0)
            fail_msg("client %u heard %s", i, world->clients[i].texts[0]);
    }
}

void forget_texts_of(struct world *world, uint32_t number)
{
    struct fake_client *client = &world->clients[number];
    while (client->text_count > 0)
        free(client->texts[--client->text_count]);
}

void forget_texts(struct world *world)
{
    for (uint32_t i = 0; i < WORLD_CLIENTS; i++)
        forget_texts_of(world, i);
}

void expect_effects(const struct world *world, const enum effect_kind *kinds, uint32_t count)
{
    assert_int_equal(world->effects.count, count);
    for (uint32_t i = 0; i < count; i++)
        assert_int_equal(world->effects.items[i].kind, kinds[i]);
}
