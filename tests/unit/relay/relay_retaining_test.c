/* What rooms keep, how much that is, and who is forgotten when it is too much. */
#include "relay/relay_fixture.h"

#include <stdio.h>
#include <stdlib.h>

/* What an absent member with an id of one letter costs: itself in the heap, and four pointers,
 * since two arrays grow by doubling. */
#define ABSENT_COST (48 + 4 * 8)

static void state_that_rooms_have_no_memory_for_is_refused(void **state)
{
    (void)state;
    struct world world;
    init_party(&world, 8);
    set_state(&world, 1, "1");
    forget_texts(&world);
    world.bytes_max =
        world.bytes_admitted + 15; /* that a state may cost more than the one before */
    set_state(&world, 1, "12345678901234567890");
    EXPECT_EFFECTS(&world, EFFECT_KEEP_STATE);
    expect_error(&world, 1, "No memory for state");
    join_room(&world, 4, "d", "111112"); /* the one of before stays */
    expect_next(&world, 4,
                "{\"type\":\"joined\",\"room\":\"111112\",\"index\":3,\"peers\":[0,1,2]}");
    expect_only(&world, 4, "{\"type\":\"state\",\"data\":1}");
    forget_texts(&world);
    set_state(&world, 1, "123");
    expect_only(&world, 2, "{\"type\":\"state\",\"data\":123}");
    expect_only(&world, 3, "{\"type\":\"state\",\"data\":123}");
    expect_only(&world, 4, "{\"type\":\"state\",\"data\":123}");
    world_release(&world);
}

static void longest_gone_are_forgotten_where_memory_is_short(void **state)
{
    (void)state;
    struct world world;
    init_party(&world, 8);
    world.bytes_max = ABSENT_COST; /* of one with an id of one letter */
    drop(&world, 2);
    drop(&world, 3);
    expect_next(&world, 1, "{\"type\":\"peer_left\",\"index\":1}");
    expect_only(&world, 1, "{\"type\":\"peer_left\",\"index\":2}");
    forget_texts(&world);
    join_room(&world, 3, "c", "111112");
    expect_only(&world, 3, "{\"type\":\"joined\",\"room\":\"111112\",\"index\":2,\"peers\":[0]}");
    join_room(&world, 2, "b", "111112"); /* somebody new */
    expect_only(&world, 2, "{\"type\":\"joined\",\"room\":\"111112\",\"index\":3,\"peers\":[0,2]}");
    forget_texts(&world);
    assert_int_equal(world.bytes_admitted, 0);
    world_release(&world);
}

static void members_whom_there_is_no_memory_for_are_forgotten_at_once(void **state)
{
    (void)state;
    struct world world;
    init_party(&world, 8);
    world.bytes_max = ABSENT_COST - 1;
    drop(&world, 2);
    expect_next(&world, 1, "{\"type\":\"peer_left\",\"index\":1}");
    forget_texts(&world);
    join_room(&world, 2, "b", "111112"); /* somebody new */
    expect_only(&world, 2, "{\"type\":\"joined\",\"room\":\"111112\",\"index\":3,\"peers\":[0,2]}");
    forget_texts(&world);
    assert_int_equal(world.bytes_admitted, 0);
    world_release(&world);
}

/* Those who came and went in a moment push nobody out who was here for longer. */
static void who_was_here_shortest_is_forgotten_first(void **state)
{
    (void)state;
    struct world world;
    char id[16];
    init_party(&world, 8);
    pass_time(&world, 1000);
    drop(&world, 2);
    for (uint32_t i = 0; i < 200; i++) {
        snprintf(id, sizeof id, "v%u", i);
        join_room(&world, 4, id, "111112");
        pass_time(&world, i % 3);
        drop(&world, 4);
        forget_texts(&world);
    }
    join_room(&world, 2, "b", "111112");
    expect_only(&world, 2, "{\"type\":\"joined\",\"room\":\"111112\",\"index\":1,\"peers\":[0,2]}");
    forget_texts(&world);
    /* Of the visitors, those who were here for 2 ms are the last to go: 66 of 200, and 63 have
     * place. */
    join_room(&world, 5, "v197", "111112");
    expect_only(&world, 5,
                "{\"type\":\"joined\",\"room\":\"111112\",\"index\":200,\"peers\":[0,1,2]}");
    forget_texts(&world);
    world_release(&world);
}

/* Who is known comes back however many new ones have come. */
static void newcomers_are_counted_and_nobody_else(void **state)
{
    (void)state;
    struct world world;
    init_party(&world, 4);
    world.newcomers_left = 1;
    join_room(&world, 4, "d", "111112");
    assert_non_null(world.clients[4].seat);
    forget_texts(&world);
    join_room(&world, 5, "e", "111112");
    expect_error(&world, 5, "Room is full"); /* which says as much, and costs nothing */
    drop(&world, 4);
    forget_texts(&world);
    join_room(&world, 5, "e", "111112");
    EXPECT_EFFECTS(&world, EFFECT_UNTOLD);
    assert_null(world.clients[5].seat);
    join_room(&world, 4, "d", "111112");
    join_room(&world, 5, "b", "111112"); /* in the place of who is here */
    assert_non_null(world.clients[4].seat);
    assert_non_null(world.clients[5].seat);
    world.clients[2].was_replaced = false;
    forget_texts(&world);
    world_release(&world);
}

