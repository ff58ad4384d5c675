/*
 * The rules of protocol 2 about the host: retained state and its cap, closing, the grace time in
 * which it may come back; and what rooms keep when there is too little memory for all of it.
 */
#include "relay/relay_fixture.h"

#include <stdio.h>
#include <stdlib.h>

#define JOINED_B "{\"type\":\"joined\",\"room\":\"111112\",\"index\":1,\"peers\":[0]}"

/* What an absent member with an id of one letter costs: itself in the heap, and six pointers, since
 * three arrays grow by doubling. */
#define ABSENT_COST (48 + 6 * 8)

/* Clients 1, 2 and 3 are `a`, the host, `b` and `c`; nothing is in an inbox. */
static void init_three_members(struct world *world, uint32_t max_clients)
{
    world_init_2(world);
    create_room(world, 1, "a", max_clients);
    join_room(world, 2, "b", "111112");
    join_room(world, 3, "c", "111112");
    forget_texts(world);
}

static void set_state(struct world *world, uint32_t client, const char *data)
{
    say_format(world, client, "{\"type\":\"set_state\",\"data\":%s}", data);
}

static void state_is_pushed_to_the_others_as_it_was_written(void **state)
{
    (void)state;
    static const char *const values[] = {
        "null", "false", "\"\"", "0", "1e400", "-0", "{ \"a\" : [ 1 , \"\\u0061\\ud800\" ] }", "[]",
    };
    struct world world;
    init_three_members(&world, 8);
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
    init_three_members(&world, 8);
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
    init_three_members(&world, 8);
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
    init_three_members(&world, 8);
    world.clients[1].origin = 7; /* too late */
    set_state(&world, 1, "1");
    drop(&world, 3);
    join_room(&world, 4, "d", "111112");
    forget_texts(&world);
    say(&world, 1, "{\"type\":\"close_room\",\"data\":1}");
    EXPECT_EFFECTS(&world, EFFECT_ROOM_CLOSED, EFFECT_ROOM_GONE);
    assert_int_equal(world.effects.items[1].origin, 0);
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
    init_three_members(&world, 8);
    assert_int_equal(relay_grace_left_ms(&world.relay), -1);
    pass_time(&world, 1000);
    drop(&world, 1);
    EXPECT_EFFECTS(&world, EFFECT_TO_ROOM);
    expect_only(&world, 2, "{\"type\":\"peer_left\",\"index\":0}");
    expect_only(&world, 3, "{\"type\":\"peer_left\",\"index\":0}");
    assert_int_equal(relay_grace_left_ms(&world.relay), WORLD_GRACE_MS);
    pass_time(&world, WORLD_GRACE_MS - 1);
    assert_int_equal(relay_grace_left_ms(&world.relay), 1);
    say(&world, 2, "{\"type\":\"send\",\"data\":1}");
    expect_only(&world, 3, "{\"type\":\"message\",\"from\":1,\"data\":1}");

    world.relay.now_ms++;
    assert_int_equal(relay_grace_left_ms(&world.relay), 0);
    pass_time(&world, 0);
    assert_true(world.clients[2].was_closed && world.clients[3].was_closed);
    assert_false(world.clients[1].was_closed);
    expect_silence(&world);
    assert_int_equal(world.relay.rooms.room_count, 0);
    assert_int_equal(relay_grace_left_ms(&world.relay), -1);
    join_room(&world, 1, "a", "111112");
    expect_error(&world, 1, "Room not found");
    world_release(&world);
}

static void end_of_grace_has_the_effects_of_closing(void **state)
{
    (void)state;
    struct world world;
    world_init_2(&world);
    world.clients[1].origin = 5;
    create_room(&world, 1, "a", 8);
    join_room(&world, 2, "b", "111112");
    drop(&world, 1);
    forget_texts(&world);
    world.relay.now_ms += WORLD_GRACE_MS + 77; /* late is as good */
    assert_int_equal(relay_grace_left_ms(&world.relay), 0);
    struct effects effects;
    assert_true(relay_end_grace(&world.relay, &effects));
    assert_int_equal(effects.count, 2);
    assert_int_equal(effects.items[0].kind, EFFECT_ROOM_CLOSED);
    assert_int_equal(effects.items[0].room->member_count, 1);
    assert_int_equal(effects.items[0].room->members[0]->client, 2);
    assert_int_equal(effects.items[1].kind, EFFECT_ROOM_GONE);
    assert_int_equal(effects.items[1].origin, 5);
    world.clients[2].seat = NULL;
    assert_false(relay_end_grace(&world.relay, &effects));
    assert_int_equal(effects.count, 0);
    world_release(&world);
}

