/*
 * The rules of protocol 2 about the host: retained state and its cap, closing, the grace time in
 * which it may come back.
 */
#include "relay/relay_fixture.h"

#include <stdio.h>
#include <stdlib.h>

#define JOINED_B "{\"type\":\"joined\",\"room\":\"111112\",\"index\":1,\"peers\":[0]}"

static void state_is_pushed_to_the_others_as_it_was_written(void **state)
{
    (void)state;
    static const char *const values[] = {
        "null", "false", "\"\"", "0", "1e400", "-0", "{ \"a\" : [ 1 , \"\\u0061\\ud800\" ] }", "[]",
    };
    struct world world;
    init_party(&world, 8);
    for (size_t i = 0; i < ARRAY_LENGTH(values); i++) {
        char text[128];
        set_state(&world, 1, values[i]);
        EXPECT_EFFECTS(&world, EFFECT_KEEP_STATE);
        snprintf(text, sizeof text, "{\"type\":\"state\",\"data\":%s}", values[i]);
        expect_only(&world, 2, text);
        expect_only(&world, 3, text);
        expect_silence(&world);
    }
    world_release(&world);
}

static void state_follows_joined_before_anything_newer(void **state)
{
    (void)state;
    struct world world;
    world_init_2(&world);
    create_room(&world, 1, "a", 8);
    set_state(&world, 1, "1");
    set_state(&world, 1, "null"); /* the last one counts, and null is one */
    forget_texts(&world);
    join_room(&world, 2, "b", "111112");
    EXPECT_EFFECTS(&world, EFFECT_TO_CLIENT, EFFECT_TELL_STATE, EFFECT_TO_ROOM);
    say(&world, 1, "{\"type\":\"send\",\"data\":5}");
    expect_next(&world, 2, JOINED_B);
    expect_next(&world, 2, "{\"type\":\"state\",\"data\":null}");
    expect_only(&world, 2, "{\"type\":\"message\",\"from\":0,\"data\":5}");
    expect_only(&world, 1, "{\"type\":\"peer_joined\",\"index\":1}");
    world_release(&world);
}

static void state_is_replayed_to_whoever_comes_back_the_host_too(void **state)
{
    (void)state;
    struct world world;
    world_init_2(&world);
    create_room(&world, 1, "a", 8);
    set_state(&world, 1, "7");
    join_room(&world, 2, "b", "111112");
    forget_texts(&world);

    join_room(&world, 3, "b", "111112"); /* replaces client 2 */
    EXPECT_EFFECTS(&world, EFFECT_REPLACED, EFFECT_TO_CLIENT, EFFECT_TELL_STATE);
    expect_next(&world, 3, JOINED_B);
    expect_only(&world, 3, "{\"type\":\"state\",\"data\":7}");
    drop(&world, 3);
    forget_texts(&world);
    join_room(&world, 4, "b", "111112");
    expect_next(&world, 4, JOINED_B);
    expect_only(&world, 4, "{\"type\":\"state\",\"data\":7}");
    forget_texts(&world);

    join_room(&world, 5, "a", "111112"); /* replaces the host */
    expect_next(&world, 5, "{\"type\":\"joined\",\"room\":\"111112\",\"index\":0,\"peers\":[1]}");
    expect_only(&world, 5, "{\"type\":\"state\",\"data\":7}");
    expect_silence(&world);
    drop(&world, 5);
    forget_texts(&world);
    join_room(&world, 6, "a", "111112");
    expect_next(&world, 6, "{\"type\":\"joined\",\"room\":\"111112\",\"index\":0,\"peers\":[1]}");
    expect_only(&world, 6, "{\"type\":\"state\",\"data\":7}");
    forget_texts(&world);
    set_state(&world, 6, "8"); /* it is the host still */
    expect_only(&world, 4, "{\"type\":\"state\",\"data\":8}");
    world_release(&world);
}

