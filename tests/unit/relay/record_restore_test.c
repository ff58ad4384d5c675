/* Rooms that were made of their records: who comes back, and for how long the room waits. */
#include <stdio.h>
#include <stdlib.h>

#include "relay/relay_3_fixture.h"

/*
 * The process ends, and another one makes the room of its record. Clients are strangers to it. The
 * clock is another one, too.
 */
static void restart(struct world *world, const char *code)
{
    struct record_fault fault;
    char *record = record_of(world, code);
    enum protocol protocol = world->clients[1].protocol;
    forget_texts(world);
    world_release(world);
    world_init_3_random(world, 7);
    world->relay.now_ms = UINT32_MAX - 10000; /* it wraps soon */
    for (uint32_t i = 0; i < WORLD_CLIENTS; i++)
        world->clients[i].protocol = protocol;
    assert_true(restore(world, record, &fault));
    EXPECT_EFFECTS(world, EFFECT_ROOM_ADDED);
    free(record);
}

static bool is_there(const struct world *world, const char *code)
{
    uint64_t number;
    assert_true(code_read(bytes_of_string(code), &number));
    return relay_find_room(&world->relay, number) != NULL;
}

/* Nothing happens for one millisecond less than this, and then the room ends. */
static void expect_end_after(struct world *world, const char *code, uint32_t ms)
{
    pass_time(world, ms - 1);
    assert_true(is_there(world, code));
    pass_time(world, 1);
    assert_false(is_there(world, code));
}

static void members_of_1_come_back(void **state)
{
    (void)state;
    struct world world;
    world_init(&world);
    create_room(&world, 1, "a", 3);
    join_room(&world, 2, "b", "AAAB");
    join_room(&world, 3, "c", "AAAB");
    restart(&world, "AAAB");
    join_room(&world, 2, "b", "aaab");
    expect_only(&world, 2, "{\"type\":\"joined\",\"room\":\"AAAB\",\"clients\":[\"b\"]}");
    expect_silence(&world);
    say(&world, 2, "{\"type\":\"send\",\"to\":\"a\",\"data\":1}");
    expect_error(&world, 2, "Target client not found");
    say(&world, 2, "{\"type\":\"send\",\"data\":1}");
    expect_silence(&world);
    /* All have the same list: in the order in which they came back. */
    join_room(&world, 1, "a", "AAAB");
    expect_only(&world, 1, "{\"type\":\"joined\",\"room\":\"AAAB\",\"clients\":[\"b\",\"a\"]}");
    expect_only(&world, 2, "{\"type\":\"peer_joined\",\"clientId\":\"a\"}");
    say(&world, 2, "{\"type\":\"send\",\"to\":\"a\",\"data\":1}");
    expect_only(&world, 1, "{\"type\":\"message\",\"from\":\"b\",\"data\":1}");
    expect_silence(&world);
    /* From then on it is a room like any other. */
    cut_off(&world, 1);
    expect_only(&world, 2, "{\"type\":\"peer_left\",\"clientId\":\"a\"}");
    pass_time(&world, RESTORED_HOLD_LEAST_MS);
    drop(&world, 2);
    assert_false(is_there(&world, "AAAB"));
    world_release(&world);
}

/* The room knows its members, whom it lets in even where it tells nobody else that it is there. */
static void a_room_of_1_knows_its_members(void **state)
{
    (void)state;
    struct world world;
    world_init(&world);
    create_room(&world, 1, "a", 2);
    join_room(&world, 2, "b", "AAAB");
    restart(&world, "AAAB");
    world.is_reticent = true;
    join_room(&world, 3, "c", "AAAB");
    EXPECT_EFFECTS(&world, EFFECT_UNTOLD);
    join_room(&world, 1, "a", "AAAB");
    expect_only(&world, 1, "{\"type\":\"joined\",\"room\":\"AAAB\",\"clients\":[\"a\"]}");
    world.is_reticent = false;
    join_room(&world, 3, "c", "AAAB");
    forget_texts(&world);
    join_room(&world, 2, "b", "AAAB");
    expect_error(&world, 2, "Room is full");
    drop(&world, 3);
    forget_texts(&world);
    world.is_reticent = true;
    join_room(&world, 2, "b", "AAAB"); /* it is known still */
    expect_only(&world, 2, "{\"type\":\"joined\",\"room\":\"AAAB\",\"clients\":[\"a\",\"b\"]}");
    forget_texts(&world);
    world_release(&world);
}

