/*
 * The rules of protocol 1: who hears what, each error with its text and place in the order of
 * checks, limits, and codes of other loops.
 */
#include "relay/relay_fixture.h"

#include <stdio.h>

#include "relay/code.h"

/* Client 1 is `a`, client 2 is `b`, client 3 is `c`, in room AAAB, and nothing is in an inbox. */
static void init_three_members(struct world *world, uint32_t max_clients)
{
    world_init(world);
    create_room(world, 1, "a", max_clients);
    join_room(world, 2, "b", "AAAB");
    join_room(world, 3, "c", "AAAB");
    forget_texts(world);
}

static uint32_t number_of(const char *code)
{
    uint32_t number = 0;
    assert_true(code_read(bytes_of_string(code), &number));
    return number;
}

static void creator_gets_the_code_of_a_new_room(void **state)
{
    (void)state;
    struct world world;
    world_init(&world);
    create_room(&world, 1, "a", 2);
    EXPECT_EFFECTS(&world, EFFECT_ROOM_ADDED, EFFECT_TO_CLIENT);
    expect_only(&world, 1, "{\"type\":\"created\",\"room\":\"AAAB\"}");
    create_room(&world, 2, "a", 2);
    expect_only(&world, 2, "{\"type\":\"created\",\"room\":\"AAAC\"}");
    world_release(&world);
}

static void joiner_gets_all_members_and_they_hear_of_the_joiner(void **state)
{
    (void)state;
    struct world world;
    world_init(&world);
    create_room(&world, 1, "z", 8);
    forget_texts(&world);
    join_room(&world, 2, "m", "AAAB");
    expect_only(&world, 2, "{\"type\":\"joined\",\"room\":\"AAAB\",\"clients\":[\"z\",\"m\"]}");
    expect_only(&world, 1, "{\"type\":\"peer_joined\",\"clientId\":\"m\"}");
    join_room(&world, 3, "a", "AAAB");
    expect_only(&world, 3,
                "{\"type\":\"joined\",\"room\":\"AAAB\",\"clients\":[\"z\",\"m\",\"a\"]}");
    expect_only(&world, 1, "{\"type\":\"peer_joined\",\"clientId\":\"a\"}");
    expect_only(&world, 2, "{\"type\":\"peer_joined\",\"clientId\":\"a\"}");
    world_release(&world);
}

static void others_hear_at_once_that_a_member_left(void **state)
{
    (void)state;
    struct world world;
    init_three_members(&world, 8);
    drop(&world, 1);
    expect_only(&world, 2, "{\"type\":\"peer_left\",\"clientId\":\"a\"}");
    expect_only(&world, 3, "{\"type\":\"peer_left\",\"clientId\":\"a\"}");
    join_room(&world, 1, "a", "AAAB");
    expect_only(&world, 1,
                "{\"type\":\"joined\",\"room\":\"AAAB\",\"clients\":[\"b\",\"c\",\"a\"]}");
    forget_texts(&world);
    world_release(&world);
}

static void leaving_without_a_seat_does_nothing(void **state)
{
    (void)state;
    struct world world;
    init_three_members(&world, 8);
    drop(&world, 4);
    assert_int_equal(world.effects.count, 0);
    world_release(&world);
}

