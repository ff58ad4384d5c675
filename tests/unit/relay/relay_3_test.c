/*
 * Protocol 3: what is said and heard in a room in which everybody is here; each error with its code
 * and its place in the order of checks. Seats that are away, and what they miss, are in
 * relay_3_seats_test.c; what the host decides, and the audience, in relay_3_host_test.c.
 */
#include <stdio.h>

#include "relay/relay_3_fixture.h"

static void creator_and_joiner_are_told_all_that_they_must_know(void **state)
{
    (void)state;
    struct world world;
    world_init_3(&world);
    create_3(&world, 1, ",\"hold\":30");
    expect_only(&world, 1,
                "{\"type\":\"created\",\"room\":\"BBBC\",\"index\":0,\"hold\":30,"
                "\"epoch\":\"0000000000000002\",\"instance\":\"\",\"region\":\"\"}");
    join_3(&world, 2, "");
    expect_only(&world, 2,
                "{\"type\":\"joined\",\"room\":\"BBBC\",\"index\":1,\"hold\":30,"
                "\"epoch\":\"0000000000000003\",\"recovered\":false,\"seen\":0,\"heard\":0,"
                "\"host\":0,\"peers\":[0],\"away\":[],\"locked\":false,\"maxClients\":4,"
                "\"state\":false}");
    expect_only(&world, 1, "{\"type\":\"peer_joined\",\"index\":1}");
    set_state(&world, 1, "{\"level\":1}");
    expect_only(&world, 2, "{\"type\":\"state\",\"data\":{\"level\":1}}");
    cut_off(&world, 2);
    expect_only(&world, 1, "{\"type\":\"peer_away\",\"index\":1}");
    join_3(&world, 3, "");
    expect_next(&world, 3,
                "{\"type\":\"joined\",\"room\":\"BBBC\",\"index\":2,\"hold\":30,"
                "\"epoch\":\"0000000000000004\",\"recovered\":false,\"seen\":0,\"heard\":0,"
                "\"host\":0,\"peers\":[0],\"away\":[1],\"locked\":false,\"maxClients\":4,"
                "\"state\":true}");
    expect_only(&world, 3, "{\"type\":\"state\",\"data\":{\"level\":1}}");
    expect_only(&world, 1, "{\"type\":\"peer_joined\",\"index\":2}");
    world_release(&world);
}

static void a_url_is_told_in_both(void **state)
{
    (void)state;
    struct world world;
    world_init_3(&world);
    create_3(&world, 1, ",\"url\":\"https://game.example/{room}\"");
    expect_only(&world, 1,
                "{\"type\":\"created\",\"room\":\"BBBC\",\"index\":0,\"hold\":60,"
                "\"epoch\":\"0000000000000002\",\"url\":\"https://game.example/BBBC\","
                "\"instance\":\"\",\"region\":\"\"}");
    join_3(&world, 2, "");
    expect_begin(&world, 2,
                 "{\"type\":\"joined\",\"room\":\"BBBC\",\"index\":1,\"hold\":60,"
                 "\"epoch\":\"0000000000000003\",\"recovered\":false,\"seen\":0,\"heard\":0,"
                 "\"url\":\"https://game.example/BBBC\",\"host\":0,");
    forget_texts(&world);
    world_release(&world);
}

static void messages_reach_whom_they_name(void **state)
{
    (void)state;
    struct world world;
    init_party_3(&world, 3, "");
    say(&world, 2, "{\"type\":\"send\",\"data\":1}");
    expect_only(&world, 1, "{\"type\":\"message\",\"from\":1,\"data\":1}");
    expect_only(&world, 3, "{\"type\":\"message\",\"from\":1,\"data\":1}");
    say(&world, 2, "{\"type\":\"send\",\"data\":2,\"to\":\"host\"}");
    expect_only(&world, 1, "{\"type\":\"message\",\"from\":1,\"data\":2}");
    say(&world, 1, "{\"type\":\"send\",\"data\":3,\"to\":2,\"volatile\":true}");
    expect_only(&world, 3, "{\"type\":\"message\",\"from\":0,\"data\":3}");
    say(&world, 3, "{\"type\":\"send\",\"data\":4,\"to\":[ 1, 0,1 ,7,2.5,\"host\",[0],null, 2]}");
    expect_only(&world, 1, "{\"type\":\"message\",\"from\":2,\"data\":4}");
    expect_only(&world, 2, "{\"type\":\"message\",\"from\":2,\"data\":4}");
    expect_only(&world, 3, "{\"type\":\"message\",\"from\":2,\"data\":4}");
    say(&world, 3, "{\"type\":\"send\",\"to\":2}");
    expect_only(&world, 3, "{\"type\":\"message\",\"from\":2}");
    expect_silence(&world);
    world_release(&world);
}

