/*
 * The rules of protocol 2 about members: indices, who hears what, each error with its text and
 * place in the order of checks, codes, and rooms of the other protocol. What the host may do, and
 * what rooms keep, is in relay_host_test.c.
 */
#include "relay/relay_fixture.h"

#include <stdio.h>

#include "relay/code.h"

/* Clients 1, 2 and 3 are `a`, `b` and `c`, with indices 0, 1 and 2; nothing is in an inbox. */
static void init_three_members(struct world *world, uint32_t max_clients)
{
    world_init_2(world);
    create_room(world, 1, "a", max_clients);
    join_room(world, 2, "b", "111112");
    join_room(world, 3, "c", "111112");
    forget_texts(world);
}

static void creator_is_told_its_index_and_where_the_room_is(void **state)
{
    (void)state;
    struct world world;
    world_init_2(&world);
    create_room(&world, 1, "a", 2);
    EXPECT_EFFECTS(&world, EFFECT_ROOM_ADDED, EFFECT_TO_CLIENT);
    expect_only(&world, 1,
                "{\"type\":\"created\",\"room\":\"111112\",\"instance\":\"\",\"region\":\"\","
                "\"index\":0}");
    world.relay.config.instance = (struct instance){BYTES("i-7"), BYTES("xyz")};
    create_room(&world, 2, "a", 2);
    expect_only(&world, 2,
                "{\"type\":\"created\",\"room\":\"111113\",\"instance\":\"i-7\","
                "\"region\":\"xyz\",\"index\":0}");
    world_release(&world);
}

static void joiner_gets_the_indices_of_the_others_and_they_hear_its_own(void **state)
{
    (void)state;
    struct world world;
    world_init_2(&world);
    create_room(&world, 1, "z", 8);
    forget_texts(&world);
    join_room(&world, 2, "m", "111112");
    EXPECT_EFFECTS(&world, EFFECT_TO_CLIENT, EFFECT_TO_ROOM);
    expect_only(&world, 2, "{\"type\":\"joined\",\"room\":\"111112\",\"index\":1,\"peers\":[0]}");
    expect_only(&world, 1, "{\"type\":\"peer_joined\",\"index\":1}");
    join_room(&world, 3, "a", "111112");
    expect_only(&world, 3, "{\"type\":\"joined\",\"room\":\"111112\",\"index\":2,\"peers\":[0,1]}");
    expect_only(&world, 1, "{\"type\":\"peer_joined\",\"index\":2}");
    expect_only(&world, 2, "{\"type\":\"peer_joined\",\"index\":2}");
    drop(&world, 2);
    EXPECT_EFFECTS(&world, EFFECT_TO_ROOM);
    expect_only(&world, 1, "{\"type\":\"peer_left\",\"index\":1}");
    expect_only(&world, 3, "{\"type\":\"peer_left\",\"index\":1}");
    world_release(&world);
}

/* Nobody has heard of an id that begins like this; inboxes are empty then. */
static void expect_no_text_with(struct world *world, const char *id)
{
    for (uint32_t i = 0; i < WORLD_CLIENTS; i++) {
        for (uint32_t j = 0; j < world->clients[i].text_count; j++)
            assert_null(strstr(world->clients[i].texts[j], id));
    }
    forget_texts(world);
}

static void nobody_is_ever_told_a_client_id(void **state)
{
    (void)state;
    struct world world;
    world_init_2(&world);
    create_room(&world, 1, "secret-a", 3);
    join_room(&world, 2, "secret-b", "111112");
    join_room(&world, 3, "secret-c", "111112");
    say(&world, 2, "{\"type\":\"send\",\"data\":1}");
    say(&world, 2, "{\"type\":\"send\",\"data\":1,\"to\":\"secret-a\"}");
    say(&world, 1, "{\"type\":\"set_state\",\"data\":1,\"clientId\":\"secret-a\"}");
    join_room(&world, 4, "secret-b", "111112");
    join_room(&world, 5, "secret-d", "111112");
    drop(&world, 4);
    join_room(&world, 5, "secret-b", "111112");
    drop(&world, 1);
    join_room(&world, 1, "secret-a", "111112");
    say(&world, 1, "{\"type\":\"close_room\"}");
    expect_no_text_with(&world, "secret");
    world_release(&world);
}

