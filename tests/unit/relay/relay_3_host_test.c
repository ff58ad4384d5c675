/*
 * Protocol 3: who is the host, what the host decides (settings, kicks, bans, states), and the
 * audience.
 */
#include "relay/relay_3_fixture.h"

#include <nettle/sha2.h>
#include <stdio.h>

static void only_the_host_may_say_what_the_host_says(void **state)
{
    (void)state;
    static const char *const types[] = {"set_state", "set_room",      "set_host",
                                        "kick",      "mute_audience", "close_room"};
    struct world world;
    init_party_3(&world, 2, ",\"maxAudience\":1");
    for (uint32_t i = 0; i < ARRAY_LENGTH(types); i++) {
        say_format(&world, 2, "{\"type\":\"%s\"}", types[i]);
        expect_code(&world, 2, "not-host", types[i], i + 1);
    }
    join_3(&world, 3, ",\"role\":\"audience\"");
    forget_texts(&world);
    say(&world, 3, "{\"type\":\"kick\"}");
    expect_code(&world, 3, "not-host", "kick", 0);
    world_release(&world);
}

static void a_host_that_leaves_closes_the_room(void **state)
{
    (void)state;
    struct world world;
    init_party_3(&world, 3, ",\"maxAudience\":1");
    join_3(&world, 4, ",\"role\":\"audience\"");
    cut_off(&world, 3);
    forget_texts(&world);
    say(&world, 1, "{\"type\":\"leave\"}");
    expect_only(&world, 1, "{\"type\":\"left\"}");
    assert_false(world.clients[1].was_closed);
    assert_true(world.clients[2].was_closed);
    assert_true(world.clients[4].was_closed);
    assert_int_equal(world.rooms_admitted, 0);
    world_release(&world);
}

static void a_host_that_stays_away_closes_the_room(void **state)
{
    (void)state;
    struct world world;
    init_party_3(&world, 2, ",\"hold\":200");
    say(&world, 1, "{\"type\":\"ping\"}");
    pass_time(&world, 10000);
    cut_off(&world, 1);
    forget_texts(&world);
    pass_time(&world, WORLD_GRACE_MS - 1);
    expect_silence(&world);
    assert_false(world.clients[2].was_closed);
    pass_time(&world, 1);
    assert_true(world.clients[2].was_closed);
    world_release(&world);
    /* It was here for long, so its seat is held for longer than the grace. */
    init_party_3(&world, 2, ",\"hold\":200");
    say(&world, 1, "{\"type\":\"ping\"}");
    pass_time(&world, 200000);
    cut_off(&world, 1);
    forget_texts(&world);
    pass_time(&world, 199999);
    assert_false(world.clients[2].was_closed);
    pass_time(&world, 1);
    assert_true(world.clients[2].was_closed);
    world_release(&world);
}

static void the_host_migrates_to_the_first_who_is_here(void **state)
{
    (void)state;
    struct world world;
    init_party_3(&world, 3, ",\"onHostLeft\":\"migrate\",\"maxAudience\":1");
    join_3(&world, 4, ",\"role\":\"audience\"");
    pass_time(&world, 60000);
    cut_off(&world, 1);
    forget_texts(&world);
    pass_time(&world, WORLD_MIGRATE_MS - 1);
    expect_silence(&world);
    pass_time(&world, 1);
    expect_next(&world, 2, "{\"type\":\"host\",\"index\":1}");
    expect_only(&world, 2, "{\"type\":\"audience\",\"count\":1}");
    expect_only(&world, 3, "{\"type\":\"host\",\"index\":1}");
    expect_only(&world, 4, "{\"type\":\"host\",\"index\":1}");
    join_as(&world, 1, 1, 1, ",\"epoch\":\"0000000000000002\",\"seen\":2");
    expect_begin(&world, 1,
                 "{\"type\":\"joined\",\"room\":\"BBBC\",\"index\":0,\"hold\":60,"
                 "\"epoch\":\"0000000000000002\",\"recovered\":true,");
    expect_only(&world, 1, "{\"type\":\"host\",\"index\":1}");
    forget_texts(&world);
    say(&world, 1, "{\"type\":\"kick\",\"index\":1}");
    expect_code(&world, 1, "not-host", "kick", 1);
    say(&world, 2, "{\"type\":\"send\",\"to\":\"host\"}");
    expect_only(&world, 2, "{\"type\":\"message\",\"from\":1}");
    world_release(&world);
}