static void a_room_of_1_waits(void **state)
{
    (void)state;
    static const uint32_t graces_ms[] = {WORLD_EMPTY_GRACE_MS, 0, 7000};
    struct world world;
    struct record_fault fault;
    for (size_t i = 0; i < ARRAY_LENGTH(graces_ms); i++) {
        uint32_t wait_ms =
            graces_ms[i] > RESTORED_HOLD_LEAST_MS ? graces_ms[i] : RESTORED_HOLD_LEAST_MS;
        for (int visits = 0; visits < 2; visits++) {
            world_init(&world);
            world.relay.config.empty_room_grace_ms = graces_ms[i];
            assert_true(restore(&world,
                                "{\"version\":1,\"protocol\":1,\"code\":\"AAAB\",\"maxClients\":2,"
                                "\"nextIndex\":2,\"members\":[{\"id\":\"a\",\"index\":0},"
                                "{\"id\":\"b\",\"index\":1,\"here\":true}]}",
                                &fault));
            if (visits > 0) { /* somebody comes, and is cut off again, before all have come */
                join_room(&world, 1, "a", "AAAB");
                drop(&world, 1);
                forget_texts(&world);
            }
            expect_end_after(&world, "AAAB", wait_ms);
            world_release(&world);
        }
    }
}

/* When all have been back, nobody else is waited for. */
static void a_room_of_1_ends_when_all_have_been_back(void **state)
{
    (void)state;
    struct world world;
    world_init(&world);
    create_room(&world, 1, "a", 2);
    restart(&world, "AAAB");
    join_room(&world, 1, "a", "AAAB");
    forget_texts(&world);
    cut_off(&world, 1);
    assert_false(is_there(&world, "AAAB"));
    world_release(&world);
}

static void members_of_2_come_back(void **state)
{
    (void)state;
    struct world world;
    world_init_2(&world);
    say(&world, 1,
        "{\"type\":\"create\",\"clientId\":\"a\",\"maxClients\":3,\"url\":\"https://a/{room}\"}");
    join_room(&world, 2, "b", "111112");
    join_room(&world, 3, "c", "111112");
    cut_off(&world, 2);
    set_state(&world, 1, "[1, 2]");
    restart(&world, "111112");
    join_room(&world, 3, "c", "111112");
    expect_next(&world, 3,
                "{\"type\":\"joined\",\"room\":\"111112\",\"index\":2,\"peers\":[],"
                "\"url\":\"https://a/111112\"}");
    expect_only(&world, 3, "{\"type\":\"state\",\"data\":[1, 2]}");
    join_room(&world, 4, "d", "111112");
    expect_next(&world, 4,
                "{\"type\":\"joined\",\"room\":\"111112\",\"index\":16,\"peers\":[2],"
                "\"url\":\"https://a/111112\"}");
    forget_texts(&world);
    join_room(&world, 1, "a", "111112");
    expect_next(&world, 1,
                "{\"type\":\"joined\",\"room\":\"111112\",\"index\":0,\"peers\":[2,16],"
                "\"url\":\"https://a/111112\"}");
    forget_texts(&world);
    set_state(&world, 1, "3"); /* it is the host */
    expect_only(&world, 3, "{\"type\":\"state\",\"data\":3}");
    drop(&world, 4);
    forget_texts(&world);
    join_room(&world, 2, "b", "111112");
    expect_next(&world, 2,
                "{\"type\":\"joined\",\"room\":\"111112\",\"index\":1,\"peers\":[0,2],"
                "\"url\":\"https://a/111112\"}");
    forget_texts(&world);
    pass_time(&world, WORLD_GRACE_MS);
    assert_true(is_there(&world, "111112"));
    world_release(&world);
}

