/* The audience where its room ends, or where a member joins it. */
#include "relay/relay_3_fixture.h"

/* Client 4 watches a room whose only member is away. */
static void begin_with_audience_alone(struct world *world)
{
    init_party_3(world, 1, ",\"maxAudience\":1");
    join_3(world, 4, ",\"role\":\"audience\"");
    say(world, 1, "{\"type\":\"ping\"}");
    cut_off(world, 1);
    forget_texts(world);
}

static void a_room_that_makes_way_for_another_closes_its_audience(void **state)
{
    (void)state;
    struct world world;
    begin_with_audience_alone(&world);
    for (uint32_t client = 5; client < 5 + WORLD_ROOMS_MAX; client++)
        create_3(&world, client, "");
    EXPECT_EFFECTS(&world, EFFECT_ROOM_CLOSED, EFFECT_ROOM_GONE, EFFECT_ROOM_ADDED,
                   EFFECT_TO_CLIENT);
    assert_true(world.clients[4].was_closed);
    forget_texts(&world);
    say(&world, 4, "{\"type\":\"ping\"}");
    expect_code(&world, 4, "not-in-room", "ping", 0);
    world_release(&world);
}

static void who_watches_is_counted_for_the_origin_until_the_room_ends(void **state)
{
    (void)state;
    struct world world;
    world_init_3(&world);
    world.clients[1].origin_number = 7;
    create_3(&world, 1, ",\"maxAudience\":2");
    join_3(&world, 2, ",\"role\":\"audience\"");
    join_3(&world, 3, ",\"role\":\"audience\"");
    assert_int_equal(world.crowds[7], 3);
    cut_off(&world, 3);
    assert_int_equal(world.crowds[7], 2);
    say(&world, 1, "{\"type\":\"close_room\"}");
    assert_int_equal(world.crowds[7], 0);
    forget_texts(&world);
    world_release(&world);
}

/* What the room is told of the seat that it gives up is not for the newcomer. */
static void a_host_that_will_watch_hears_joined_first(void **state)
{
    (void)state;
    struct world world;
    init_party_3(&world, 2, ",\"maxAudience\":2,\"onHostLeft\":\"migrate\"");
    join_3(&world, 3, ",\"role\":\"audience\"");
    forget_texts(&world);
    join_as(&world, 5, 1, 2, ",\"role\":\"audience\"");
    expect_only(&world, 5,
                "{\"type\":\"joined\",\"room\":\"BBBC\",\"recovered\":false,\"host\":1,"
                "\"locked\":false,\"maxClients\":4,\"state\":false}");
    expect_next(&world, 2, "{\"type\":\"peer_left\",\"index\":0,\"why\":\"left\"}");
    expect_only(&world, 2, "{\"type\":\"host\",\"index\":1}");
    expect_only(&world, 3, "{\"type\":\"host\",\"index\":1}");
    world_release(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_room_that_makes_way_for_another_closes_its_audience),
        cmocka_unit_test(who_watches_is_counted_for_the_origin_until_the_room_ends),
        cmocka_unit_test(a_host_that_will_watch_hears_joined_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
