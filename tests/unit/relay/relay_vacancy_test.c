/* Rooms in which nobody is, those that a drain waits for, and those that are played in. */
#include "relay/relay_fixture.h"

/* Who joins finds the room as it was left: index, state, link and who else is known. */
static void room_outlives_its_last_member_who_is_cut_off(void **state)
{
    (void)state;
    struct world world;
    init_party(&world, 8);
    set_state(&world, 1, "1");
    cut_off(&world, 1);
    cut_off(&world, 2);
    forget_texts(&world);
    cut_off(&world, 3);
    assert_int_equal(world.effects.count, 0);
    assert_int_equal(relay_due_left_ms(&world.relay), WORLD_EMPTY_GRACE_MS);
    pass_time(&world, WORLD_EMPTY_GRACE_MS - 1);
    join_room(&world, 4, "c", "111112");
    expect_next(&world, 4, "{\"type\":\"joined\",\"room\":\"111112\",\"index\":2,\"peers\":[]}");
    expect_only(&world, 4, "{\"type\":\"state\",\"data\":1}");
    join_room(&world, 5, "new", "111112");
    expect_next(&world, 5, "{\"type\":\"joined\",\"room\":\"111112\",\"index\":3,\"peers\":[2]}");
    expect_only(&world, 5, "{\"type\":\"state\",\"data\":1}");
    expect_only(&world, 4, "{\"type\":\"peer_joined\",\"index\":3}");
    world_release(&world);
}

static void empty_room_ends_when_its_time_is_over(void **state)
{
    (void)state;
    struct world world;
    world_init_2(&world);
    create_room(&world, 1, "a", 8);
    forget_texts(&world);
    cut_off(&world, 1);
    pass_time(&world, WORLD_EMPTY_GRACE_MS - 1);
    assert_int_equal(world.rooms_admitted, 1);
    world.relay.now_ms++;
    assert_true(do_due(&world));
    EXPECT_EFFECTS(&world, EFFECT_ROOM_GONE);
    assert_int_equal(world.rooms_admitted, 0);
    join_room(&world, 2, "a", "111112");
    expect_error(&world, 2, "Room not found");
    world_release(&world);
}

/* The time of an empty room begins anew each time, the host's does not. */
static void host_has_its_grace_beside_that_of_the_empty_room(void **state)
{
    (void)state;
    struct world world;
    init_party(&world, 8);
    drop(&world, 3);
    cut_off(&world, 1);
    pass_time(&world, WORLD_GRACE_MS - 1000);
    cut_off(&world, 2);
    forget_texts(&world);
    assert_int_equal(relay_due_left_ms(&world.relay), 1000);
    world.relay.now_ms += 1000;
    assert_true(do_due(&world));
    EXPECT_EFFECTS(&world, EFFECT_ROOM_GONE);
    world_release(&world);
}

/* A farewell ends the room, unless another was cut off just before, and is not back. */
static void farewell_of_the_last_ends_the_room_if_nobody_was_cut_off(void **state)
{
    (void)state;
    static const struct {
        uint32_t between_ms;
        bool comes_back;
        bool ends;
    } cases[] = {
        {0, false, false},
        {WORLD_EMPTY_GRACE_MS - 1, false, false},
        {WORLD_EMPTY_GRACE_MS, false, true},
        {10, true, true},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        struct world world;
        init_party(&world, 8);
        drop(&world, 3);
        cut_off(&world, 2);
        pass_time(&world, cases[i].between_ms);
        if (cases[i].comes_back) {
            join_room(&world, 2, "b", "111112");
            drop(&world, 2);
        }
        forget_texts(&world);
        drop(&world, 1);
        assert_int_equal(world.rooms_admitted, cases[i].ends ? 0 : 1);
        world_release(&world);
    }
}

/* A client whose place was taken over is not in the room any more: its end says nothing. */
static void replaced_connection_does_not_count_as_cut_off(void **state)
{
    (void)state;
    struct world world;
    world_init_2(&world);
    create_room(&world, 1, "a", 8);
    join_room(&world, 2, "a", "111112");
    cut_off(&world, 1);
    forget_texts(&world);
    world.clients[1].was_replaced = false;
    drop(&world, 2);
    EXPECT_EFFECTS(&world, EFFECT_ROOM_GONE);
    world_release(&world);
}

static void room_of_protocol_1_ends_with_its_last_member_in_any_case(void **state)
{
    (void)state;
    struct world world;
    world_init(&world);
    create_room(&world, 1, "a", 8);
    forget_texts(&world);
    cut_off(&world, 1);
    EXPECT_EFFECTS(&world, EFFECT_ROOM_GONE);
    world_release(&world);
}

static void room_ends_with_its_last_member_when_there_is_no_grace(void **state)
{
    (void)state;
    struct world world;
    world_init_2(&world);
    world.relay.config.empty_room_grace_ms = 0;
    create_room(&world, 1, "a", 8);
    forget_texts(&world);
    cut_off(&world, 1);
    EXPECT_EFFECTS(&world, EFFECT_ROOM_GONE);
    world_release(&world);
}

