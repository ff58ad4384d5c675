/*
 * Protocol 3: seats that are held while their members are away, how long, and what a member gets
 * when it comes back. What holds for any order of cuts and joins is tested by players; these are
 * the single rules.
 */
#include "relay/relay_3_fixture.h"

#include <stdio.h>

#define JOINED_2(epoch, recovered, seen, heard)                                         \
    "{\"type\":\"joined\",\"room\":\"BBBC\",\"index\":1,\"hold\":60,\"epoch\":\"" epoch \
    "\",\"recovered\":" recovered ",\"seen\":" seen ",\"heard\":" heard
#define EPOCH_2 "0000000000000003" /* of client 2's seat */
#define ROOM_AS_IT_IS \
    ",\"host\":0,\"peers\":[0],\"away\":[],\"locked\":false,\"maxClients\":4,\"state\":false}"

static void what_was_missed_comes_in_order(void **state)
{
    (void)state;
    struct world world;
    init_party_3(&world, 3, "");
    say(&world, 2, "{\"type\":\"send\",\"to\":7}"); /* 1: the error */
    say(&world, 1, "{\"type\":\"send\",\"data\":\"seen\"}");
    forget_texts(&world);
    cut_off(&world, 2);
    say(&world, 1, "{\"type\":\"send\",\"data\":\"a\"}");
    say(&world, 1, "{\"type\":\"send\",\"data\":\"not for it\",\"to\":2}");
    say(&world, 3, "{\"type\":\"send\",\"data\":\"b\",\"to\":[0,1]}");
    say(&world, 3, "{\"type\":\"send\",\"data\":\"quick\",\"volatile\":true}");
    say(&world, 3, "{\"type\":\"send\",\"data\":\"quick\",\"to\":1,\"volatile\":true}");
    set_state(&world, 1, "1");
    set_state(&world, 1, "2");
    say_binary(&world, 1, BYTES("\x01\x00\x00\x00\x01!"));
    cut_off(&world, 3);
    forget_texts(&world);
    join_as(&world, 2, 2, 2, ",\"epoch\":\"" EPOCH_2 "\",\"seen\":3");
    expect_next(&world, 2, JOINED_2(EPOCH_2, "true", "3", "1") "}");
    expect_next(&world, 2, "{\"type\":\"message\",\"from\":0,\"data\":\"a\"}");
    expect_next(&world, 2, "{\"type\":\"message\",\"from\":2,\"data\":\"b\"}");
    expect_next(&world, 2, "{\"type\":\"skipped\",\"count\":3}");
    expect_next(&world, 2, "{\"type\":\"state\",\"data\":2}");
    expect_next(&world, 2, "\\x00\\x00\\x00\\x00\\x00!");
    expect_only(&world, 2, "{\"type\":\"peer_away\",\"index\":2}");
    expect_only(&world, 1, "{\"type\":\"peer_back\",\"index\":1}");
    /* It has counted 3 + 2 + 3 + 3 events, and the next one is the 12th. */
    say(&world, 1, "{\"type\":\"send\",\"data\":\"12\"}");
    forget_texts(&world);
    cut_off(&world, 2);
    forget_texts(&world);
    join_as(&world, 2, 2, 3, ",\"epoch\":\"" EPOCH_2 "\",\"seen\":12");
    expect_only(&world, 2, JOINED_2(EPOCH_2, "true", "12", "1") "}");
    forget_texts(&world);
    world_release(&world);
}