static void a_host_that_comes_back_in_time_stays_the_host(void **state)
{
    (void)state;
    struct world world;
    init_party_3(&world, 2, ",\"onHostLeft\":\"migrate\"");
    cut_off(&world, 1);
    pass_time(&world, WORLD_MIGRATE_MS - 1);
    join_as(&world, 1, 1, 1, "");
    forget_texts(&world);
    pass_time(&world, 100000);
    expect_silence(&world);
    world_release(&world);
}

static void a_room_in_which_nobody_is_waits_for_a_host(void **state)
{
    (void)state;
    struct world world;
    init_party_3(&world, 3, ",\"onHostLeft\":\"migrate\"");
    pass_time(&world, 200000);
    cut_off(&world, 2);
    cut_off(&world, 3);
    cut_off(&world, 1);
    forget_texts(&world);
    /* The migration's time begins when somebody is here. */
    pass_time(&world, 50000);
    join_as(&world, 3, 3, 2, "");
    forget_texts(&world);
    pass_time(&world, WORLD_MIGRATE_MS - 1);
    expect_only(&world, 3, "{\"type\":\"peer_left\",\"index\":1,\"why\":\"expired\"}");
    pass_time(&world, 1);
    expect_only(&world, 3, "{\"type\":\"host\",\"index\":2}");
    world_release(&world);
    /* And without a host, the first who comes is the host. */
    init_party_3(&world, 2, ",\"onHostLeft\":\"migrate\",\"hold\":600");
    say(&world, 1, "{\"type\":\"ping\"}");
    pass_time(&world, 600000);
    cut_off(&world, 2);
    say(&world, 1, "{\"type\":\"leave\"}");
    forget_texts(&world);
    join_as(&world, 2, 2, 2, ",\"epoch\":\"0000000000000003\",\"seen\":0");
    expect_begin(&world, 2, "{\"type\":\"joined\"");
    expect_next(&world, 2, "{\"type\":\"peer_left\",\"index\":0,\"why\":\"left\"}");
    expect_only(&world, 2, "{\"type\":\"host\",\"index\":1}");
    world_release(&world);
}

static void a_host_that_leaves_hands_over_where_it_may(void **state)
{
    (void)state;
    struct world world;
    init_party_3(&world, 3, ",\"onHostLeft\":\"migrate\"");
    say(&world, 1, "{\"type\":\"leave\"}");
    expect_only(&world, 1, "{\"type\":\"left\"}");
    expect_next(&world, 2, "{\"type\":\"peer_left\",\"index\":0,\"why\":\"left\"}");
    expect_only(&world, 2, "{\"type\":\"host\",\"index\":1}");
    forget_texts(&world);
    drop(&world, 2);
    expect_next(&world, 3, "{\"type\":\"peer_left\",\"index\":1,\"why\":\"left\"}");
    expect_only(&world, 3, "{\"type\":\"host\",\"index\":2}");
    world_release(&world);
}

static void the_host_may_name_another(void **state)
{
    (void)state;
    static const char *const wrong[] = {"", ",\"index\":7", ",\"index\":\"1\"", ",\"index\":2"};
    struct world world;
    init_party_3(&world, 3, "");
    cut_off(&world, 3);
    forget_texts(&world);
    for (uint32_t i = 0; i < ARRAY_LENGTH(wrong); i++) {
        say_format(&world, 1, "{\"type\":\"set_host\"%s}", wrong[i]);
        expect_code(&world, 1, "peer-not-found", "set_host", i + 1);
    }
    say(&world, 1, "{\"type\":\"set_host\",\"index\":1}");
    expect_only(&world, 1, "{\"type\":\"host\",\"index\":1}");
    expect_only(&world, 2, "{\"type\":\"host\",\"index\":1}");
    /* The room is the new host's: it ends with that one, and not with its creator. */
    drop(&world, 1);
    expect_only(&world, 2, "{\"type\":\"peer_left\",\"index\":0,\"why\":\"left\"}");
    assert_int_equal(world.rooms_admitted, 1);
    drop(&world, 2);
    assert_int_equal(world.rooms_admitted, 0);
    world_release(&world);
}