static void errors_outside_of_rooms_have_their_texts_and_order(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *error;
    } cases[] = {
        {"", "Invalid JSON"},
        {" ", "Invalid JSON"},
        {"{", "Invalid JSON"},
        {"\xEF\xBB\xBF{\"type\":\"send\"}", "Invalid JSON"},
        {"{\"type\":\"send\",}", "Invalid JSON"},
        {"{\"type\":\"send\"} x", "Invalid JSON"},
        {"{\"type\":\"nonsense\",\"x\":01}", "Invalid JSON"},
        {"null", "Unknown message type"},
        {"1", "Unknown message type"},
        {"[]", "Unknown message type"},
        {"\"create\"", "Unknown message type"},
        {"{}", "Unknown message type"},
        {"{\"type\":null}", "Unknown message type"},
        {"{\"type\":[\"create\"]}", "Unknown message type"},
        {"{\"type\":\"Create\"}", "Unknown message type"},
        {"{\"type\":\"created\"}", "Unknown message type"},
        {"{\"type\":\"leave\"}", "Unknown message type"},
        {"{\"type\":\"create\"}", "clientId is required"},
        {"{\"type\":\"create\",\"clientId\":\"\"}", "clientId is required"},
        {"{\"type\":\"create\",\"clientId\":null,\"maxClients\":2}", "clientId is required"},
        {"{\"type\":\"create\",\"clientId\":7,\"maxClients\":0}", "clientId is required"},
        {"{\"type\":\"create\",\"clientId\":[\"a\"],\"maxClients\":2}", "clientId is required"},
        {"{\"type\":\"create\",\"clientId\":\"a\"}", "maxClients must be a positive number"},
        {"{\"type\":\"join\"}", "clientId is required"},
        {"{\"type\":\"join\",\"room\":\"AAAB\"}", "clientId is required"},
        {"{\"type\":\"join\",\"room\":\"AAAB\",\"clientId\":{}}", "clientId is required"},
        {"{\"type\":\"join\",\"clientId\":\"a\"}", "room is required"},
        {"{\"type\":\"join\",\"clientId\":\"a\",\"room\":\"\"}", "room is required"},
        {"{\"type\":\"join\",\"clientId\":\"a\",\"room\":1234}", "room is required"},
        {"{\"type\":\"join\",\"clientId\":\"a\",\"room\":null}", "room is required"},
        {"{\"type\":\"join\",\"clientId\":\"a\",\"room\":\"AAAB\"}", "Room not found"},
        {"{\"type\":\"join\",\"clientId\":\"a\",\"room\":\"A\"}", "Room not found"},
        {"{\"type\":\"send\"}", "Not in a room"},
        {"{\"type\":\"send\",\"data\":1,\"to\":\"nobody\"}", "Not in a room"},
        {"{\"type\":\"send\",\"to\":7}", "Not in a room"},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        struct world world;
        world_init(&world);
        say(&world, 1, cases[i].text);
        expect_error(&world, 1, cases[i].error);
        assert_null(world.clients[1].seat);
        assert_int_equal(world.relay.rooms.room_count, 0);
        world_release(&world);
    }
}

static void errors_inside_of_a_room_have_their_texts_and_order(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *error;
    } cases[] = {
        {"{", "Invalid JSON"},
        {"{\"type\":\"leave\"}", "Unknown message type"},
        {"{\"type\":\"create\"}", "Already in a room"},
        {"{\"type\":\"create\",\"clientId\":\"x\",\"maxClients\":2}", "Already in a room"},
        {"{\"type\":\"join\"}", "Already in a room"},
        {"{\"type\":\"join\",\"clientId\":\"a\",\"room\":\"AAAB\"}", "Already in a room"},
        {"{\"type\":\"send\",\"to\":\"nobody\"}", "Target client not found"},
    };
    struct world world;
    init_three_members(&world, 8);
    struct member *seat = world.clients[1].seat;
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        say(&world, 1, cases[i].text);
        expect_error(&world, 1, cases[i].error);
        assert_ptr_equal(world.clients[1].seat, seat);
    }
    world_release(&world);
}

static void what_cannot_be_text_is_invalid_json(void **state)
{
    (void)state;
    struct world world;
    init_three_members(&world, 8);
    say_garbage(&world, 1);
    expect_error(&world, 1, "Invalid JSON");
    say_garbage(&world, 9);
    expect_error(&world, 9, "Invalid JSON");
    world_release(&world);
}

static void full_room_refuses_newcomers_until_somebody_leaves(void **state)
{
    (void)state;
    struct world world;
    init_three_members(&world, 3);
    join_room(&world, 4, "d", "AAAB");
    expect_error(&world, 4, "Room is full");
    assert_null(world.clients[4].seat);
    drop(&world, 2);
    forget_texts(&world);
    join_room(&world, 4, "d", "AAAB");
    expect_only(&world, 4,
                "{\"type\":\"joined\",\"room\":\"AAAB\",\"clients\":[\"a\",\"c\",\"d\"]}");
    forget_texts(&world);
    world_release(&world);
}

