/*
 * Output queues: bytes come out as they went in whatever they were appended as, what is held is
 * charged exactly, and dropping never cuts a piece that was begun.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants these before it. */
#include <cmocka.h>

#include <stdlib.h>

#include "net/outbox.h"

#define STREAM_MAX (64 * 1024)
#define PIECES_MAX 512

/* A queue and what it should hold: all bytes ever appended, and where pieces end. */
struct model {
    struct outbox outbox;
    struct outbox_pool pool;
    size_t account;
    uint8_t stream[STREAM_MAX];
    size_t length;   /* of `stream` */
    size_t consumed; /* of it */
    size_t piece_ends[PIECES_MAX];
    size_t piece_count;
    uint32_t seed;
};

static void model_init(struct model *model, uint32_t seed)
{
    memset(model, 0, sizeof *model);
    model->pool.account = &model->account;
    model->seed = seed;
}

static void model_release(struct model *model)
{
    outbox_clear(&model->outbox, &model->pool);
    assert_int_equal(model->account, 0);
    outbox_pool_release(&model->pool);
}

static uint32_t draw(struct model *model, uint32_t below)
{
    model->seed = model->seed * 1664525u + 1013904223u;
    return (model->seed >> 8) % below;
}

static void append(struct model *model, size_t length, bool is_shared)
{
    uint8_t *piece = model->stream + model->length;
    assert_true(model->length + length <= STREAM_MAX && model->piece_count < PIECES_MAX);
    for (size_t i = 0; i < length; i++)
        piece[i] = (uint8_t)draw(model, 256);
    model->length += length;
    model->piece_ends[model->piece_count++] = model->length;
    if (!is_shared) {
        assert_true(outbox_append(&model->outbox, &model->pool, bytes_of(piece, length)));
        return;
    }
    struct payload *payload = payload_new((uint32_t)length, &model->account);
    assert_non_null(payload);
    memcpy(payload->data, piece, length);
    assert_true(outbox_append_payload(&model->outbox, &model->pool, payload));
    payload_release(payload);
}

static void consume(struct model *model, size_t length)
{
    outbox_consume(&model->outbox, &model->pool, length);
    model->consumed += length;
}

/* The queue yields the rest of the stream, and says of which payloads its parts are the end. */
static void check_places(const struct model *model)
{
    const struct outbox_chunk *place = NULL;
    struct outbox_part part;
    size_t at = model->consumed;
    while (outbox_next_part(&model->outbox, &place, &part)) {
        assert_true(part.bytes.length > 0);
        assert_memory_equal(part.bytes.data, model->stream + at, part.bytes.length);
        at += part.bytes.length;
        if (part.payload != NULL)
            assert_ptr_equal(part.bytes.data + part.bytes.length,
                             part.payload->data + part.payload->length);
    }
    assert_int_equal(at, model->length);
}

/* The queue holds the rest of the stream, and yields it in parts as in copies. */
static void check(const struct model *model)
{
    static uint8_t copy[STREAM_MAX];
    struct iovec parts[64];
    size_t left = model->length - model->consumed;
    assert_int_equal(model->outbox.length, left);
    assert_int_equal(outbox_copy(&model->outbox, copy, sizeof copy), left);
    assert_memory_equal(copy, model->stream + model->consumed, left);
    size_t at = model->consumed;
    int count = outbox_parts(&model->outbox, parts, 64);
    for (int i = 0; i < count; i++) {
        assert_true(parts[i].iov_len > 0);
        assert_memory_equal(parts[i].iov_base, model->stream + at, parts[i].iov_len);
        at += parts[i].iov_len;
    }
    assert_true(at == model->length || count == 64);
    check_places(model);
    assert_int_equal(outbox_parts(&model->outbox, parts, 1), left > 0);
    assert_int_equal(left == 0, model->account == 0);
    assert_true(model->account >= left);
}

static bool is_boundary(const struct model *model, size_t position)
{
    for (size_t i = 0; i < model->piece_count; i++) {
        if (model->piece_ends[i] == position)
            return true;
    }
    return position == 0;
}

static void bytes_come_out_as_they_went_in(void **state)
{
    (void)state;
    static struct model model;
    for (uint32_t seed = 0; seed < 200; seed++) {
        model_init(&model, seed);
        while (model.length < STREAM_MAX - 5000 && model.piece_count < PIECES_MAX) {
            bool is_shared = draw(&model, 4) == 0;
            append(&model, 1 + draw(&model, is_shared ? 5000 : 700), is_shared);
            if (draw(&model, 3) == 0)
                consume(&model, draw(&model, (uint32_t)(model.length - model.consumed) + 1));
            check(&model);
        }
        model_release(&model);
    }
}

static void dropping_keeps_what_was_begun_and_cuts_between_pieces(void **state)
{
    (void)state;
    static struct model model;
    for (uint32_t seed = 0; seed < 10000; seed++) {
        model_init(&model, seed);
        uint32_t pieces = 1 + draw(&model, 12);
        for (uint32_t i = 0; i < pieces; i++) {
            bool is_shared = draw(&model, 4) == 0;
            append(&model, 1 + draw(&model, 4500), is_shared);
        }
        consume(&model, draw(&model, (uint32_t)model.length + 1));
        size_t begun = seed % 2 == 0 ? 0 : draw(&model, model.outbox.length + 1);
        size_t begun_end = model.consumed + begun;
        outbox_drop_unbegun(&model.outbox, &model.pool, begun);

        size_t end = model.consumed + model.outbox.length;
        assert_true(is_boundary(&model, end));
        assert_true(end >= begun_end); /* what is being sent stays */
        if (is_boundary(&model, begun_end))
            assert_true(end - begun_end < OUTBOX_CHUNK_BYTES);
        model.length = end;
        check(&model);
        append(&model, 100, false); /* the close frame that follows */
        check(&model);
        model_release(&model);
    }
}

