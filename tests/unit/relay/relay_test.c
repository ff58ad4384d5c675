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
    uint64_t number = 0;
    assert_true(code_read(bytes_of_string(code), &number));
    assert_true(number < CODE_1_COUNT);
    return (uint32_t)number;
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
    assert_int_equal(world.effects.items[0].replaced.client, 2);
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
        {"1", 1},
        {"1.0", 1},
        {"1e0", 1},
        {"10e-1", 1},
        {"1.5", 2},
        {"1.0000000000000002", 2},
        {"2", 2},
        {"2.001", 3},
        {"0.3e1", 3},
        {"6.5", 7},
        {"7", 7},
        {"7.5", WORLD_MEMBERS_MAX},
        {"8", 8},
        {"8.5", 8},
        {"9", 8},
        {"4294967295", 8},
        {"4294967296", 8},
        {"4294967297", 8},
        {"18446744073709551617", 8},
        {"1e308", 8},
        {"1e400", 8},
        {"0", 0},
        {"-0", 0},
        {"0.5", 0},
        {"0.9999999999999999", 0},
        {"-1", 0},
        {"-1e400", 0},
        {"1e-400", 0},
        {"null", 0},
        {"true", 0},
        {"\"2\"", 0},
        {"[2]", 0},
        {"{}", 0},
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
        {"null", "23"},  {"\"\"", "23"},       {"0", "23"},     {"-0", "23"},
        {"0.0", "23"},   {"0e9", "23"},        {"false", "23"}, {"1e-400", "23"},
        {"\"b\"", "2"},  {"\"\\u0062\"", "2"}, {"\"c\"", "3"},  {"\"a\"", "1"},
        {"\"d\"", ""},   {"\"B\"", ""},        {"\"b \"", ""},  {"1", ""},
        {"1e400", ""},   {"true", ""},         {"[]", ""},      {"{}", ""},
        {"[\"b\"]", ""}, {"\"\\u0000\"", ""},  {"2", ""},       {"0.1", ""},
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
        "1e400",
        "0.1",
        "12345678901234567890",
        "-0",
        "null",
        "false",
        "\"\"",
        "[]",
        "{}",
        "\"\\ud83d\\ude00 \\ud800 \\u0000\"",
        "{\"type\":\"join\",\"data\":[1,{\"a\":null}]}",
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

static void ids_are_compared_decoded_and_come_out_canonical(void **state)
{
    (void)state;
    static const struct {
        const char *written;
        const char *written_otherwise;
        const char *canonical;
    } cases[] = {
        {"\\u0061", "a", "a"},
        {"\\/", "/", "/"},
        {"\\u0022", "\\\"", "\\\""},
        {"\\u005C", "\\\\", "\\\\"},
        {"\\u000a", "\\n", "\\n"},
        {"\\u0000", "\\u0000", "\\u0000"},
        {"x\\u0000y", "\\u0078\\u0000y", "x\\u0000y"},
        {"\\u001F", "\\u001f", "\\u001f"},
        {"\\u007f", "\x7F", "\x7F"},
        {"\\u00E9", "\xC3\xA9", "\xC3\xA9"},
        {"\\ud83d\\uDE00", "\xF0\x9F\x98\x80", "\xF0\x9F\x98\x80"},
        {"\\uD800", "\\ud800", "\\ud800"},
        {"\\uDFFF\\uD800", "\\udfff\\ud800", "\\udfff\\ud800"},
        {" ", "\\u0020", " "},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        struct world world;
        char text[128];
        world_init(&world);
        create_room(&world, 1, "first", 2);
        join_room(&world, 2, cases[i].written, "AAAB");
        snprintf(text, sizeof text, "{\"type\":\"peer_joined\",\"clientId\":\"%s\"}",
                 cases[i].canonical);
        expect_next(&world, 1, "{\"type\":\"created\",\"room\":\"AAAB\"}");
        expect_only(&world, 1, text);
        snprintf(text, sizeof text,
                 "{\"type\":\"joined\",\"room\":\"AAAB\",\"clients\":[\"first\",\"%s\"]}",
                 cases[i].canonical);
        expect_only(&world, 2, text);

        join_room(&world, 3, cases[i].written_otherwise, "AAAB");
        assert_true(world.clients[2].was_replaced);
        expect_only(&world, 3, text);
        say_format(&world, 3, "{\"type\":\"send\",\"to\":\"%s\"}", cases[i].written);
        snprintf(text, sizeof text, "{\"type\":\"message\",\"from\":\"%s\"}", cases[i].canonical);
        expect_only(&world, 3, text);
        drop(&world, 3);
        snprintf(text, sizeof text, "{\"type\":\"peer_left\",\"clientId\":\"%s\"}",
                 cases[i].canonical);
        expect_only(&world, 1, text);
        world_release(&world);
    }
}