static void settings_are_told_to_all(void **state)
{
    (void)state;
    struct world world;
    init_party_3(&world, 1, ",\"maxAudience\":1,\"password\":\"old\"");
    join_3(&world, 2, ",\"password\":\"old\"");
    join_3(&world, 3, ",\"role\":\"audience\",\"password\":\"old\"");
    forget_texts(&world);
    say(&world, 1, "{\"type\":\"set_room\",\"locked\":true,\"maxClients\":1,\"maxAudience\":5}");
    static const char text[] = "{\"type\":\"room\",\"locked\":true,\"maxClients\":1,"
                               "\"maxAudience\":5,\"password\":true}";
    for (uint32_t client = 1; client <= 3; client++)
        expect_only(&world, client, text);
    say(&world, 1, "{\"type\":\"set_room\",\"password\":null}");
    expect_only(&world, 2,
                "{\"type\":\"room\",\"locked\":true,\"maxClients\":1,\"maxAudience\":5,"
                "\"password\":false}");
    forget_texts(&world);
    static const struct {
        const char *fields;
        const char *code;
    } cases[] = {
        {"", "nothing-to-set"},
        {",\"data\":1", "nothing-to-set"},
        {",\"locked\":1,\"maxClients\":0", "bad-locked"},
        {",\"maxClients\":0,\"maxAudience\":-1", "bad-max-clients"},
        {",\"maxAudience\":-1,\"password\":1", "bad-max-audience"},
        {",\"password\":\"\"", "bad-password"},
        {",\"password\":"
         "\"65 bytes -----------------------------------------------------------\"",
         "bad-password"},
    };
    for (uint32_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        say_format(&world, 1, "{\"type\":\"set_room\"%s}", cases[i].fields);
        expect_code(&world, 1, cases[i].code, "set_room", 3 + i);
    }
    world_release(&world);
}

static void a_locked_room_lets_only_its_own_in(void **state)
{
    (void)state;
    struct world world;
    init_party_3(&world, 2, ",\"maxAudience\":1");
    say(&world, 1, "{\"type\":\"set_room\",\"locked\":true}");
    cut_off(&world, 2);
    forget_texts(&world);
    join_3(&world, 3, "");
    expect_code(&world, 3, "room-locked", "join", 0);
    join_3(&world, 3, ",\"role\":\"audience\"");
    expect_code(&world, 3, "room-locked", "join", 0);
    join_as(&world, 2, 2, 2, "");
    expect_begin(&world, 2, "{\"type\":\"joined\"");
    forget_texts(&world);
    world_release(&world);
}

static void a_password_is_needed_once(void **state)
{
    (void)state;
    struct world world;
    init_party_3(&world, 1, ",\"password\":\"s\xC3\xA9same\"");
    join_3(&world, 2, "");
    expect_code(&world, 2, "password-required", "join", 0);
    assert_int_equal(world.misses, 0);
    join_3(&world, 2, ",\"password\":\"sesame\"");
    expect_code(&world, 2, "wrong-password", "join", 0);
    assert_int_equal(world.misses, 1);
    join_3(&world, 2, ",\"password\":\"s\\u00e9same\"");
    expect_begin(&world, 2, "{\"type\":\"joined\"");
    cut_off(&world, 2);
    forget_texts(&world);
    join_as(&world, 2, 2, 2, "");
    expect_begin(&world, 2, "{\"type\":\"joined\"");
    forget_texts(&world);
    /* The salt is the room's: the same password has another digest elsewhere. */
    create_3(&world, 4, ",\"password\":\"s\xC3\xA9same\"");
    forget_texts(&world);
    const struct party *one = (*world.clients[1].seat).room->party;
    const struct party *other = (*world.clients[4].seat).room->party;
    assert_memory_not_equal(one->access->digest, other->access->digest, PASSWORD_DIGEST_BYTES);
    world_release(&world);
}

static void of_a_password_its_salted_digest_is_kept(void **state)
{
    (void)state;
    struct world world;
    struct sha256_ctx context;
    uint8_t digest[SHA256_DIGEST_SIZE];
    init_party_3(&world, 1, ",\"password\":\"old\"");
    say(&world, 1, "{\"type\":\"set_room\",\"password\":\"sesame\"}");
    const struct access *access = (*world.clients[1].seat).room->party->access;
    sha256_init(&context);
    sha256_update(&context, sizeof access->salt, access->salt);
    sha256_update(&context, 6, (const uint8_t *)"sesame");
    sha256_digest(&context, sizeof digest, digest);
    assert_memory_equal(access->digest, digest, sizeof digest);
    forget_texts(&world);
    world_release(&world);
}