static void a_send_that_reaches_nobody_is_refused_with_its_number(void **state)
{
    (void)state;
    struct world world;
    init_party_3(&world, 2, "");
    static const struct {
        const char *to;
        const char *more;
        const char *code;
    } cases[] = {
        {"7", "", "peer-not-found"},
        {"-1", "", "peer-not-found"},
        {"0.5", "", "peer-not-found"},
        {"\"guest\"", "", "peer-not-found"},
        {"null", "", "peer-not-found"},
        {"{}", "", "peer-not-found"},
        {"[5, 6]", "", "peer-not-found"},
        {"[]", "", "bad-to"},
        {"[ ]", "", "bad-to"},
        {"7", ",\"volatile\":1", "peer-not-found"},
        {"0", ",\"volatile\":1", "bad-volatile"},
    };
    for (uint32_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        say_format(&world, 2, "{\"type\":\"send\",\"data\":1,\"to\":%s%s}", cases[i].to,
                   cases[i].more);
        expect_code_to(&world, 2, cases[i].code, "send", cases[i].to, i + 1);
    }
    say(&world, 2, "{\"type\":\"send\",\"data\":1,\"volatile\":null}");
    expect_code(&world, 2, "bad-volatile", "send", ARRAY_LENGTH(cases) + 1);
    world_release(&world);
}

static void an_error_repeats_a_to_of_512_bytes(void **state)
{
    (void)state;
    struct world world;
    char to[514];
    init_party_3(&world, 2, "");
    for (uint32_t length = 512; length <= 513; length++) {
        memset(to, 'x', sizeof to);
        to[0] = to[length - 1] = '"';
        to[length] = 0;
        say_format(&world, 2, "{\"type\":\"send\",\"to\":%s}", to);
        expect_code_to(&world, 2, "peer-not-found", "send", length == 512 ? to : "", length - 511);
    }
    world_release(&world);
}

static void an_array_may_name_64_targets(void **state)
{
    (void)state;
    struct world world;
    char targets[65 * 2];
    init_party_3(&world, 2, "");
    for (uint32_t i = 0; i < 65; i++)
        memcpy(targets + 2 * i, "0,", 2);
    targets[64 * 2 - 1] = 0;
    say_format(&world, 2, "{\"type\":\"send\",\"data\":1,\"to\":[%s]}", targets);
    expect_only(&world, 1, "{\"type\":\"message\",\"from\":1,\"data\":1}");
    targets[64 * 2 - 1] = ',';
    targets[65 * 2 - 1] = 0;
    say_format(&world, 2, "{\"type\":\"send\",\"data\":1,\"to\":[%s]}", targets);
    char array[sizeof targets + 2];
    snprintf(array, sizeof array, "[%s]", targets);
    expect_code_to(&world, 2, "bad-to", "send", array, 2);
    world_release(&world);
}

static void binary_messages_have_a_head_of_their_own(void **state)
{
    (void)state;
    struct world world;
    init_party_3(&world, 3, "");
    say_binary(&world, 2, BYTES("\x00hello"));
    expect_only(&world, 1, "\\x00\\x00\\x00\\x00\\x01hello");
    expect_only(&world, 3, "\\x00\\x00\\x00\\x00\\x01hello");
    assert_int_equal(world.effects.items[0].emit.keeping, KEEP_FRAME);
    say_binary(&world, 2, BYTES("\x81\x00\x00\x00\x02quick"));
    expect_only(&world, 3, "\\x00\\x00\\x00\\x00\\x01quick");
    assert_int_equal(world.effects.items[0].emit.keeping, KEEP_COUNT);
    say_binary(&world, 3, BYTES("\x02"));
    expect_only(&world, 1, "\\x00\\x00\\x00\\x00\\x02");
    say_binary(&world, 3, BYTES("\x02to the host"));
    expect_only(&world, 1, "\\x00\\x00\\x00\\x00\\x02to the host");
    say_binary(&world, 2, BYTES("\x80"));
    forget_texts(&world);
    static const struct {
        struct bytes message;
        const char *code;
        const char *to;
    } cases[] = {
        {{NULL, 0}, "invalid-binary", ""},
        {{(const uint8_t *)"\x03", 1}, "invalid-binary", ""},
        {{(const uint8_t *)"\x83", 1}, "invalid-binary", ""},
        {{(const uint8_t *)"\x01\x00\x00\x00", 4}, "invalid-binary", ""},
        {{(const uint8_t *)"{}", 2}, "invalid-binary", ""},
        {{(const uint8_t *)"\x01\x00\x00\x00\x03", 5}, "peer-not-found", "3"},
        {{(const uint8_t *)"\x01\xFF\xFF\xFF\xFF", 5}, "peer-not-found", "4294967295"},
    };
    for (uint32_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        say_binary(&world, 2, cases[i].message);
        expect_code_to(&world, 2, cases[i].code, "binary", cases[i].to, 4 + i);
    }
    say_binary(&world, 5, BYTES("\x00x"));
    expect_code(&world, 5, "not-in-room", "binary", 0);
    world_release(&world);
}