static void errors_outside_of_rooms_have_their_texts_and_order(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *error;
    } cases[] = {
        {"{\"type\":\"set_state\",}", "Invalid JSON"},
        {"[\"set_state\"]", "Unknown message type"},
        {"{\"type\":\"state\"}", "Unknown message type"},
        {"{\"type\":\"create\"}", "clientId is required"},
        {"{\"type\":\"create\",\"maxClients\":0,\"url\":1}", "clientId is required"},
        {"{\"type\":\"create\",\"clientId\":\"a\",\"url\":1}",
         "maxClients must be a positive number"},
        {"{\"type\":\"create\",\"clientId\":\"a\",\"maxClients\":0.5,\"url\":1}",
         "maxClients must be a positive number"},
        {"{\"type\":\"create\",\"clientId\":\"a\",\"maxClients\":1,\"url\":null}",
         "url must be a string"},
        {"{\"type\":\"create\",\"clientId\":\"a\",\"maxClients\":1,\"url\":\"{x\\\"}\"}",
         "Unknown url placeholder: {x\\\"}"},
        {"{\"type\":\"create\",\"clientId\":\"a\",\"maxClients\":1,\"url\":\"http://a\"}",
         "url must be an https URL"},
        {"{\"type\":\"join\"}", "clientId is required"},
        {"{\"type\":\"join\",\"clientId\":\"a\"}", "room is required"},
        {"{\"type\":\"join\",\"clientId\":\"a\",\"room\":111112}", "room is required"},
        {"{\"type\":\"join\",\"clientId\":\"a\",\"room\":\"111112\"}", "Room not found"},
        {"{\"type\":\"send\"}", "Not in a room"},
        {"{\"type\":\"send\",\"to\":null}", "Not in a room"},
        {"{\"type\":\"set_state\"}", "Not in a room"},
        {"{\"type\":\"set_state\",\"data\":1}", "Not in a room"},
        {"{\"type\":\"close_room\"}", "Not in a room"},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        struct world world;
        world_init_2(&world);
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
        uint32_t client; /* 1 is the host */
        const char *text;
        const char *error;
    } cases[] = {
        {1, "{", "Invalid JSON"},
        {1, "{\"type\":\"close\"}", "Unknown message type"},
        {1, "{\"type\":\"create\"}", "Already in a room"},
        {2, "{\"type\":\"create\",\"url\":1}", "Already in a room"},
        {2, "{\"type\":\"join\"}", "Already in a room"},
        {2, "{\"type\":\"join\",\"clientId\":\"b\",\"room\":\"111112\"}", "Already in a room"},
        {2, "{\"type\":\"send\",\"to\":3}", "Target peer not found"},
        {2, "{\"type\":\"set_state\"}", "Only the host can set state"},
        {3, "{\"type\":\"set_state\",\"data\":1}", "Only the host can set state"},
        {1, "{\"type\":\"set_state\"}", "State data is required"},
        {1, "{\"type\":\"set_state\",\"state\":1,\"Data\":1}", "State data is required"},
        {2, "{\"type\":\"close_room\"}", "Only the host can close the room"},
    };
    struct world world;
    init_three_members(&world, 8);
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        struct member *seat = world.clients[cases[i].client].seat;
        say(&world, cases[i].client, cases[i].text);
        expect_error(&world, cases[i].client, cases[i].error);
        assert_ptr_equal(world.clients[cases[i].client].seat, seat);
    }
    say_garbage(&world, 2);
    expect_error(&world, 2, "Invalid JSON");
    world_release(&world);
}

