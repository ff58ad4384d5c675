/* What becomes of the records of a slice that a recorder opens. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "recorder_fixture.h"

#define SLICE 5
#define TERM 4 /* of the opening */
#define PLAIN "{\"version\":1,\"protocol\":3,\"code\":\"x\"}"
#define FINAL "{\"version\":1,\"protocol\":3,\"code\":\"x\",\"moment\":{\"a\":[1]},\"new\":2}"
#define FINAL_LATER "{\"version\":1,\"protocol\":3,\"code\":\"x\",\"new\":2}"
#define TURNS_FOR_GARBAGE 40

static uint64_t room(uint32_t number)
{
    return stage_code(PROTOCOL_2, SLICE, number);
}

static const char *mark(uint64_t term)
{
    return stage_key_of(RECORD_KIND_MARK, SLICE, 0, term);
}

static const char *end(uint64_t code, uint64_t term)
{
    return stage_key_of(RECORD_KIND_END, SLICE, code, term);
}

static void clean_up(struct stage *stage)
{
    for (int turns = 0; turns < TURNS_FOR_GARBAGE; turns++)
        (void)stage_turn(stage);
}

static void a_slice_without_keys_opens(void **state)
{
    (void)state;
    struct stage *stage = stage_begin();
    assert_false(stage_turn(stage));
    assert_int_equal(stage->bus.calls, 0);
    assert_false(recorder_has_opened(stage->recorder, SLICE, TERM));
    stage_give(stage, SLICE, TERM);
    assert_false(recorder_has_opened(stage->recorder, SLICE, TERM));
    stage_open(stage, SLICE, TERM);
    assert_false(recorder_has_opened(stage->recorder, SLICE, TERM - 1));
    assert_false(recorder_has_opened(stage->recorder, SLICE, TERM + 1));
    assert_false(recorder_has_opened(stage->recorder, SLICE + 1, TERM));
    stage_expect(stage, mark(TERM), "{}");
    assert_int_equal(stage->bus.count, 1);
    assert_int_equal(stage->revived_count, 0);
    uint32_t calls = stage->bus.calls;
    clean_up(stage);
    assert_int_equal(stage->bus.calls, calls); /* there is nothing more to do */
    stage_end(stage);
}

/* A list without the opening's own mark may lack others' keys, too. */
static void a_list_without_the_mark_is_not_taken(void **state)
{
    (void)state;
    struct stage *stage = stage_begin();
    stage->bus.hides_marks = true;
    stage_give(stage, SLICE, TERM);
    clean_up(stage);
    assert_false(recorder_has_opened(stage->recorder, SLICE, TERM));
    stage->bus.hides_marks = false;
    stage_open(stage, SLICE, TERM);
    stage_end(stage);
}

static void old_marks_are_removed(void **state)
{
    (void)state;
    struct stage *stage = stage_begin();
    stage_keep(stage, mark(1), "{}");
    stage_keep(stage, mark(TERM - 1), "{}");
    stage_give(stage, SLICE, TERM);
    stage_open(stage, SLICE, TERM);
    clean_up(stage);
    stage_expect(stage, mark(TERM), "{}");
    assert_int_equal(stage->bus.count, 1);
    stage_end(stage);
}

/* Somebody has the slice by now, and removes them. */
static void marks_below_a_later_one_stay(void **state)
{
    (void)state;
    struct stage *stage = stage_begin();
    stage_keep(stage, mark(1), "{}");
    stage_keep(stage, mark(TERM + 1), "{}");
    stage_give(stage, SLICE, TERM);
    stage_open(stage, SLICE, TERM);
    clean_up(stage);
    stage_expect(stage, mark(TERM + 1), "{}");
    stage_expect(stage, mark(TERM), "{}");
    stage_expect(stage, mark(1), "{}");
    stage_end(stage);
}