static void graces_of_2_begin(void **state)
{
    (void)state;
    struct world world;
    init_party(&world, 3);
    restart(&world, "111112");
    expect_end_after(&world, "111112", WORLD_EMPTY_GRACE_MS);
    world_release(&world);
    init_party(&world, 3);
    restart(&world, "111112");
    join_room(&world, 2, "b", "111112");
    forget_texts(&world);
    expect_end_after(&world, "111112", WORLD_GRACE_MS); /* without its host */
    assert_true(world.clients[2].was_closed);
    world_release(&world);
}

static void graces_of_2_may_be_shorter(void **state)
{
    (void)state;
    static const char record[] =
        "{\"version\":1,\"protocol\":2,\"code\":\"111112\",\"maxClients\":3,\"nextIndex\":2,"
        "\"host\":0,\"members\":[{\"id\":\"a\",\"index\":0},{\"id\":\"b\",\"index\":1}]}";
    struct world world;
    struct record_fault fault;
    for (int with_member = 0; with_member < 2; with_member++) {
        world_init_2(&world);
        world.relay.config.empty_room_grace_ms = 1000;
        world.relay.config.host_grace_ms = 2000;
        assert_true(restore(&world, record, &fault));
        if (with_member == 1)
            join_room(&world, 2, "b", "111112");
        forget_texts(&world);
        expect_end_after(&world, "111112", RESTORED_HOLD_LEAST_MS);
        world_release(&world);
    }
}

/* The member that was there for the shortest time is forgotten first, as ever. */
static void stays_of_2_count(void **state)
{
    (void)state;
    struct world world;
    init_party(&world, 3);
    cut_off(&world, 2);
    world.relay.now_ms += 5000;
    restart(&world, "111112");
    uint64_t code;
    assert_true(code_read(BYTES("111112"), &code));
    const struct room *room = relay_find_room(&world.relay, code);
    assert_int_equal(room->absent_count, 2);
    assert_int_equal(room_absent(room)[0]->index, 1);
    assert_int_equal(room_absent(room)[1]->index, 2);
    assert_int_equal(room_absent(room)[1]->stayed_ms, 5000);
    /* Who was there was cut off, so a farewell does not end the room. */
    join_room(&world, 2, "b", "111112");
    drop(&world, 2);
    assert_true(is_there(&world, "111112"));
    forget_texts(&world);
    world_release(&world);
}

/* A room forgets whom it can't remember, as when it was left by too many. */
static void rooms_of_2_forget(void **state)
{
    (void)state;
    struct world world;
    struct record_fault fault;
    char record[8192];
    uint64_t code;
    size_t length = (size_t)snprintf(record, sizeof record,
                                     "{\"version\":1,\"protocol\":2,\"code\":\"111112\","
                                     "\"maxClients\":8,\"nextIndex\":99,\"host\":0,"
                                     "\"members\":[{\"id\":\"a\",\"index\":0}");
    for (uint32_t i = 1; i <= WORLD_MEMBERS_MAX + ABSENT_LEAST; i++)
        length += (size_t)snprintf(record + length, sizeof record - length,
                                   ",{\"id\":\"%u\",\"index\":%u,\"stayed\":%u}", i, i,
                                   i == 30 || i > 70 ? 0 : i);
    snprintf(record + length, sizeof record - length, "]}");
    world_init_2(&world);
    assert_true(restore(&world, record, &fault));
    assert_true(code_read(BYTES("111112"), &code));
    const struct room *room = relay_find_room(&world.relay, code);
    assert_int_equal(room->absent_count, ABSENT_LEAST);
    assert_int_equal(room_absent(room)[0]->index, 6); /* without 30, 71 and 72, and 1 to 5 */
    world_release(&world);
}

