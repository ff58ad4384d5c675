/* What loops hand over: the records that a recorder writes of it. */
#include <stdlib.h>
#include <string.h>

#include "recorder_fixture.h"

#define SLICE 5
#define TERM 4

/* A slice that is open, with a room whose code was confirmed. */
struct scene {
    struct stage *stage;
    uint64_t code;
    const char *key;
};

static struct scene begin(void)
{
    struct scene scene = {.stage = stage_begin(), .code = stage_code(PROTOCOL_3, SLICE, 0)};
    stage_give(scene.stage, SLICE, TERM);
    stage_open(scene.stage, SLICE, TERM);
    scene.key = stage_key(scene.code, TERM);
    stage_keep(scene.stage, scene.key, RECORDER_RESERVED);
    assert_non_null(
        recorder_note(scene.stage->recorder, scene.code, TERM, scene.stage->bus.revision));
    scene.stage->bus.calls = 0;
    return scene;
}

static uint8_t *handed_over(uint64_t term, struct bytes record)
{
    uint8_t *text = malloc(RECORDER_TERM_BYTES + record.length);
    assert_non_null(text);
    recorder_put_term(text, term);
    if (record.length > 0)
        memcpy(text + RECORDER_TERM_BYTES, record.data, record.length);
    return text;
}

/* As the store calls its engine. An empty record is an end. */
static bool put(const struct scene *scene, uint64_t term, const char *record)
{
    struct store_engine *engine = &scene->stage->recorder->engine;
    uint8_t *text = handed_over(term, bytes_of_string(record));
    bool is_put = engine->functions->begin(engine) &&
                  engine->functions->put(engine, scene->code,
                                         bytes_of(text, RECORDER_TERM_BYTES + strlen(record))) &&
                  engine->functions->commit(engine, false);
    free(text);
    return is_put;
}

static void each_change_is_written(void **state)
{
    (void)state;
    struct scene scene = begin();
    assert_true(put(&scene, TERM, "{\"n\":1}"));
    stage_expect(scene.stage, scene.key, "{\"n\":1}");
    assert_true(put(&scene, TERM, "{\"n\":2}"));
    stage_expect(scene.stage, scene.key, "{\"n\":2}");
    assert_int_equal(scene.stage->bus.calls, 2);
    stage_end(scene.stage);
}

/* The acknowledgement of the node's own write was lost: it takes the revision that is there. */
static void a_lost_acknowledgement_is_made_up_for(void **state)
{
    (void)state;
    struct scene scene = begin();
    scene.stage->bus.fails_at = 1;
    scene.stage->bus.is_done_though = true;
    assert_false(put(&scene, TERM, "{\"n\":1}"));
    assert_string_equal(scene.stage->recorder->engine.why, "no answer");
    stage_expect(scene.stage, scene.key, "{\"n\":1}");
    assert_true(put(&scene, TERM, "{\"n\":2}")); /* refused, read, written */
    stage_expect(scene.stage, scene.key, "{\"n\":2}");
    assert_int_equal(scene.stage->bus.calls, 4);
    assert_true(put(&scene, TERM, "{\"n\":3}"));
    assert_int_equal(scene.stage->bus.calls, 5);
    stage_expect(scene.stage, scene.key, "{\"n\":3}");
    stage_end(scene.stage);
}

static void a_write_without_answer_is_tried_again(void **state)
{
    (void)state;
    struct scene scene = begin();
    scene.stage->bus.fails_at = 1;
    assert_false(put(&scene, TERM, "{\"n\":1}"));
    stage_expect(scene.stage, scene.key, RECORDER_RESERVED);
    assert_true(put(&scene, TERM, "{\"n\":1}"));
    stage_expect(scene.stage, scene.key, "{\"n\":1}");
    stage_end(scene.stage);
}

/* The same where the second of the calls behind a refusal has none. */
static void any_call_behind_a_refusal_may_have_no_answer(void **state)
{
    (void)state;
    for (uint32_t fails_at = 1; fails_at <= 3; fails_at++) {
        for (int is_done = 0; is_done < 2; is_done++) {
            struct scene scene = begin();
            stage_keep(scene.stage, scene.key, "{\"n\":1}"); /* of a write without an answer */
            scene.stage->bus.fails_at = fails_at;
            scene.stage->bus.is_done_though = is_done == 1;
            assert_false(put(&scene, TERM, "{\"n\":2}"));
            assert_true(put(&scene, TERM, "{\"n\":3}"));
            stage_expect(scene.stage, scene.key, "{\"n\":3}");
            stage_end(scene.stage);
        }
    }
}