static void who_knows_nothing_begins_a_new_epoch(void **state)
{
    (void)state;
    struct world world;
    init_party_3(&world, 2, "");
    say(&world, 1, "{\"type\":\"send\",\"data\":1}");
    say(&world, 2, "{\"type\":\"send\",\"data\":2}");
    cut_off(&world, 2);
    forget_texts(&world);
    join_as(&world, 2, 2, 2, "");
    expect_only(&world, 2, JOINED_2("0000000000000004", "false", "0", "0") ROOM_AS_IT_IS);
    expect_only(&world, 1, "{\"type\":\"peer_back\",\"index\":1}");
    say(&world, 1, "{\"type\":\"send\",\"data\":3}");
    forget_texts(&world);
    cut_off(&world, 2);
    forget_texts(&world);
    join_as(&world, 2, 2, 3, ",\"epoch\":\"0000000000000004\",\"seen\":0");
    expect_next(&world, 2, JOINED_2("0000000000000004", "true", "0", "0") "}");
    expect_only(&world, 2, "{\"type\":\"message\",\"from\":0,\"data\":3}");
    forget_texts(&world);
    /* An epoch that is not the seat's is none, if its member knows the seat's. */
    say(&world, 2, "{\"type\":\"send\",\"data\":4}");
    cut_off(&world, 2);
    forget_texts(&world);
    join_as(&world, 2, 2, 4, ",\"epoch\":\"" EPOCH_2 "\",\"seen\":0");
    expect_only(&world, 2, JOINED_2("0000000000000005", "false", "0", "0") ROOM_AS_IT_IS);
    forget_texts(&world);
    world_release(&world);
}

/* As after a crash, or when the answer to its first join was lost. */
#define ROOM_AFTER_CRASH \
    ",\"host\":0,\"peers\":[0],\"away\":[2],\"locked\":false,\"maxClients\":4,\"state\":true}"

/* Client 2 is told the room as it is, and what was said behind its first two events. */
static void expect_rest_of_retelling(struct world *world)
{
    expect_next(world, 2, "{\"type\":\"skipped\",\"count\":2}");
    expect_next(world, 2, "\\x00\\x00\\x00\\x00\\x00!");
    expect_only(world, 2, "{\"type\":\"skipped\",\"count\":1}"); /* `peer_away` */
}

static void who_knows_nothing_of_the_seats_counts_has_what_was_said_since_they_began(void **state)
{
    static const char *const epochs[] = {"ffffffffffffffff", "fffffffffffffffe"};
    (void)state;
    struct world world;
    init_party_3(&world, 3, "");
    cut_off(&world, 2);
    say(&world, 1, "{\"type\":\"send\",\"data\":\"a\",\"to\":1}");
    say(&world, 3, "{\"type\":\"send\",\"data\":\"quick\",\"volatile\":true}");
    set_state(&world, 1, "1");
    say_binary(&world, 1, BYTES("\x01\x00\x00\x00\x01!"));
    cut_off(&world, 3);
    /* Whichever answer is lost, the next one says the same. */
    for (uint32_t i = 0; i < ARRAY_LENGTH(epochs); i++) {
        char more[64];
        snprintf(more, sizeof more, ",\"epoch\":\"%s\",\"seen\":7", epochs[i]);
        forget_texts(&world);
        join_as(&world, 2, 2, 2 + i, more);
        expect_next(&world, 2, JOINED_2(EPOCH_2, "false", "0", "0") ROOM_AFTER_CRASH);
        expect_next(&world, 2, "{\"type\":\"state\",\"data\":1}");
        expect_next(&world, 2, "{\"type\":\"skipped\",\"count\":1}"); /* `peer_joined` */
        expect_next(&world, 2, "{\"type\":\"message\",\"from\":0,\"data\":\"a\"}");
        expect_rest_of_retelling(&world);
        cut_off(&world, 2);
    }
    /* What it has not heard yet is older than what it was told of the room. */
    forget_texts(&world);
    join_as(&world, 2, 2, 4, ",\"epoch\":\"" EPOCH_2 "\",\"seen\":2");
    expect_next(&world, 2, JOINED_2(EPOCH_2, "false", "2", "0") ROOM_AFTER_CRASH);
    expect_next(&world, 2, "{\"type\":\"state\",\"data\":1}");
    expect_rest_of_retelling(&world);
    cut_off(&world, 2);
    /* It goes on from there, and needs what it has confirmed no more. */
    forget_texts(&world);
    join_as(&world, 2, 2, 5, ",\"epoch\":\"" EPOCH_2 "\",\"seen\":6");
    expect_only(&world, 2, JOINED_2(EPOCH_2, "true", "6", "0") "}");
    cut_off(&world, 2);
    forget_texts(&world);
    join_as(&world, 2, 2, 6, ",\"epoch\":\"ffffffffffffffff\",\"seen\":0");
    expect_begin(&world, 2, JOINED_2("0000000000000004", "false", "0", "0"));
    forget_texts(&world);
    world_release(&world);
}