static void a_room_is_recorded_and_made(void **state)
{
    static const enum protocol protocols[] = {PROTOCOL_1, PROTOCOL_2, PROTOCOL_3};
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(protocols); i++) {
        struct stage *stage = stage_begin();
        uint64_t code = stage_code(protocols[i], SLICE, 3);
        stage_keep(stage, stage_key(code, 2), PLAIN);
        stage_give(stage, SLICE, TERM);
        (void)stage_turn(stage);
        stage_expect(stage, stage_key(code, TERM), PLAIN); /* first-write */
        assert_false(recorder_has_opened(stage->recorder, SLICE, TERM));
        (void)stage_turn(stage);
        assert_false(recorder_has_opened(stage->recorder, SLICE, TERM));
        assert_int_equal(stage_answer(stage), 1);
        (void)stage_turn(stage);
        assert_true(recorder_has_opened(stage->recorder, SLICE, TERM));
        const struct revived *revived = stage_revived(stage, code);
        assert_string_equal(revived->text, PLAIN);
        assert_int_equal(revived->term, TERM);
        assert_int_equal(revived->loop, code_owner(code, STAGE_LOOPS));
        assert_false(revived->is_final);
        assert_int_equal(recorder_find(stage->recorder, code)->term, TERM);
        clean_up(stage);
        stage_expect_none(stage, stage_key(code, 2));
        stage_expect(stage, stage_key(code, TERM), PLAIN);
        stage_end(stage);
    }
}

/* Its code is the number 0. */
static void the_room_aaaa_is_a_room(void **state)
{
    (void)state;
    struct stage *stage = stage_begin();
    stage_keep(stage, "0.AAAA.1", PLAIN);
    stage_give(stage, 0, TERM);
    stage_open(stage, 0, TERM);
    clean_up(stage);
    assert_non_null(stage_revived(stage, 0));
    stage_expect(stage, "0.AAAA.4", PLAIN);
    stage_expect(stage, "0.-.4", "{}");
    stage_end(stage);
}

/* Counts are true for the loop that gets the room now, and for nobody later. */
static void a_room_of_a_stop_is_final_once(void **state)
{
    (void)state;
    struct stage *stage = stage_begin();
    stage_keep(stage, stage_key(room(0), 2), FINAL);
    stage_give(stage, SLICE, TERM);
    stage_open(stage, SLICE, TERM);
    assert_true(stage_revived(stage, room(0))->is_final);
    assert_string_equal(stage_revived(stage, room(0))->text, FINAL);
    stage_expect(stage, stage_key(room(0), TERM), FINAL_LATER);
    stage_restart(stage);
    stage_give(stage, SLICE, TERM + 1);
    stage_open(stage, SLICE, TERM + 1);
    assert_false(stage_revived(stage, room(0))->is_final);
    stage_end(stage);
}

static void a_reserved_code_is_given_back(void **state)
{
    (void)state;
    struct stage *stage = stage_begin();
    stage_keep(stage, stage_key(room(0), 2), RECORDER_RESERVED);
    stage_give(stage, SLICE, TERM);
    stage_open(stage, SLICE, TERM);
    clean_up(stage);
    assert_int_equal(stage->revived_count, 0);
    stage_expect_none(stage, stage_key(room(0), 2));
    stage_expect_none(stage, stage_key(room(0), TERM));
    assert_null(recorder_find(stage->recorder, room(0)));
    stage_end(stage);
}

/* The end stays for a while: its owner may still write the room. */
static void an_ended_room_is_not_made(void **state)
{
    (void)state;
    struct stage *stage = stage_begin();
    stage_keep(stage, stage_key(room(0), 2), PLAIN);
    stage_keep(stage, end(room(0), 2), "{}");
    stage_keep(stage, stage_key(room(0), 1), PLAIN);
    stage_give(stage, SLICE, TERM);
    stage_open(stage, SLICE, TERM);
    uint64_t opened_ms = stage->now_ms;
    clean_up(stage);
    assert_int_equal(stage->revived_count, 0);
    stage_expect_none(stage, stage_key(room(0), 2));
    stage_expect_none(stage, stage_key(room(0), 1));
    stage_expect(stage, end(room(0), 2), "{}");
    assert_null(recorder_find(stage->recorder, room(0)));
    stage->now_ms = opened_ms + RECORDER_END_MS - 2 * RECORDER_RETRY_MS;
    (void)stage_turn(stage);
    stage_expect(stage, end(room(0), 2), "{}");
    (void)stage_turn(stage);
    stage_expect_none(stage, end(room(0), 2));
    stage_end(stage);
}