/* Since when somebody is cut off goes on: a farewell that comes late enough is believed. */
static void cut_offs_of_2_grow_old(void **state)
{
    (void)state;
    struct world world;
    struct record_fault fault;
    for (uint32_t passed = 0; passed < 2; passed++) {
        world_init_2(&world);
        assert_true(restore(&world,
                            "{\"version\":1,\"protocol\":2,\"code\":\"111112\",\"maxClients\":8,"
                            "\"nextIndex\":2,\"host\":0,\"members\":[{\"id\":\"a\",\"index\":0},"
                            "{\"id\":\"b\",\"index\":1,\"cutOff\":50000}]}",
                            &fault));
        join_room(&world, 1, "a", "111112");
        forget_texts(&world);
        pass_time(&world, passed == 0 ? 9999 : 10000);
        drop(&world, 1);
        assert_int_equal(is_there(&world, "111112"), passed == 0);
        world_release(&world);
    }
}

static void members_of_3_come_back(void **state)
{
    (void)state;
    struct world world;
    init_party_3(&world, 3, ",\"url\":\"http://localhost/{room}\"");
    set_state(&world, 1, "\"s\"");
    say(&world, 1, "{\"type\":\"set_state\",\"data\":\"p\",\"private\":true}");
    cut_off(&world, 3);
    restart(&world, "BBBC");
    /* It comes with the epoch of its seat, and hears of a new one. */
    join_as(&world, 2, 2, 1, ",\"epoch\":\"0000000000000003\",\"seen\":0");
    expect_begin(&world, 2, "{\"type\":\"joined\",\"room\":\"BBBC\",\"index\":1,\"hold\":60,");
    expect_only(&world, 2, "{\"type\":\"state\",\"data\":\"s\"}");
    expect_silence(&world);
    say(&world, 2, "{\"type\":\"send\",\"to\":\"host\",\"data\":1}"); /* is kept for it */
    expect_silence(&world);
    join_as(&world, 1, 1, 1, "");
    forget_texts_of(&world, 2);
    struct seat *seat = member_seat(world.clients[1].seat);
    assert_true(seat->epoch > 1000);
    char *joined = world.clients[1].texts[0];
    assert_non_null(
        strstr(joined, ",\"recovered\":false,\"seen\":0,\"heard\":0,\"url\":\"http://"
                       "localhost/BBBC\",\"host\":0,\"peers\":[1],\"away\":[2],\"locked\":false,"
                       "\"maxClients\":4,\"state\":true}"));
    expect_begin(&world, 1, "{\"type\":\"joined\"");
    expect_next(&world, 1, "{\"type\":\"state\",\"data\":\"s\"}");
    expect_only(&world, 1, "{\"type\":\"private_state\",\"data\":\"p\"}");
    join_as(&world, 4, 4, 1, "");
    expect_begin(&world, 4, "{\"type\":\"joined\",\"room\":\"BBBC\",\"index\":16,");
    forget_texts(&world);
    world_release(&world);
}

/* Epochs are drawn: no seat has that of another, nor the one that it had. */
static void epochs_are_new(void **state)
{
    (void)state;
    struct world world;
    init_party_3(&world, 3, "");
    restart(&world, "BBBC");
    uint64_t epochs[3];
    for (uint32_t client = 1; client <= 3; client++) {
        join_as(&world, client, client, 1, "");
        epochs[client - 1] = member_seat(world.clients[client].seat)->epoch;
        assert_true(epochs[client - 1] > 1000);
    }
    assert_true(epochs[0] != epochs[1] && epochs[1] != epochs[2] && epochs[0] != epochs[2]);
    forget_texts(&world);
    world_release(&world);
}