static void the_relay_looks_at_so_many_passwords_only(void **state)
{
    (void)state;
    struct world world;
    init_party_3(&world, 1, ",\"password\":\"right\"");
    for (uint32_t i = 0; i < WORLD_GUESSES_MAX; i++) {
        join_3(&world, 2, ",\"password\":\"wrong\"");
        expect_code(&world, 2, "wrong-password", "join", 0);
    }
    assert_int_equal(world.guesses, WORLD_GUESSES_MAX);
    join_3(&world, 2, ",\"password\":\"right\"");
    expect_code(&world, 2, "passwords-busy", "join", 0);
    assert_int_equal(world.misses, WORLD_GUESSES_MAX); /* this was none */
    assert_int_equal(world.guesses, WORLD_GUESSES_MAX);
    world.guesses = 0;
    join_3(&world, 2, ",\"password\":\"right\"");
    expect_begin(&world, 2, "{\"type\":\"joined\"");
    forget_texts(&world);
    world_release(&world);
}

static void who_is_kicked_is_gone(void **state)
{
    (void)state;
    struct world world;
    init_party_3(&world, 3, "");
    say(&world, 1, "{\"type\":\"kick\",\"index\":1,\"reason\":\"No \\u201eswearing\\u201c\"}");
    assert_true(world.clients[2].was_kicked);
    assert_string_equal(world.clients[2].reason, "No \xE2\x80\x9Eswearing\xE2\x80\x9C");
    expect_only(&world, 1, "{\"type\":\"peer_left\",\"index\":1,\"why\":\"kicked\"}");
    expect_only(&world, 3, "{\"type\":\"peer_left\",\"index\":1,\"why\":\"kicked\"}");
    /* It does not come back by itself, but as somebody who knows nothing of its seat. */
    join_as(&world, 5, 2, 2, ",\"epoch\":\"0000000000000003\",\"seen\":0");
    expect_code(&world, 5, "kicked", "join", 0);
    join_as(&world, 5, 2, 3, "");
    expect_begin(&world, 5, "{\"type\":\"joined\",\"room\":\"BBBC\",\"index\":3,");
    forget_texts(&world);
    world_release(&world);
}

static void who_did_not_hear_of_the_last_epoch_is_kicked_as_well(void **state)
{
    (void)state;
    struct world world;
    init_party_3(&world, 2, "");
    join_as(&world, 5, 2, 2, ""); /* a new epoch, and its `joined` is lost */
    say(&world, 1, "{\"type\":\"kick\",\"index\":1}");
    forget_texts(&world);
    join_as(&world, 6, 2, 3, ",\"epoch\":\"0000000000000003\",\"seen\":0");
    expect_code(&world, 6, "kicked", "join", 0);
    join_as(&world, 6, 2, 4, ",\"epoch\":\"0000000000000004\",\"seen\":0");
    expect_code(&world, 6, "kicked", "join", 0);
    world_release(&world);
}

static void a_kick_without_memory_was_not_heard(void **state)
{
    (void)state;
    struct world world;
    init_party_3(&world, 2, "");
    say(&world, 1, "{\"type\":\"ping\",\"seen\":1}"); /* so that there is no log to give way */
    forget_texts(&world);
    world.bytes_max = world.bytes_admitted;
    say(&world, 1, "{\"type\":\"kick\",\"index\":1}");
    EXPECT_EFFECTS(&world, EFFECT_NO_MEMORY);
    assert_non_null(world.clients[2].seat);
    say(&world, 1, "{\"type\":\"ping\"}");
    expect_only(&world, 1, "{\"type\":\"pong\",\"heard\":0}");
    world.bytes_max = SIZE_MAX;
    say(&world, 1, "{\"type\":\"kick\",\"index\":1}");
    assert_true(world.clients[2].was_kicked);
    forget_texts(&world);
    world_release(&world);
}

static void who_is_banned_may_not_come_back_and_may_be_away(void **state)
{
    (void)state;
    struct world world;
    init_party_3(&world, 2, ",\"maxAudience\":1");
    cut_off(&world, 2);
    forget_texts(&world);
    say(&world, 1, "{\"type\":\"kick\",\"index\":1,\"ban\":true}");
    expect_only(&world, 1, "{\"type\":\"peer_left\",\"index\":1,\"why\":\"kicked\"}");
    join_as(&world, 5, 2, 2, ",\"epoch\":\"0000000000000003\"");
    expect_code(&world, 5, "kicked", "join", 0);
    join_as(&world, 5, 2, 3, "");
    expect_code(&world, 5, "banned", "join", 0);
    join_as(&world, 5, 2, 4, ",\"role\":\"audience\"");
    expect_code(&world, 5, "banned", "join", 0);
    world_release(&world);
}