/* Who had the slice before that says nothing of a room that was made later. */
static void an_end_of_an_earlier_term_is_over(void **state)
{
    (void)state;
    struct stage *stage = stage_begin();
    stage_keep(stage, end(room(0), 1), "{}");
    stage_keep(stage, stage_key(room(0), 2), PLAIN);
    stage_give(stage, SLICE, TERM);
    stage_open(stage, SLICE, TERM);
    clean_up(stage);
    assert_non_null(stage_revived(stage, room(0)));
    stage_expect_none(stage, end(room(0), 1));
    stage_end(stage);
}

static void a_later_owners_records_stay_untouched(void **state)
{
    (void)state;
    struct stage *stage = stage_begin();
    stage_keep(stage, stage_key(room(0), TERM + 1), PLAIN);
    stage_keep(stage, stage_key(room(0), 2), PLAIN);
    stage_keep(stage, end(room(1), TERM + 1), "{}");
    stage_keep(stage, stage_key(room(1), 2), PLAIN);
    stage_give(stage, SLICE, TERM);
    stage_open(stage, SLICE, TERM);
    clean_up(stage);
    assert_int_equal(stage->revived_count, 0);
    stage_expect(stage, stage_key(room(0), TERM + 1), PLAIN);
    stage_expect(stage, stage_key(room(0), 2), PLAIN);
    stage_expect(stage, end(room(1), TERM + 1), "{}");
    stage_expect(stage, stage_key(room(1), 2), PLAIN);
    stage_end(stage);
}

static void the_highest_term_counts(void **state)
{
    (void)state;
    struct stage *stage = stage_begin();
    stage_keep(stage, stage_key(room(0), 1), "{\"n\":1}");
    stage_keep(stage, stage_key(room(0), 3), "{\"n\":3}");
    stage_keep(stage, stage_key(room(0), 2), "{\"n\":2}");
    stage_keep(stage, stage_key(room(1), 3), "{\"n\":4}");
    stage_give(stage, SLICE, 12);
    stage_open(stage, SLICE, 12);
    clean_up(stage);
    assert_int_equal(stage->revived_count, 2);
    assert_string_equal(stage_revived(stage, room(0))->text, "{\"n\":3}");
    stage_expect(stage, stage_key(room(0), 12), "{\"n\":3}");
    stage_expect(stage, stage_key(room(1), 12), "{\"n\":4}");
    assert_int_equal(stage->bus.count, 3);
    stage_end(stage);
}

static void what_is_no_key_stays(void **state)
{
    static const char *const junk[] = {"5.x.1", "5.AAAA.1", "5.-.0", "5.-.04", "5.", "5.-.4.end"};
    (void)state;
    struct stage *stage = stage_begin();
    for (size_t i = 0; i < ARRAY_LENGTH(junk); i++)
        stage_keep(stage, junk[i], "junk");
    stage_keep(stage, stage_key(room(0), 2), "no record");
    stage_give(stage, SLICE, TERM);
    stage_open(stage, SLICE, TERM);
    clean_up(stage);
    for (size_t i = 0; i < ARRAY_LENGTH(junk); i++)
        stage_expect(stage, junk[i], "junk");
    assert_int_equal(stage->revived_count, 1); /* its loop says what is wrong */
    assert_string_equal(stage_revived(stage, room(0))->text, "no record");
    stage_end(stage);
}

/* One room that can't be made keeps nobody else from the slice. */
static void a_loop_that_can_make_no_room_has_answered(void **state)
{
    (void)state;
    struct stage *stage = stage_begin();
    stage_keep(stage, stage_key(room(0), 2), PLAIN);
    stage->why = "memory is short";
    stage_give(stage, SLICE, TERM);
    stage_open(stage, SLICE, TERM);
    stage_expect(stage, stage_key(room(0), TERM), PLAIN);
    stage_end(stage);
}

static void few_rooms_are_on_their_way(void **state)
{
    (void)state;
    struct stage *stage = stage_begin();
    uint32_t count = 2 * RECORDER_REVIVING_MAX + 7;
    for (uint32_t i = 0; i < count; i++)
        stage_keep(stage, stage_key(room(i), 2), PLAIN);
    stage_give(stage, SLICE, TERM);
    stage_give(stage, SLICE + 1, TERM);
    uint32_t answered = 0;
    while (answered < count) {
        uint32_t turns = 0;
        while (stage_turn(stage) && turns < TURNS_FOR_GARBAGE)
            turns++;
        assert_true(turns < TURNS_FOR_GARBAGE); /* it waits for the loops */
        assert_false(recorder_has_opened(stage->recorder, SLICE, TERM));
        uint32_t answers = stage_answer(stage);
        assert_true(answers > 0 && answers <= RECORDER_REVIVING_MAX);
        answered += answers;
    }
    stage_open(stage, SLICE, TERM);
    stage_open(stage, SLICE + 1, TERM);
    assert_int_equal(stage->revived_count, count);
    for (uint32_t i = 0; i < count; i++)
        assert_non_null(stage_revived(stage, room(i)));
    stage_end(stage);
}