static void state_outlives_the_absence_of_its_host(void **state)
{
    (void)state;
    struct world world;
    init_party(&world, 8);
    set_state(&world, 1, "7");
    drop(&world, 1);
    forget_texts(&world);
    join_room(&world, 4, "d", "111112");
    expect_next(&world, 4, "{\"type\":\"joined\",\"room\":\"111112\",\"index\":3,\"peers\":[1,2]}");
    expect_only(&world, 4, "{\"type\":\"state\",\"data\":7}");
    forget_texts(&world);
    set_state(&world, 2, "8");
    expect_error(&world, 2, "Only the host can set state");
    world_release(&world);
}

static void rooms_have_states_of_their_own(void **state)
{
    (void)state;
    struct world world;
    init_party(&world, 8);
    create_room(&world, 4, "a", 8);
    forget_texts(&world);
    set_state(&world, 4, "1");
    expect_silence(&world);
    join_room(&world, 5, "b", "111113");
    expect_next(&world, 5, "{\"type\":\"joined\",\"room\":\"111113\",\"index\":1,\"peers\":[0]}");
    expect_only(&world, 5, "{\"type\":\"state\",\"data\":1}");
    forget_texts(&world);
    world_release(&world);
}

/* A set_state whose data is `before`, so many times `unit`, and `after`; whether it was kept. */
static bool keeps_state_of(const char *before, const char *unit, size_t count, const char *after)
{
    static const char head[] = "{\"type\":\"set_state\",\"data\":";
    size_t length = strlen(head) + strlen(before) + count * strlen(unit) + strlen(after) + 2;
    char *text = malloc(length);
    assert_non_null(text);
    char *end = stpcpy(stpcpy(text, head), before);
    for (size_t i = 0; i < count; i++)
        end = stpcpy(end, unit);
    end = stpcpy(stpcpy(end, after), "}");
    struct world world;
    world_init_2(&world);
    create_room(&world, 1, "a", 8);
    set_state(&world, 1, "0");
    const struct room *room = world.clients[1].seat->room;
    const struct payload *before_it = room_state(room);
    forget_texts(&world);
    say_bytes(&world, 1, bytes_of(text, (size_t)(end - text)));
    bool is_kept = room_state(room) != before_it;
    if (!is_kept) {
        expect_error(&world, 1, "State too large");
        join_room(&world, 2, "b", "111112");
        expect_next(&world, 2, JOINED_B);
        expect_only(&world, 2, "{\"type\":\"state\",\"data\":0}");
    }
    forget_texts(&world);
    world_release(&world);
    free(text);
    return is_kept;
}

static void cap_counts_the_compact_form(void **state)
{
    (void)state;
    static const struct {
        const char *before;
        const char *unit;
        size_t fitting; /* how many units may be there */
        const char *after;
    } cases[] = {
        {"\"", "x", 16382, "\""},
        {"\"xx", "\xC3\xA9", 8190, "\""},
        {"\"xx", "\\u00e9", 8190, "\""}, /* two bytes each */
        {"\"xx", "\\ud83d\\ude00", 4095, "\""},
        {"\"xx", "\\n", 8190, "\""}, /* its escape stays */
        {"\"xx", "\\u000a", 8190, "\""},
        {"\"xx", "\\\"", 8190, "\""},
        {"\"xx", "\\u0022", 8190, "\""},
        {"\"xx", "\\u0001", 2730, "\""}, /* so it does here */
        {"\"xx", "\\ud800x", 2340, "\""},
        {"\"", " ", 16382, "\""}, /* within a string it counts */
        {"[1", " , \t1", 8190, "\n\r ]"},
        {"1", "0", 16383, ""},
        {"[ ", "{}, ", 5460, "0 ]"},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        size_t fitting = cases[i].fitting;
        if (!keeps_state_of(cases[i].before, cases[i].unit, fitting, cases[i].after))
            fail_msg("case %zu was too large", i);
        if (keeps_state_of(cases[i].before, cases[i].unit, fitting + 1, cases[i].after))
            fail_msg("case %zu was not too large", i);
    }
}