/* Somebody removed the record: it is written as the first one. */
static void a_record_that_is_gone_is_written_anew(void **state)
{
    (void)state;
    struct scene scene = begin();
    struct bus *bus = &scene.stage->bus.bus;
    assert_int_equal(bus->functions->record_remove(bus, scene.key, 1), BUS_DONE);
    assert_true(put(&scene, TERM, "{\"n\":1}"));
    stage_expect(scene.stage, scene.key, "{\"n\":1}");
    stage_end(scene.stage);
}

/* The store goes on with other rooms. */
static void a_refusal_for_ever_is_left(void **state)
{
    (void)state;
    struct scene scene = begin();
    scene.stage->bus.refuses = true;
    assert_true(put(&scene, TERM, "{\"n\":1}"));
    assert_true(scene.stage->bus.calls <= 4);
    stage_end(scene.stage);
}

static void a_record_of_another_term_is_nobodys(void **state)
{
    (void)state;
    struct scene scene = begin();
    assert_true(put(&scene, TERM - 1, "{\"n\":1}"));
    assert_true(put(&scene, TERM + 1, "{\"n\":1}"));
    assert_true(put(&scene, TERM - 1, ""));
    stage_give(scene.stage, SLICE, 0);
    (void)stage_turn(scene.stage);
    assert_true(put(&scene, TERM, "{\"n\":1}"));
    assert_true(put(&scene, TERM, ""));
    stage_expect(scene.stage, scene.key, RECORDER_RESERVED);
    assert_int_equal(scene.stage->bus.calls, 0);
    stage_end(scene.stage);
}

static const char *end_key(const struct scene *scene)
{
    return stage_key_of(RECORD_KIND_END, SLICE, scene->code, TERM);
}

static void an_end_takes_the_place_of_a_room(void **state)
{
    (void)state;
    struct scene scene = begin();
    assert_true(put(&scene, TERM, ""));
    uint64_t ended_ms = scene.stage->now_ms;
    stage_expect(scene.stage, end_key(&scene), "{}");
    stage_expect(scene.stage, scene.key, RECORDER_RESERVED); /* never without the other */
    assert_true(recorder_find(scene.stage->recorder, scene.code)->has_ended);
    (void)stage_turn(scene.stage);
    stage_expect_none(scene.stage, scene.key);
    assert_true(put(&scene, TERM, "{\"n\":1}")); /* late */
    stage_expect_none(scene.stage, scene.key);
    scene.stage->now_ms = ended_ms + RECORDER_END_MS - RECORDER_RETRY_MS - 1;
    (void)stage_turn(scene.stage);
    stage_expect(scene.stage, end_key(&scene), "{}");
    (void)stage_turn(scene.stage);
    stage_expect_none(scene.stage, end_key(&scene));
    stage_end(scene.stage);
}

/* What an owner of before wrote late would be a room again for whoever opens the slice next. */
static void an_end_takes_late_records_of_earlier_terms_along(void **state)
{
    (void)state;
    struct scene scene = begin();
    const char *later = stage_key(scene.code, TERM + 1);
    stage_keep(scene.stage, later, "{\"n\":3}");
    assert_true(put(&scene, TERM, ""));
    stage_keep(scene.stage, stage_key(scene.code, TERM - 1), "{\"n\":1}");
    (void)stage_turn(scene.stage);
    stage_expect(scene.stage, stage_key(scene.code, TERM - 1), "{\"n\":1}");
    scene.stage->now_ms += RECORDER_END_MS;
    scene.stage->bus.fails_at = scene.stage->bus.calls + 2; /* the removal has no answer */
    (void)stage_turn(scene.stage);
    stage_expect(scene.stage, end_key(&scene), "{}");
    (void)stage_turn(scene.stage);
    stage_expect_none(scene.stage, stage_key(scene.code, TERM - 1));
    stage_expect_none(scene.stage, end_key(&scene));
    stage_expect(scene.stage, stage_key(scene.code, TERM + 1), "{\"n\":3}");
    stage_end(scene.stage);
}