static void to_in_all_its_forms_is_an_index_or_nobody(void **state)
{
    (void)state;
    static const struct {
        const char *to;
        char hearer; /* the client's number, or 0 */
    } cases[] = {
        {"0", '1'},
        {"-0", '1'},
        {"0.0", '1'},
        {"-0e9", '1'},
        {"0e400", '1'},
        {"1e-400", '1'},
        {"1", '2'},
        {"1e0", '2'},
        {"1.0", '2'},
        {"10e-1", '2'},
        {"0.1e1", '2'},
        {"2", '3'},
        {"20E-1", '3'},
        {"3", 0},
        {"1.5", 0},
        {"0.1", 0},
        {"-1", 0},
        {"-1e400", 0},
        {"1e400", 0},
        {"4294967295", 0},
        {"4294967296", 0},
        {"4294967297", 0},
        {"18446744073709551617", 0},
        {"null", 0},
        {"false", 0},
        {"true", 0},
        {"\"\"", 0},
        {"\"0\"", 0},
        {"\"1\"", 0},
        {"\"b\"", 0},
        {"[]", 0},
        {"[1]", 0},
        {"{}", 0},
    };
    struct world world;
    init_three_members(&world, 8);
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        char message[64];
        say_format(&world, 2, "{\"type\":\"send\",\"to\":%s,\"data\":%zu}", cases[i].to, i);
        snprintf(message, sizeof message, "{\"type\":\"message\",\"from\":1,\"data\":%zu}", i);
        if (cases[i].hearer == 0)
            expect_error(&world, 2, "Target peer not found");
        else
            expect_only(&world, (uint32_t)(cases[i].hearer - '0'), message);
        expect_silence(&world);
    }
    say(&world, 2, "{\"type\":\"send\",\"data\":\"all\"}");
    expect_only(&world, 1, "{\"type\":\"message\",\"from\":1,\"data\":\"all\"}");
    expect_only(&world, 3, "{\"type\":\"message\",\"from\":1,\"data\":\"all\"}");
    say(&world, 2, "{\"type\":\"send\",\"to\":0}");
    expect_only(&world, 1, "{\"type\":\"message\",\"from\":1}");
    world_release(&world);
}

static void absent_member_is_no_target_until_it_is_back(void **state)
{
    (void)state;
    struct world world;
    init_three_members(&world, 8);
    drop(&world, 2);
    forget_texts(&world);
    say(&world, 1, "{\"type\":\"send\",\"to\":1}");
    expect_error(&world, 1, "Target peer not found");
    say(&world, 1, "{\"type\":\"send\",\"data\":1}");
    expect_only(&world, 3, "{\"type\":\"message\",\"from\":0,\"data\":1}");
    join_room(&world, 9, "b", "111112");
    forget_texts(&world);
    say(&world, 1, "{\"type\":\"send\",\"to\":1}");
    expect_only(&world, 9, "{\"type\":\"message\",\"from\":0}");
    world_release(&world);
}

static void returning_member_has_its_index_and_is_announced(void **state)
{
    (void)state;
    struct world world;
    init_three_members(&world, 8);
    drop(&world, 2);
    drop(&world, 1);
    forget_texts(&world);
    join_room(&world, 4, "d", "111112");
    expect_only(&world, 4, "{\"type\":\"joined\",\"room\":\"111112\",\"index\":3,\"peers\":[2]}");
    forget_texts(&world);
    join_room(&world, 5, "\\u0062", "111112");
    EXPECT_EFFECTS(&world, EFFECT_TO_CLIENT, EFFECT_TO_ROOM);
    expect_only(&world, 5, "{\"type\":\"joined\",\"room\":\"111112\",\"index\":1,\"peers\":[2,3]}");
    expect_only(&world, 3, "{\"type\":\"peer_joined\",\"index\":1}");
    expect_only(&world, 4, "{\"type\":\"peer_joined\",\"index\":1}");
    join_room(&world, 6, "a", "111112");
    expect_only(&world, 6,
                "{\"type\":\"joined\",\"room\":\"111112\",\"index\":0,\"peers\":[1,2,3]}");
    forget_texts(&world);
    say(&world, 5, "{\"type\":\"send\",\"to\":1}");
    expect_only(&world, 5, "{\"type\":\"message\",\"from\":1}");
    world_release(&world);
}