static void ids_with_different_characters_are_different_members(void **state)
{
    (void)state;
    static const char *const ids[] = {"a",       "A",       "a ",        "a\\u0000",
                                      "\\ud800", "\\ud801", "\\\\ud800", "\xC3\xA9"};
    struct world world;
    world_init(&world);
    create_room(&world, 0, ids[0], 8);
    for (uint32_t i = 1; i < ARRAY_LENGTH(ids); i++)
        join_room(&world, i, ids[i], "AAAB");
    for (uint32_t i = 0; i < ARRAY_LENGTH(ids); i++)
        assert_non_null(world.clients[i].seat);
    forget_texts(&world);
    world_release(&world);
}

/* Says create and join with an id of `count` times `unit`; the errors are those expected. */
static void check_id_of(const char *unit, size_t count, bool is_too_long)
{
    char id[2048] = "";
    for (size_t i = 0; i < count; i++)
        strcat(id, unit);
    struct world world;
    world_init(&world);
    say_format(&world, 1, "{\"type\":\"create\",\"clientId\":\"%s\",\"maxClients\":0}", id);
    expect_error(&world, 1,
                 is_too_long ? "clientId is too long" : "maxClients must be a positive number");
    say_format(&world, 1, "{\"type\":\"join\",\"clientId\":\"%s\"}", id);
    expect_error(&world, 1, is_too_long ? "clientId is too long" : "room is required");
    create_room(&world, 1, id, 2);
    assert_int_equal(world.clients[1].seat == NULL, is_too_long);
    forget_texts(&world);
    world_release(&world);
}

static void ids_of_more_than_256_decoded_bytes_are_too_long(void **state)
{
    (void)state;
    check_id_of("x", WORLD_ID_BYTES_MAX, false);
    check_id_of("x", WORLD_ID_BYTES_MAX + 1, true);
    check_id_of("x", 2000, true);
    check_id_of("\\\"", WORLD_ID_BYTES_MAX, false); /* its canonical form is twice as long */
    check_id_of("\\u0000", WORLD_ID_BYTES_MAX * 2 / 6, false); /* and six times */
    check_id_of("\\u0000", WORLD_ID_BYTES_MAX * 2 / 6 + 1, true);
    check_id_of("\\u0078", WORLD_ID_BYTES_MAX, false);
    check_id_of("\xC3\xA9", WORLD_ID_BYTES_MAX / 2, false);
    check_id_of("\xC3\xA9", WORLD_ID_BYTES_MAX / 2 + 1, true);
    check_id_of("\xF0\x9F\x98\x80", WORLD_ID_BYTES_MAX / 4, false);
    check_id_of("\xF0\x9F\x98\x80", WORLD_ID_BYTES_MAX / 4 + 1, true);
}

static void codes_are_folded_and_answered_in_canonical_form(void **state)
{
    (void)state;
    static const char *const spellings[] = {"AAAB", "aaab", "aAaB", "\\u0041aa\\u0062"};
    for (size_t i = 0; i < ARRAY_LENGTH(spellings); i++) {
        struct world world;
        world_init(&world);
        create_room(&world, 1, "a", 8);
        forget_texts(&world);
        join_room(&world, 2, "b", spellings[i]);
        expect_only(&world, 2, "{\"type\":\"joined\",\"room\":\"AAAB\",\"clients\":[\"a\",\"b\"]}");
        forget_texts(&world);
        world_release(&world);
    }
}

/* A world whose relay is the second of four loops. */
static void init_second_of_four_loops(struct world *world)
{
    world_init(world);
    world->relay.config.loop_index = 1;
    world->relay.config.loop_count = 4;
}