static void returning_member_replaces_its_connection_unheard_even_in_a_full_room(void **state)
{
    (void)state;
    struct world world;
    init_three_members(&world, 3);
    join_room(&world, 4, "\\u0062", "aaab");
    EXPECT_EFFECTS(&world, EFFECT_REPLACED, EFFECT_TO_CLIENT);
    assert_int_equal(world.effects.items[0].client, 2);
    assert_true(world.clients[2].was_replaced);
    assert_null(world.clients[2].seat);
    assert_non_null(world.clients[4].seat);
    expect_only(&world, 4,
                "{\"type\":\"joined\",\"room\":\"AAAB\",\"clients\":[\"a\",\"b\",\"c\"]}");
    expect_silence(&world);

    say(&world, 1, "{\"type\":\"send\",\"data\":1,\"to\":\"b\"}");
    expect_only(&world, 4, "{\"type\":\"message\",\"from\":\"a\",\"data\":1}");
    say(&world, 3, "{\"type\":\"send\",\"data\":2}");
    expect_only(&world, 1, "{\"type\":\"message\",\"from\":\"c\",\"data\":2}");
    expect_only(&world, 4, "{\"type\":\"message\",\"from\":\"c\",\"data\":2}");
    say(&world, 4, "{\"type\":\"send\",\"data\":3}");
    expect_only(&world, 1, "{\"type\":\"message\",\"from\":\"b\",\"data\":3}");
    expect_only(&world, 3, "{\"type\":\"message\",\"from\":\"b\",\"data\":3}");

    say(&world, 2, "{\"type\":\"send\",\"data\":4}");
    expect_error(&world, 2, "Not in a room");
    drop(&world, 2);
    expect_silence(&world);
    drop(&world, 4);
    expect_only(&world, 1, "{\"type\":\"peer_left\",\"clientId\":\"b\"}");
    expect_only(&world, 3, "{\"type\":\"peer_left\",\"clientId\":\"b\"}");
    world_release(&world);
}

static void only_member_can_be_replaced_and_the_room_lives_on(void **state)
{
    (void)state;
    struct world world;
    world_init(&world);
    create_room(&world, 1, "a", 1);
    forget_texts(&world);
    join_room(&world, 2, "a", "AAAB");
    EXPECT_EFFECTS(&world, EFFECT_REPLACED, EFFECT_TO_CLIENT);
    expect_only(&world, 2, "{\"type\":\"joined\",\"room\":\"AAAB\",\"clients\":[\"a\"]}");
    drop(&world, 1);
    assert_int_equal(world.relay.rooms.room_count, 1);
    drop(&world, 2);
    assert_int_equal(world.relay.rooms.room_count, 0);
    world_release(&world);
}

/* How many clients a room of this maxClients takes; 0 when it is refused. */
static uint32_t admitted_by(const char *max_clients)
{
    struct world world;
    world_init(&world);
    say_format(&world, 0, "{\"type\":\"create\",\"clientId\":\"c0\",\"maxClients\":%s}",
               max_clients);
    uint32_t admitted = 0;
    if (world.clients[0].seat == NULL) {
        expect_error(&world, 0, "maxClients must be a positive number");
        join_room(&world, 0, "c0", "AAAB");
        expect_error(&world, 0, "Room not found");
    } else {
        char id[16] = "c0";
        for (uint32_t i = 1; world.clients[admitted].seat != NULL; i++) {
            admitted++;
            snprintf(id, sizeof id, "c%u", i);
            forget_texts(&world);
            join_room(&world, i, id, "AAAB");
        }
        expect_error(&world, admitted, "Room is full");
    }
    world_release(&world);
    return admitted;
}

static void max_clients_counts_members_up_to_the_cap(void **state)
{
    (void)state;
    static const struct {
        const char *max_clients;
        uint32_t admitted;
    } cases[] = {
        {"1", 1},        {"1.0", 1},       {"1e0", 1},
        {"10e-1", 1},    {"1.5", 2},       {"1.0000000000000002", 2},
        {"2", 2},        {"2.001", 3},     {"0.3e1", 3},
        {"6.5", 7},      {"7", 7},         {"7.5", WORLD_MEMBERS_MAX},
        {"8", 8},        {"8.5", 8},       {"9", 8},
        {"4294967295", 8}, {"4294967296", 8}, {"4294967297", 8},
        {"18446744073709551617", 8}, {"1e308", 8}, {"1e400", 8},
        {"0", 0},        {"-0", 0},        {"0.5", 0},
        {"0.9999999999999999", 0}, {"-1", 0}, {"-1e400", 0},
        {"1e-400", 0},   {"null", 0},      {"true", 0},
        {"\"2\"", 0},    {"[2]", 0},       {"{}", 0},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        uint32_t admitted = admitted_by(cases[i].max_clients);
        if (admitted != cases[i].admitted)
            fail_msg("maxClients %s admitted %u", cases[i].max_clients, admitted);
    }
}