static void the_oldest_of_256_bans_is_forgotten(void **state)
{
    (void)state;
    struct world world;
    init_party_3(&world, 1, "");
    for (uint32_t i = 0; i < 257; i++) {
        say_format(&world, 2,
                   "{\"type\":\"join\",\"clientId\":\"sixteen bytes %u\",\"session\":\"session-x\","
                   "\"attempt\":1,\"room\":\"BBBC\"}",
                   100 + i);
        say_format(&world, 1, "{\"type\":\"kick\",\"index\":%u,\"ban\":true}", i + 1);
        assert_true(world.clients[2].was_kicked);
        forget_texts(&world);
    }
    static const struct {
        uint32_t number;
        bool is_banned;
    } cases[] = {{356, true}, {101, true}, {100, false}};
    for (uint32_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        say_format(&world, 2,
                   "{\"type\":\"join\",\"clientId\":\"sixteen bytes %u\",\"session\":\"session-x\","
                   "\"attempt\":1,\"room\":\"BBBC\"}",
                   cases[i].number);
        if (cases[i].is_banned)
            expect_code(&world, 2, "banned", "join", 0);
        else
            expect_begin(&world, 2, "{\"type\":\"joined\"");
    }
    forget_texts(&world);
    world_release(&world);
}

static void a_kick_checks_its_fields(void **state)
{
    (void)state;
    static const struct {
        const char *fields;
        const char *code;
    } cases[] = {
        {"", "peer-not-found"},
        {",\"index\":9", "peer-not-found"},
        {",\"index\":0,\"ban\":1", "kick-self"},
        {",\"index\":1,\"reason\":1,\"ban\":1", "bad-reason"},
        {",\"index\":1,\"ban\":1", "bad-ban"},
    };
    struct world world;
    char reason[125];
    init_party_3(&world, 2, "");
    for (uint32_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        say_format(&world, 1, "{\"type\":\"kick\"%s}", cases[i].fields);
        expect_code(&world, 1, cases[i].code, "kick", i + 1);
    }
    memset(reason, 'x', sizeof reason - 1);
    reason[sizeof reason - 1] = 0;
    say_format(&world, 1, "{\"type\":\"kick\",\"index\":1,\"reason\":\"%s\"}", reason);
    expect_code(&world, 1, "bad-reason", "kick", 6);
    reason[sizeof reason - 2] = 0;
    say_format(&world, 1, "{\"type\":\"kick\",\"index\":1,\"reason\":\"%s\"}", reason);
    assert_string_equal(world.clients[2].reason, reason);
    forget_texts(&world);
    world_release(&world);
}

static void a_private_state_is_for_the_host_alone(void **state)
{
    (void)state;
    struct world world;
    init_party_3(&world, 2, "");
    set_state(&world, 1, "\"all\"");
    expect_only(&world, 2, "{\"type\":\"state\",\"data\":\"all\"}");
    say(&world, 1, "{\"type\":\"set_state\",\"data\":\"mine\",\"private\":true}");
    expect_silence(&world);
    cut_off(&world, 1);
    cut_off(&world, 2);
    forget_texts(&world);
    join_as(&world, 2, 2, 2, "");
    expect_begin(&world, 2, "{\"type\":\"joined\"");
    expect_only(&world, 2, "{\"type\":\"state\",\"data\":\"all\"}");
    join_as(&world, 1, 1, 1, "");
    expect_begin(&world, 1, "{\"type\":\"joined\"");
    expect_next(&world, 1, "{\"type\":\"state\",\"data\":\"all\"}");
    expect_only(&world, 1, "{\"type\":\"private_state\",\"data\":\"mine\"}");
    forget_texts(&world);
    /* Whoever becomes the host needs it, and may miss it then. */
    say(&world, 1, "{\"type\":\"set_host\",\"index\":1}");
    expect_next(&world, 2, "{\"type\":\"host\",\"index\":1}");
    expect_only(&world, 2, "{\"type\":\"private_state\",\"data\":\"mine\"}");
    expect_only(&world, 1, "{\"type\":\"host\",\"index\":1}");
    char more[64];
    uint64_t epoch = member_seat(world.clients[2].seat)->epoch;
    snprintf(more, sizeof more, ",\"epoch\":\"%016llx\",\"seen\":2", (unsigned long long)epoch);
    cut_off(&world, 2);
    forget_texts(&world);
    join_as(&world, 2, 2, 3, more);
    expect_begin(&world, 2, "{\"type\":\"joined\"");
    expect_only(&world, 2, "{\"type\":\"private_state\",\"data\":\"mine\"}");
    say(&world, 2, "{\"type\":\"set_host\",\"index\":0}");
    forget_texts(&world);
    static const struct {
        const char *fields;
        const char *code;
    } cases[] = {{",\"private\":1", "state-required"},
                 {",\"data\":1,\"private\":1", "bad-private"}};
    for (uint32_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        say_format(&world, 1, "{\"type\":\"set_state\"%s}", cases[i].fields);
        expect_code(&world, 1, cases[i].code, "set_state", i + 2);
    }
    world_release(&world);
}