static void span_of_a_state_has_a_cap_of_its_own(void **state)
{
    (void)state;
    assert_true(keeps_state_of("[", " ", 65534, "]"));
    assert_false(keeps_state_of("[", " ", 65535, "]"));
    assert_true(keeps_state_of("\"xx", "\\u0061", 10922, "\""));
    assert_false(keeps_state_of("\"xxxxxx", "\\u0061", 10922, "\""));
    /* White space around the value is no part of it. */
    assert_true(keeps_state_of(" ", " ", 70000, "12"));
    assert_true(keeps_state_of("12", " ", 70000, " "));
}

static void closing_ends_the_room_for_all_at_once(void **state)
{
    (void)state;
    struct world world;
    init_party(&world, 8);
    world.clients[1].origin_number = 7; /* too late */
    set_state(&world, 1, "1");
    drop(&world, 3);
    join_room(&world, 4, "d", "111112");
    forget_texts(&world);
    say(&world, 1, "{\"type\":\"close_room\",\"data\":1}");
    EXPECT_EFFECTS(&world, EFFECT_ROOM_CLOSED, EFFECT_ROOM_GONE);
    assert_int_equal(world.effects.items[1].room_gone.origin_number, 0);
    expect_silence(&world);
    static const bool were_members[] = {false, true, true, false, true};
    for (uint32_t i = 0; i < ARRAY_LENGTH(were_members); i++) {
        assert_int_equal(world.clients[i].was_closed, were_members[i]);
        assert_null(world.clients[i].seat);
    }
    assert_int_equal(world.relay.rooms.room_count, 0);
    assert_int_equal(world.bytes_admitted, 0);
    join_room(&world, 5, "b", "111112");
    expect_error(&world, 5, "Room not found");
    say(&world, 1, "{\"type\":\"close_room\"}");
    expect_error(&world, 1, "Not in a room");
    drop(&world, 2);
    assert_int_equal(world.effects.count, 0);
    create_room(&world, 1, "a", 8);
    EXPECT_EFFECTS(&world, EFFECT_ROOM_ADDED, EFFECT_TO_CLIENT);
    forget_texts(&world);
    world_release(&world);
}

static void room_that_is_given_up_is_gone_at_once(void **state)
{
    (void)state;
    struct world world;
    init_party(&world, 8);
    drop(&world, 3); /* its place does not keep the room */
    join_room(&world, 4, "d", "111112");
    uint64_t code = world.clients[1].seat->room->code;
    forget_texts(&world);
    assert_false(give_up(&world, code + 1));
    assert_true(give_up(&world, code));
    EXPECT_EFFECTS(&world, EFFECT_ROOM_LOST, EFFECT_ROOM_GONE);
    expect_silence(&world);
    static const bool were_members[] = {false, true, true, false, true};
    for (uint32_t i = 0; i < ARRAY_LENGTH(were_members); i++)
        assert_int_equal(world.clients[i].was_sent_away, were_members[i]);
    assert_null(relay_find_room(&world.relay, code));
    assert_false(give_up(&world, code));
    world_release(&world);
}

static void host_alone_may_close_its_room(void **state)
{
    (void)state;
    struct world world;
    world_init_2(&world);
    create_room(&world, 1, "a", 8);
    forget_texts(&world);
    say(&world, 1, "{\"type\":\"close_room\"}");
    assert_true(world.clients[1].was_closed);
    assert_int_equal(world.relay.rooms.room_count, 0);
    world_release(&world);
}