static void accepted_join_of_the_host_stops_the_timer(void **state)
{
    (void)state;
    struct world world;
    init_three_members(&world, 8);
    drop(&world, 1);
    pass_time(&world, WORLD_GRACE_MS - 1);
    forget_texts(&world);
    join_room(&world, 9, "\\u0061", "111112");
    expect_only(&world, 9, "{\"type\":\"joined\",\"room\":\"111112\",\"index\":0,\"peers\":[1,2]}");
    expect_only(&world, 2, "{\"type\":\"peer_joined\",\"index\":0}");
    forget_texts(&world);
    assert_int_equal(relay_grace_left_ms(&world.relay), -1);
    pass_time(&world, 10 * WORLD_GRACE_MS);
    assert_int_equal(world.relay.rooms.room_count, 1);
    /* Another absence has the whole time again. */
    drop(&world, 9);
    assert_int_equal(relay_grace_left_ms(&world.relay), WORLD_GRACE_MS);
    forget_texts(&world);
    world_release(&world);
}

static void timer_runs_on_while_the_host_finds_its_room_full(void **state)
{
    (void)state;
    struct world world;
    init_three_members(&world, 3);
    drop(&world, 1);
    join_room(&world, 4, "d", "111112");
    forget_texts(&world);
    pass_time(&world, 100000);
    join_room(&world, 1, "a", "111112");
    expect_error(&world, 1, "Room is full");
    assert_int_equal(relay_grace_left_ms(&world.relay), WORLD_GRACE_MS - 100000);
    drop(&world, 4);
    forget_texts(&world);
    pass_time(&world, 10000);
    assert_int_equal(relay_grace_left_ms(&world.relay), WORLD_GRACE_MS - 110000);
    join_room(&world, 1, "a", "111112");
    expect_only(&world, 1, "{\"type\":\"joined\",\"room\":\"111112\",\"index\":0,\"peers\":[1,2]}");
    forget_texts(&world);
    assert_int_equal(relay_grace_left_ms(&world.relay), -1);

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
    init_three_members(&world, 8);
    drop(&world, 3);
    join_room(&world, 4, "a", "111112"); /* replaces the host */
    drop(&world, 1);                     /* the old connection */
    assert_int_equal(relay_grace_left_ms(&world.relay), -1);
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
    assert_int_equal(relay_grace_left_ms(&world.relay), WORLD_GRACE_MS - 50);
    world_release(&world);
}

static void last_member_takes_the_room_along_host_or_not(void **state)
{
    (void)state;
    struct world world;
    init_three_members(&world, 8);
    set_state(&world, 1, "1");
    drop(&world, 1);
    drop(&world, 2);
    forget_texts(&world);
    drop(&world, 3);
    EXPECT_EFFECTS(&world, EFFECT_ROOM_GONE);
    assert_int_equal(relay_grace_left_ms(&world.relay), -1);
    assert_int_equal(world.bytes_admitted, 0);

    create_room(&world, 1, "a", 8); /* a host alone has no grace */
    forget_texts(&world);
    drop(&world, 1);
    EXPECT_EFFECTS(&world, EFFECT_ROOM_GONE);
    assert_int_equal(relay_grace_left_ms(&world.relay), -1);
    world_release(&world);
}