/* Sets a state of so many bytes. */
static void set_long_state(struct world *world, size_t bytes, const char *more)
{
    static char text[STATE_COMPACT_BYTES_MAX + 64];
    char data[STATE_COMPACT_BYTES_MAX];
    memset(data, 'x', sizeof data);
    snprintf(text, sizeof text, "{\"type\":\"set_state\",\"data\":\"%.*s\"%s}", (int)bytes - 2,
             data, more);
    say(world, 1, text);
}

static void a_state_has_a_largest_size(void **state)
{
    (void)state;
    struct world world;
    init_party_3(&world, 2, "");
    set_long_state(&world, STATE_COMPACT_BYTES_MAX + 1, ",\"private\":true");
    expect_code(&world, 1, "state-too-large", "set_state", 1);
    set_long_state(&world, STATE_COMPACT_BYTES_MAX + 1, ",\"private\":1");
    expect_code(&world, 1, "state-too-large", "set_state", 2);
    set_long_state(&world, STATE_COMPACT_BYTES_MAX, "");
    expect_begin(&world, 2, "{\"type\":\"state\",\"data\":\"xxx");
    expect_silence(&world);
    world_release(&world);
}

static void a_state_without_memory_is_refused_with_its_number(void **state)
{
    (void)state;
    struct world world;
    init_party_3(&world, 2, "");
    say(&world, 1, "{\"type\":\"ping\",\"seen\":1}"); /* so that there is no log to give way */
    forget_texts(&world);
    world.bytes_max = world.bytes_admitted;
    set_state(&world, 1, "1");
    expect_code(&world, 1, "server-full", "set_state", 1);
    say(&world, 1, "{\"type\":\"set_state\",\"data\":1,\"private\":true}");
    expect_code(&world, 1, "server-full", "set_state", 2);
    world_release(&world);
}

static void the_audience_hears_what_is_for_all_and_speaks_to_the_host(void **state)
{
    (void)state;
    struct world world;
    init_party_3(&world, 2, ",\"maxAudience\":1");
    set_state(&world, 1, "1");
    forget_texts(&world);
    join_3(&world, 3, ",\"role\":\"audience\"");
    expect_next(&world, 3,
                "{\"type\":\"joined\",\"room\":\"BBBC\",\"recovered\":false,\"host\":0,"
                "\"locked\":false,\"maxClients\":4,\"state\":true}");
    expect_only(&world, 3, "{\"type\":\"state\",\"data\":1}");
    expect_silence(&world);
    pass_time(&world, 0);
    expect_only(&world, 1, "{\"type\":\"audience\",\"count\":1}");
    join_3(&world, 4, ",\"role\":\"audience\"");
    expect_code(&world, 4, "audience-full", "join", 0);
    say(&world, 2, "{\"type\":\"send\",\"data\":\"for all\"}");
    expect_only(&world, 1, "{\"type\":\"message\",\"from\":1,\"data\":\"for all\"}");
    expect_only(&world, 3, "{\"type\":\"message\",\"from\":1,\"data\":\"for all\"}");
    say(&world, 2, "{\"type\":\"send\",\"data\":1,\"to\":0}");
    say(&world, 1, "{\"type\":\"send\",\"data\":1,\"to\":[1]}");
    say_binary(&world, 2, BYTES("\x00!"));
    expect_only(&world, 3, "\\x00\\x00\\x00\\x00\\x01!");
    set_state(&world, 1, "2");
    expect_only(&world, 3, "{\"type\":\"state\",\"data\":2}");
    cut_off(&world, 2);
    forget_texts(&world);
    say(&world, 3, "{\"type\":\"send\",\"data\":\"bravo\",\"to\":1}");
    expect_only(&world, 1, "{\"type\":\"message\",\"audience\":true,\"data\":\"bravo\"}");
    say_binary(&world, 3, BYTES("\x00!"));
    expect_only(&world, 1, "\\x01!");
    say(&world, 3, "{\"type\":\"ping\",\"seen\":3}");
    expect_only(&world, 3, "{\"type\":\"pong\"}");
    cut_off(&world, 3);
    expect_silence(&world);
    pass_time(&world, 1000);
    expect_only(&world, 1, "{\"type\":\"audience\",\"count\":0}");
    world_release(&world);
}

