/* Codes that loops ask a recorder to confirm. */
#include <string.h>

#include "recorder_fixture.h"

#define SLICE 5
#define TERM 4

static uint64_t code(uint32_t number)
{
    return stage_code(PROTOCOL_1, SLICE, number);
}

static const char *key(uint32_t number)
{
    return stage_key(code(number), TERM);
}

/* Asks for so many codes, for a loop. */
static void ask(struct stage *stage, struct code_request *request, uint32_t loop, uint32_t count)
{
    *request = (struct code_request){
        .mail.kind = MAIL_CODES, .loop = loop, .is_out = true, .count = count};
    for (uint32_t i = 0; i < count; i++)
        request->codes[i] = (struct known_code){code(i), TERM};
    mailbox_post(stage->server.recorder, &request->mail);
}

/* The loop has its answer. */
static void expect_answer(struct stage *stage, const struct code_request *request)
{
    struct mail *mail = mailbox_take_all(&stage->loops[request->loop].mailbox);
    assert_ptr_equal(mail, &request->mail);
    assert_null(mail->next);
}

static struct stage *begin(void)
{
    struct stage *stage = stage_begin();
    stage_give(stage, SLICE, TERM);
    stage_open(stage, SLICE, TERM);
    stage->bus.calls = 0;
    return stage;
}

static void expect_confirmed(const struct stage *stage, const struct code_request *request,
                             uint32_t number, bool is_confirmed)
{
    const struct known_code *known = &request->codes[number];
    assert_true(known->code == code(number));
    assert_int_equal(known->term, is_confirmed ? TERM : 0);
    assert_int_equal(recorder_find(stage->recorder, known->code) != NULL, is_confirmed);
}

static void codes_are_reserved_and_then_the_map_is_read(void **state)
{
    (void)state;
    struct stage *stage = begin();
    struct code_request request;
    ask(stage, &request, 1, 3);
    (void)stage_turn(stage);
    expect_answer(stage, &request);
    assert_int_equal(stage->looks, 1);
    for (uint32_t i = 0; i < 3; i++) {
        expect_confirmed(stage, &request, i, true);
        stage_expect(stage, key(i), RECORDER_RESERVED);
    }
    /* The room has the record that the code had. */
    struct recorded *recorded = recorder_find(stage->recorder, code(1));
    assert_int_equal(recorder_write(stage->recorder, recorded, BYTES("{}")), BUS_DONE);
    assert_int_equal(stage->bus.calls, 4);
    stage_end(stage);
}

static void a_code_that_is_there_is_not_confirmed(void **state)
{
    (void)state;
    struct stage *stage = begin();
    struct code_request request;
    stage_keep(stage, key(1), "{\"n\":1}");
    ask(stage, &request, 0, 3);
    (void)stage_turn(stage);
    expect_answer(stage, &request);
    expect_confirmed(stage, &request, 0, true);
    expect_confirmed(stage, &request, 1, false);
    expect_confirmed(stage, &request, 2, true);
    stage_expect(stage, key(1), "{\"n\":1}");
    stage_end(stage);
}

/* It is a room's, or another loop's stock has it. */
static void a_code_that_is_recorded_is_not_confirmed(void **state)
{
    (void)state;
    struct stage *stage = begin();
    struct code_request request;
    assert_non_null(recorder_note(stage->recorder, code(0), TERM, 77));
    ask(stage, &request, 0, 2);
    (void)stage_turn(stage);
    expect_answer(stage, &request);
    assert_int_equal(request.codes[0].term, 0);
    assert_int_equal(recorder_find(stage->recorder, code(0))->revision, 77);
    expect_confirmed(stage, &request, 1, true);
    assert_int_equal(stage->bus.calls, 1);
    stage_end(stage);
}