static void who_takes_a_seats_counts_over_is_told_how_many_events_are_lost(void **state)
{
    char data[2001];
    (void)state;
    struct world world;
    memset(data, 'x', sizeof data - 1);
    data[sizeof data - 1] = 0;
    init_party_3(&world, 2, "");
    cut_off(&world, 2);
    for (uint32_t i = 0; i < 40; i++)
        say_format(&world, 1, "{\"type\":\"send\",\"data\":\"%s\"}", data);
    forget_texts(&world);
    join_as(&world, 2, 2, 2, ",\"epoch\":\"ffffffffffffffff\",\"seen\":7");
    uint32_t told = world.clients[2].text_count - 2; /* without `joined` and `skipped` */
    assert_in_range(told, 1, 39);
    expect_next(&world, 2, JOINED_2(EPOCH_2, "false", "0", "0") ROOM_AS_IT_IS);
    char skipped[64];
    snprintf(skipped, sizeof skipped, "{\"type\":\"skipped\",\"count\":%u}", 40 - told);
    expect_next(&world, 2, skipped);
    for (uint32_t i = 0; i < told; i++)
        expect_begin(&world, 2, "{\"type\":\"message\",\"from\":0,\"data\":\"xxx");
    forget_texts(&world);
    world_release(&world);
}

static void a_count_that_cannot_be_is_not_recovered_and_the_epoch_goes_on(void **state)
{
    (void)state;
    static const char *const counts[] = {
        "", ",\"seen\":2", ",\"seen\":-1", ",\"seen\":0.5", ",\"seen\":\"1\"", ",\"seen\":1e300"};
    struct world world;
    init_party_3(&world, 2, "");
    say(&world, 1, "{\"type\":\"send\",\"data\":1}");
    say(&world, 2, "{\"type\":\"send\",\"data\":2}");
    forget_texts(&world);
    for (uint32_t i = 0; i < ARRAY_LENGTH(counts); i++) {
        char more[64];
        cut_off(&world, 2);
        forget_texts(&world);
        snprintf(more, sizeof more, ",\"epoch\":\"" EPOCH_2 "\"%s", counts[i]);
        join_as(&world, 2, 2, 2 + i, more);
        expect_only(&world, 2, JOINED_2(EPOCH_2, "false", "1", "1") ROOM_AS_IT_IS);
        forget_texts(&world);
    }
    world_release(&world);
}

static void what_the_log_has_lost_is_not_recovered(void **state)
{
    (void)state;
    struct world world;
    char data[2001];
    memset(data, 'x', sizeof data - 1);
    data[sizeof data - 1] = 0;
    init_party_3(&world, 2, "");
    cut_off(&world, 2);
    for (uint32_t i = 0; i < 40; i++)
        say_format(&world, 1, "{\"type\":\"send\",\"data\":\"%s\"}", data);
    assert_true((*world.clients[1].seat).room->party->log.bytes <= WORLD_LOG_BYTES);
    forget_texts(&world);
    join_as(&world, 2, 2, 2, ",\"epoch\":\"" EPOCH_2 "\",\"seen\":0");
    expect_only(&world, 2, JOINED_2(EPOCH_2, "false", "40", "0") ROOM_AS_IT_IS);
    forget_texts(&world);
    cut_off(&world, 2);
    say(&world, 1, "{\"type\":\"send\",\"data\":41}");
    forget_texts(&world);
    join_as(&world, 2, 2, 3, ",\"epoch\":\"" EPOCH_2 "\",\"seen\":40");
    expect_next(&world, 2, JOINED_2(EPOCH_2, "true", "40", "0") "}");
    expect_only(&world, 2, "{\"type\":\"message\",\"from\":0,\"data\":41}");
    forget_texts(&world);
    world_release(&world);
}

