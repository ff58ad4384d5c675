/* Keys of records as texts, what a recorder knows of its records, and keys that are to go. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bus/bus_names.h"
#include "recorder_fixture.h"

static const enum protocol protocols[] = {PROTOCOL_1, PROTOCOL_2, PROTOCOL_3};

static void expect_round_trip(const struct record_key *key)
{
    char text[RECORDER_KEY_MAX];
    struct record_key again;
    record_key_write(key, text);
    if (!record_key_read(bytes_of_string(text), &again))
        fail_msg("%s is not read", text);
    assert_int_equal(again.kind, key->kind);
    assert_int_equal(again.slice, key->slice);
    assert_int_equal(again.term, key->term);
    if (key->kind != RECORD_KIND_MARK)
        assert_true(again.code == key->code);
}

static void keys_are_read_as_they_were_written(void **state)
{
    static const uint64_t terms[] = {1, 2, 10, MAP_NUMBER_MAX - 1, MAP_NUMBER_MAX};
    static const uint32_t slices[] = {0, 1, 63, 255};
    (void)state;
    for (size_t s = 0; s < ARRAY_LENGTH(slices); s++) {
        for (size_t t = 0; t < ARRAY_LENGTH(terms); t++) {
            struct record_key key = {RECORD_KIND_MARK, slices[s], 0, terms[t]};
            expect_round_trip(&key);
            for (size_t p = 0; p < 9; p++) {
                key.code = stage_code(protocols[p % 3], slices[s], (uint32_t)p * 11);
                key.kind = RECORD_KIND_ROOM;
                expect_round_trip(&key);
                key.kind = RECORD_KIND_END;
                expect_round_trip(&key);
            }
        }
    }
}

static void the_longest_key_is_written_whole(void **state)
{
    (void)state;
    uint64_t code;
    char text[RECORDER_KEY_MAX];
    assert_true(code_read(BYTES("ZZZZZZZZZZZZ"), &code));
    const struct record_key key = {RECORD_KIND_END, peers_slice_of(code), code, MAP_NUMBER_MAX};
    record_key_write(&key, text);
    assert_non_null(strstr(text, ".end"));
    assert_true(strlen(text) < BUS_KEY_MAX);
    expect_round_trip(&key);
}

static void what_is_no_key_is_not_read(void **state)
{
    static const char *const rests[] = {
        "",
        ".",
        "..",
        "...",
        "%s",
        "%s.",
        ".%s.1",
        "%s.0",
        "%s.-1",
        "%s.+1",
        "%s. 1",
        "%s.1 ",
        "%s.1x",
        "%s.x1",
        "%s.01", /* there are no two keys of one record */
        "%s.1.",
        "%s..1",
        "%s.1.en",
        "%s.1.End",
        "%s.1.ends",
        "%s.1.end.",
        "%s.1.end.end",
        "%s.1..end",
        "%s.end",
        "%s.9007199254740993",     /* above MAP_NUMBER_MAX */
        "%s.10000000000000000",    /* 17 digits */
        "%s.18446744073709551617", /* 1, if the number wraps */
        "%s%s.1",
        "-.0",
        "-.1.end",
        "-.1.",
        "-.x",
        "--.1",
        "AAA.1",
        "OOOO.1", /* no letter of a code */
        "AAA\x01.1",
    };
    struct record_key key;
    char text[256];
    char rest[128];
    uint8_t code[CODE_LENGTH_MAX + 1] = {0};
    (void)state;
    for (size_t p = 0; p < ARRAY_LENGTH(protocols); p++) {
        uint64_t number = stage_code(protocols[p], 7, 5);
        code[code_write(number, code)] = '\0';
        for (size_t i = 0; i < ARRAY_LENGTH(rests); i++) {
            size_t length = 0;
            for (const char *at = rests[i]; *at != '\0';) {
                bool is_code = at[0] == '%';
                length += (size_t)snprintf(rest + length, sizeof rest - length, "%.*s",
                                           is_code ? CODE_LENGTH_MAX : 1,
                                           is_code ? (const char *)code : at);
                at += is_code ? 2 : 1;
            }
            rest[length] = '\0';
            snprintf(text, sizeof text, "7.%s", rest);
            if (record_key_read(bytes_of_string(text), &key))
                fail_msg("%s is read", text);
        }
        /* Its first word. */
        static const char *const slices[] = {"", "8", "07", "7x", "-7", "256", "263", "99999999"};
        for (size_t i = 0; i < ARRAY_LENGTH(slices); i++) {
            snprintf(text, sizeof text, "%s.%s.1", slices[i], (const char *)code);
            if (record_key_read(bytes_of_string(text), &key))
                fail_msg("%s is read", text);
        }
        snprintf(text, sizeof text, "7.%s.1", (const char *)code);
        assert_true(record_key_read(bytes_of_string(text), &key));
    }
    assert_false(record_key_read(bytes_of(NULL, 0), &key));
    assert_false(record_key_read(BYTES("256.-.1"), &key));
    assert_false(record_key_read(BYTES("07.-.1"), &key));
}