static void each_message_counts_but_ping_and_resumed(void **state)
{
    (void)state;
    struct world world;
    init_party_3(&world, 2, "");
    say(&world, 2, "no JSON");
    expect_only(
        &world, 2,
        "{\"type\":\"error\",\"code\":\"invalid-json\",\"message\":\"Invalid JSON\",\"n\":1}");
    say_garbage(&world, 2);
    expect_only(
        &world, 2,
        "{\"type\":\"error\",\"code\":\"invalid-json\",\"message\":\"Invalid JSON\",\"n\":2}");
    say(&world, 2, "{\"type\":\"constructor\"}");
    expect_only(&world, 2,
                "{\"type\":\"error\",\"code\":\"unknown-type\","
                "\"message\":\"Unknown message type\",\"n\":3}");
    say(&world, 2, "{\"type\":\"ping\"}");
    expect_only(&world, 2, "{\"type\":\"pong\",\"heard\":3}");
    say(&world, 2, "{\"type\":\"resumed\",\"unasked\":1}");
    say(&world, 2, "{\"type\":\"ping\",\"seen\":\"nonsense\"}");
    expect_only(&world, 2, "{\"type\":\"pong\",\"heard\":3}");
    say_binary(&world, 2, BYTES("\x02"));
    forget_texts(&world);
    join_3(&world, 2, "");
    expect_code(&world, 2, "already-in-room", "join", 5);
    create_3(&world, 2, "");
    expect_code(&world, 2, "already-in-room", "create", 6);
    say(&world, 2, "{\"type\":\"ping\",\"seen\":1e300}");
    expect_only(&world, 2, "{\"type\":\"pong\",\"heard\":6}");
    world_release(&world);
}

static void who_is_in_no_room_may_only_create_and_join(void **state)
{
    (void)state;
    static const char *const types[] = {"send",     "set_state", "close_room", "ping",
                                        "set_room", "set_host",  "kick",       "mute_audience",
                                        "leave",    "resumed"};
    struct world world;
    world_init_3(&world);
    for (uint32_t i = 0; i < ARRAY_LENGTH(types); i++) {
        say_format(&world, 1, "{\"type\":\"%s\"}", types[i]);
        expect_code(&world, 1, "not-in-room", types[i], 0);
    }
    say(&world, 1, "[]");
    expect_only(&world, 1,
                "{\"type\":\"error\",\"code\":\"unknown-type\","
                "\"message\":\"Unknown message type\"}");
    world_release(&world);
}

/* What `create` refuses, each case with what a later check would refuse, too. */
static void create_checks_its_fields_in_order(void **state)
{
    (void)state;
    static const struct {
        const char *fields;
        const char *code;
    } cases[] = {
        {"\"session\":1", "client-id-required"},
        {"\"clientId\":\"\"", "client-id-required"},
        {"\"clientId\":\"fifteen bytes..\",\"session\":1", "client-id-too-short"},
        {"\"clientId\":\"sixteen bytes...\",\"maxClients\":0", "bad-session"},
        {"\"clientId\":\"sixteen bytes...\",\"session\":\"7 bytes\",\"maxClients\":0",
         "bad-session"},
        {"\"clientId\":\"sixteen bytes...\",\"session\":\"8 bytes.\",\"url\":1", "bad-max-clients"},
        {"\"clientId\":\"sixteen bytes...\",\"session\":\"8 bytes.\",\"maxClients\":1,\"url\":1,"
         "\"hold\":-1",
         "url-not-a-string"},
        {"\"clientId\":\"sixteen bytes...\",\"session\":\"8 bytes.\",\"maxClients\":1,"
         "\"hold\":601,\"onHostLeft\":1",
         "bad-hold"},
        {"\"clientId\":\"sixteen bytes...\",\"session\":\"8 bytes.\",\"maxClients\":1,"
         "\"hold\":\"1\",\"onHostLeft\":1",
         "bad-hold"},
        {"\"clientId\":\"sixteen bytes...\",\"session\":\"8 bytes.\",\"maxClients\":1,"
         "\"hold\":600,\"onHostLeft\":\"stay\",\"maxAudience\":-1",
         "bad-on-host-left"},
        {"\"clientId\":\"sixteen bytes...\",\"session\":\"8 bytes.\",\"maxClients\":1,"
         "\"onHostLeft\":\"close\",\"maxAudience\":-1,\"password\":\"\"",
         "bad-max-audience"},
        {"\"clientId\":\"sixteen bytes...\",\"session\":\"8 bytes.\",\"maxClients\":1,"
         "\"onHostLeft\":\"migrate\",\"maxAudience\":1,\"password\":\"\"",
         "bad-password"},
        {"\"clientId\":\"sixteen bytes...\",\"session\":\"8 bytes.\",\"maxClients\":1,"
         "\"password\":null",
         "server-draining"},
    };
    struct world world;
    world_init_3(&world);
    world.relay.is_draining = true;
    for (uint32_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        say_format(&world, 1, "{\"type\":\"create\",%s}", cases[i].fields);
        expect_code(&world, 1, cases[i].code, "create", 0);
    }
    create_3(&world, 1, "");
    expect_code(&world, 1, "server-draining", "create", 0);
    world_release(&world);
}