static void a_log_that_its_maker_may_not_have_is_not_recovered(void **state)
{
    (void)state;
    struct world world;
    init_party_3(&world, 2, "");
    cut_off(&world, 2);
    forget_texts(&world);
    say(&world, 1, "{\"type\":\"send\",\"data\":1}");
    world.maker_bytes_max = world.bytes_admitted;
    for (uint32_t i = 0; i < 40; i++)
        say_format(&world, 1, "{\"type\":\"send\",\"data\":\"%0999u\"}", i);
    /* The room's first bytes are certain; what is above them the maker of rooms has to afford. */
    assert_true((*world.clients[1].seat).room->party->log.bytes < 10000);
    join_as(&world, 2, 2, 2, ",\"epoch\":\"" EPOCH_2 "\",\"seen\":0");
    expect_only(&world, 2, JOINED_2(EPOCH_2, "false", "41", "0") ROOM_AS_IT_IS);
    forget_texts(&world);
    world_release(&world);
}

static void a_present_member_is_replaced_and_nobody_notices(void **state)
{
    (void)state;
    struct world world;
    init_party_3(&world, 2, "");
    say(&world, 1, "{\"type\":\"send\",\"data\":1}");
    forget_texts(&world);
    join_as(&world, 5, 2, 2, ",\"epoch\":\"" EPOCH_2 "\",\"seen\":0");
    assert_true(world.clients[2].was_replaced);
    expect_next(&world, 5, JOINED_2(EPOCH_2, "true", "0", "0") "}");
    expect_only(&world, 5, "{\"type\":\"message\",\"from\":0,\"data\":1}");
    expect_silence(&world);
    world_release(&world);
}

static void a_late_join_of_a_connection_that_was_given_up_changes_nothing(void **state)
{
    (void)state;
    struct world world;
    init_party_3(&world, 1, "");
    join_as(&world, 2, 2, 3, "");
    forget_texts(&world);
    for (uint32_t attempt = 1; attempt <= 3; attempt++) {
        join_as(&world, 5, 2, attempt, "");
        assert_true(world.clients[5].was_given_up);
        assert_null(world.clients[5].seat);
        world.clients[5].was_given_up = false;
    }
    expect_silence(&world);
    /* Other sessions of this client: a reload, and the session before it. */
    static const char *const sessions[] = {"reloaded 1", "reloaded 2", "reloaded 3", "reloaded 4"};
    for (uint32_t i = 0; i < ARRAY_LENGTH(sessions); i++) {
        say_format(&world, 6 + i,
                   "{\"type\":\"join\",\"clientId\":\"bbbbbbbbbbbbbbbb\",\"session\":\"%s\","
                   "\"attempt\":1,\"room\":\"BBBC\"}",
                   sessions[i]);
        assert_non_null(world.clients[6 + i].seat);
        bool is_remembered = i < 3;
        forget_texts(&world);
        join_as(&world, 5, 2, 9, "");
        assert_int_equal(world.clients[5].was_given_up, is_remembered);
        world.clients[5].was_given_up = false;
    }
    forget_texts(&world);
    world_release(&world);
}

/* The time after which the seat of client 2 expires, if its member was here for so long. */
static uint32_t hold_after(uint32_t present_ms, const char *more)
{
    struct world world;
    init_party_3(&world, 2, more);
    say(&world, 1, "{\"type\":\"send\",\"data\":\"here\"}");
    pass_time(&world, present_ms);
    forget_texts(&world);
    cut_off(&world, 2);
    uint32_t begin_ms = world.relay.now_ms;
    uint32_t held_ms = 0;
    if (strstr(world.clients[1].texts[0], "peer_away") != NULL) {
        int32_t left_ms = relay_due_left_ms(&world.relay);
        assert_true(left_ms > 0);
        forget_texts(&world);
        pass_time(&world, (uint32_t)left_ms - 1);
        expect_silence(&world);
        pass_time(&world, 1);
        held_ms = world.relay.now_ms - begin_ms;
    }
    expect_only(&world, 1, "{\"type\":\"peer_left\",\"index\":1,\"why\":\"expired\"}");
    world_release(&world);
    return held_ms;
}