static void join_moves_to_the_loop_that_owns_the_code(void **state)
{
    (void)state;
    static const struct {
        const char *code;
        const char *read_as;
        uint32_t loop;
    } cases[] = {
        {"AAAA", "AAAA", 0}, {"AAAC", "AAAC", 2},       {"AAAD", "AAAD", 3}, {"AAAE", "AAAE", 0},
        {"aaac", "AAAC", 2}, {"A\\u0041ac", "AAAC", 2}, {"9999", "9999", 3}, {"9998", "9998", 2},
    };
    struct world world;
    init_second_of_four_loops(&world);
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        join_room(&world, 1, "a", cases[i].code);
        EXPECT_EFFECTS(&world, EFFECT_MOVE);
        const struct join *join = world.effects.items[0].move.join;
        uint64_t code = 0;
        assert_int_equal(world.effects.items[0].move.loop, cases[i].loop);
        assert_null(world.clients[1].seat);
        assert_true(bytes_equal(bytes_of(join->id, join->id_length), BYTES("a")));
        assert_true(code_read(bytes_of_string(cases[i].read_as), &code));
        assert_int_equal(join->code, code);
    }
    join_room(&world, 1, "a", "AAAB");
    EXPECT_EFFECTS(&world, EFFECT_NOT_FOUND);
    expect_error(&world, 1, "Room not found");
    world_release(&world);
}

static void only_a_known_id_is_told_when_nothing_may_be(void **state)
{
    (void)state;
    struct world world;
    world_init(&world);
    create_room(&world, 1, "a", 4);
    forget_texts(&world);
    join_room(&world, 2, "b", "ZZZZ");
    assert_int_equal(world.misses, 1);
    expect_error(&world, 2, "Room not found");
    world.is_reticent = true;
    static const char *const codes[] = {"AAAB", "ZZZZ", "AAA0", "AAAAA"};
    for (size_t i = 0; i < ARRAY_LENGTH(codes); i++) {
        join_room(&world, 2, "b", codes[i]);
        EXPECT_EFFECTS(&world, EFFECT_UNTOLD);
        assert_null(world.clients[2].seat);
    }
    join_room(&world, 2, "a", "AAAC");
    EXPECT_EFFECTS(&world, EFFECT_UNTOLD);
    join_room(&world, 2, "a", "AAAB");
    assert_non_null(world.clients[2].seat);
    assert_true(world.clients[1].was_replaced);
    assert_int_equal(world.misses, 1);
    forget_texts(&world);
    world_release(&world);
}

static void codes_that_cannot_exist_and_refused_joins_move_nothing(void **state)
{
    (void)state;
    static const struct {
        const char *fields;
        const char *error;
    } cases[] = {
        {"\"clientId\":\"a\",\"room\":\"AAA0\"", "Room not found"},
        {"\"clientId\":\"a\",\"room\":\"AAAO\"", "Room not found"},
        {"\"clientId\":\"a\",\"room\":\"AAA1\"", "Room not found"},
        {"\"clientId\":\"a\",\"room\":\"aaai\"", "Room not found"},
        {"\"clientId\":\"a\",\"room\":\"AAA\"", "Room not found"},
        {"\"clientId\":\"a\",\"room\":\"AAAAA\"", "Room not found"},
        {"\"clientId\":\"a\",\"room\":\"AAAA \"", "Room not found"},
        {"\"clientId\":\"a\",\"room\":\"AAA\\u0000\"", "Room not found"},
        {"\"clientId\":\"a\",\"room\":\"AAA\\n\"", "Room not found"},
        {"\"clientId\":\"a\",\"room\":\"AA\xC3\xA4\"", "Room not found"},
        {"\"clientId\":\"a\",\"room\":\"\\ud800\\ud800\\ud800\\ud800\"", "Room not found"},
        {"\"clientId\":\"a\",\"room\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"", "Room not found"},
        {"\"clientId\":\"\",\"room\":\"AAAC\"", "clientId is required"},
        {"\"clientId\":\"a\",\"room\":[\"AAAC\"]", "room is required"},
    };
    struct world world;
    init_second_of_four_loops(&world);
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        bool is_not_found = strcmp(cases[i].error, "Room not found") == 0;
        say_format(&world, 1, "{\"type\":\"join\",%s}", cases[i].fields);
        EXPECT_EFFECTS(&world, is_not_found ? EFFECT_NOT_FOUND : EFFECT_TO_CLIENT);
        expect_error(&world, 1, cases[i].error);
    }
    create_room(&world, 1, "a", 2);
    expect_only(&world, 1, "{\"type\":\"created\",\"room\":\"AAAB\"}");
    join_room(&world, 1, "a", "AAAC");
    expect_error(&world, 1, "Already in a room");
    world_release(&world);
}