/* A planned stop cuts all off, and they come back to what they have missed. */
static void members_go_on_after_a_stop(void **state)
{
    (void)state;
    struct world world;
    struct record_fault fault;
    init_party_3(&world, 3, "");
    say(&world, 2, "{\"type\":\"send\",\"data\":1}");
    cut_off(&world, 3);
    say(&world, 1, "{\"type\":\"send\",\"to\":2,\"data\":2}");
    say(&world, 2, "{\"type\":\"send\",\"volatile\":true}");
    set_state(&world, 1, "3");
    cut_off(&world, 1);
    cut_off(&world, 2);
    forget_texts(&world);
    world.is_of_stop = true;
    char *record = record_of(&world, "BBBC");
    assert_non_null(strstr(record, "{\"for\":\"everyoneBut\",\"indices\":[0],\"isState\":true}"));
    world_release(&world);
    world_init_3_random(&world, 7);
    world.is_of_stop = true;
    assert_true(restore(&world, record, &fault));
    free(record);
    world.is_of_stop = false; /* from now on */
    /* It has seen what client 2 said. */
    join_as(&world, 3, 3, 2, ",\"epoch\":\"0000000000000004\",\"seen\":1");
    expect_next(&world, 3,
                "{\"type\":\"joined\",\"room\":\"BBBC\",\"index\":2,\"hold\":60,"
                "\"epoch\":\"0000000000000004\",\"recovered\":true,\"seen\":1,\"heard\":0}");
    expect_next(&world, 3, "{\"type\":\"message\",\"from\":0,\"data\":2}");
    expect_next(&world, 3, "{\"type\":\"skipped\",\"count\":1}");
    expect_next(&world, 3, "{\"type\":\"state\",\"data\":3}");
    expect_next(&world, 3, "{\"type\":\"peer_away\",\"index\":0}");
    expect_only(&world, 3, "{\"type\":\"peer_away\",\"index\":1}");
    /* Its first join was handled by the process before this one. */
    join_as(&world, 4, 2, 1, "");
    assert_true(world.clients[4].was_given_up);
    join_as(&world, 2, 2, 2, ",\"epoch\":\"0000000000000003\",\"seen\":4");
    expect_begin(&world, 2,
                 "{\"type\":\"joined\",\"room\":\"BBBC\",\"index\":1,\"hold\":60,"
                 "\"epoch\":\"0000000000000003\",\"recovered\":true,\"seen\":4,\"heard\":2}");
    forget_texts(&world);
    world_release(&world);
}

static void holds_of_3_are_long_enough(void **state)
{
    (void)state;
    struct world world;
    init_party_3(&world, 3, ",\"onHostLeft\":\"migrate\",\"hold\":90");
    world.relay.now_ms += 50000;
    cut_off(&world, 2);
    world.relay.now_ms += 49000; /* 1 s is left */
    restart(&world, "BBBC");
    uint64_t code;
    assert_true(code_read(BYTES("BBBC"), &code));
    const struct room *room = relay_find_room(&world.relay, code);
    pass_time(&world, RESTORED_HOLD_LEAST_MS - 1);
    assert_int_equal(room->absent_count, 3);
    pass_time(&world, 1);
    assert_int_equal(room->absent_count, 2);
    pass_time(&world, 90000 - RESTORED_HOLD_LEAST_MS - 1);
    assert_int_equal(room->absent_count, 2);
    pass_time(&world, 1); /* client 3 was there for 99 s */
    assert_int_equal(room->absent_count, 1);
    expect_end_after(&world, "BBBC", WORLD_GRACE_MS - 90000); /* the host's seat */
    world_release(&world);
}

/* A room that holds no seats holds them after a restart, and so does one whose creator is silent.
 */
static void short_holds_are_prolonged(void **state)
{
    (void)state;
    struct world world;
    init_party_3(&world, 1, "");
    restart(&world, "BBBC");
    expect_end_after(&world, "BBBC", RESTORED_HOLD_LEAST_MS);
    world_release(&world);
    init_party_3(&world, 2, ",\"hold\":0");
    restart(&world, "BBBC");
    join_as(&world, 1, 1, 1, "");
    forget_texts(&world);
    pass_time(&world, RESTORED_HOLD_LEAST_MS);
    expect_only(&world, 1, "{\"type\":\"peer_left\",\"index\":1,\"why\":\"expired\"}");
    world_release(&world);
}