static void a_seat_is_held_as_long_as_its_member_was_here(void **state)
{
    (void)state;
    assert_int_equal(hold_after(0, ""), 5000);
    assert_int_equal(hold_after(4999, ""), 5000);
    assert_int_equal(hold_after(20000, ""), 20000);
    assert_int_equal(hold_after(60000, ""), 60000);
    assert_int_equal(hold_after(600000, ""), 60000);
    assert_int_equal(hold_after(600000, ",\"hold\":600"), 600000);
    assert_int_equal(hold_after(600000, ",\"hold\":3"), 3000);
    assert_int_equal(hold_after(600000, ",\"hold\":2.5"), 3000);
    assert_int_equal(hold_after(600000, ",\"hold\":0"), 0);
}

/* The next process gives the seat back: the member has not broken off. */
static void a_seat_that_is_handed_over_is_held(void **state)
{
    (void)state;
    const uint32_t cases[][2] = {
        {0, RESTORED_HOLD_LEAST_MS}, {1000, RESTORED_HOLD_LEAST_MS}, {60000, 60000}};
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        struct world world;
        char more[32];
        snprintf(more, sizeof more, ",\"hold\":%u", cases[i][0] / 1000);
        init_party_3(&world, 2, more);
        say(&world, 1, "{\"type\":\"send\",\"data\":\"here\"}");
        pass_time(&world, 60000);
        forget_texts(&world);
        end_connection(&world, 2, DEPARTURE_HANDED_OVER);
        expect_only(&world, 1, "{\"type\":\"peer_away\",\"index\":1}");
        pass_time(&world, cases[i][1] - 1);
        expect_silence(&world);
        pass_time(&world, 1);
        expect_only(&world, 1, "{\"type\":\"peer_left\",\"index\":1,\"why\":\"expired\"}");
        world_release(&world);
    }
}

static void stays_add_up(void **state)
{
    (void)state;
    struct world world;
    init_party_3(&world, 2, "");
    pass_time(&world, 8000);
    cut_off(&world, 2);
    pass_time(&world, 7999);
    join_as(&world, 2, 2, 2, "");
    pass_time(&world, 4000);
    cut_off(&world, 2);
    forget_texts(&world);
    pass_time(&world, 11999);
    expect_silence(&world);
    pass_time(&world, 1);
    expect_only(&world, 1, "{\"type\":\"peer_left\",\"index\":1,\"why\":\"expired\"}");
    join_as(&world, 2, 2, 3, ",\"epoch\":\"" EPOCH_2 "\",\"seen\":0");
    expect_begin(&world, 2, "{\"type\":\"joined\",\"room\":\"BBBC\",\"index\":2,\"hold\":60,");
    forget_texts(&world);
    world_release(&world);
}

static void everybody_may_be_away_at_once(void **state)
{
    (void)state;
    struct world world;
    init_party_3(&world, 2, "");
    say(&world, 1, "{\"type\":\"send\",\"data\":1}");
    pass_time(&world, 60000);
    cut_off(&world, 1);
    cut_off(&world, 2);
    forget_texts(&world);
    assert_int_equal(world.rooms_deserted, 1);
    pass_time(&world, 59999);
    join_as(&world, 2, 2, 2, ",\"epoch\":\"" EPOCH_2 "\",\"seen\":1");
    expect_next(&world, 2, JOINED_2(EPOCH_2, "true", "1", "0") "}");
    expect_only(&world, 2, "{\"type\":\"peer_away\",\"index\":0}");
    assert_int_equal(world.rooms_deserted, 0);
    join_as(&world, 1, 1, 1, ",\"epoch\":\"0000000000000002\",\"seen\":1");
    expect_begin(&world, 1, "{\"type\":\"joined\",\"room\":\"BBBC\",\"index\":0,");
    forget_texts(&world);
    world_release(&world);
}