static void room_lives_without_its_host_for_the_grace_time(void **state)
{
    (void)state;
    struct world world;
    init_party(&world, 8);
    assert_int_equal(relay_due_left_ms(&world.relay), -1);
    pass_time(&world, 1000);
    drop(&world, 1);
    EXPECT_EFFECTS(&world, EFFECT_TO_ROOM);
    expect_only(&world, 2, "{\"type\":\"peer_left\",\"index\":0}");
    expect_only(&world, 3, "{\"type\":\"peer_left\",\"index\":0}");
    assert_int_equal(relay_due_left_ms(&world.relay), WORLD_GRACE_MS);
    pass_time(&world, WORLD_GRACE_MS - 1);
    assert_int_equal(relay_due_left_ms(&world.relay), 1);
    say(&world, 2, "{\"type\":\"send\",\"data\":1}");
    expect_only(&world, 3, "{\"type\":\"message\",\"from\":1,\"data\":1}");

    world.relay.now_ms++;
    assert_int_equal(relay_due_left_ms(&world.relay), 0);
    pass_time(&world, 0);
    assert_true(world.clients[2].was_closed && world.clients[3].was_closed);
    assert_false(world.clients[1].was_closed);
    expect_silence(&world);
    assert_int_equal(world.relay.rooms.room_count, 0);
    assert_int_equal(relay_due_left_ms(&world.relay), -1);
    join_room(&world, 1, "a", "111112");
    expect_error(&world, 1, "Room not found");
    world_release(&world);
}

static void end_of_grace_has_the_effects_of_closing(void **state)
{
    (void)state;
    struct world world;
    world_init_2(&world);
    world.clients[1].origin_number = 5;
    create_room(&world, 1, "a", 8);
    join_room(&world, 2, "b", "111112");
    drop(&world, 1);
    forget_texts(&world);
    world.relay.now_ms += WORLD_GRACE_MS + 77; /* late is as good */
    assert_int_equal(relay_due_left_ms(&world.relay), 0);
    struct effects effects;
    assert_true(relay_do_due(&world.relay, &effects));
    assert_int_equal(effects.count, 2);
    assert_int_equal(effects.items[0].kind, EFFECT_ROOM_CLOSED);
    assert_int_equal(effects.items[0].room_closed.room->member_count, 1);
    assert_int_equal(effects.items[0].room_closed.room->members[0]->client, 2);
    assert_int_equal(effects.items[1].kind, EFFECT_ROOM_GONE);
    assert_int_equal(effects.items[1].room_gone.origin_number, 5);
    assert_null(world.clients[2].seat);
    assert_false(relay_do_due(&world.relay, &effects));
    assert_int_equal(effects.count, 0);
    world_release(&world);
}

static void accepted_join_of_the_host_stops_the_timer(void **state)
{
    (void)state;
    struct world world;
    init_party(&world, 8);
    drop(&world, 1);
    pass_time(&world, WORLD_GRACE_MS - 1);
    forget_texts(&world);
    join_room(&world, 9, "\\u0061", "111112");
    expect_only(&world, 9, "{\"type\":\"joined\",\"room\":\"111112\",\"index\":0,\"peers\":[1,2]}");
    expect_only(&world, 2, "{\"type\":\"peer_joined\",\"index\":0}");
    forget_texts(&world);
    assert_int_equal(relay_due_left_ms(&world.relay), -1);
    pass_time(&world, 10 * WORLD_GRACE_MS);
    assert_int_equal(world.relay.rooms.room_count, 1);
    /* Another absence has the whole time again. */
    drop(&world, 9);
    assert_int_equal(relay_due_left_ms(&world.relay), WORLD_GRACE_MS);
    forget_texts(&world);
    world_release(&world);
}

static void timer_runs_on_while_the_host_finds_its_room_full(void **state)
{
    (void)state;
    struct world world;
    init_party(&world, 3);
    drop(&world, 1);
    join_room(&world, 4, "d", "111112");
    forget_texts(&world);
    pass_time(&world, 100000);
    join_room(&world, 1, "a", "111112");
    expect_error(&world, 1, "Room is full");
    assert_int_equal(relay_due_left_ms(&world.relay), WORLD_GRACE_MS - 100000);
    drop(&world, 4);
    forget_texts(&world);
    pass_time(&world, 10000);
    assert_int_equal(relay_due_left_ms(&world.relay), WORLD_GRACE_MS - 110000);
    join_room(&world, 1, "a", "111112");
    expect_only(&world, 1, "{\"type\":\"joined\",\"room\":\"111112\",\"index\":0,\"peers\":[1,2]}");
    forget_texts(&world);
    assert_int_equal(relay_due_left_ms(&world.relay), -1);

    drop(&world, 1);
    join_room(&world, 4, "d", "111112");
    forget_texts(&world);
    pass_time(&world, WORLD_GRACE_MS - 1);
    join_room(&world, 1, "a", "111112");
    expect_error(&world, 1, "Room is full");
    pass_time(&world, 1);
    assert_int_equal(world.relay.rooms.room_count, 0);
    world_release(&world);
}