static void replaced_connection_loses_its_seat_unheard_even_in_a_full_room(void **state)
{
    (void)state;
    struct world world;
    init_three_members(&world, 3);
    join_room(&world, 4, "\\u0062", "111112");
    EXPECT_EFFECTS(&world, EFFECT_REPLACED, EFFECT_TO_CLIENT);
    assert_int_equal(world.effects.items[0].replaced.client, 2);
    assert_true(world.clients[2].was_replaced);
    expect_only(&world, 4, "{\"type\":\"joined\",\"room\":\"111112\",\"index\":1,\"peers\":[0,2]}");
    expect_silence(&world);
    drop(&world, 2); /* nobody hears of the old connection's end */
    expect_silence(&world);
    say(&world, 1, "{\"type\":\"send\",\"to\":1}");
    expect_only(&world, 4, "{\"type\":\"message\",\"from\":0}");
    drop(&world, 4);
    expect_only(&world, 1, "{\"type\":\"peer_left\",\"index\":1}");
    expect_only(&world, 3, "{\"type\":\"peer_left\",\"index\":1}");
    world_release(&world);
}

static void members_who_left_keep_their_index_but_no_seat(void **state)
{
    (void)state;
    struct world world;
    init_three_members(&world, 3);
    join_room(&world, 4, "d", "111112");
    expect_error(&world, 4, "Room is full");
    drop(&world, 2);
    join_room(&world, 4, "d", "111112");
    assert_int_equal(world.clients[4].seat->index, 3);
    forget_texts(&world);
    join_room(&world, 2, "b", "111112");
    expect_error(&world, 2, "Room is full");
    assert_null(world.clients[2].seat);
    drop(&world, 3);
    forget_texts(&world);
    join_room(&world, 2, "b", "111112");
    expect_only(&world, 2, "{\"type\":\"joined\",\"room\":\"111112\",\"index\":1,\"peers\":[0,3]}");
    forget_texts(&world);
    world_release(&world);
}

/* A guest comes and goes; the index that it had is returned. */
static uint32_t visit(struct world *world, const char *id)
{
    join_room(world, 9, id, "111112");
    assert_non_null(world->clients[9].seat);
    uint32_t index = world->clients[9].seat->index;
    drop(world, 9);
    forget_texts(world);
    return index;
}

/* The number of the passer-by is the index that it must have been given at first. */
static uint32_t visit_of(struct world *world, uint32_t number)
{
    char id[16];
    snprintf(id, sizeof id, "guest-%u", number);
    return visit(world, id);
}

static void indices_go_on_and_may_exceed_max_clients(void **state)
{
    (void)state;
    struct world world;
    world_init_2(&world);
    create_room(&world, 1, "a", 2);
    for (uint32_t i = 1; i <= 20; i++)
        assert_int_equal(visit_of(&world, i), i);
    for (uint32_t i = 20; i >= 1; i--)
        assert_int_equal(visit_of(&world, i), i);
    assert_int_equal(visit(&world, "new"), 21);
    world_release(&world);
}

/* A room with so many places remembers so many who are gone, and forgets the longest gone. */
static void check_forgetting(uint32_t max_clients, uint32_t remembered)
{
    struct world world;
    world_init_2(&world);
    world.relay.config.members_max = 1000;
    create_room(&world, 1, "a", max_clients);
    for (uint32_t i = 1; i <= remembered; i++)
        assert_int_equal(visit_of(&world, i), i);
    /* Nobody is forgotten yet; number 1 is now the shortest gone. */
    assert_int_equal(visit_of(&world, 1), 1);
    assert_int_equal(visit_of(&world, remembered + 1), remembered + 1);
    /* Number 2 was forgotten, and is somebody new; with that, number 3 is. */
    assert_int_equal(visit_of(&world, 1), 1);
    assert_int_equal(visit_of(&world, 4), 4);
    assert_int_equal(visit_of(&world, 2), remembered + 2);
    assert_int_equal(visit_of(&world, 3), remembered + 3);
    assert_int_equal(visit_of(&world, 4), 4);
    assert_int_equal(visit_of(&world, 1), 1);
    world_release(&world);
}