static void a_room_ends_with_its_last_seat(void **state)
{
    (void)state;
    struct world world;
    init_party_3(&world, 1, "");
    say(&world, 1, "{\"type\":\"ping\"}");
    forget_texts(&world);
    pass_time(&world, 1000);
    cut_off(&world, 1);
    pass_time(&world, WORLD_GRACE_MS - 1); /* the host's seat is held for the host's grace */
    assert_int_equal(world.rooms_admitted, 1);
    pass_time(&world, 1);
    assert_int_equal(world.rooms_admitted, 0);
    world_release(&world);
}

static void a_creator_that_said_nothing_may_not_know_its_room(void **state)
{
    (void)state;
    struct world world;
    init_party_3(&world, 1, "");
    pass_time(&world, 60000);
    cut_off(&world, 1);
    pass_time(&world, 9999);
    assert_int_equal(world.rooms_admitted, 1);
    pass_time(&world, 1);
    assert_int_equal(world.rooms_admitted, 0);
    world_release(&world);
    /* Somebody has heard the code. */
    init_party_3(&world, 2, "");
    cut_off(&world, 1);
    cut_off(&world, 2);
    forget_texts(&world);
    pass_time(&world, 10000);
    assert_int_equal(world.rooms_admitted, 1);
    world_release(&world);
}

static void a_creator_that_comes_back_or_is_watched_knows_its_room(void **state)
{
    (void)state;
    struct world world;
    init_party_3(&world, 1, "");
    cut_off(&world, 1);
    join_3(&world, 1, "");
    cut_off(&world, 1);
    forget_texts(&world);
    pass_time(&world, WORLD_GRACE_MS - 1);
    assert_int_equal(world.rooms_admitted, 1);
    world_release(&world);
    init_party_3(&world, 1, ",\"maxAudience\":1");
    join_3(&world, 3, ",\"role\":\"audience\"");
    cut_off(&world, 1);
    forget_texts(&world);
    pass_time(&world, WORLD_GRACE_MS - 1);
    assert_int_equal(world.rooms_admitted, 1);
    world_release(&world);
}

static void a_full_room_keeps_the_seat_of_who_is_away(void **state)
{
    (void)state;
    struct world world;
    init_party_3(&world, 3, "");
    join_3(&world, 4, "");
    pass_time(&world, 60000);
    cut_off(&world, 2);
    forget_texts(&world);
    join_3(&world, 5, "");
    expect_code(&world, 5, "room-full", "join", 0);
    join_as(&world, 2, 2, 2, "");
    expect_begin(&world, 2, "{\"type\":\"joined\",\"room\":\"BBBC\",\"index\":1,");
    forget_texts(&world);
    world_release(&world);
}

static void what_all_have_seen_is_forgotten(void **state)
{
    (void)state;
    struct world world;
    init_party_3(&world, 3, "");
    const struct log *log = &(*world.clients[1].seat).room->party->log;
    for (uint32_t i = 0; i < 20; i++)
        say(&world, 1, "{\"type\":\"send\",\"data\":\"something to keep for a while\"}");
    assert_true(log->bytes > 0);
    forget_texts(&world);
    say(&world, 1, "{\"type\":\"ping\",\"seen\":2}");  /* two peer_joined */
    say(&world, 2, "{\"type\":\"ping\",\"seen\":21}"); /* one, and the messages */
    say(&world, 3, "{\"type\":\"ping\",\"seen\":19}");
    assert_true(log->bytes > 0);
    say(&world, 3, "{\"type\":\"ping\",\"seen\":20}");
    assert_int_equal(log->bytes, 0);
    forget_texts(&world);
    world_release(&world);
}

/* The relay looks at a large room once for as many confirmations as there are seats. */
static void what_all_of_many_have_seen_is_forgotten(void **state)
{
    (void)state;
    struct world world;
    world_init_3(&world);
    world.relay.config.members_max = 20;
    create_3(&world, 1, "");
    say(&world, 1, "{\"type\":\"set_room\",\"maxClients\":20}");
    for (uint32_t client = 2; client <= 20; client++)
        join_3(&world, client, "");
    const struct log *log = &(*world.clients[1].seat).room->party->log;
    forget_texts(&world);
    for (uint32_t round = 0; round < 2; round++) {
        assert_true(log->bytes > 0);
        say(&world, 1, "{\"type\":\"ping\",\"seen\":20}"); /* the room's change, 19 peer_joined */
        for (uint32_t client = 2; client <= 20; client++)
            say_format(&world, client, "{\"type\":\"ping\",\"seen\":%u}", 20 - client);
    }
    assert_int_equal(log->bytes, 0);
    forget_texts(&world);
    world_release(&world);
}