static void join_checks_its_fields_in_order(void **state)
{
    (void)state;
    static const struct {
        const char *fields;
        const char *code;
    } cases[] = {
        {"\"session\":1", "client-id-required"},
        {"\"clientId\":\"sixteen bytes...\",\"attempt\":0", "bad-session"},
        {"\"clientId\":\"sixteen bytes...\",\"session\":\"8 bytes.\"", "bad-attempt"},
        {"\"clientId\":\"sixteen bytes...\",\"session\":\"8 bytes.\",\"attempt\":0", "bad-attempt"},
        {"\"clientId\":\"sixteen bytes...\",\"session\":\"8 bytes.\",\"attempt\":1.5",
         "bad-attempt"},
        {"\"clientId\":\"sixteen bytes...\",\"session\":\"8 bytes.\",\"attempt\":1,\"role\":1",
         "room-required"},
        {"\"clientId\":\"sixteen bytes...\",\"session\":\"8 bytes.\",\"attempt\":1,"
         "\"room\":\"ZZZZ\",\"role\":\"host\",\"password\":1",
         "bad-role"},
        {"\"clientId\":\"sixteen bytes...\",\"session\":\"8 bytes.\",\"attempt\":1,"
         "\"room\":\"ZZZZ\",\"password\":1",
         "bad-password"},
        {"\"clientId\":\"sixteen bytes...\",\"session\":\"8 bytes.\",\"attempt\":1,"
         "\"room\":\"ZZZZ\",\"password\":\"x\",\"role\":\"audience\"",
         "room-not-found"},
        {"\"clientId\":\"sixteen bytes...\",\"session\":\"8 bytes.\",\"attempt\":1,"
         "\"room\":\"no code\"",
         "room-not-found"},
    };
    struct world world;
    world_init_3(&world);
    for (uint32_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        say_format(&world, 1, "{\"type\":\"join\",%s}", cases[i].fields);
        expect_code(&world, 1, cases[i].code, "join", 0);
    }
    assert_int_equal(world.misses, 2);
    world_release(&world);
}

static void a_room_is_joined_in_its_own_protocol(void **state)
{
    (void)state;
    struct world world;
    init_party_3(&world, 1, "");
    world.clients[8].protocol = PROTOCOL_2;
    join_room(&world, 8, "an id of sixteen bytes", "BBBC");
    expect_error(&world, 8, "Room uses protocol 3");
    world.clients[9].protocol = PROTOCOL_1;
    join_room(&world, 9, "x", "b b-b c");
    expect_error(&world, 9, "Room uses protocol 3");
    create_room(&world, 8, "x", 4);
    expect_begin(&world, 8, "{\"type\":\"created\",\"room\":\"111");
    say(&world, 4,
        "{\"type\":\"join\",\"clientId\":\"sixteen bytes...\",\"session\":\"8 bytes.\","
        "\"attempt\":1,\"room\":\"111114\"}");
    expect_only(&world, 4,
                "{\"type\":\"error\",\"code\":\"wrong-protocol\",\"message\":\"Room uses "
                "protocol 2\",\"of\":\"join\",\"protocol\":2}");
    world_release(&world);
}