/* Who joins finds the room as it was left: index, state, link and who else is known. */
static void room_outlives_its_last_member_who_is_cut_off(void **state)
{
    (void)state;
    struct world world;
    init_three_members(&world, 8);
    set_state(&world, 1, "1");
    cut_off(&world, 1);
    cut_off(&world, 2);
    forget_texts(&world);
    cut_off(&world, 3);
    assert_int_equal(world.effects.count, 0);
    assert_int_equal(relay_grace_left_ms(&world.relay), WORLD_EMPTY_GRACE_MS);
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
    assert_true(end_grace(&world));
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
    init_three_members(&world, 8);
    drop(&world, 3);
    cut_off(&world, 1);
    pass_time(&world, WORLD_GRACE_MS - 1000);
    cut_off(&world, 2);
    forget_texts(&world);
    assert_int_equal(relay_grace_left_ms(&world.relay), 1000);
    world.relay.now_ms += 1000;
    assert_true(end_grace(&world));
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
        init_three_members(&world, 8);
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
    world.clients[1].origin = 7;
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
    assert_int_equal(world.effects.items[0].origin, 7);
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
    assert_int_equal(relay_grace_left_ms(&world.relay), WORLD_GRACE_MS);
    pass_time(&world, 2000);
    assert_int_equal(world.relay.now_ms, 999);
    assert_int_equal(relay_grace_left_ms(&world.relay), WORLD_GRACE_MS - 2000);
    drop(&world, 3);
    forget_texts(&world);
    pass_time(&world, WORLD_GRACE_MS - 2001);
    assert_int_equal(world.relay.rooms.room_count, 2);
    pass_time(&world, 1);
    assert_true(world.clients[2].was_closed);
    assert_int_equal(relay_grace_left_ms(&world.relay), 2000);
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
    assert_int_equal(relay_grace_left_ms(&world.relay), WORLD_GRACE_MS - 2000);
    join_room(&world, 5, "a", "111114"); /* the next in line is the room of client 1 */
    assert_int_equal(relay_grace_left_ms(&world.relay), WORLD_GRACE_MS - 1000);
    drop(&world, 5); /* and this one is the last again */
    forget_texts(&world);
    pass_time(&world, WORLD_GRACE_MS - 1000);
    assert_true(world.clients[2].was_closed);
    assert_false(world.clients[4].was_closed || world.clients[6].was_closed);
    assert_int_equal(relay_grace_left_ms(&world.relay), 1000);
    pass_time(&world, 1000); /* both, one after the other */
    assert_true(world.clients[4].was_closed && world.clients[6].was_closed);
    assert_int_equal(relay_grace_left_ms(&world.relay), -1);
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
    assert_int_equal(relay_grace_left_ms(&world.relay), 0);
    forget_texts(&world);
    pass_time(&world, 0);
    assert_true(world.clients[2].was_closed);
    world_release(&world);
}

static void state_that_rooms_have_no_memory_for_is_refused(void **state)
{
    (void)state;
    struct world world;
    init_three_members(&world, 8);
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
    init_three_members(&world, 8);
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
    init_three_members(&world, 8);
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
    init_three_members(&world, 8);
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
    init_three_members(&world, 4);
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
    init_three_members(&world, 8);
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
    init_three_members(&world, 8);
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
    const struct keepings *kept = world.clients[1].seat->room->kept;
    assert_in_range(kept->absent_bytes, ROOM_ABSENT_BYTES_MAX - 400, ROOM_ABSENT_BYTES_MAX);
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
    init_three_members(&world, 8);
    set_state(&world, 1, "1");
    world.bytes_max = 1; /* of which more is taken already */
    drop(&world, 1);
    drop(&world, 3);
    forget_texts(&world);
    join_room(&world, 1, "a", "111112");
    expect_next(&world, 1, "{\"type\":\"joined\",\"room\":\"111112\",\"index\":0,\"peers\":[1]}");
    expect_only(&world, 1, "{\"type\":\"state\",\"data\":1}");
    forget_texts(&world);
    assert_int_equal(relay_grace_left_ms(&world.relay), -1);
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
        cmocka_unit_test(host_alone_may_close_its_room),
        cmocka_unit_test(room_lives_without_its_host_for_the_grace_time),
        cmocka_unit_test(end_of_grace_has_the_effects_of_closing),
        cmocka_unit_test(accepted_join_of_the_host_stops_the_timer),
        cmocka_unit_test(timer_runs_on_while_the_host_finds_its_room_full),
        cmocka_unit_test(nothing_else_starts_or_stops_the_timer),
        cmocka_unit_test(last_member_takes_the_room_along_host_or_not),
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
        cmocka_unit_test(grace_passes_over_the_wrap_of_the_clock),
        cmocka_unit_test(rooms_end_in_the_order_in_which_their_hosts_left),
        cmocka_unit_test(grace_of_no_time_ends_at_once),
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
        cmocka_unit_test(released_relay_frees_rooms_that_are_still_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