static void nothing_else_starts_or_stops_the_timer(void **state)
{
    (void)state;
    struct world world;
    init_party(&world, 8);
    drop(&world, 3);
    join_room(&world, 4, "a", "111112"); /* replaces the host */
    drop(&world, 1);                     /* the old connection */
    assert_int_equal(relay_due_left_ms(&world.relay), -1);
    drop(&world, 4);
    forget_texts(&world);
    pass_time(&world, 50);
    join_room(&world, 5, "x", "111112");
    join_room(&world, 3, "c", "111112");
    join_room(&world, 6, "b", "111112"); /* replaces client 2 */
    forget_texts(&world);
    say(&world, 1, "{\"type\":\"join\",\"clientId\":\"a\",\"room\":\"111112\"");
    expect_error(&world, 1, "Invalid JSON");
    world.clients[1].protocol = PROTOCOL_1;
    join_room(&world, 1, "a", "111112");
    expect_error(&world, 1, "Room uses protocol 2");
    join_room(&world, 5, "a", "111112");
    expect_error(&world, 5, "Already in a room");
    say(&world, 6, "{\"type\":\"close_room\"}");
    expect_error(&world, 6, "Only the host can close the room");
    assert_int_equal(relay_due_left_ms(&world.relay), WORLD_GRACE_MS - 50);
    world_release(&world);
}

static void last_member_takes_the_room_along_host_or_not(void **state)
{
    (void)state;
    struct world world;
    init_party(&world, 8);
    set_state(&world, 1, "1");
    drop(&world, 1);
    drop(&world, 2);
    forget_texts(&world);
    drop(&world, 3);
    EXPECT_EFFECTS(&world, EFFECT_ROOM_GONE);
    assert_int_equal(relay_due_left_ms(&world.relay), -1);
    assert_int_equal(world.bytes_admitted, 0);

    create_room(&world, 1, "a", 8); /* a host alone has no grace */
    forget_texts(&world);
    drop(&world, 1);
    EXPECT_EFFECTS(&world, EFFECT_ROOM_GONE);
    assert_int_equal(relay_due_left_ms(&world.relay), -1);
    world_release(&world);
}

static void grace_passes_over_the_wrap_of_the_clock(void **state)
{
    (void)state;
    struct world world;
    world_init_2(&world);
    world.relay.now_ms = UINT32_MAX - 1000;
    create_room(&world, 1, "a", 8);
    join_room(&world, 2, "b", "111112");
    create_room(&world, 3, "a", 8);
    join_room(&world, 4, "b", "111113");
    drop(&world, 1);
    assert_int_equal(relay_due_left_ms(&world.relay), WORLD_GRACE_MS);
    pass_time(&world, 2000);
    assert_int_equal(world.relay.now_ms, 999);
    assert_int_equal(relay_due_left_ms(&world.relay), WORLD_GRACE_MS - 2000);
    drop(&world, 3);
    forget_texts(&world);
    pass_time(&world, WORLD_GRACE_MS - 2001);
    assert_int_equal(world.relay.rooms.room_count, 2);
    pass_time(&world, 1);
    assert_true(world.clients[2].was_closed);
    assert_int_equal(relay_due_left_ms(&world.relay), 2000);
    pass_time(&world, 1999);
    assert_false(world.clients[4].was_closed);
    pass_time(&world, 1);
    assert_true(world.clients[4].was_closed);
    world_release(&world);
}

