/* What may get lost when a process replaces itself. The simulations do the same at any step. */
#include <stdio.h>
#include <stdlib.h>

#include "relay/party.h"
#include "relay/relay_3_fixture.h"

static void absent_members_and_a_full_room_are_kept(void **state)
{
    (void)state;
    struct world world;
    char id[16];
    world_init_2(&world);
    create_room(&world, 0, "host", WORLD_MEMBERS_MAX);
    for (int i = 0; i < ABSENT_LEAST; i++) {
        snprintf(id, sizeof id, "v%02d", i);
        join_room(&world, 1, id, "111112");
        drop(&world, 1);
    }
    for (uint32_t i = 1; i < WORLD_MEMBERS_MAX; i++) {
        snprintf(id, sizeof id, "p%u", i);
        join_room(&world, i, id, "111112");
    }
    forget_texts(&world);
    upgrade(&world);
    world_release(&world);
}

/* Nobody comes into the audience any more, but somebody is there. */
static void audience_stays_that_would_not_be_let_in(void **state)
{
    (void)state;
    struct world world;
    init_party_3(&world, 1, ",\"maxAudience\":2");
    join_3(&world, 4, ",\"role\":\"audience\"");
    pass_time(&world, 1000);
    say(&world, 1, "{\"type\":\"set_room\",\"maxAudience\":0}");
    forget_texts(&world);
    upgrade(&world);
    upgrade(&world);
    drop(&world, 4);
    pass_time(&world, 1000);
    expect_only(&world, 1, "{\"type\":\"audience\",\"count\":0}");
    world_release(&world);
}

static void new_host_hears_of_the_audience(void **state)
{
    (void)state;
    struct world world;
    init_party_3(&world, 2, ",\"maxAudience\":2");
    join_3(&world, 4, ",\"role\":\"audience\"");
    pass_time(&world, 0);
    say(&world, 1, "{\"type\":\"set_host\",\"index\":1}");
    forget_texts(&world);
    upgrade(&world);
    pass_time(&world, 1000);
    expect_only(&world, 2, "{\"type\":\"audience\",\"count\":1}");
    world_release(&world);
}

/* The log refers to long frames, and has them itself after an upgrade, which takes more. */
static void a_full_log_loses_nothing(void **state)
{
    (void)state;
    static const struct log_address everyone = {.readers = LOG_EVERYONE};
    struct world world;
    size_t held = 0;
    world_init_3(&world);
    world.relay.config.log_bytes_max = 65536;
    create_3(&world, 1, "");
    join_3(&world, 2, "");
    cut_off(&world, 2);
    forget_texts(&world);
    for (int i = 0; i < 60; i++) {
        struct payload *frame = payload_new(1500, &held);
        assert_non_null(frame);
        memset(frame->data, 'x', frame->length);
        party_note_event(world.clients[1].seat->room->party, &everyone, NULL, KEEP_FRAME,
                         bytes_of(frame->data, frame->length), frame);
        payload_release(frame);
    }
    upgrade(&world);
    assert_int_equal(held, 0);
    world_release(&world);
}

/* In protocol 1 a room that was restored outlives its last member for some time. */
static void restored_room_still_waits(void **state)
{
    (void)state;
    struct world world;
    struct record_fault fault;
    world_init(&world);
    create_room(&world, 1, "a", 4);
    join_room(&world, 2, "b", "AAAB");
    forget_texts(&world);
    char *record = record_of(&world, "AAAB");
    drop(&world, 1);
    drop(&world, 2);
    forget_texts(&world);
    assert_true(restore(&world, record, &fault));
    free(record);
    pass_time(&world, 10000);
    join_room(&world, 1, "a", "AAAB");
    forget_texts(&world);
    upgrade(&world);
    drop(&world, 1);
    assert_int_equal(world.rooms_admitted, 1);
    pass_time(&world, RESTORED_HOLD_LEAST_MS - 10001);
    join_room(&world, 1, "a", "AAAB");
    pass_time(&world, 1);
    forget_texts(&world);
    drop(&world, 1);
    assert_int_equal(world.rooms_admitted, 0);
    world_release(&world);
}

static void seats_are_taken_over_once(void **state)
{
    (void)state;
    struct world world;
    struct member *seat = NULL;
    uint64_t code;
    init_party_3(&world, 2, "");
    assert_true(code_read(BYTES("BBBC"), &code));
    struct room_picture picture = picture_at_upgrade(&world, relay_find_room(&world.relay, code));
    end_process(&world);
    restore_at_upgrade(&world, picture);
    free_room_picture(picture);
    assert_false(relay_take_over(&world.relay, code + 1, 0, 1, &seat));
    assert_false(relay_take_over(&world.relay, code, 2, 1, &seat));
    assert_true(relay_take_over(&world.relay, code, 0, 1, &world.clients[1].seat));
    assert_false(relay_take_over(&world.relay, code, 0, 3, &seat));
    assert_false(relay_all_are_taken_over(&world.relay));
    assert_true(relay_take_over(&world.relay, code, 1, 2, &world.clients[2].seat));
    assert_true(relay_all_are_taken_over(&world.relay));
    assert_null(seat);
    world_release(&world);
}