static void the_host_hears_of_the_audience_once_a_second(void **state)
{
    (void)state;
    struct world world;
    init_party_3(&world, 1, ",\"maxAudience\":8");
    pass_time(&world, 5000);
    join_3(&world, 3, ",\"role\":\"audience\"");
    pass_time(&world, 0);
    forget_texts_of(&world, 3);
    expect_only(&world, 1, "{\"type\":\"audience\",\"count\":1}");
    for (uint32_t client = 4; client <= 6; client++) {
        join_3(&world, client, ",\"role\":\"audience\"");
        pass_time(&world, 333);
        forget_texts_of(&world, client);
    }
    expect_silence(&world);
    pass_time(&world, 1);
    expect_only(&world, 1, "{\"type\":\"audience\",\"count\":4}");
    pass_time(&world, 5000);
    expect_silence(&world);
    world_release(&world);
}

static void the_audience_may_not_flood_the_host_and_may_be_muted(void **state)
{
    (void)state;
    struct world world;
    init_party_3(&world, 1, ",\"maxAudience\":2");
    pass_time(&world, 5000);
    join_3(&world, 3, ",\"role\":\"audience\"");
    join_3(&world, 4, ",\"role\":\"audience\"");
    forget_texts(&world);
    for (uint32_t i = 0; i < 200; i++) {
        say(&world, 3 + i % 2, "{\"type\":\"send\",\"data\":1}");
        expect_only(&world, 1, "{\"type\":\"message\",\"audience\":true,\"data\":1}");
    }
    say(&world, 3, "{\"type\":\"send\",\"data\":1}");
    expect_code(&world, 3, "audience-busy", "send", 0);
    pass_time(&world, 1000);
    forget_texts(&world);
    say(&world, 3, "{\"type\":\"send\",\"data\":1}");
    expect_only(&world, 1, "{\"type\":\"message\",\"audience\":true,\"data\":1}");
    say(&world, 1, "{\"type\":\"mute_audience\",\"muted\":true}");
    say(&world, 3, "{\"type\":\"send\",\"data\":1}");
    expect_code(&world, 3, "audience-muted", "send", 0);
    say_binary(&world, 3, BYTES("\x00"));
    expect_code(&world, 3, "audience-muted", "binary", 0);
    say(&world, 1, "{\"type\":\"mute_audience\"}");
    expect_code(&world, 1, "bad-muted", "mute_audience", 2);
    say(&world, 1, "{\"type\":\"mute_audience\",\"muted\":false}");
    say(&world, 3, "{\"type\":\"send\",\"data\":1}");
    expect_only(&world, 1, "{\"type\":\"message\",\"audience\":true,\"data\":1}");
    world_release(&world);
}

static void the_host_hears_that_the_last_of_the_audience_is_gone(void **state)
{
    (void)state;
    struct world world;
    init_party_3(&world, 1, ",\"maxAudience\":1");
    join_3(&world, 3, ",\"role\":\"audience\"");
    pass_time(&world, 1000);
    say(&world, 1, "{\"type\":\"set_room\",\"maxAudience\":0}");
    pass_time(&world, 5000);
    forget_texts(&world);
    cut_off(&world, 3);
    pass_time(&world, 1000);
    expect_only(&world, 1, "{\"type\":\"audience\",\"count\":0}");
    world_release(&world);
}