/* What is left of a hold is kept, but no more than a hold can be. */
static void long_holds_are_bounded(void **state)
{
    (void)state;
    static const uint32_t cases_ms[][2] = {
        {0, RESTORED_HOLD_LEAST_MS}, {45000, 45000}, {4294967295, HOLD_MS_MAX}};
    struct world world;
    struct record_fault fault;
    for (size_t i = 0; i < ARRAY_LENGTH(cases_ms); i++) {
        char record[1024];
        snprintf(record, sizeof record,
                 "{\"version\":1,\"protocol\":3,\"code\":\"BBBC\",\"maxClients\":4,"
                 "\"nextIndex\":1,\"host\":0,\"hold\":60000,\"onHostLeft\":\"close\","
                 "\"locked\":false,\"maxAudience\":0,\"audienceMuted\":false,"
                 "\"creatorKnown\":true,\"members\":[{\"id\":\"aaaaaaaaaaaaaaaa\",\"index\":0,"
                 "\"holdLeft\":%u}]}",
                 cases_ms[i][0]);
        world_init_3(&world);
        assert_true(restore(&world, record, &fault));
        expect_end_after(&world, "BBBC", cases_ms[i][1]);
        world_release(&world);
    }
}

static void the_host_migrates(void **state)
{
    (void)state;
    struct world world;
    init_party_3(&world, 3, ",\"onHostLeft\":\"migrate\"");
    restart(&world, "BBBC");
    pass_time(&world, WORLD_MIGRATE_MS); /* nobody is there, so nobody can be the host */
    join_as(&world, 3, 3, 1, "");
    forget_texts(&world);
    pass_time(&world, WORLD_MIGRATE_MS - 1);
    expect_silence(&world);
    pass_time(&world, 1);
    expect_next(&world, 3, "{\"type\":\"peer_left\",\"index\":1,\"why\":\"expired\"}");
    expect_only(&world, 3, "{\"type\":\"host\",\"index\":2}");
    world_release(&world);
    init_party_3(&world, 2, ",\"onHostLeft\":\"migrate\"");
    cut_off(&world, 2);
    drop(&world, 1);
    restart(&world, "BBBC"); /* there is no host */
    join_as(&world, 2, 2, 1, "");
    assert_non_null(strstr(world.clients[2].texts[0], "\"host\":1,"));
    expect_begin(&world, 2, "{\"type\":\"joined\"");
    expect_only(&world, 2, "{\"type\":\"host\",\"index\":1}");
    world_release(&world);
}

static void the_host_s_grace_ends_the_room(void **state)
{
    (void)state;
    struct world world;
    init_party_3(&world, 2, "");
    say(&world, 1, "{\"type\":\"set_host\",\"index\":1}");
    restart(&world, "BBBC");
    join_as(&world, 1, 1, 1, "");
    forget_texts(&world);
    say(&world, 1, "{\"type\":\"set_room\",\"locked\":true}");
    expect_code(&world, 1, "not-host", "set_room", 1);
    expect_end_after(&world, "BBBC", WORLD_GRACE_MS);
    assert_true(world.clients[1].was_closed);
    world_release(&world);
}