#define ROOM(moment)                                                                               \
    "{\"version\":1,\"protocol\":3,\"code\":\"BBBC\",\"maxClients\":4,\"nextIndex\":1,\"host\":0," \
    "\"hold\":60000,\"onHostLeft\":\"close\",\"locked\":false,\"maxAudience\":0,"                  \
    "\"audienceMuted\":false,\"creatorKnown\":true,"                                               \
    "\"members\":[{\"id\":\"a\",\"index\":0,\"holdLeft\":1000}],"                                  \
    "\"moment\":{\"toAll\":2,\"oldest\":5," moment "\"seats\":[]}}"

#define RAW(literal)                                    \
    {                                                   \
        (const uint8_t *)(literal), sizeof(literal) - 1 \
    }

/* Events begin with index, length, count of indices (two bytes), readers and content. */
#define EVENT(index, length, count, readers, content) \
    index "\0\0\0" length "\0\0\0" count "\0" readers content

static const struct bytes wrong_logs[] = {
    RAW("\0"),                                             /* an event cut short */
    RAW(EVENT("\0", "\2", "\0", "\4", "\1") "{}"),         /* for nobody known */
    RAW(EVENT("\0", "\2", "\0", "\0", "\3") "{}"),         /* with unknown content */
    RAW(EVENT("\0", "\3", "\0", "\0", "\1") "{}"),         /* a frame cut short */
    RAW(EVENT("\0", "\0", "\0", "\0", "\1")),              /* an empty frame */
    RAW(EVENT("\0", "\0", "\0", "\0", "\0")),              /* no events skipped */
    RAW(EVENT("\0", "\0", "\0", "\0", "\2")),              /* a state that is not there */
    RAW(EVENT("\1", "\2", "\0", "\0", "\1") "{}"),         /* for everyone, with an index */
    RAW("\xff\xff\xff\xff\2\0\0\0\0\0\2\1{}"),             /* for the index of the audience */
    RAW(EVENT("\0", "\2", "\1", "\2", "\1") "\0\0\0\0{}"), /* for one, with several */
    RAW(EVENT("\0", "\2", "\101", "\3", "\1")),            /* for too many */
    RAW(EVENT("\0", "\2", "\1", "\3", "\1") "{}"),         /* indices cut short */
    RAW(EVENT("\0", "\2", "\1", "\3", "\1") "\xff\xff\xff\xff{}"),
};

static void wrong_logs_leave_nothing_behind(void **state)
{
    (void)state;
    struct world world;
    struct record_fault fault;
    world_init_3(&world);
    for (size_t i = 0; i < ARRAY_LENGTH(wrong_logs); i++) {
        if (restore_with_log(&world, ROOM(""), wrong_logs[i], &fault))
            fail_msg("log %zu became a room", i);
        assert_int_equal(fault.error, RECORD_FIELD_WRONG);
        assert_string_equal(fault.field, "moment");
    }
    assert_true(restore_with_log(&world, ROOM(""), BYTES(EVENT("\0", "\2", "\0", "\0", "\1") "{}"),
                                 &fault));
    world_release(&world);
}

/* Until version 2 of the handover the events were in the record. */
static void events_of_an_older_program_become_a_log(void **state)
{
    (void)state;
    static const char record[] =
        ROOM("\"events\":[{\"for\":\"some\",\"indices\":[0,3],\"frame\":\"7b7d\"},"
             "{\"for\":\"everyoneBut\",\"indices\":[2],\"skipped\":9}],");
    static const struct bytes log = RAW(EVENT(
        "\0", "\2", "\2", "\3", "\1") "\0\0\0\0\3\0\0\0{}" EVENT("\2", "\11", "\0", "\1", "\0"));
    struct world world;
    struct record_fault fault;
    uint64_t code;
    assert_true(code_read(BYTES("BBBC"), &code));
    world_init_3(&world);
    assert_true(restore_with_log(&world, record, (struct bytes){0}, &fault));
    struct room_picture picture = picture_at_upgrade(&world, relay_find_room(&world.relay, code));
    assert_int_equal(picture.log.length, log.length);
    assert_memory_equal(picture.log.data, log.data, log.length);
    assert_null(strstr(picture.record, "events"));
    end_process(&world);
    restore_at_upgrade(&world, picture);
    free_room_picture(picture);
    world_release(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(absent_members_and_a_full_room_are_kept),
        cmocka_unit_test(audience_stays_that_would_not_be_let_in),
        cmocka_unit_test(new_host_hears_of_the_audience),
        cmocka_unit_test(a_full_log_loses_nothing),
        cmocka_unit_test(restored_room_still_waits),
        cmocka_unit_test(seats_are_taken_over_once),
        cmocka_unit_test(wrong_logs_leave_nothing_behind),
        cmocka_unit_test(events_of_an_older_program_become_a_log),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