static void to_in_all_its_forms_names_everyone_somebody_or_nobody(void **state)
{
    (void)state;
    static const struct {
        const char *to;
        const char *hearers; /* client numbers */
    } cases[] = {
        {"null", "23"},     {"\"\"", "23"},      {"0", "23"},     {"-0", "23"},
        {"0.0", "23"},      {"0e9", "23"},       {"false", "23"}, {"1e-400", "23"},
        {"\"b\"", "2"},     {"\"\\u0062\"", "2"}, {"\"c\"", "3"},  {"\"a\"", "1"},
        {"\"d\"", ""},      {"\"B\"", ""},       {"\"b \"", ""},  {"1", ""},
        {"1e400", ""},      {"true", ""},        {"[]", ""},      {"{}", ""},
        {"[\"b\"]", ""},    {"\"\\u0000\"", ""}, {"2", ""},       {"0.1", ""},
    };
    struct world world;
    init_three_members(&world, 8);
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        say_format(&world, 1, "{\"type\":\"send\",\"to\":%s,\"data\":%zu}", cases[i].to, i);
        char message[64];
        snprintf(message, sizeof message, "{\"type\":\"message\",\"from\":\"a\",\"data\":%zu}", i);
        if (cases[i].hearers[0] == '\0')
            expect_error(&world, 1, "Target client not found");
        for (const char *hearer = cases[i].hearers; *hearer != '\0'; hearer++)
            expect_only(&world, (uint32_t)(*hearer - '0'), message);
        expect_silence(&world);
    }
    world_release(&world);
}

static void too_long_a_target_is_not_found(void **state)
{
    (void)state;
    char id[2001];
    memset(id, 'b', sizeof id - 1);
    id[sizeof id - 1] = '\0';
    struct world world;
    init_three_members(&world, 8);
    say_format(&world, 1, "{\"type\":\"send\",\"to\":\"%s\"}", id);
    expect_error(&world, 1, "Target client not found");
    world_release(&world);
}

static void data_is_relayed_as_it_was_written(void **state)
{
    (void)state;
    static const char *const values[] = {
        "1e400", "0.1", "12345678901234567890", "-0", "null", "false", "\"\"", "[]", "{}",
        "\"\\ud83d\\ude00 \\ud800 \\u0000\"", "{\"type\":\"join\",\"data\":[1,{\"a\":null}]}",
        "\"\xF0\x9F\x98\x80\"",
    };
    struct world world;
    init_three_members(&world, 8);
    for (size_t i = 0; i < ARRAY_LENGTH(values); i++) {
        char message[128];
        snprintf(message, sizeof message, "{\"type\":\"message\",\"from\":\"b\",\"data\":%s}",
                 values[i]);
        say_format(&world, 2, "{\"type\":\"send\",\"data\":%s}", values[i]);
        expect_only(&world, 1, message);
        expect_only(&world, 3, message);
        expect_silence(&world);
    }
    say(&world, 2, "{\"type\":\"send\"}");
    expect_only(&world, 1, "{\"type\":\"message\",\"from\":\"b\"}");
    expect_only(&world, 3, "{\"type\":\"message\",\"from\":\"b\"}");
    world_release(&world);
}

static void fields_may_be_forged_repeated_escaped_and_reordered(void **state)
{
    (void)state;
    struct world world;
    init_three_members(&world, 8);
    say(&world, 1,
        " { \"from\" : \"c\" , \"data\":1, \"to\":\"c\", \"data\" : 2 ,\"x\":[{}],"
        "\"\\u0074o\":\"b\", \"type\":\"join\",\"\\u0074ype\":\"s\\u0065nd\" } ");
    expect_only(&world, 2, "{\"type\":\"message\",\"from\":\"a\",\"data\":2}");
    expect_silence(&world);
    world_release(&world);
}

static void rooms_do_not_hear_each_other(void **state)
{
    (void)state;
    struct world world;
    init_three_members(&world, 8);
    create_room(&world, 4, "a", 8);
    join_room(&world, 5, "x", "AAAC");
    forget_texts(&world);
    say(&world, 4, "{\"type\":\"send\",\"data\":1}");
    expect_only(&world, 5, "{\"type\":\"message\",\"from\":\"a\",\"data\":1}");
    expect_silence(&world);
    say(&world, 4, "{\"type\":\"send\",\"data\":1,\"to\":\"b\"}");
    expect_error(&world, 4, "Target client not found");
    world_release(&world);
}