static void types_of_protocol_3_are_unknown_to_the_others(void **state)
{
    (void)state;
    static const char *const types[] = {"ping",  "set_room",      "set_host", "kick",
                                        "leave", "mute_audience", "resumed"};
    struct world world;
    world_init_2(&world);
    create_room(&world, 1, "a", 4);
    forget_texts(&world);
    for (uint32_t i = 0; i < ARRAY_LENGTH(types); i++) {
        say_format(&world, 1, "{\"type\":\"%s\"}", types[i]);
        expect_error(&world, 1, "Unknown message type");
    }
    world_release(&world);
}

static void a_token_is_checked_last_and_may_bound_the_room(void **state)
{
    (void)state;
    struct world world;
    world_init_3(&world);
    world.token = "right";
    create_3(&world, 1, "");
    expect_code(&world, 1, "token-required", "create", 0);
    create_3(&world, 1, ",\"token\":\"wrong\"");
    expect_code(&world, 1, "token-invalid", "create", 0);
    create_3(&world, 1, ",\"token\":7");
    expect_code(&world, 1, "token-invalid", "create", 0);
    world.token_answer = TOKEN_EXPIRED;
    create_3(&world, 1, ",\"token\":\"right\"");
    expect_code(&world, 1, "token-expired", "create", 0);
    world.token_answer = TOKEN_NO_MEMORY;
    create_3(&world, 1, ",\"token\":\"right\"");
    expect_code(&world, 1, "server-full", "create", 0);
    world.token_answer = TOKEN_OTHER_ORIGIN;
    create_3(&world, 1, ",\"token\":\"right\"");
    expect_code(&world, 1, "token-origin", "create", 0);
    world.relay.is_draining = true;
    create_3(&world, 1, "");
    expect_code(&world, 1, "server-draining", "create", 0);
    world.relay.is_draining = false;
    world.token_answer = TOKEN_OK;
    create_3(&world, 1, ",\"token\":\"right\"");
    expect_begin(&world, 1, "{\"type\":\"created\"");
    join_3(&world, 2, "");
    expect_begin(&world, 2, "{\"type\":\"joined\"");
    forget_texts(&world);
    join_3(&world, 3, "");
    expect_code(&world, 3, "room-full", "join", 0);
    world_release(&world);
}

static void who_leaves_may_go_on_over_its_connection(void **state)
{
    (void)state;
    struct world world;
    init_party_3(&world, 3, "");
    say(&world, 2, "{\"type\":\"leave\"}");
    expect_only(&world, 2, "{\"type\":\"left\"}");
    expect_only(&world, 1, "{\"type\":\"peer_left\",\"index\":1,\"why\":\"left\"}");
    expect_only(&world, 3, "{\"type\":\"peer_left\",\"index\":1,\"why\":\"left\"}");
    assert_null(world.clients[2].seat);
    join_as(&world, 2, 2, 2, "");
    expect_begin(&world, 2, "{\"type\":\"joined\",\"room\":\"BBBC\",\"index\":3,");
    forget_texts(&world);
    world_release(&world);
}

static void a_close_frame_with_1000_is_a_farewell_and_no_other_end(void **state)
{
    (void)state;
    struct world world;
    init_party_3(&world, 3, "");
    drop(&world, 2);
    expect_only(&world, 1, "{\"type\":\"peer_left\",\"index\":1,\"why\":\"left\"}");
    forget_texts(&world);
    relay_leave(&world.relay, &world.clients[3].seat, DEPARTURE_CODELESS, &world.effects);
    assert_int_equal(world.effects.items[0].emit.event.type, EVENT_PEER_AWAY);
    world.effects.count = 0;
    world_release(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(creator_and_joiner_are_told_all_that_they_must_know),
        cmocka_unit_test(a_url_is_told_in_both),
        cmocka_unit_test(messages_reach_whom_they_name),
        cmocka_unit_test(a_send_that_reaches_nobody_is_refused_with_its_number),
        cmocka_unit_test(an_error_repeats_a_to_of_512_bytes),
        cmocka_unit_test(an_array_may_name_64_targets),
        cmocka_unit_test(binary_messages_have_a_head_of_their_own),
        cmocka_unit_test(each_message_counts_but_ping_and_resumed),
        cmocka_unit_test(who_is_in_no_room_may_only_create_and_join),
        cmocka_unit_test(create_checks_its_fields_in_order),
        cmocka_unit_test(join_checks_its_fields_in_order),
        cmocka_unit_test(a_room_is_joined_in_its_own_protocol),
        cmocka_unit_test(types_of_protocol_3_are_unknown_to_the_others),
        cmocka_unit_test(a_token_is_checked_last_and_may_bound_the_room),
        cmocka_unit_test(who_leaves_may_go_on_over_its_connection),
        cmocka_unit_test(a_close_frame_with_1000_is_a_farewell_and_no_other_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