static void doors_stay_shut(void **state)
{
    (void)state;
    struct world world;
    init_party_3(&world, 3, "");
    say(&world, 1, "{\"type\":\"kick\",\"index\":1}");
    say(&world, 1, "{\"type\":\"kick\",\"index\":2,\"ban\":true}");
    say(&world, 1, "{\"type\":\"set_room\",\"password\":\"p\",\"maxAudience\":1}");
    say(&world, 1, "{\"type\":\"mute_audience\",\"muted\":true}");
    restart(&world, "BBBC");
    join_as(&world, 2, 2, 1, ",\"epoch\":\"0000000000000003\"");
    expect_code(&world, 2, "kicked", "join", 0);
    join_as(&world, 3, 3, 1, ",\"password\":\"p\"");
    expect_code(&world, 3, "banned", "join", 0);
    join_as(&world, 4, 4, 1, ",\"password\":\"q\"");
    expect_code(&world, 4, "wrong-password", "join", 0);
    join_as(&world, 4, 4, 1, "");
    expect_code(&world, 4, "password-required", "join", 0);
    join_as(&world, 1, 1, 1, "");
    join_as(&world, 2, 2, 1, ",\"password\":\"p\"");
    join_as(&world, 5, 5, 1, ",\"password\":\"p\",\"role\":\"audience\"");
    forget_texts(&world);
    say(&world, 5, "{\"type\":\"send\"}");
    expect_code(&world, 5, "audience-muted", "send", 0);
    join_as(&world, 6, 6, 1, ",\"password\":\"p\",\"role\":\"audience\"");
    expect_code(&world, 6, "audience-full", "join", 0);
    say(&world, 1, "{\"type\":\"set_room\",\"locked\":true,\"password\":null}");
    forget_texts(&world);
    struct record_fault fault;
    char *record = record_of(&world, "BBBC");
    world_release(&world);
    world_init_3(&world);
    assert_true(restore(&world, record, &fault));
    free(record);
    join_as(&world, 7, 7, 1, "");
    expect_code(&world, 7, "room-locked", "join", 0);
    join_as(&world, 2, 2, 2, "");
    expect_begin(&world, 2, "{\"type\":\"joined\",\"room\":\"BBBC\",\"index\":16,");
    forget_texts(&world);
    world_release(&world);
}

/* Nobody of an origin is in the room before somebody comes, and it proves nothing of it. */
static void origins_are_counted_anew(void **state)
{
    (void)state;
    struct world world;
    init_party_3(&world, 3, "");
    world.clients[1].seat->room->is_proven = true;
    restart(&world, "BBBC");
    world.relay.config.proof_ms = 1000;
    assert_int_equal(world.crowds[0], 0);
    join_as(&world, 1, 1, 1, "");
    assert_int_equal(world.crowds[0], 1);
    assert_int_equal(relay_proof_left_ms(&world.relay), -1);
    join_as(&world, 2, 2, 1, "");
    assert_int_equal(world.crowds[0], 2);
    assert_int_equal(relay_proof_left_ms(&world.relay), 1000);
    assert_false(world.clients[1].seat->room->is_proven);
    forget_texts(&world);
    world_release(&world);
    assert_int_equal(world.crowds[0], 0);
}

/* A drain does not wait for it, and a new room may take its place when there are too many. */
static void nobody_waits_for_an_empty_room(void **state)
{
    (void)state;
    struct world world;
    uint32_t bucket = 0;
    init_party_3(&world, 3, "");
    restart(&world, "BBBC");
    assert_null(relay_find_busy_room(&world.relay, &bucket));
    for (uint32_t i = 1; i <= WORLD_ROOMS_MAX; i++)
        create_3(&world, i, "");
    assert_false(is_there(&world, "BBBC"));
    forget_texts(&world);
    world_release(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(members_of_1_come_back),
        cmocka_unit_test(a_room_of_1_knows_its_members),
        cmocka_unit_test(a_room_of_1_waits),
        cmocka_unit_test(a_room_of_1_ends_when_all_have_been_back),
        cmocka_unit_test(members_of_2_come_back),
        cmocka_unit_test(graces_of_2_begin),
        cmocka_unit_test(graces_of_2_may_be_shorter),
        cmocka_unit_test(stays_of_2_count),
        cmocka_unit_test(rooms_of_2_forget),
        cmocka_unit_test(cut_offs_of_2_grow_old),
        cmocka_unit_test(members_of_3_come_back),
        cmocka_unit_test(epochs_are_new),
        cmocka_unit_test(members_go_on_after_a_stop),
        cmocka_unit_test(holds_of_3_are_long_enough),
        cmocka_unit_test(short_holds_are_prolonged),
        cmocka_unit_test(long_holds_are_bounded),
        cmocka_unit_test(the_host_migrates),
        cmocka_unit_test(the_host_s_grace_ends_the_room),
        cmocka_unit_test(doors_stay_shut),
        cmocka_unit_test(origins_are_counted_anew),
        cmocka_unit_test(nobody_waits_for_an_empty_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