static void a_seat_that_is_gone_needs_no_log(void **state)
{
    (void)state;
    struct world world;
    init_party_3(&world, 2, "");
    const struct log *log = &(*world.clients[1].seat).room->party->log;
    cut_off(&world, 2);
    for (uint32_t i = 0; i < 20; i++)
        say(&world, 1, "{\"type\":\"send\",\"data\":\"something to keep for a while\"}");
    say(&world, 1, "{\"type\":\"ping\",\"seen\":2}");
    assert_true(log->bytes > 0);
    forget_texts(&world);
    pass_time(&world, 5000);
    expect_only(&world, 1, "{\"type\":\"peer_left\",\"index\":1,\"why\":\"expired\"}");
    say(&world, 1, "{\"type\":\"ping\",\"seen\":3}");
    assert_int_equal(log->bytes, 0);
    forget_texts(&world);
    world_release(&world);
}

static void a_seat_for_which_there_is_no_memory_is_not_held(void **state)
{
    (void)state;
    struct world world;
    init_party_3(&world, 2, "");
    pass_time(&world, 60000);
    say(&world, 1, "{\"type\":\"ping\",\"seen\":1}"); /* so that there is no log to give way */
    forget_texts(&world);
    world.bytes_max = world.bytes_admitted;
    cut_off(&world, 2);
    expect_only(&world, 1, "{\"type\":\"peer_left\",\"index\":1,\"why\":\"expired\"}");
    world.bytes_max = SIZE_MAX;
    world_release(&world);
}

/* Else one who fills the memory of an address has all others there lose their seats. */
static void the_log_gives_way_to_a_seat(void **state)
{
    (void)state;
    struct world world;
    init_party_3(&world, 2, "");
    pass_time(&world, 60000);
    for (uint32_t i = 0; i < 40; i++)
        say_format(&world, 1, "{\"type\":\"send\",\"data\":%u}", i);
    forget_texts(&world);
    world.bytes_max = world.bytes_admitted;
    cut_off(&world, 2);
    expect_only(&world, 1, "{\"type\":\"peer_away\",\"index\":1}");
    join_as(&world, 2, 2, 2, ",\"epoch\":\"" EPOCH_2 "\",\"seen\":40");
    expect_only(&world, 2, JOINED_2(EPOCH_2, "true", "40", "0") "}");
    cut_off(&world, 2);
    forget_texts(&world);
    join_as(&world, 2, 2, 3, ",\"epoch\":\"" EPOCH_2 "\",\"seen\":0");
    expect_only(&world, 2, JOINED_2(EPOCH_2, "false", "40", "0") ROOM_AS_IT_IS);
    world.bytes_max = SIZE_MAX;
    forget_texts(&world);
    world_release(&world);
}

/* Of client 2, whose connection the owner has lost, and which it brings again. */
static struct join way_back_of_2(struct world *world)
{
    struct join join;
    assert_true(relay_way_back(world->clients[2].seat, &join));
    join.unasked = 7;
    cut_off(world, 2);
    forget_texts(world);
    return join;
}