static void dropping_frees_all_but_the_begun_piece(void **state)
{
    (void)state;
    static struct model model;
    model_init(&model, 1);
    append(&model, 20000, true);
    for (int i = 0; i < 10; i++)
        append(&model, 3000, false);
    consume(&model, 1);
    outbox_drop_unbegun(&model.outbox, &model.pool, 0);
    assert_int_equal(model.outbox.length, 19999);
    assert_int_equal(model.account, 20000 + OUTBOX_SMALL_CHUNK_BYTES);
    consume(&model, 19999);
    outbox_drop_unbegun(&model.outbox, &model.pool, 0);
    assert_int_equal(model.account, 0);
    model_release(&model);
}

static void a_shared_payload_is_charged_once(void **state)
{
    (void)state;
    static struct model first;
    static struct model second;
    model_init(&first, 1);
    model_init(&second, 2);
    second.pool.account = &first.account;
    struct payload *payload = payload_new(10000, &first.account);
    assert_non_null(payload);
    assert_true(outbox_append_payload(&first.outbox, &first.pool, payload));
    assert_true(outbox_append_payload(&second.outbox, &second.pool, payload));
    payload_release(payload);
    assert_int_equal(first.account, 10000 + 2 * OUTBOX_SMALL_CHUNK_BYTES);
    outbox_clear(&first.outbox, &first.pool);
    assert_int_equal(first.account, 10000 + OUTBOX_SMALL_CHUNK_BYTES);
    outbox_clear(&second.outbox, &second.pool);
    model_release(&second);
    model_release(&first);
}

static void charges_move_with_the_queue(void **state)
{
    (void)state;
    static struct model model;
    size_t other_account = 0;
    struct outbox_pool other = {.account = &other_account};
    model_init(&model, 1);
    append(&model, 5000, true);
    append(&model, 5000, false);
    size_t held = model.account;
    outbox_leave(&model.outbox, &model.pool);
    assert_int_equal(model.account, 0);
    outbox_enter(&model.outbox, &other);
    assert_int_equal(other_account, held);
    outbox_clear(&model.outbox, &other);
    assert_int_equal(other_account, 0);
    outbox_pool_release(&other);
    model_release(&model);
}

static void a_lasting_payload_is_charged_to_nobody(void **state)
{
    (void)state;
    static struct model model;
    size_t other_account = 0;
    struct outbox_pool other = {.account = &other_account};
    model_init(&model, 1);
    struct payload *payload = payload_new(5000, &model.account);
    assert_non_null(payload);
    payload->references = PAYLOAD_LASTING;
    model.account = 0;
    for (int i = 0; i < 2; i++)
        assert_true(outbox_append_payload(&model.outbox, &model.pool, payload));
    assert_int_equal(model.account, 2 * OUTBOX_SMALL_CHUNK_BYTES);
    outbox_leave(&model.outbox, &model.pool);
    assert_int_equal(model.account, 0);
    outbox_enter(&model.outbox, &other);
    assert_int_equal(other_account, 2 * OUTBOX_SMALL_CHUNK_BYTES);
    outbox_clear(&model.outbox, &other);
    assert_int_equal(other_account, 0);
    payload_release(payload);
    assert_int_equal(payload->references, PAYLOAD_LASTING);
    free(payload);
    outbox_pool_release(&other);
    model_release(&model);
}

/* What a message to each of thousands takes. */
static void a_short_queue_takes_a_small_chunk(void **state)
{
    (void)state;
    static struct model model;
    model_init(&model, 1);
    append(&model, 100, false);
    append(&model, 100, false);
    assert_int_equal(model.account, OUTBOX_SMALL_CHUNK_BYTES);
    append(&model, 100, false);
    assert_int_equal(model.account, OUTBOX_SMALL_CHUNK_BYTES + OUTBOX_CHUNK_BYTES);
    check(&model);
    consume(&model, 300);
    append(&model, OUTBOX_SMALL_CHUNK_BYTES, false);
    assert_int_equal(model.account, OUTBOX_CHUNK_BYTES);
    model_release(&model);
}

static void chunks_that_are_not_needed_are_given_back(void **state)
{
    (void)state;
    static struct model model;
    model_init(&model, 1);
    for (int i = 0; i < 20; i++)
        append(&model, 2000, false);
    consume(&model, 40000);
    uint32_t most = model.pool.shelves[1].free_count;
    assert_true(most >= 19);
    outbox_pool_trim(&model.pool); /* all were in use until now */
    assert_int_equal(model.pool.shelves[1].free_count, most);
    append(&model, 5000, false);
    consume(&model, 5000);
    outbox_pool_trim(&model.pool);
    assert_int_equal(model.pool.shelves[1].free_count, 3); /* what was needed meanwhile */
    outbox_pool_trim(&model.pool);
    assert_int_equal(model.pool.shelves[1].free_count, 0);
    model_release(&model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_come_out_as_they_went_in),
        cmocka_unit_test(dropping_keeps_what_was_begun_and_cuts_between_pieces),
        cmocka_unit_test(dropping_frees_all_but_the_begun_piece),
        cmocka_unit_test(a_shared_payload_is_charged_once),
        cmocka_unit_test(charges_move_with_the_queue),
        cmocka_unit_test(a_lasting_payload_is_charged_to_nobody),
        cmocka_unit_test(a_short_queue_takes_a_small_chunk),
        cmocka_unit_test(chunks_that_are_not_needed_are_given_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