static void longest_gone_are_forgotten_and_their_index_is_never_given_again(void **state)
{
    (void)state;
    check_forgetting(2, 64);
    check_forgetting(64, 64);
    check_forgetting(65, 65);
    check_forgetting(100, 100);
}

static void absent_host_is_never_forgotten(void **state)
{
    (void)state;
    struct world world;
    init_three_members(&world, 8);
    drop(&world, 1);
    for (uint32_t i = 3; i < 300; i++)
        assert_int_equal(visit_of(&world, i), i);
    join_room(&world, 1, "a", "111112");
    expect_only(&world, 1, "{\"type\":\"joined\",\"room\":\"111112\",\"index\":0,\"peers\":[1,2]}");
    forget_texts(&world);
    world_release(&world);
}

static void room_whose_indices_are_used_up_takes_only_those_it_knows(void **state)
{
    (void)state;
    struct world world;
    init_three_members(&world, 8);
    world.clients[1].seat->room->next_index = UINT32_MAX - 1;
    join_room(&world, 4, "d", "111112");
    expect_only(&world, 4,
                "{\"type\":\"joined\",\"room\":\"111112\",\"index\":4294967294,"
                "\"peers\":[0,1,2]}");
    forget_texts(&world);
    say(&world, 1, "{\"type\":\"send\",\"to\":4294967294}");
    expect_only(&world, 4, "{\"type\":\"message\",\"from\":0}");
    join_room(&world, 5, "e", "111112");
    expect_error(&world, 5, "Room is full");
    say(&world, 1, "{\"type\":\"send\",\"to\":4294967295}");
    expect_error(&world, 1, "Target peer not found");
    drop(&world, 2);
    forget_texts(&world);
    join_room(&world, 2, "b", "111112");
    expect_only(&world, 2,
                "{\"type\":\"joined\",\"room\":\"111112\",\"index\":1,"
                "\"peers\":[0,2,4294967294]}");
    forget_texts(&world);
    world_release(&world);
}

static void room_is_gone_with_its_last_member_and_with_whom_it_knew(void **state)
{
    (void)state;
    static const uint32_t draws[] = {0, 77, 0, 77};
    struct world world;
    world_init_2(&world);
    world_set_draws(&world, draws, ARRAY_LENGTH(draws));
    world.clients[1].origin_number = 7;
    create_room(&world, 1, "a", 8);
    say(&world, 1, "{\"type\":\"set_state\",\"data\":1}");
    join_room(&world, 2, "b", "11112L");
    join_room(&world, 3, "c", "11112L");
    drop(&world, 1);
    drop(&world, 2);
    drop(&world, 3);
    EXPECT_EFFECTS(&world, EFFECT_ROOM_GONE);
    assert_int_equal(world.effects.items[0].room_gone.origin_number, 7);
    assert_int_equal(world.relay.rooms.room_count, 0);
    forget_texts(&world);
    join_room(&world, 3, "a", "11112L");
    expect_error(&world, 3, "Room not found");

    create_room(&world, 4, "x", 8);
    forget_texts(&world);
    join_room(&world, 2, "c", "11112L");
    EXPECT_EFFECTS(&world, EFFECT_TO_CLIENT, EFFECT_TO_ROOM);
    expect_only(&world, 2, "{\"type\":\"joined\",\"room\":\"11112L\",\"index\":1,\"peers\":[0]}");
    forget_texts(&world);
    world_release(&world);
}

static void long_codes_are_taken_verbatim(void **state)
{
    (void)state;
    static const uint32_t draws[] = {2, 0x12345678};
    struct world world;
    world_init_2(&world);
    world_set_draws(&world, draws, ARRAY_LENGTH(draws));
    create_room(&world, 1, "a", 8);
    uint8_t code[CODE_LENGTH_MAX + 1] = "";
    code_write(CODE_2_FIRST + 0x212345678, code);
    assert_string_equal(code, "EZ41yq");
    forget_texts(&world);
    join_room(&world, 2, "b", "ez41yq");
    expect_error(&world, 2, "Room not found");
    join_room(&world, 2, "b", "EZ41YQ");
    expect_error(&world, 2, "Room not found");
    join_room(&world, 2, "b", "EZ41yq ");
    expect_error(&world, 2, "Room not found");
    join_room(&world, 2, "b", "\\u0045Z41y\\u0071");
    expect_only(&world, 2, "{\"type\":\"joined\",\"room\":\"EZ41yq\",\"index\":1,\"peers\":[0]}");
    forget_texts(&world);
    world_release(&world);
}