/* Its rooms are not ours any more, whatever the loops answer then. */
static void a_slice_may_be_lost_meanwhile(void **state)
{
    (void)state;
    struct stage *stage = stage_begin();
    uint32_t count = RECORDER_REVIVING_MAX + 3;
    for (uint32_t i = 0; i < count; i++)
        stage_keep(stage, stage_key(room(i), 2), PLAIN);
    stage_give(stage, SLICE, TERM);
    (void)stage_turn(stage);
    assert_non_null(recorder_find(stage->recorder, room(0)));
    stage_give(stage, SLICE, 0);
    (void)stage_turn(stage);
    assert_null(recorder_find(stage->recorder, room(0)));
    assert_int_equal(stage_answer(stage), RECORDER_REVIVING_MAX);
    clean_up(stage);
    assert_int_equal(stage_answer(stage), 0);
    assert_false(recorder_has_opened(stage->recorder, SLICE, TERM));
    stage_give(stage, SLICE, TERM + 3);
    stage_open(stage, SLICE, TERM + 3);
    assert_false(recorder_has_opened(stage->recorder, SLICE, TERM));
    clean_up(stage);
    assert_int_equal(stage->revived_count, count + RECORDER_REVIVING_MAX);
    for (uint32_t i = 0; i < count; i++)
        stage_expect(stage, stage_key(room(i), TERM + 3), PLAIN);
    assert_int_equal(stage->bus.count, count + 1);
    stage_end(stage);
}

/* The new term's opening begins when the old one's rooms have arrived, and is served by its own. */
static void a_slice_may_come_back_at_once(void **state)
{
    (void)state;
    struct stage *stage = stage_begin();
    stage_keep(stage, stage_key(room(0), 2), PLAIN);
    stage_give(stage, SLICE, TERM);
    (void)stage_turn(stage);
    stage_give(stage, SLICE, TERM + 1);
    clean_up(stage);
    stage_expect_none(stage, stage_key(room(0), TERM + 1));
    assert_int_equal(stage_answer(stage), 1);
    (void)stage_turn(stage);
    assert_false(recorder_has_opened(stage->recorder, SLICE, TERM));
    assert_false(recorder_has_opened(stage->recorder, SLICE, TERM + 1));
    stage_open(stage, SLICE, TERM + 1);
    assert_int_equal(stage_revived(stage, room(0))->term, TERM + 1);
    stage_end(stage);
}

/* Some of each kind. */
static void keep_all_kinds(struct stage *stage)
{
    stage_keep(stage, mark(1), "{}");
    stage_keep(stage, stage_key(room(0), 1), "{\"n\":1}");
    stage_keep(stage, stage_key(room(0), 3), "{\"n\":3}");
    stage_keep(stage, stage_key(room(1), 2), FINAL);
    stage_keep(stage, stage_key(room(2), 2), RECORDER_RESERVED);
    stage_keep(stage, stage_key(room(3), 2), "{\"n\":2}");
    stage_keep(stage, end(room(3), 2), "{}");
    stage_keep(stage, stage_key(room(4), TERM + 1), "{}");
    stage_keep(stage, stage_key(room(5), 3), "{\"n\":5}");
}