static void who_has_not_asked_gets_its_seat_and_the_number(void **state)
{
    (void)state;
    struct world world;
    init_party_3(&world, 2, "");
    struct join join = way_back_of_2(&world);
    say(&world, 1, "{\"type\":\"send\",\"data\":\"missed\"}");
    carry_out(&world, 2, &join);
    expect_next(&world, 2, JOINED_2(EPOCH_2, "true", "0", "0") ",\"unasked\":7}");
    expect_only(&world, 2, "{\"type\":\"message\",\"from\":0,\"data\":\"missed\"}");
    expect_only(&world, 1, "{\"type\":\"peer_back\",\"index\":1}");
    /* That went out, and has not arrived: the client asks for it over another connection. */
    join = way_back_of_2(&world);
    assert_int_equal(join.seen, 1);
    carry_out(&world, 2, &join);
    expect_only(&world, 2, JOINED_2(EPOCH_2, "true", "1", "0") ",\"unasked\":7}");
    cut_off(&world, 2);
    forget_texts(&world);
    join_as(&world, 2, 2, 2, ",\"epoch\":\"" EPOCH_2 "\",\"seen\":0");
    expect_next(&world, 2, JOINED_2(EPOCH_2, "true", "0", "0") "}");
    expect_only(&world, 2, "{\"type\":\"message\",\"from\":0,\"data\":\"missed\"}");
    forget_texts(&world);
    world_release(&world);
}

static void an_old_connection_gets_no_seat_unasked(void **state)
{
    (void)state;
    struct world world;
    init_party_3(&world, 2, "");
    struct join join = way_back_of_2(&world);
    join_as(&world, 3, 2, 2, ""); /* the client has come again */
    forget_texts(&world);
    carry_out(&world, 2, &join);
    assert_true(world.clients[2].was_given_up);
    world.clients[2].was_given_up = false;
    assert_null(world.clients[2].seat);
    /* It leaves, and has another seat later, which knows nothing of that session. */
    say(&world, 3, "{\"type\":\"leave\"}");
    forget_texts(&world);
    join.session.hash++;
    join_as(&world, 3, 2, 3, "");
    forget_texts(&world);
    carry_out(&world, 2, &join);
    assert_null(world.clients[2].seat);
    assert_false(world.clients[2].was_given_up || world.clients[3].was_replaced);
    /* Nor where there is no such room, or no such member any more. */
    say(&world, 3, "{\"type\":\"leave\"}");
    forget_texts(&world);
    carry_out(&world, 2, &join);
    assert_null(world.clients[2].seat);
    join.code++;
    carry_out(&world, 2, &join);
    assert_null(world.clients[2].seat);
    assert_int_equal(world.clients[2].text_count, 0);
    forget_texts(&world);
    world_release(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_missed_comes_in_order),
        cmocka_unit_test(who_knows_nothing_begins_a_new_epoch),
        cmocka_unit_test(who_knows_nothing_of_the_seats_counts_has_what_was_said_since_they_began),
        cmocka_unit_test(who_takes_a_seats_counts_over_is_told_how_many_events_are_lost),
        cmocka_unit_test(a_count_that_cannot_be_is_not_recovered_and_the_epoch_goes_on),
        cmocka_unit_test(what_the_log_has_lost_is_not_recovered),
        cmocka_unit_test(a_log_that_its_maker_may_not_have_is_not_recovered),
        cmocka_unit_test(a_present_member_is_replaced_and_nobody_notices),
        cmocka_unit_test(a_late_join_of_a_connection_that_was_given_up_changes_nothing),
        cmocka_unit_test(who_has_not_asked_gets_its_seat_and_the_number),
        cmocka_unit_test(an_old_connection_gets_no_seat_unasked),
        cmocka_unit_test(a_seat_is_held_as_long_as_its_member_was_here),
        cmocka_unit_test(a_seat_that_is_handed_over_is_held),
        cmocka_unit_test(stays_add_up),
        cmocka_unit_test(everybody_may_be_away_at_once),
        cmocka_unit_test(a_room_ends_with_its_last_seat),
        cmocka_unit_test(a_creator_that_said_nothing_may_not_know_its_room),
        cmocka_unit_test(a_creator_that_comes_back_or_is_watched_knows_its_room),
        cmocka_unit_test(a_full_room_keeps_the_seat_of_who_is_away),
        cmocka_unit_test(what_all_have_seen_is_forgotten),
        cmocka_unit_test(what_all_of_many_have_seen_is_forgotten),
        cmocka_unit_test(a_seat_that_is_gone_needs_no_log),
        cmocka_unit_test(a_seat_for_which_there_is_no_memory_is_not_held),
        cmocka_unit_test(the_log_gives_way_to_a_seat),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
