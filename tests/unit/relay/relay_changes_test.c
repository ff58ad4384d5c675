/* Which rooms are to be recorded, and when: at once after a rest, and as one when much changes. */
#include "relay_fixture.h"

#define REST_MS 1000

static void forget_record(void *context, uint64_t code)
{
    (void)context;
    (void)code;
}

static void begin(struct world *world, uint32_t rest_ms)
{
    world_init_2(world);
    world->relay.config.notes_changes = true;
    world->relay.config.forget_record = forget_record;
    world->relay.config.record_rest_ms = rest_ms;
    create_room(world, 1, "a", 4);
    forget_texts(world);
}

static void expect_room(struct world *world, const char *code)
{
    uint8_t text[CODE_LENGTH_MAX];
    const struct room *room = relay_take_changed(&world->relay);
    assert_non_null(room);
    assert_true(
        bytes_equal(bytes_of(text, code_write(room->code, text)), bytes_of(code, strlen(code))));
}

static void a_room_that_has_rested_is_recorded_at_once(void **state)
{
    (void)state;
    struct world world;
    begin(&world, REST_MS);
    assert_int_equal(relay_changed_left_ms(&world.relay), 0);
    expect_room(&world, "111112");
    assert_null(relay_take_changed(&world.relay));
    pass_time(&world, REST_MS + 1);
    assert_null(relay_take_changed(&world.relay)); /* nothing has changed */
    assert_int_equal(relay_changed_left_ms(&world.relay), -1);
    set_state(&world, 1, "1");
    expect_room(&world, "111112");
    world_release(&world);
}

static void a_room_that_rests_is_recorded_once_for_all_that_changes(void **state)
{
    (void)state;
    struct world world;
    begin(&world, REST_MS);
    expect_room(&world, "111112");
    pass_time(&world, 400);
    set_state(&world, 1, "1");
    set_state(&world, 1, "2");
    create_room(&world, 2, "b", 4); /* another one need not wait for it */
    assert_int_equal(relay_changed_left_ms(&world.relay), 0);
    assert_int_equal(relay_count_changed(&world.relay), 2);
    expect_room(&world, "111113");
    assert_null(relay_take_changed(&world.relay));
    assert_int_equal(relay_count_changed(&world.relay), 1);
    assert_int_equal(relay_changed_left_ms(&world.relay), REST_MS - 400);
    pass_time(&world, REST_MS - 400 - 1);
    assert_null(relay_take_changed(&world.relay));
    pass_time(&world, 1);
    expect_room(&world, "111112");
    assert_null(relay_take_changed(&world.relay));
    forget_texts(&world);
    world_release(&world);
}

static void a_stop_waits_for_no_rest(void **state)
{
    (void)state;
    struct world world;
    begin(&world, REST_MS);
    create_room(&world, 2, "b", 4);
    expect_room(&world, "111112");
    expect_room(&world, "111113");
    set_state(&world, 1, "1");
    create_room(&world, 3, "c", 4);
    forget_texts(&world);
    assert_non_null(relay_take_changed_at_last(&world.relay));
    assert_non_null(relay_take_changed_at_last(&world.relay));
    assert_null(relay_take_changed_at_last(&world.relay));
    world_release(&world);
}

static void without_a_rest_a_room_is_recorded_as_often_as_it_changes(void **state)
{
    (void)state;
    struct world world;
    begin(&world, 0);
    expect_room(&world, "111112");
    assert_int_equal(relay_changed_left_ms(&world.relay), -1);
    set_state(&world, 1, "1");
    expect_room(&world, "111112");
    assert_null(relay_take_changed(&world.relay));
    world_release(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_room_that_has_rested_is_recorded_at_once),
        cmocka_unit_test(a_room_that_rests_is_recorded_once_for_all_that_changes),
        cmocka_unit_test(a_stop_waits_for_no_rest),
        cmocka_unit_test(without_a_rest_a_room_is_recorded_as_often_as_it_changes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