static void rooms_get_codes_of_their_own_loop_that_nobody_has(void **state)
{
    (void)state;
    static const uint32_t draws[] = {0, 2, 3, 5, 5, 6, 1, CODE_1_COUNT + 9};
    struct world world;
    init_second_of_four_loops(&world);
    world_set_draws(&world, draws, ARRAY_LENGTH(draws));
    create_room(&world, 1, "a", 2);
    expect_only(&world, 1, "{\"type\":\"created\",\"room\":\"AAAF\"}");
    create_room(&world, 2, "a", 2);
    expect_only(&world, 2, "{\"type\":\"created\",\"room\":\"AAAB\"}");
    create_room(&world, 3, "a", 2);
    expect_only(&world, 3, "{\"type\":\"created\",\"room\":\"AAAK\"}");
    world_release(&world);
}

static void no_room_code_is_free_while_the_only_one_drawn_is_taken(void **state)
{
    (void)state;
    static const uint32_t draws[] = {7};
    struct world world;
    world_init(&world);
    world_set_draws(&world, draws, ARRAY_LENGTH(draws));
    create_room(&world, 1, "a", 2);
    expect_only(&world, 1, "{\"type\":\"created\",\"room\":\"AAAH\"}");
    create_room(&world, 2, "a", 2);
    EXPECT_EFFECTS(&world, EFFECT_TO_CLIENT);
    expect_error(&world, 2, "No room code free");
    assert_null(world.clients[2].seat);
    create_room(&world, 2, "a", 0);
    expect_error(&world, 2, "maxClients must be a positive number");
    drop(&world, 1);
    create_room(&world, 2, "a", 2);
    expect_only(&world, 2, "{\"type\":\"created\",\"room\":\"AAAH\"}");
    world_release(&world);
}

static void obscene_codes_are_never_minted(void **state)
{
    (void)state;
    const uint32_t draws[] = {number_of("CUNT"), number_of("XASS"), number_of("A55X"),
                              number_of("8UTT"), number_of("BCDE"), number_of("SH4T")};
    struct world world;
    world_init(&world);
    world_set_draws(&world, draws, ARRAY_LENGTH(draws));
    create_room(&world, 1, "a", 2);
    expect_only(&world, 1, "{\"type\":\"created\",\"room\":\"BCDE\"}");
    create_room(&world, 2, "a", 2);
    expect_error(&world, 2, "No room code free");
    world_release(&world);
}

/* The numbers of BCDF and ZZZZ: digits of base 32, where B is 1, C 2, D 3, F 5 and Z 23. */
static void codes_that_read_as_those_of_protocol_3_are_never_minted(void **state)
{
    (void)state;
    static const uint32_t draws[] = {((1 * 32 + 2) * 32 + 3) * 32 + 5, 0,
                                     ((23 * 32 + 23) * 32 + 23) * 32 + 23};
    struct world world;
    world_init(&world);
    world_set_draws(&world, draws, ARRAY_LENGTH(draws));
    create_room(&world, 1, "a", 2);
    expect_only(&world, 1, "{\"type\":\"created\",\"room\":\"AAAA\"}");
    create_room(&world, 2, "a", 2);
    expect_error(&world, 2, "No room code free");
    join_room(&world, 2, "a", "ZZZZ");
    expect_error(&world, 2, "Room not found");
    world_release(&world);
}

static void too_many_rooms_are_refused_last_until_one_is_gone(void **state)
{
    (void)state;
    struct world world;
    world_init(&world);
    for (uint32_t i = 0; i < WORLD_ROOMS_MAX; i++) {
        create_room(&world, i, "a", 2);
        assert_non_null(world.clients[i].seat);
    }
    forget_texts(&world);
    create_room(&world, 20, "a", 2);
    expect_error(&world, 20, "Too many rooms");
    assert_null(world.clients[20].seat);
    create_room(&world, 20, "a", 0);
    expect_error(&world, 20, "maxClients must be a positive number");
    create_room(&world, 20, "", 2);
    expect_error(&world, 20, "clientId is required");
    create_room(&world, 0, "a", 2);
    expect_error(&world, 0, "Already in a room");
    drop(&world, 0);
    create_room(&world, 20, "a", 2);
    assert_non_null(world.clients[20].seat);
    forget_texts(&world);
    world_release(&world);
}