/* People may type a code in several ways, but a room has one key. */
static void a_code_is_spelled_in_one_way(void **state)
{
    struct record_key key;
    char text[64];
    uint8_t code[CODE_LENGTH_MAX + 1] = {0};
    (void)state;
    uint64_t number = stage_code(PROTOCOL_3, 7, 5);
    code[code_write(number, code)] = '\0';
    snprintf(text, sizeof text, "7.%.2s-%s.1", (const char *)code, (const char *)code + 2);
    assert_false(record_key_read(bytes_of_string(text), &key));
    for (size_t i = 0; code[i] != '\0'; i++)
        code[i] |= 'a' - 'A';
    snprintf(text, sizeof text, "7.%s.1", (const char *)code);
    assert_false(record_key_read(bytes_of_string(text), &key));
}

/* By code, then the highest term, then an end. Marks are not keys of the code 0, which is AAAA. */
static void keys_have_an_order(void **state)
{
    static const char *const in_order[] = {
        "0.AAAA.7", "0.AAAA.3.end", "0.AAAA.3", "0.AAAA.1.end", "0.AAAB.8.end",
        "0.AAAB.2", "0.AAAC.11",    "0.AAAC.9", "0.-.9",        "0.-.2",
    };
    struct record_key keys[ARRAY_LENGTH(in_order)];
    char text[RECORDER_KEY_MAX];
    (void)state;
    for (size_t rotation = 0; rotation < ARRAY_LENGTH(in_order); rotation++) {
        for (size_t i = 0; i < ARRAY_LENGTH(in_order); i++) {
            size_t from = (i * 7 + rotation) % ARRAY_LENGTH(in_order);
            assert_true(record_key_read(bytes_of_string(in_order[from]), &keys[i]));
        }
        qsort(keys, ARRAY_LENGTH(keys), sizeof *keys, record_key_compare);
        for (size_t i = 0; i < ARRAY_LENGTH(in_order); i++) {
            record_key_write(&keys[i], text);
            assert_string_equal(text, in_order[i]);
            assert_int_equal(record_key_compare(&keys[i], &keys[i]), 0);
        }
    }
}

static void what_was_recorded_is_known(void **state)
{
    (void)state;
    struct stage *stage = stage_begin();
    struct recorder *recorder = stage->recorder;
    uint64_t codes[90];
    for (uint32_t i = 0; i < ARRAY_LENGTH(codes); i++) {
        codes[i] = stage_code(protocols[i % 3], i % 2, i);
        assert_null(recorder_find(recorder, codes[i]));
        assert_non_null(recorder_note(recorder, codes[i], 5, 100 + i));
    }
    for (uint32_t i = 0; i < ARRAY_LENGTH(codes); i++) {
        const struct recorded *recorded = recorder_find(recorder, codes[i]);
        assert_non_null(recorded);
        assert_true(recorded->code == codes[i]);
        assert_int_equal(recorded->term, 5);
        assert_int_equal(recorded->revision, 100 + i);
        assert_ptr_equal(recorder_note(recorder, codes[i], 6, i), recorded);
        assert_int_equal(recorded->term, 6);
        assert_int_equal(recorded->revision, i);
    }
    recorder_forget(recorder, codes[3]);
    recorder_forget(recorder, codes[3]);
    assert_null(recorder_find(recorder, codes[3]));
    assert_non_null(recorder_find(recorder, codes[9]));
    recorder_forget_slice(recorder, 0);
    recorder_forget_slice(recorder, 0);
    for (uint32_t i = 0; i < ARRAY_LENGTH(codes); i++)
        assert_int_equal(recorder_find(recorder, codes[i]) != NULL, i % 2 == 1 && i != 3);
    stage_end(stage);
}