/* Nothing behind it is asked for, so a loop hears of it in a second. */
static void a_bus_that_does_not_answer_confirms_nothing(void **state)
{
    (void)state;
    for (int is_done = 0; is_done < 2; is_done++) {
        struct stage *stage = begin();
        struct code_request request;
        stage->bus.fails_at = 2;
        stage->bus.is_done_though = is_done == 1;
        ask(stage, &request, 0, 4);
        (void)stage_turn(stage);
        expect_answer(stage, &request);
        expect_confirmed(stage, &request, 0, true);
        for (uint32_t i = 1; i < 4; i++)
            expect_confirmed(stage, &request, i, false);
        assert_int_equal(stage->bus.calls, 2);
        assert_int_equal(stage_text(stage, key(1)) != NULL, is_done == 1);
        /* Until it is asked again, all are told so at once. */
        ask(stage, &request, 0, 4);
        (void)recorder_turn(stage->recorder, stage->now_ms + RECORDER_RETRY_MS - 1);
        expect_answer(stage, &request);
        for (uint32_t i = 0; i < 4; i++)
            assert_int_equal(request.codes[i].term, 0);
        assert_int_equal(stage->bus.calls, 2);
        assert_int_equal(stage->looks, 1);
        ask(stage, &request, 0, 4);
        (void)stage_turn(stage);
        expect_answer(stage, &request);
        assert_int_equal(request.codes[0].term, 0); /* it was confirmed already */
        expect_confirmed(stage, &request, 1, is_done == 0);
        expect_confirmed(stage, &request, 2, true);
        stage_end(stage);
    }
}

static void a_code_of_a_lost_slice_is_not_confirmed(void **state)
{
    static const uint64_t terms[] = {0, TERM + 1};
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(terms); i++) {
        struct stage *stage = begin();
        struct code_request request;
        stage_give(stage, SLICE, terms[i]);
        ask(stage, &request, 0, 1);
        (void)stage_turn(stage);
        expect_answer(stage, &request);
        expect_confirmed(stage, &request, 0, false);
        stage_expect_none(stage, key(0));
        stage_end(stage);
    }
}

/* The slice was lost, and this node has not noticed: the map that is read then says so. */
static void a_code_is_not_confirmed_where_the_map_says_otherwise(void **state)
{
    (void)state;
    struct stage *stage = begin();
    struct code_request request;
    stage->owned[SLICE] = TERM + 1;
    ask(stage, &request, 0, 2);
    (void)stage_turn(stage);
    expect_answer(stage, &request);
    for (uint32_t i = 0; i < 2; i++) {
        expect_confirmed(stage, &request, i, false);
        stage_expect(stage, key(i), RECORDER_RESERVED); /* for the next owner to find */
    }
    stage_end(stage);
}

static void a_map_that_cant_be_read_confirms_nothing(void **state)
{
    (void)state;
    struct stage *stage = begin();
    struct code_request request;
    stage->is_map_readable = false;
    ask(stage, &request, 0, 2);
    (void)stage_turn(stage);
    expect_answer(stage, &request);
    for (uint32_t i = 0; i < 2; i++)
        expect_confirmed(stage, &request, i, false);
    assert_true(stage->recorder->retry_ms > stage->now_ms);
    stage_end(stage);
}

static void one_request_is_answered_a_turn(void **state)
{
    (void)state;
    struct stage *stage = begin();
    struct code_request requests[2];
    ask(stage, &requests[0], 0, 1);
    ask(stage, &requests[1], 1, 1);
    assert_true(stage_turn(stage));
    expect_answer(stage, &requests[0]);
    assert_null(mailbox_take_all(&stage->loops[1].mailbox));
    assert_false(stage_turn(stage));
    expect_answer(stage, &requests[1]);
    stage_end(stage);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(codes_are_reserved_and_then_the_map_is_read),
        cmocka_unit_test(a_code_that_is_there_is_not_confirmed),
        cmocka_unit_test(a_code_that_is_recorded_is_not_confirmed),
        cmocka_unit_test(a_bus_that_does_not_answer_confirms_nothing),
        cmocka_unit_test(a_code_of_a_lost_slice_is_not_confirmed),
        cmocka_unit_test(a_code_is_not_confirmed_where_the_map_says_otherwise),
        cmocka_unit_test(a_map_that_cant_be_read_confirms_nothing),
        cmocka_unit_test(one_request_is_answered_a_turn),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
