/*
 * The WebSocket reader on a client's stream of frames.
 *
 * The stream is read by the simple reference, by the reader whole, and by the reader in pieces; all
 * three must yield the same messages, control frames and close codes, in the same order, and agree
 * on how many frames there were and on whether the stream ends between two messages. Pieces are
 * copies of exactly their size. Between two pieces the reader is moved in memory, or written and
 * read, or exchanged for a fresh one where it says that it is idle, as the server does; and it is
 * given few frames at a time.
 *
 * Input: the message limit, the longest piece, the frames at a time, then the stream.
 */
#include "fuzz/fuzz_input.h"
#include "fuzz/simple_frames.h"

struct plan {
    size_t message_bytes_max;
    size_t piece_bytes_max;
    uint32_t frames_max; /* that may begin before the reader has to be asked again */
    uint32_t random_state;
};

static struct plan take_plan(struct bytes *input)
{
    static const size_t limits[] = {0, 1, 2, 10, 125, 126, 127, 200, 1000, 65535, 65536, 1 << 20};
    struct plan plan;
    plan.message_bytes_max = limits[fuzz_take_byte(input) % ARRAY_LENGTH(limits)];
    plan.piece_bytes_max = 1u + fuzz_take_byte(input);
    plan.frames_max = 1u + fuzz_take_byte(input);
    plan.random_state = (uint32_t)(plan.piece_bytes_max * 256 + plan.frames_max);
    return plan;
}

static size_t next_piece_length(struct plan *plan)
{
    plan->random_state = plan->random_state * 1664525 + 1013904223;
    return 1 + (plan->random_state >> 8) % plan->piece_bytes_max;
}

#define BYTES_AT_ONCE 50 /* of longer frames, such as must wait for it to begin */

static void check_read(const struct ws_read *read, const struct ws_reader *reader)
{
    bool is_data = read->kind == WS_READ_MESSAGE;
    assert(read->payload.length <= (is_data ? reader->message.maximum : WS_CONTROL_PAYLOAD_MAX));
    assert(reader->message.capacity <= reader->message.maximum);
}

/* Reads all of one piece, which may be changed while it is read. */
static void read_piece(struct ws_reader *reader, struct bytes piece, uint32_t frames_max,
                       struct trace *trace)
{
    struct bytes_mut copy = fuzz_copy(piece);
    struct bytes_mut input = copy;
    struct ws_read read;
    reader->frames_left = frames_max;
    reader->bytes_at_once = BYTES_AT_ONCE;
    reader->bytes_left = frames_max % BYTES_AT_ONCE;
    while (!trace->has_ended) {
        enum ws_read_kind kind = ws_reader_next(reader, &input, &read);
        assert(kind == read.kind);
        if (kind == WS_READ_NEED_MORE) {
            assert(input.length == 0);
            break;
        }
        if (kind == WS_READ_OUT_OF_FRAMES) {
            assert(reader->frames_left == 0 && input.length > 0);
            trace->frame_count += frames_max;
            reader->frames_left = frames_max;
            continue;
        }
        if (kind == WS_READ_OUT_OF_BYTES) {
            assert(reader->bytes_left < BYTES_AT_ONCE);
            reader->bytes_left = BYTES_AT_ONCE;
            continue;
        }
        check_read(&read, reader);
        trace_add(trace, &read);
    }
    trace->frame_count += frames_max - reader->frames_left;
    free(copy.data);
}

static void read_whole(struct bytes stream, const struct plan *plan, struct trace *ret_trace)
{
    struct ws_reader reader;
    trace_init(ret_trace);
    ws_reader_init(&reader, plan->message_bytes_max);
    read_piece(&reader, stream, UINT32_MAX, ret_trace);
    ret_trace->is_idle = !ret_trace->has_ended && ws_reader_is_idle(&reader);
    ws_reader_release(&reader);
}

/* As the process does before it replaces itself, and after that. */
static void write_and_read(const struct ws_reader *reader, struct ws_reader *ret_reader)
{
    struct writer measure = writer_over(NULL, 0);
    ws_reader_write(&measure, reader);
    uint8_t *text = malloc(measure.length);
    assert(text != NULL);
    struct writer writer = writer_over(text, measure.length);
    ws_reader_write(&writer, reader);
    struct json_value value = {.kind = JSON_OBJECT, .raw = writer_view(&writer)};
    bool is_read = ws_reader_read(&value, ret_reader);
    assert(is_read);
    free(text);
}

/* The reader in other memory, and a fresh one when it holds nothing. */
static struct ws_reader *move_reader(struct ws_reader *reader, const struct plan *plan)
{
    struct ws_reader *moved = malloc(sizeof *moved);
    assert(moved != NULL);
    if (ws_reader_is_idle(reader)) {
        ws_reader_release(reader);
        ws_reader_init(moved, plan->message_bytes_max);
    } else if (plan->random_state >> 8 & 1) {
        ws_reader_init(moved, plan->message_bytes_max);
        write_and_read(reader, moved);
        ws_reader_release(reader);
    } else {
        *moved = *reader;
    }
    free(reader);
    return moved;
}

static void read_in_pieces(struct bytes stream, struct plan *plan, struct trace *ret_trace)
{
    struct ws_reader *reader = malloc(sizeof *reader);
    assert(reader != NULL);
    trace_init(ret_trace);
    ws_reader_init(reader, plan->message_bytes_max);
    while (stream.length > 0 && !ret_trace->has_ended) {
        struct bytes piece = fuzz_take(&stream, next_piece_length(plan));
        read_piece(reader, piece, plan->frames_max, ret_trace);
        if (!ret_trace->has_ended)
            reader = move_reader(reader, plan);
    }
    ret_trace->is_idle = !ret_trace->has_ended && ws_reader_is_idle(reader);
    ws_reader_release(reader);
    free(reader);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes stream = bytes_of(data, size);
    struct plan plan = take_plan(&stream);
    struct trace expected;
    struct trace whole;
    struct trace pieces;
    simple_frames_read(stream, plan.message_bytes_max, &expected);
    read_whole(stream, &plan, &whole);
    read_in_pieces(stream, &plan, &pieces);
    assert(trace_equals(&whole, &expected));
    assert(trace_equals(&pieces, &expected));
    trace_release(&pieces);
    trace_release(&whole);
    trace_release(&expected);
    return 0;
}