/* Keeps records under keys that are to go; the last of them are due later. */
static void discard(struct stage *stage, struct garbage_queue *queue, uint32_t count,
                    uint64_t due_ms)
{
    for (uint32_t i = 0; i < count; i++) {
        struct record_key key = {RECORD_KIND_ROOM, 9, stage_code(PROTOCOL_1, 9, i), 4};
        stage_keep(stage, stage_key(key.code, 4), "{}");
        recorder_discard(queue, &key, due_ms);
    }
}

static bool clean(struct stage *stage)
{
    stage->recorder->now_ms = stage->now_ms;
    return recorder_clean(stage->recorder);
}

static void keys_go_in_order_a_few_a_turn(void **state)
{
    (void)state;
    struct stage *stage = stage_begin();
    struct garbage_queue *others = &stage->recorder->others;
    uint32_t count = 2 * RECORDER_GARBAGE_PER_TURN + 3;
    discard(stage, others, count, 0);
    assert_int_equal(others->count, count);
    for (uint32_t left = count; left > 0;) {
        assert_true(clean(stage));
        uint32_t gone = left < RECORDER_GARBAGE_PER_TURN ? left : RECORDER_GARBAGE_PER_TURN;
        left -= gone;
        assert_int_equal(stage->bus.count, left);
        assert_int_equal(others->count, left);
        for (uint32_t i = 0; i < count; i++) {
            const char *key = stage_key(stage_code(PROTOCOL_1, 9, i), 4);
            assert_int_equal(stage_text(stage, key) != NULL, i >= count - left);
        }
    }
    assert_null(others->first);
    assert_null(others->last);
    discard(stage, others, 1, 0); /* an empty queue is as good as a new one */
    assert_true(clean(stage));
    assert_int_equal(stage->bus.count, 0);
    stage_end(stage);
}

static void a_key_that_is_not_due_stays(void **state)
{
    (void)state;
    struct stage *stage = stage_begin();
    discard(stage, &stage->recorder->ends, 2, stage->now_ms + 1);
    assert_true(clean(stage));
    assert_int_equal(stage->bus.count, 2);
    assert_int_equal(stage->bus.calls, 0);
    stage->now_ms++;
    assert_true(clean(stage));
    assert_int_equal(stage->bus.count, 0);
    stage_end(stage);
}

/* A key whose removal has no answer is removed once more, and nothing behind it before. */
static void a_key_stays_until_its_removal_is_certain(void **state)
{
    (void)state;
    for (int is_done = 0; is_done < 2; is_done++) {
        struct stage *stage = stage_begin();
        discard(stage, &stage->recorder->others, 3, 0);
        stage->bus.fails_at = 2;
        stage->bus.is_done_though = is_done == 1;
        assert_false(clean(stage));
        assert_int_equal(stage->recorder->others.count, 2);
        assert_int_equal(stage->bus.calls, 2);
        assert_int_equal(stage->bus.count, is_done == 1 ? 1 : 2);
        assert_true(clean(stage));
        assert_int_equal(stage->recorder->others.count, 0);
        assert_int_equal(stage->bus.count, 0);
        stage_end(stage);
    }
}

static void few_keys_wait(void **state)
{
    (void)state;
    struct stage *stage = stage_begin();
    struct garbage_queue *others = &stage->recorder->others;
    const struct record_key key = {RECORD_KIND_MARK, 9, 0, 4};
    for (uint32_t i = 0; i < RECORDER_GARBAGE_MAX + 10; i++)
        recorder_discard(others, &key, 0);
    assert_int_equal(others->count, RECORDER_GARBAGE_MAX);
    recorder_release_garbage(others);
    assert_int_equal(others->count, 0);
    assert_null(others->last);
    stage_end(stage);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_are_read_as_they_were_written),
        cmocka_unit_test(the_longest_key_is_written_whole),
        cmocka_unit_test(what_is_no_key_is_not_read),
        cmocka_unit_test(a_code_is_spelled_in_one_way),
        cmocka_unit_test(keys_have_an_order),
        cmocka_unit_test(what_was_recorded_is_known),
        cmocka_unit_test(keys_go_in_order_a_few_a_turn),
        cmocka_unit_test(a_key_that_is_not_due_stays),
        cmocka_unit_test(a_key_stays_until_its_removal_is_certain),
        cmocka_unit_test(few_keys_wait),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