/* The last row is of protocol 3, whose codes of each length begin at a multiple of 4. */
static void joins_move_to_the_loop_that_owns_a_long_code(void **state)
{
    (void)state;
    static const struct {
        const char *code;
        uint32_t loop; /* 4: it stays, since no room can have it */
    } cases[] = {
        {"111111", 0}, {"111113", 2}, {"111114", 3},  {"AAAC", 2},
        {"111110", 4}, {"11111l", 4}, {"11111O", 4},  {"zzzzzy", 4},
        {"uMFe9D", 4}, {"uMFe9C", 3}, {"11111", 4},   {"1111111", 4},
        {"zzzzzz", 3}, {"BCDFGB", 0}, {"b-c d-f", 3}, {"bbbbbbbbbbbd", 2},
    };
    struct world world;
    world_init_2(&world);
    world.relay.config.loop_index = 1;
    world.relay.config.loop_count = 4;
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        join_room(&world, 1, "a", cases[i].code);
        if (cases[i].loop == 4) {
            EXPECT_EFFECTS(&world, EFFECT_NOT_FOUND);
            expect_error(&world, 1, "Room not found");
            continue;
        }
        EXPECT_EFFECTS(&world, EFFECT_MOVE);
        assert_int_equal(world.effects.items[0].move.loop, cases[i].loop);
        assert_null(world.clients[1].seat);
    }
    create_room(&world, 1, "a", 2); /* the first code drawn that is this loop's */
    expect_only(&world, 1,
                "{\"type\":\"created\",\"room\":\"111112\",\"instance\":\"\",\"region\":\"\","
                "\"index\":0}");
    create_room(&world, 2, "a", 2);
    assert_int_equal(world.clients[2].seat->room->code, CODE_2_FIRST + 5);
    forget_texts(&world);
    world_release(&world);
}

static void long_codes_that_read_as_those_of_protocol_3_are_never_minted(void **state)
{
    (void)state;
    static const uint32_t draws[] = {0x1, 0x9EF97236, 0, 1}; /* BcDfGh, 111112 */
    struct world world;
    uint8_t code[CODE_LENGTH_MAX];
    assert_int_equal(code_write(CODE_2_FIRST + 0x19EF97236, code), 6);
    assert_memory_equal(code, "BcDfGh", 6);
    world_init_2(&world);
    world_set_draws(&world, draws, ARRAY_LENGTH(draws));
    create_room(&world, 1, "a", 8);
    assert_int_equal(world.clients[1].seat->room->code, CODE_2_FIRST + 1);
    forget_texts(&world);
    world_release(&world);
}

static void codes_tell_the_region_of_the_server(void **state)
{
    (void)state;
    static const struct {
        const char *region;
        uint64_t code;
    } cases[] = {
        {"", 0x7FFFFFFFF},
        {"mars", 0x7FFFFFFFF},
        {"ams", 0x03FFFFFFF},
        {"fra", 6 * 0x40000000ull + 0x3FFFFFFF},
        {"yyz", 17 * 0x40000000ull + 0x3FFFFFFF},
    };
    static const uint32_t draws[] = {UINT32_MAX};
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        struct world world;
        world_init_2(&world);
        world_set_draws(&world, draws, 1);
        world.relay.config.instance.region = bytes_of_string(cases[i].region);
        create_room(&world, 1, "a", 2);
        assert_int_equal(world.clients[1].seat->room->code, CODE_2_FIRST + cases[i].code);
        forget_texts(&world);
        world_release(&world);
    }
}