static void who_changes_the_role_gives_the_old_one_up(void **state)
{
    (void)state;
    struct world world;
    init_party_3(&world, 3, ",\"maxAudience\":1,\"password\":null");
    say(&world, 1, "{\"type\":\"set_room\",\"locked\":true}"); /* no hindrance for a seat's owner */
    forget_texts(&world);
    join_as(&world, 5, 2, 2, ",\"role\":\"audience\"");
    assert_true(world.clients[2].was_replaced);
    expect_begin(&world, 5, "{\"type\":\"joined\",\"room\":\"BBBC\",\"recovered\":false,\"host\"");
    expect_only(&world, 1, "{\"type\":\"peer_left\",\"index\":1,\"why\":\"left\"}");
    forget_texts(&world);
    /* It watches over another connection. */
    join_as(&world, 6, 2, 3, ",\"role\":\"audience\"");
    assert_true(world.clients[5].was_replaced);
    expect_begin(&world, 6, "{\"type\":\"joined\"");
    forget_texts(&world);
    /* And takes a seat, which is a new one. */
    join_as(&world, 7, 2, 4, "");
    expect_code(&world, 7, "room-locked", "join", 0);
    say(&world, 1, "{\"type\":\"set_room\",\"locked\":false}");
    forget_texts(&world);
    join_as(&world, 7, 2, 5, "");
    assert_true(world.clients[6].was_replaced);
    expect_begin(&world, 7, "{\"type\":\"joined\",\"room\":\"BBBC\",\"index\":3,");
    expect_next(&world, 1, "{\"type\":\"peer_joined\",\"index\":3}");
    forget_texts(&world);
    world_release(&world);
}

static void a_host_that_will_watch_ends_the_room_as_if_it_left(void **state)
{
    (void)state;
    struct world world;
    init_party_3(&world, 2, ",\"maxAudience\":1");
    join_as(&world, 5, 1, 2, ",\"role\":\"audience\"");
    assert_true(world.clients[1].was_replaced);
    assert_true(world.clients[2].was_closed);
    expect_code(&world, 5, "room-not-found", "join", 0);
    assert_int_equal(world.rooms_admitted, 0);
    world_release(&world);
}

static void the_host_closes_the_room_for_all(void **state)
{
    (void)state;
    struct world world;
    init_party_3(&world, 2, ",\"maxAudience\":1");
    join_3(&world, 3, ",\"role\":\"audience\"");
    forget_texts(&world);
    say(&world, 1, "{\"type\":\"close_room\"}");
    for (uint32_t client = 1; client <= 3; client++)
        assert_true(world.clients[client].was_closed);
    assert_int_equal(world.rooms_admitted, 0);
    world_release(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_the_host_may_say_what_the_host_says),
        cmocka_unit_test(a_host_that_leaves_closes_the_room),
        cmocka_unit_test(a_host_that_stays_away_closes_the_room),
        cmocka_unit_test(the_host_migrates_to_the_first_who_is_here),
        cmocka_unit_test(a_host_that_comes_back_in_time_stays_the_host),
        cmocka_unit_test(a_room_in_which_nobody_is_waits_for_a_host),
        cmocka_unit_test(a_host_that_leaves_hands_over_where_it_may),
        cmocka_unit_test(the_host_may_name_another),
        cmocka_unit_test(settings_are_told_to_all),
        cmocka_unit_test(a_locked_room_lets_only_its_own_in),
        cmocka_unit_test(a_password_is_needed_once),
        cmocka_unit_test(of_a_password_its_salted_digest_is_kept),
        cmocka_unit_test(the_relay_looks_at_so_many_passwords_only),
        cmocka_unit_test(who_is_kicked_is_gone),
        cmocka_unit_test(who_did_not_hear_of_the_last_epoch_is_kicked_as_well),
        cmocka_unit_test(a_kick_without_memory_was_not_heard),
        cmocka_unit_test(who_is_banned_may_not_come_back_and_may_be_away),
        cmocka_unit_test(the_oldest_of_256_bans_is_forgotten),
        cmocka_unit_test(a_kick_checks_its_fields),
        cmocka_unit_test(a_private_state_is_for_the_host_alone),
        cmocka_unit_test(a_state_has_a_largest_size),
        cmocka_unit_test(a_state_without_memory_is_refused_with_its_number),
        cmocka_unit_test(the_audience_hears_what_is_for_all_and_speaks_to_the_host),
        cmocka_unit_test(the_host_hears_of_the_audience_once_a_second),
        cmocka_unit_test(the_audience_may_not_flood_the_host_and_may_be_muted),
        cmocka_unit_test(the_host_hears_that_the_last_of_the_audience_is_gone),
        cmocka_unit_test(who_changes_the_role_gives_the_old_one_up),
        cmocka_unit_test(a_host_that_will_watch_ends_the_room_as_if_it_left),
        cmocka_unit_test(the_host_closes_the_room_for_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