static void an_end_without_answer_is_tried_again(void **state)
{
    (void)state;
    for (int is_done = 0; is_done < 2; is_done++) {
        struct scene scene = begin();
        scene.stage->bus.fails_at = 1;
        scene.stage->bus.is_done_though = is_done == 1;
        assert_false(put(&scene, TERM, ""));
        assert_non_null(recorder_find(scene.stage->recorder, scene.code));
        (void)stage_turn(scene.stage);
        stage_expect(scene.stage, scene.key, RECORDER_RESERVED);
        assert_true(put(&scene, TERM, ""));
        stage_expect(scene.stage, end_key(&scene), "{}");
        (void)stage_turn(scene.stage);
        stage_expect_none(scene.stage, scene.key);
        stage_end(scene.stage);
    }
}

static bool put_long(const struct scene *scene, size_t length)
{
    struct store_engine *engine = &scene->stage->recorder->engine;
    uint8_t *record = malloc(length);
    assert_non_null(record);
    memset(record, 'x', length);
    uint8_t *text = handed_over(TERM, bytes_of(record, length));
    bool is_put =
        engine->functions->put(engine, scene->code, bytes_of(text, RECORDER_TERM_BYTES + length));
    free(text);
    free(record);
    return is_put;
}

static void a_record_may_be_too_long(void **state)
{
    (void)state;
    struct scene scene = begin();
    assert_true(put_long(&scene, BUS_RECORD_TEXT_MAX));
    assert_int_equal(scene.stage->bus.calls, 1);
    assert_int_equal(strlen(stage_text(scene.stage, scene.key)), BUS_RECORD_TEXT_MAX);
    assert_true(put_long(&scene, BUS_RECORD_TEXT_MAX + 1));
    assert_int_equal(scene.stage->bus.calls, 1);
    assert_true(scene.stage->recorder->is_length_told);
    assert_true(put(&scene, TERM, "{\"n\":1}"));
    stage_expect(scene.stage, scene.key, "{\"n\":1}");
    stage_end(scene.stage);
}

/* A turn writes what the store has; a bus that is away is not asked by each of them. */
static void a_turn_writes_what_loops_have_handed_over(void **state)
{
    (void)state;
    struct scene scene = begin();
    struct store *store = scene.stage->server.store;
    struct bytes record = BYTES("{\"n\":1}");
    size_t length = RECORDER_TERM_BYTES + record.length;
    struct store_status status;
    scene.stage->bus.is_cut_off = true;
    assert_true(store_put(store, scene.code, handed_over(TERM, record), length));
    (void)stage_turn(scene.stage);
    assert_int_equal(scene.stage->bus.calls, 1);
    store_get_status(store, &status);
    assert_true(status.is_failing);
    assert_string_equal(status.why, "no answer");
    (void)recorder_turn(scene.stage->recorder, scene.stage->now_ms + RECORDER_RETRY_MS - 1);
    assert_int_equal(scene.stage->bus.calls, 1);
    scene.stage->bus.is_cut_off = false;
    (void)stage_turn(scene.stage);
    stage_expect(scene.stage, scene.key, "{\"n\":1}");
    store_get_status(store, &status);
    assert_false(status.is_failing);
    assert_int_equal(status.pending, 0);
    stage_end(scene.stage);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_change_is_written),
        cmocka_unit_test(a_lost_acknowledgement_is_made_up_for),
        cmocka_unit_test(a_write_without_answer_is_tried_again),
        cmocka_unit_test(any_call_behind_a_refusal_may_have_no_answer),
        cmocka_unit_test(a_record_that_is_gone_is_written_anew),
        cmocka_unit_test(a_refusal_for_ever_is_left),
        cmocka_unit_test(a_record_of_another_term_is_nobodys),
        cmocka_unit_test(an_end_takes_the_place_of_a_room),
        cmocka_unit_test(an_end_takes_late_records_of_earlier_terms_along),
        cmocka_unit_test(an_end_without_answer_is_tried_again),
        cmocka_unit_test(a_record_may_be_too_long),
        cmocka_unit_test(a_turn_writes_what_loops_have_handed_over),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