static void rooms_speak_the_protocol_of_their_creator_only(void **state)
{
    (void)state;
    static const uint32_t draws[] = {0, 1, 1}; /* 111112, then AAAB */
    struct world world;
    world_init_2(&world);
    world_set_draws(&world, draws, ARRAY_LENGTH(draws));
    world.clients[3].protocol = PROTOCOL_1;
    world.clients[4].protocol = PROTOCOL_1;
    create_room(&world, 1, "a", 1);
    create_room(&world, 3, "a", 1);
    expect_only(&world, 3, "{\"type\":\"created\",\"room\":\"AAAB\"}");
    forget_texts(&world);
    /* However full the rooms are, and though members with this id are there. */
    join_room(&world, 4, "a", "111112");
    EXPECT_EFFECTS(&world, EFFECT_TO_CLIENT);
    expect_error(&world, 4, "Room uses protocol 2");
    join_room(&world, 2, "a", "AAAB");
    expect_error(&world, 2, "Room uses protocol 1");
    join_room(&world, 2, "a", "aaab");
    expect_error(&world, 2, "Room uses protocol 1");
    join_room(&world, 4, "a", "111113");
    expect_error(&world, 4, "Room not found");
    join_room(&world, 2, "a", "AAAC");
    expect_error(&world, 2, "Room not found");
    join_room(&world, 4, "", "111112");
    expect_error(&world, 4, "clientId is required");
    join_room(&world, 3, "x", "111112");
    expect_error(&world, 3, "Already in a room");
    /* With its own protocol it finds its place. */
    join_room(&world, 4, "a", "aaab");
    expect_only(&world, 4, "{\"type\":\"joined\",\"room\":\"AAAB\",\"clients\":[\"a\"]}");
    world_release(&world);
}

static void protocol_1_knows_no_state_no_closing_and_no_url(void **state)
{
    (void)state;
    struct world world;
    world_init(&world);
    say(&world, 1, "{\"type\":\"create\",\"clientId\":\"a\",\"maxClients\":2,\"url\":1}");
    expect_only(&world, 1, "{\"type\":\"created\",\"room\":\"AAAB\"}");
    say(&world, 1, "{\"type\":\"set_state\",\"data\":1}");
    expect_error(&world, 1, "Unknown message type");
    say(&world, 1, "{\"type\":\"close_room\"}");
    expect_error(&world, 1, "Unknown message type");
    say(&world, 2, "{\"type\":\"close_room\"}");
    expect_error(&world, 2, "Unknown message type");
    say(&world, 2, "{\"type\":\"set_state\"");
    expect_error(&world, 2, "Invalid JSON");
    join_room(&world, 2, "b", "AAAB");
    expect_only(&world, 2, "{\"type\":\"joined\",\"room\":\"AAAB\",\"clients\":[\"a\",\"b\"]}");
    forget_texts(&world);
    /* Who left is unknown again, and the host of a room is nobody special. */
    drop(&world, 1);
    assert_int_equal(relay_due_left_ms(&world.relay), -1);
    forget_texts(&world);
    world_release(&world);
}

static void a_draining_relay_makes_no_rooms_and_keeps_those_it_has(void **state)
{
    (void)state;
    struct world world;
    world_init_2(&world);
    create_room(&world, 1, "a", 3);
    forget_texts(&world);
    world.relay.is_draining = true;
    create_room(&world, 1, "a", 2);
    expect_error(&world, 1, "Server draining");
    say(&world, 2, "{\"type\":\"create\",\"url\":1}");
    expect_error(&world, 2, "Server draining");
    join_room(&world, 2, "b", "111112");
    say(&world, 1, "{\"type\":\"set_state\",\"data\":1}");
    forget_texts(&world);
    drop(&world, 1);
    join_room(&world, 1, "a", "111112");
    forget_texts(&world);
    say(&world, 1, "{\"type\":\"close_room\"}");
    assert_int_equal(world.relay.rooms.room_count, 0);
    world_release(&world);
}

static void create_with_url(struct world *world, uint32_t client, const char *url)
{
    say_format(world, client,
               "{\"type\":\"create\",\"clientId\":\"a\",\"maxClients\":4,\"url\":%s}", url);
}