static void a_draining_relay_makes_no_rooms_and_keeps_those_it_has(void **state)
{
    (void)state;
    struct world world;
    world_init(&world);
    create_room(&world, 1, "a", 3);
    forget_texts(&world);
    world.relay.is_draining = true;
    create_room(&world, 2, "b", 2);
    expect_error(&world, 2, "Server draining");
    /* Before anything else that is wrong with it. */
    create_room(&world, 1, "a", 2);
    expect_error(&world, 1, "Server draining");
    say(&world, 2, "{\"type\":\"create\"}");
    expect_error(&world, 2, "Server draining");
    join_room(&world, 2, "b", "AAAB");
    expect_only(&world, 2, "{\"type\":\"joined\",\"room\":\"AAAB\",\"clients\":[\"a\",\"b\"]}");
    expect_only(&world, 1, "{\"type\":\"peer_joined\",\"clientId\":\"b\"}");
    say(&world, 2, "{\"type\":\"send\",\"data\":1}");
    expect_only(&world, 1, "{\"type\":\"message\",\"from\":\"b\",\"data\":1}");
    world_release(&world);
}

static void room_is_gone_with_its_last_member_and_its_origin_is_told(void **state)
{
    (void)state;
    struct world world;
    world_init(&world);
    world.clients[1].origin_number = 7;
    world.clients[2].origin_number = 9;
    create_room(&world, 1, "a", 2);
    EXPECT_EFFECTS(&world, EFFECT_ROOM_ADDED, EFFECT_TO_CLIENT);
    assert_int_equal(world.effects.items[0].room_added.origin_number, 7);
    join_room(&world, 2, "b", "AAAB");
    EXPECT_EFFECTS(&world, EFFECT_TO_CLIENT, EFFECT_TO_ROOM);
    drop(&world, 1);
    EXPECT_EFFECTS(&world, EFFECT_TO_ROOM);
    drop(&world, 2);
    EXPECT_EFFECTS(&world, EFFECT_ROOM_GONE);
    assert_int_equal(world.effects.items[0].room_gone.origin_number, 7);
    assert_int_equal(world.relay.rooms.room_count, 0);
    forget_texts(&world);
    join_room(&world, 3, "a", "AAAB");
    expect_error(&world, 3, "Room not found");
    world_release(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(creator_gets_the_code_of_a_new_room),
        cmocka_unit_test(joiner_gets_all_members_and_they_hear_of_the_joiner),
        cmocka_unit_test(others_hear_at_once_that_a_member_left),
        cmocka_unit_test(leaving_without_a_seat_does_nothing),
        cmocka_unit_test(errors_outside_of_rooms_have_their_texts_and_order),
        cmocka_unit_test(errors_inside_of_a_room_have_their_texts_and_order),
        cmocka_unit_test(what_cannot_be_text_is_invalid_json),
        cmocka_unit_test(full_room_refuses_newcomers_until_somebody_leaves),
        cmocka_unit_test(returning_member_replaces_its_connection_unheard_even_in_a_full_room),
        cmocka_unit_test(only_member_can_be_replaced_and_the_room_lives_on),
        cmocka_unit_test(max_clients_counts_members_up_to_the_cap),
        cmocka_unit_test(to_in_all_its_forms_names_everyone_somebody_or_nobody),
        cmocka_unit_test(too_long_a_target_is_not_found),
        cmocka_unit_test(data_is_relayed_as_it_was_written),
        cmocka_unit_test(fields_may_be_forged_repeated_escaped_and_reordered),
        cmocka_unit_test(rooms_do_not_hear_each_other),
        cmocka_unit_test(ids_are_compared_decoded_and_come_out_canonical),
        cmocka_unit_test(ids_with_different_characters_are_different_members),
        cmocka_unit_test(ids_of_more_than_256_decoded_bytes_are_too_long),
        cmocka_unit_test(codes_are_folded_and_answered_in_canonical_form),
        cmocka_unit_test(join_moves_to_the_loop_that_owns_the_code),
        cmocka_unit_test(only_a_known_id_is_told_when_nothing_may_be),
        cmocka_unit_test(codes_that_cannot_exist_and_refused_joins_move_nothing),
        cmocka_unit_test(rooms_get_codes_of_their_own_loop_that_nobody_has),
        cmocka_unit_test(no_room_code_is_free_while_the_only_one_drawn_is_taken),
        cmocka_unit_test(obscene_codes_are_never_minted),
        cmocka_unit_test(codes_that_read_as_those_of_protocol_3_are_never_minted),
        cmocka_unit_test(too_many_rooms_are_refused_last_until_one_is_gone),
        cmocka_unit_test(a_draining_relay_makes_no_rooms_and_keeps_those_it_has),
        cmocka_unit_test(room_is_gone_with_its_last_member_and_its_origin_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