/* What somebody has stayed adds up, however often the connection was lost. */
static void time_that_a_member_was_here_adds_up(void **state)
{
    (void)state;
    struct world world;
    init_party(&world, 8);
    for (uint32_t i = 0; i < 10; i++) {
        pass_time(&world, 10);
        cut_off(&world, 2);
        pass_time(&world, 1000); /* which does not count */
        join_room(&world, 2, "b", "111112");
        forget_texts(&world);
    }
    const struct member *member = world.clients[2].seat;
    cut_off(&world, 2);
    assert_int_equal(member->stayed_ms, 100);
    forget_texts(&world);
    world_release(&world);
}

/* The rooms of a maker share a ceiling, but each has 4 KiB in any case. */
static void room_has_some_bytes_for_certain(void **state)
{
    (void)state;
    struct world world;
    char data[4096];
    memset(data, '1', sizeof data);
    init_party(&world, 8);
    world.maker_bytes_max = 0;
    data[4000] = '\0';
    set_state(&world, 1, data);
    expect_next(&world, 2, world.clients[2].texts[0]);
    assert_int_equal(room_state(world.clients[1].seat->room)->length, 4000 + 24);
    forget_texts(&world);
    data[4000] = '1';
    data[4050] = '\0';
    set_state(&world, 1, data);
    expect_error(&world, 1, "No memory for state");
    assert_int_equal(room_state(world.clients[1].seat->room)->length, 4000 + 24);
    world_release(&world);
}

/* However many ids strangers bring: there is a place for the largest state. */
static void members_who_are_gone_leave_memory_for_a_state(void **state)
{
    (void)state;
    struct world world;
    static char text[STATE_SPAN_BYTES_MAX + 64];
    char id[WORLD_ID_BYTES_MAX + 1];
    world_init_2(&world);
    world.relay.config.members_max = 10000;
    create_room(&world, 1, "a", 10000);
    for (uint32_t i = 0; i < 1000; i++) {
        int length = snprintf(id, sizeof id, "%0*u", WORLD_ID_BYTES_MAX, i);
        assert_int_equal(length, WORLD_ID_BYTES_MAX);
        join_room(&world, 2, id, "111112");
        drop(&world, 2);
        forget_texts(&world);
    }
    const struct retained *retained = world.clients[1].seat->room->retained;
    assert_in_range(retained->absent_bytes, ROOM_ABSENT_BYTES_MAX - 400, ROOM_ABSENT_BYTES_MAX);
    memset(text, ' ', sizeof text);
    text[0] = '[';
    text[STATE_SPAN_BYTES_MAX - 1] = ']';
    text[STATE_SPAN_BYTES_MAX] = '\0';
    static char said[2 * STATE_SPAN_BYTES_MAX];
    snprintf(said, sizeof said, "{\"type\":\"set_state\",\"data\":%s}", text);
    say(&world, 1, said);
    expect_silence(&world);
    assert_non_null(room_state(world.clients[1].seat->room));
    world_release(&world);
}

static void host_is_remembered_however_short_memory_is(void **state)
{
    (void)state;
    struct world world;
    init_party(&world, 8);
    set_state(&world, 1, "1");
    world.bytes_max = 1; /* of which more is taken already */
    drop(&world, 1);
    drop(&world, 3);
    forget_texts(&world);
    join_room(&world, 1, "a", "111112");
    expect_next(&world, 1, "{\"type\":\"joined\",\"room\":\"111112\",\"index\":0,\"peers\":[1]}");
    expect_only(&world, 1, "{\"type\":\"state\",\"data\":1}");
    forget_texts(&world);
    assert_int_equal(relay_due_left_ms(&world.relay), -1);
    world_release(&world);
}

static void room_with_a_url_that_there_is_no_memory_for_is_not_made(void **state)
{
    (void)state;
    static const char create[] = "{\"type\":\"create\",\"clientId\":\"a\",\"maxClients\":2,"
                                 "\"url\":\"https://a.example/{room}\"}";
    struct world world;
    world_init_2(&world);
    world.bytes_max = 31; /* of the 24 bytes that are kept, and what the heap adds to them */
    say(&world, 1, create);
    EXPECT_EFFECTS(&world, EFFECT_NO_MEMORY);
    expect_silence(&world);
    assert_null(world.clients[1].seat);
    assert_int_equal(world.rooms_admitted, 0);
    world.bytes_max++;
    say(&world, 1, create);
    EXPECT_EFFECTS(&world, EFFECT_ROOM_ADDED, EFFECT_TO_CLIENT);
    forget_texts(&world);
    world_release(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(state_that_rooms_have_no_memory_for_is_refused),
        cmocka_unit_test(longest_gone_are_forgotten_where_memory_is_short),
        cmocka_unit_test(members_whom_there_is_no_memory_for_are_forgotten_at_once),
        cmocka_unit_test(who_was_here_shortest_is_forgotten_first),
        cmocka_unit_test(newcomers_are_counted_and_nobody_else),
        cmocka_unit_test(time_that_a_member_was_here_adds_up),
        cmocka_unit_test(room_has_some_bytes_for_certain),
        cmocka_unit_test(members_who_are_gone_leave_memory_for_a_state),
        cmocka_unit_test(host_is_remembered_however_short_memory_is),
        cmocka_unit_test(room_with_a_url_that_there_is_no_memory_for_is_not_made),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