/* Clients 1, 3 and 5 are hosts of rooms with one guest each, and leave a second apart. */
static void rooms_end_in_the_order_in_which_their_hosts_left(void **state)
{
    (void)state;
    static const char *const codes[] = {"111112", "111113", "111114"};
    struct world world;
    world_init_2(&world);
    for (uint32_t i = 0; i < 3; i++) {
        create_room(&world, 1 + 2 * i, "a", 8);
        join_room(&world, 2 + 2 * i, "b", codes[i]);
    }
    drop(&world, 5);
    pass_time(&world, 1000);
    drop(&world, 1);
    pass_time(&world, 1000);
    drop(&world, 3);
    assert_int_equal(relay_due_left_ms(&world.relay), WORLD_GRACE_MS - 2000);
    join_room(&world, 5, "a", "111114"); /* the next in line is the room of client 1 */
    assert_int_equal(relay_due_left_ms(&world.relay), WORLD_GRACE_MS - 1000);
    drop(&world, 5); /* and this one is the last again */
    forget_texts(&world);
    pass_time(&world, WORLD_GRACE_MS - 1000);
    assert_true(world.clients[2].was_closed);
    assert_false(world.clients[4].was_closed || world.clients[6].was_closed);
    assert_int_equal(relay_due_left_ms(&world.relay), 1000);
    pass_time(&world, 1000); /* both, one after the other */
    assert_true(world.clients[4].was_closed && world.clients[6].was_closed);
    assert_int_equal(relay_due_left_ms(&world.relay), -1);
    world_release(&world);
}

static void grace_of_no_time_ends_at_once(void **state)
{
    (void)state;
    struct world world;
    world_init_2(&world);
    world.relay.config.host_grace_ms = 0;
    create_room(&world, 1, "a", 8);
    join_room(&world, 2, "b", "111112");
    drop(&world, 1);
    assert_int_equal(relay_due_left_ms(&world.relay), 0);
    forget_texts(&world);
    pass_time(&world, 0);
    assert_true(world.clients[2].was_closed);
    world_release(&world);
}

static void released_relay_frees_rooms_that_are_still_there(void **state)
{
    (void)state;
    struct world world;
    world_init_2(&world);
    say(&world, 1,
        "{\"type\":\"create\",\"clientId\":\"a\",\"maxClients\":4,"
        "\"url\":\"https://a.example\"}");
    set_state(&world, 1, "1");
    join_room(&world, 2, "b", "111112");
    join_room(&world, 3, "c", "111112");
    drop(&world, 2);
    drop(&world, 1);
    create_room(&world, 4, "a", 2);
    set_state(&world, 4, "2");
    say(&world, 4, "{\"type\":\"close_room\"}");
    forget_texts(&world);
    relay_release(&world.relay);
    assert_int_equal(world.held, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(state_is_pushed_to_the_others_as_it_was_written),
        cmocka_unit_test(state_follows_joined_before_anything_newer),
        cmocka_unit_test(state_is_replayed_to_whoever_comes_back_the_host_too),
        cmocka_unit_test(state_outlives_the_absence_of_its_host),
        cmocka_unit_test(rooms_have_states_of_their_own),
        cmocka_unit_test(cap_counts_the_compact_form),
        cmocka_unit_test(span_of_a_state_has_a_cap_of_its_own),
        cmocka_unit_test(closing_ends_the_room_for_all_at_once),
        cmocka_unit_test(room_that_is_given_up_is_gone_at_once),
        cmocka_unit_test(host_alone_may_close_its_room),
        cmocka_unit_test(room_lives_without_its_host_for_the_grace_time),
        cmocka_unit_test(end_of_grace_has_the_effects_of_closing),
        cmocka_unit_test(accepted_join_of_the_host_stops_the_timer),
        cmocka_unit_test(timer_runs_on_while_the_host_finds_its_room_full),
        cmocka_unit_test(nothing_else_starts_or_stops_the_timer),
        cmocka_unit_test(last_member_takes_the_room_along_host_or_not),
        cmocka_unit_test(grace_passes_over_the_wrap_of_the_clock),
        cmocka_unit_test(rooms_end_in_the_order_in_which_their_hosts_left),
        cmocka_unit_test(grace_of_no_time_ends_at_once),
        cmocka_unit_test(released_relay_frees_rooms_that_are_still_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