/* Of three rooms, the one that has been empty longest makes way for a new one. */
static void empty_room_makes_way_when_there_are_too_many_rooms(void **state)
{
    (void)state;
    struct world world;
    world_init_2(&world);
    for (uint32_t i = 0; i < WORLD_ROOMS_MAX; i++)
        create_room(&world, i, "a", 8);
    forget_texts(&world);
    cut_off(&world, 5);
    cut_off(&world, 2);
    create_room(&world, 20, "a", 8);
    EXPECT_EFFECTS(&world, EFFECT_ROOM_GONE, EFFECT_ROOM_ADDED, EFFECT_TO_CLIENT);
    forget_texts(&world);
    join_room(&world, 2, "a", "111114"); /* the one that was empty for less long */
    forget_texts(&world);
    create_room(&world, 5, "a", 8);
    expect_error(&world, 5, "Too many rooms");
    world_release(&world);
}

static bool prove(struct world *world, uint32_t after_ms)
{
    world->relay.now_ms += after_ms;
    return relay_prove_room(&world->relay, &world->effects);
}

/* A room is played in when it has had two members for a while, whoever they are. */
static void room_is_proven_by_several_members_for_a_while(void **state)
{
    (void)state;
    struct world world;
    world_init_2(&world);
    world.relay.config.proof_ms = 1000;
    world.clients[1].origin_number = 7;
    create_room(&world, 1, "a", 8);
    assert_int_equal(relay_proof_left_ms(&world.relay), -1);
    join_room(&world, 2, "b", "111112");
    assert_int_equal(relay_proof_left_ms(&world.relay), 1000);
    assert_false(prove(&world, 999));
    cut_off(&world, 2); /* then it begins anew */
    assert_false(prove(&world, 1));
    assert_int_equal(relay_proof_left_ms(&world.relay), -1);
    join_room(&world, 2, "b", "111112");
    world.relay.now_ms += 500;
    join_room(&world, 3, "c", "111112"); /* which changes nothing */
    drop(&world, 2);
    assert_int_equal(relay_proof_left_ms(&world.relay), 500);
    assert_true(prove(&world, 500));
    EXPECT_EFFECTS(&world, EFFECT_ROOM_PROVEN);
    assert_int_equal(world.effects.items[0].room_proven.origin_number, 7);
    drop(&world, 3);
    join_room(&world, 2, "b", "111112");
    assert_int_equal(relay_proof_left_ms(&world.relay), -1); /* once is enough */
    forget_texts(&world);
    world_release(&world);
}

static void drain_waits_for_rooms_in_which_something_goes_on(void **state)
{
    (void)state;
    struct world world;
    uint32_t bucket = 0;
    world_init_2(&world);
    assert_null(relay_find_busy_room(&world.relay, &bucket));
    create_room(&world, 1, "a", 8);
    create_room(&world, 2, "a", 8);
    forget_texts(&world);
    pass_time(&world, QUIET_MS - 1);
    assert_non_null(relay_find_busy_room(&world.relay, &bucket));
    pass_time(&world, 1);
    assert_null(relay_find_busy_room(&world.relay, &bucket));
    say(&world, 1,
        "{\"type\":\"send\",\"to\":0,\"data\":1}"); /* to itself: it tries its connection */
    forget_texts(&world);
    assert_null(relay_find_busy_room(&world.relay, &bucket));
    say(&world, 2, "{\"type\":\"send\",\"data\":1}"); /* to nobody, and still something said */
    assert_ptr_equal(relay_find_busy_room(&world.relay, &bucket), world.clients[2].seat->room);
    pass_time(&world, QUIET_MS);
    join_room(&world, 3, "b", "111112");
    pass_time(&world, QUIET_MS);
    forget_texts(&world);
    assert_ptr_equal(relay_find_busy_room(&world.relay, &bucket), world.clients[1].seat->room);
    cut_off(&world, 3);
    cut_off(&world, 1);
    assert_null(relay_find_busy_room(&world.relay, &bucket));
    forget_texts(&world);
    world_release(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(room_outlives_its_last_member_who_is_cut_off),
        cmocka_unit_test(empty_room_ends_when_its_time_is_over),
        cmocka_unit_test(host_has_its_grace_beside_that_of_the_empty_room),
        cmocka_unit_test(farewell_of_the_last_ends_the_room_if_nobody_was_cut_off),
        cmocka_unit_test(replaced_connection_does_not_count_as_cut_off),
        cmocka_unit_test(room_of_protocol_1_ends_with_its_last_member_in_any_case),
        cmocka_unit_test(room_ends_with_its_last_member_when_there_is_no_grace),
        cmocka_unit_test(empty_room_makes_way_when_there_are_too_many_rooms),
        cmocka_unit_test(room_is_proven_by_several_members_for_a_while),
        cmocka_unit_test(drain_waits_for_rooms_in_which_something_goes_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