static void url_is_filled_once_and_told_to_all_who_enter(void **state)
{
    (void)state;
    struct world world;
    world_init_2(&world);
    world.relay.config.instance.id = BYTES("i7");
    create_with_url(&world, 1, "\"https://{room}.a/\\\"{instance}\\u00e9#{room}\"");
    expect_only(&world, 1,
                "{\"type\":\"created\",\"room\":\"111112\",\"instance\":\"i7\",\"region\":\"\","
                "\"index\":0,\"url\":\"https://111112.a/\\\"i7\xC3\xA9#111112\"}");
    world.relay.config.instance.id = BYTES("i8");
    join_room(&world, 2, "b", "111112");
    expect_only(&world, 2,
                "{\"type\":\"joined\",\"room\":\"111112\",\"index\":1,\"peers\":[0],"
                "\"url\":\"https://111112.a/\\\"i7\xC3\xA9#111112\"}");
    forget_texts(&world);
    /* 30 bytes, and what the heap adds to them. */
    assert_int_equal(world.bytes_admitted, 48);
    drop(&world, 1);
    drop(&world, 2);
    assert_int_equal(world.bytes_admitted, 0);
    forget_texts(&world);
    world_release(&world);
}

static void url_is_judged_before_rooms_and_codes_are_counted(void **state)
{
    (void)state;
    static const uint32_t draws[] = {7};
    struct world world;
    world_init_2(&world);
    for (uint32_t i = 0; i < WORLD_ROOMS_MAX; i++)
        create_room(&world, i, "a", 2);
    forget_texts(&world);
    create_with_url(&world, 20, "7");
    expect_error(&world, 20, "url must be a string");
    create_with_url(&world, 20, "\"https://a.example\"");
    expect_error(&world, 20, "Too many rooms");
    drop(&world, 0);
    drop(&world, 1);
    world_set_draws(&world, draws, ARRAY_LENGTH(draws));
    create_room(&world, 0, "a", 2);
    forget_texts(&world);
    create_with_url(&world, 20, "\"https://a.example\"");
    expect_error(&world, 20, "No room code free");
    create_with_url(&world, 20, "\"\"");
    expect_error(&world, 20, "url is not a valid URL");
    world_release(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(creator_is_told_its_index_and_where_the_room_is),
        cmocka_unit_test(joiner_gets_the_indices_of_the_others_and_they_hear_its_own),
        cmocka_unit_test(nobody_is_ever_told_a_client_id),
        cmocka_unit_test(errors_outside_of_rooms_have_their_texts_and_order),
        cmocka_unit_test(errors_inside_of_a_room_have_their_texts_and_order),
        cmocka_unit_test(to_in_all_its_forms_is_an_index_or_nobody),
        cmocka_unit_test(absent_member_is_no_target_until_it_is_back),
        cmocka_unit_test(returning_member_has_its_index_and_is_announced),
        cmocka_unit_test(replaced_connection_loses_its_seat_unheard_even_in_a_full_room),
        cmocka_unit_test(members_who_left_keep_their_index_but_no_seat),
        cmocka_unit_test(indices_go_on_and_may_exceed_max_clients),
        cmocka_unit_test(longest_gone_are_forgotten_and_their_index_is_never_given_again),
        cmocka_unit_test(absent_host_is_never_forgotten),
        cmocka_unit_test(room_whose_indices_are_used_up_takes_only_those_it_knows),
        cmocka_unit_test(room_is_gone_with_its_last_member_and_with_whom_it_knew),
        cmocka_unit_test(long_codes_are_taken_verbatim),
        cmocka_unit_test(joins_move_to_the_loop_that_owns_a_long_code),
        cmocka_unit_test(long_codes_that_read_as_those_of_protocol_3_are_never_minted),
        cmocka_unit_test(codes_tell_the_region_of_the_server),
        cmocka_unit_test(rooms_speak_the_protocol_of_their_creator_only),
        cmocka_unit_test(protocol_1_knows_no_state_no_closing_and_no_url),
        cmocka_unit_test(a_draining_relay_makes_no_rooms_and_keeps_those_it_has),
        cmocka_unit_test(url_is_filled_once_and_told_to_all_who_enter),
        cmocka_unit_test(url_is_judged_before_rooms_and_codes_are_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