static void expect_all_kinds(const struct stage *stage)
{
    assert_string_equal(stage_revived(stage, room(0))->text, "{\"n\":3}");
    assert_string_equal(stage_revived(stage, room(5))->text, "{\"n\":5}");
    assert_non_null(stage_revived(stage, room(1)));
    assert_null(stage_revived(stage, room(2)));
    assert_null(stage_revived(stage, room(3)));
    assert_null(stage_revived(stage, room(4)));
    stage_expect(stage, mark(TERM), "{}");
    stage_expect(stage, stage_key(room(0), TERM), "{\"n\":3}");
    stage_expect(stage, stage_key(room(1), TERM), FINAL_LATER);
    stage_expect(stage, end(room(3), 2), "{}");
    stage_expect(stage, stage_key(room(4), TERM + 1), "{}");
    stage_expect(stage, stage_key(room(5), TERM), "{\"n\":5}");
    assert_int_equal(stage->bus.count, 6);
    for (uint32_t i = 0; i < 6; i++) {
        const struct recorded *recorded = recorder_find(stage->recorder, room(i));
        assert_int_equal(recorded != NULL, i < 2 || i == 5);
        for (uint32_t at = 0; recorded != NULL && at < stage->bus.count; at++) {
            if (strcmp(stage->bus.records[at].key, stage_key(room(i), TERM)) == 0)
                assert_int_equal(recorded->revision, stage->bus.records[at].revision);
        }
    }
}

/* It begins anew, and in the end all is as if all calls had had an answer. */
static void any_call_may_have_no_answer(void **state)
{
    (void)state;
    uint32_t calls = UINT32_MAX;
    for (uint32_t fails_at = 0; fails_at <= calls; fails_at++) {
        for (int is_done = 0; is_done < 2; is_done++) {
            struct stage *stage = stage_begin();
            keep_all_kinds(stage);
            stage->bus.fails_at = fails_at;
            stage->bus.is_done_though = is_done == 1;
            stage_give(stage, SLICE, TERM);
            stage_open(stage, SLICE, TERM);
            clean_up(stage);
            expect_all_kinds(stage);
            if (fails_at == 0)
                calls = stage->bus.calls;
            stage_end(stage);
        }
    }
    assert_true(calls >= 12);
}

static void a_bus_that_is_away_is_asked_now_and_then(void **state)
{
    (void)state;
    struct stage *stage = stage_begin();
    keep_all_kinds(stage);
    stage->bus.is_cut_off = true;
    stage_give(stage, SLICE, TERM);
    assert_false(stage_turn(stage));
    assert_int_equal(stage->bus.calls, 1);
    assert_false(recorder_turn(stage->recorder, stage->now_ms + RECORDER_RETRY_MS - 1));
    assert_int_equal(stage->bus.calls, 1);
    assert_false(stage_turn(stage));
    assert_int_equal(stage->bus.calls, 2);
    stage->bus.is_cut_off = false;
    stage_open(stage, SLICE, TERM);
    clean_up(stage);
    expect_all_kinds(stage);
    stage_end(stage);
}

/* The sanitizer sees what is left of it. */
static void what_is_under_way_is_freed(void **state)
{
    (void)state;
    struct stage *stage = stage_begin();
    for (uint32_t i = 0; i < RECORDER_REVIVING_MAX + 3; i++)
        stage_keep(stage, stage_key(room(i), 2), PLAIN);
    stage_give(stage, SLICE, TERM);
    (void)stage_turn(stage);
    stage_end(stage);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_slice_without_keys_opens),
        cmocka_unit_test(a_list_without_the_mark_is_not_taken),
        cmocka_unit_test(old_marks_are_removed),
        cmocka_unit_test(marks_below_a_later_one_stay),
        cmocka_unit_test(a_room_is_recorded_and_made),
        cmocka_unit_test(the_room_aaaa_is_a_room),
        cmocka_unit_test(a_room_of_a_stop_is_final_once),
        cmocka_unit_test(a_reserved_code_is_given_back),
        cmocka_unit_test(an_ended_room_is_not_made),
        cmocka_unit_test(an_end_of_an_earlier_term_is_over),
        cmocka_unit_test(a_later_owners_records_stay_untouched),
        cmocka_unit_test(the_highest_term_counts),
        cmocka_unit_test(what_is_no_key_stays),
        cmocka_unit_test(a_loop_that_can_make_no_room_has_answered),
        cmocka_unit_test(few_rooms_are_on_their_way),
        cmocka_unit_test(a_slice_may_be_lost_meanwhile),
        cmocka_unit_test(a_slice_may_come_back_at_once),
        cmocka_unit_test(any_call_may_have_no_answer),
        cmocka_unit_test(a_bus_that_is_away_is_asked_now_and_then),
        cmocka_unit_test(what_is_under_way_is_freed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
