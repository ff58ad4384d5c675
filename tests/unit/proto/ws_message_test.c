/*
 * Messages out of frames (RFC 6455 5 to 8): every case is fed whole, byte by byte and split in two
 * at every place, right before an unreadable page, and must yield the same each time.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
/* cmocka wants these before it. */
#include <cmocka.h>

#include "proto/ws_message.h"
#include "support/guard_page.h"

#define MESSAGE_BYTES_MAX 300
#define TRANSCRIPT_MAX 2048
#define READER_TEXT_MAX 2048

struct writer_text {
    char data[TRANSCRIPT_MAX];
    size_t length;
};

static const char *const kind_names[] = {
    [WS_READ_MESSAGE] = "text", [WS_READ_PING] = "ping",   [WS_READ_PONG] = "pong",
    [WS_READ_CLOSE] = "close",  [WS_READ_ERROR] = "error",
};

/* One line for what was yielded: kind, code where there is one, length and first bytes. */
static void note(struct writer_text *text, const struct ws_read *read)
{
    const char *kind = read->is_binary ? "binary" : kind_names[read->kind];
    text->length +=
        (size_t)snprintf(text->data + text->length, TRANSCRIPT_MAX - text->length, "%s", kind);
    if (read->kind == WS_READ_CLOSE || read->kind == WS_READ_ERROR)
        text->length += (size_t)snprintf(text->data + text->length, TRANSCRIPT_MAX - text->length,
                                         " %u", read->close_code);
    int shown = read->payload.length < 16 ? (int)read->payload.length : 16;
    text->length += (size_t)snprintf(text->data + text->length, TRANSCRIPT_MAX - text->length,
                                     "[%zu %.*s];", read->payload.length, shown,
                                     shown > 0 ? (const char *)read->payload.data : "");
}

/* Feeds one part; false once the stream is over. */
static bool feed(struct ws_reader *reader, struct bytes part, struct writer_text *text)
{
    struct guarded guarded = guarded_copy(part);
    struct bytes_mut in = guarded.bytes;
    struct ws_read read;
    bool goes_on = true;
    while (goes_on && ws_reader_next(reader, &in, &read) != WS_READ_NEED_MORE) {
        note(text, &read);
        goes_on = read.kind != WS_READ_CLOSE && read.kind != WS_READ_ERROR;
    }
    if (goes_on)
        assert_int_equal(in.length, 0);
    guarded_free(&guarded);
    return goes_on;
}

/* Feeds `stream` cut at `first`, the rest in steps of `step` bytes. */
static void expect_cut(struct bytes stream, size_t first, size_t step, const char *expected)
{
    struct writer_text text = {0};
    struct ws_reader reader;
    ws_reader_init(&reader, MESSAGE_BYTES_MAX);
    bool goes_on = feed(&reader, bytes_of(stream.data, first), &text);
    for (size_t at = first; goes_on && at < stream.length; at += step) {
        size_t length = stream.length - at < step ? stream.length - at : step;
        goes_on = feed(&reader, bytes_of(stream.data + at, length), &text);
    }
    ws_reader_release(&reader);
    assert_string_equal(text.data, expected);
}

/* A reader in memory that had something else before, as after malloc(). */
static struct ws_reader new_reader(void)
{
    struct ws_reader reader;
    memset(&reader, 0xBE, sizeof reader);
    ws_reader_init(&reader, MESSAGE_BYTES_MAX);
    return reader;
}

static size_t write_reader(const struct ws_reader *reader, uint8_t text[READER_TEXT_MAX])
{
    struct writer writer = writer_over(text, READER_TEXT_MAX);
    ws_reader_write(&writer, reader);
    assert_true(writer_fits(&writer));
    return writer.length;
}

/* Another reader that goes on where this one is, which is released. */
static struct ws_reader exchange_reader(struct ws_reader *reader)
{
    uint8_t text[READER_TEXT_MAX];
    uint8_t again[READER_TEXT_MAX];
    size_t length = write_reader(reader, text);
    struct json_value value = {.kind = JSON_OBJECT, .raw = bytes_of(text, length)};
    struct ws_reader other = new_reader();
    assert_int_equal(json_validate(value.raw), JSON_OBJECT);
    assert_true(ws_reader_read(&value, &other));
    assert_int_equal(write_reader(&other, again), length);
    assert_memory_equal(again, text, length);
    assert_int_equal(ws_reader_is_idle(&other), ws_reader_is_idle(reader));
    ws_reader_release(reader);
    return other;
}

/* Feeds `stream` in steps of `step` bytes, each to another reader. */
static void expect_exchanged(struct bytes stream, size_t first, size_t step, const char *expected)
{
    struct writer_text text = {0};
    struct ws_reader reader = new_reader();
    bool goes_on = feed(&reader, bytes_of(stream.data, first), &text);
    for (size_t at = first; goes_on && at < stream.length; at += step) {
        size_t length = stream.length - at < step ? stream.length - at : step;
        reader = exchange_reader(&reader);
        goes_on = feed(&reader, bytes_of(stream.data + at, length), &text);
    }
    ws_reader_release(&reader);
    assert_string_equal(text.data, expected);
}

static void expect_however_cut(struct bytes stream, const char *expected)
{
    expect_cut(stream, stream.length, 1, expected);
    expect_cut(stream, 0, 1, expected);
    expect_exchanged(stream, 0, 1, expected);
    for (size_t first = 1; first < stream.length; first++) {
        expect_cut(stream, first, stream.length, expected);
        expect_exchanged(stream, first, stream.length, expected);
    }
}

struct stream {
    uint8_t data[2048];
    size_t length;
};

/* Appends a masked frame; `first` is the first byte on the wire. */
static void put_frame(struct stream *stream, uint8_t first, struct bytes payload)
{
    static const uint8_t mask[4] = {0xA1, 0x02, 0xF3, 0x84};
    uint8_t *out = stream->data + stream->length;
    size_t header_length = ws_frame_write_header(out, WS_OPCODE_TEXT, payload.length);
    out[0] = first;
    out[1] |= 0x80;
    memcpy(out + header_length, mask, sizeof mask);
    for (size_t i = 0; i < payload.length; i++)
        out[header_length + 4 + i] = payload.data[i] ^ mask[i % 4];
    stream->length += header_length + 4 + payload.length;
}

static const struct {
    const char *name;
    struct {
        uint8_t first;
        const char *payload;
    } frames[4];
    const char *expected;
} cases[] = {
    {"text", {{0x81, "hello"}}, "text[5 hello];"},
    {"empty text", {{0x81, ""}}, "text[0 ];"},
    {"binary", {{0x82, "\xff\xfe"}}, "binary[2 \xff\xfe];"},
    {"two messages", {{0x81, "a"}, {0x81, "b"}}, "text[1 a];text[1 b];"},
    {"fragments", {{0x01, "ab"}, {0x00, "cd"}, {0x80, "ef"}}, "text[6 abcdef];"},
    {"empty fragments", {{0x01, ""}, {0x00, ""}, {0x80, ""}}, "text[0 ];"},
    {"ping between fragments", {{0x01, "ab"}, {0x89, "p"}, {0x80, "c"}}, "ping[1 p];text[3 abc];"},
    {"character over fragments", {{0x01, "\xe2\x82"}, {0x80, "\xac"}}, "text[3 \xe2\x82\xac];"},
    {"pong", {{0x8A, ""}}, "pong[0 ];"},
    {"close without code", {{0x88, ""}}, "close 1005[0 ];"},
    {"close with reason",
     {{0x88, "\x0f\xa0"
             "bye"}},
     "close 4000[3 bye];"},
    {"close with one byte", {{0x88, "x"}}, "error 1002[0 ];"},
    {"close with code 1005", {{0x88, "\x03\xed"}}, "error 1002[0 ];"},
    {"close with a reason that is not UTF-8", {{0x88, "\x03\xe8\xff"}}, "error 1007[0 ];"},
    {"nothing after close", {{0x88, ""}, {0x81, "late"}}, "close 1005[0 ];"},
    {"continuation of nothing", {{0x80, "x"}}, "error 1002[0 ];"},
    {"new message inside another", {{0x01, "a"}, {0x81, "b"}}, "error 1002[0 ];"},
    {"reserved bit", {{0xC1, "a"}}, "error 1002[0 ];"},
    {"reserved opcode", {{0x83, "a"}}, "error 1002[0 ];"},
    {"fragmented ping", {{0x09, "a"}}, "error 1002[0 ];"},
    {"text that is not UTF-8", {{0x81, "a\xc0"}}, "error 1007[0 ];"},
    {"text that ends within a character", {{0x81, "\xe2\x82"}}, "error 1007[0 ];"},
    {"surrogate", {{0x81, "\xed\xa0\x80"}}, "error 1007[0 ];"},
    {"bad UTF-8 in a later fragment", {{0x01, "\xe2"}, {0x80, "a"}}, "error 1007[0 ];"},
};

static void every_case_yields_the_same_however_it_is_cut(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct stream stream = {.length = 0};
        print_message("# %s\n", cases[i].name);
        for (size_t j = 0; j < 4 && cases[i].frames[j].payload != NULL; j++)
            put_frame(&stream, cases[i].frames[j].first,
                      bytes_of_string(cases[i].frames[j].payload));
        expect_however_cut(bytes_of(stream.data, stream.length), cases[i].expected);
    }
}

static void unmasked_frames_are_refused(void **state)
{
    (void)state;
    expect_however_cut(BYTES("\x81\x05Hello"), "error 1002[0 ];");
}

static void lengths_must_be_in_their_shortest_form(void **state)
{
    (void)state;
    expect_however_cut(BYTES("\x81\xfe\x00\x05\x01\x02\x03\x04Hello"), "error 1002[0 ];");
    expect_however_cut(BYTES("\x81\xff\x00\x00\x00\x00\x00\x00\x00\x05"), "error 1002[0 ];");
    expect_however_cut(BYTES("\x81\xff\x80\x00\x00\x00\x00\x00\x00\x05"), "error 1002[0 ];");
}

static void the_limit_is_exact_and_sums_fragments(void **state)
{
    (void)state;
    uint8_t payload[MESSAGE_BYTES_MAX + 1];
    memset(payload, 'x', sizeof payload);
    struct stream exact = {.length = 0};
    put_frame(&exact, 0x01, bytes_of(payload, 200));
    put_frame(&exact, 0x80, bytes_of(payload, 100));
    expect_however_cut(bytes_of(exact.data, exact.length), "text[300 xxxxxxxxxxxxxxxx];");

    struct stream summed = {.length = 0};
    put_frame(&summed, 0x01, bytes_of(payload, 200));
    put_frame(&summed, 0x80, bytes_of(payload, 101));
    expect_however_cut(bytes_of(summed.data, summed.length), "error 1009[0 ];");

    struct stream announced = {.length = 0};
    put_frame(&announced, 0x81, bytes_of(payload, 301));
    /* The header is enough: nothing of the payload need arrive. */
    expect_however_cut(bytes_of(announced.data, 8), "error 1009[0 ];");
}

static void bad_text_fails_before_its_frame_is_complete(void **state)
{
    (void)state;
    struct stream stream = {.length = 0};
    put_frame(&stream, 0x81, BYTES("\xed\xa0 and a lot that never arrives"));
    expect_however_cut(bytes_of(stream.data, 8), "error 1007[0 ];");
}

static void a_whole_message_is_a_view_of_the_input(void **state)
{
    (void)state;
    struct stream stream = {.length = 0};
    put_frame(&stream, 0x81, BYTES("hello"));
    struct bytes_mut in = {stream.data, stream.length};
    struct ws_reader reader;
    struct ws_read read;
    ws_reader_init(&reader, MESSAGE_BYTES_MAX);
    assert_int_equal(ws_reader_next(&reader, &in, &read), WS_READ_MESSAGE);
    assert_ptr_equal(read.payload.data, stream.data + 6);
    assert_null(reader.message.data);
    assert_true(ws_reader_is_idle(&reader));
    ws_reader_release(&reader);
}

static void memory_follows_what_has_arrived(void **state)
{
    (void)state;
    /* 16 MiB are announced, ten bytes arrive. */
    uint8_t head[] = {0x82, 0xFF, 0, 0, 0, 0, 1, 0, 0, 0, 1, 2, 3, 4, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9};
    struct bytes_mut in = {head, sizeof head};
    struct ws_reader reader;
    struct ws_read read;
    ws_reader_init(&reader, 16 * 1024 * 1024);
    assert_int_equal(ws_reader_next(&reader, &in, &read), WS_READ_NEED_MORE);
    assert_int_equal(reader.message.length, 10);
    assert_true(reader.message.capacity <= 64);
    ws_reader_release(&reader);
}

static void no_more_frames_begin_than_are_allowed(void **state)
{
    (void)state;
    struct stream stream = {.length = 0};
    struct writer_text text = {.length = 0};
    put_frame(&stream, 0x01, BYTES("ab"));
    put_frame(&stream, 0x00, (struct bytes){0}); /* costs a frame, and yields nothing */
    put_frame(&stream, 0x89, BYTES("ping"));
    put_frame(&stream, 0x80, BYTES("c"));
    struct stream again = stream; /* reading unmasks in place */
    struct ws_reader reader;
    struct ws_read read;
    ws_reader_init(&reader, MESSAGE_BYTES_MAX);
    for (size_t at = 0; at < stream.length; at++) {
        struct bytes_mut in = {stream.data + at, 1};
        reader.frames_left = 0;
        /* A header may be complete only when a frame may begin. */
        if (ws_reader_next(&reader, &in, &read) == WS_READ_OUT_OF_FRAMES) {
            assert_int_equal(in.length, 1);
            reader.frames_left = 1;
            if (ws_reader_next(&reader, &in, &read) != WS_READ_NEED_MORE)
                note(&text, &read);
        } else if (read.kind != WS_READ_NEED_MORE) {
            note(&text, &read);
        }
        assert_int_equal(in.length, 0);
    }
    ws_reader_release(&reader);
    assert_string_equal(text.data, "ping[4 ping];text[3 abc];");

    struct bytes_mut in = {again.data, again.length};
    ws_reader_init(&reader, MESSAGE_BYTES_MAX);
    reader.frames_left = 2;
    assert_int_equal(ws_reader_next(&reader, &in, &read), WS_READ_OUT_OF_FRAMES);
    assert_int_equal(in.length, again.length - 8 - 6);
    ws_reader_release(&reader);
}

static void a_frame_begins_when_its_bytes_are_there_and_a_longer_one_leaves_a_debt(void **state)
{
    (void)state;
    struct stream stream = {.length = 0};
    struct ws_reader reader;
    struct ws_read read;
    char long_text[200];
    memset(long_text, 'x', sizeof long_text);
    put_frame(&stream, 0x01, bytes_of((const uint8_t *)long_text, 30)); /* a fragment: 36 bytes */
    put_frame(&stream, 0x80, bytes_of((const uint8_t *)long_text, 30));
    put_frame(&stream, 0x81, bytes_of((const uint8_t *)long_text, sizeof long_text)); /* 208 */
    put_frame(&stream, 0x89, BYTES("ping"));                                          /* 10 */
    put_frame(&stream, 0x81, BYTES("ab"));
    struct bytes_mut in = {stream.data, stream.length};
    ws_reader_init(&reader, MESSAGE_BYTES_MAX);
    reader.bytes_at_once = 100;
    reader.bytes_left = 59;
    assert_int_equal(ws_reader_next(&reader, &in, &read), WS_READ_OUT_OF_BYTES);
    assert_int_equal(reader.bytes_left, 59 - 36);
    assert_true(ws_reader_waits_for_bytes(&reader, 29));
    assert_false(ws_reader_waits_for_bytes(&reader, 30));
    assert_false(ws_reader_is_idle(&reader));
    assert_int_equal(ws_reader_next(&reader, &in, &read), WS_READ_OUT_OF_BYTES);
    reader.bytes_left = 135;
    assert_int_equal(ws_reader_next(&reader, &in, &read), WS_READ_MESSAGE);
    assert_int_equal(read.payload.length, 60);
    assert_int_equal(ws_reader_next(&reader, &in, &read), WS_READ_OUT_OF_BYTES);
    assert_int_equal(reader.bytes_left, 99);
    assert_true(ws_reader_waits_for_bytes(&reader, 99));
    assert_false(ws_reader_waits_for_bytes(&reader, 100));
    /* The frame has been counted when its header came. */
    reader.bytes_left = 100;
    reader.frames_left = 0;
    assert_int_equal(ws_reader_next(&reader, &in, &read), WS_READ_MESSAGE);
    assert_int_equal(read.payload.length, sizeof long_text);
    assert_int_equal(reader.bytes_left, 100 - 208);
    /* Control frames are let through, and paid for. */
    assert_int_equal(ws_reader_next(&reader, &in, &read), WS_READ_OUT_OF_FRAMES);
    reader.frames_left = 2;
    assert_int_equal(ws_reader_next(&reader, &in, &read), WS_READ_PING);
    assert_int_equal(reader.bytes_left, 100 - 208 - 10);
    assert_int_equal(ws_reader_next(&reader, &in, &read), WS_READ_OUT_OF_BYTES);
    reader.bytes_left = 2;
    assert_int_equal(ws_reader_next(&reader, &in, &read), WS_READ_MESSAGE);
    assert_int_equal(reader.frames_left, 0);
    ws_reader_release(&reader);
}

/* The frame, shorter than the one before, waits until more bytes may come. */
static void a_frame_that_waits_is_exchanged(void **state)
{
    (void)state;
    struct stream stream = {.length = 0};
    struct ws_read read;
    put_frame(&stream, 0x81, BYTES("something longer"));
    put_frame(&stream, 0x81, BYTES("hello"));
    struct bytes_mut in = {stream.data, stream.length};
    struct ws_reader reader = new_reader();
    reader.bytes_left = 10;
    reader.bytes_at_once = 10;
    assert_int_equal(ws_reader_next(&reader, &in, &read), WS_READ_MESSAGE);
    assert_int_equal(ws_reader_next(&reader, &in, &read), WS_READ_OUT_OF_BYTES);
    reader = exchange_reader(&reader);
    assert_int_equal(ws_reader_next(&reader, &in, &read), WS_READ_MESSAGE);
    assert_int_equal(read.payload.length, 5);
    assert_memory_equal(read.payload.data, "hello", 5);
    ws_reader_release(&reader);
}

#define READER(received, length, opcode, control, message)                               \
    "{\"mask\":\"00000000\",\"frameReceived\":" received                                 \
    ",\"utf8Left\":0,\"utf8Lowest\":0,\"utf8Highest\":0,\"isNoText\":0,\"opcode\":1,"    \
    "\"hasHeader\":0,\"isInFrame\":1,\"payloadLength\":" length                          \
    ",\"frameHeaderLength\":6,\"frameOpcode\":" opcode ",\"isFinal\":1,\"header\":\"\"," \
    "\"control\":\"" control "\",\"message\":\"" message "\"}"

static void what_is_no_reader_is_refused(void **state)
{
    (void)state;
    static const char good[] = READER("1", "125", "9", "61", "61");
    static const char *const wrong[] = {
        "{}",
        READER("2", "1", "1", "", ""),       /* more than the frame has */
        READER("1", "126", "9", "61", ""),   /* longer than a control frame may be */
        READER("1", "125", "9", "6162", ""), /* more of it than has come */
        READER("1", "9", "11", "", ""),      /* no opcode */
        READER("-1", "9", "1", "", ""),      /* no number */
        READER("1", "9", "1", "6", ""),      /* half a byte */
        READER("1", "9", "1", "", "6g"),     /* no digits */
    };
    struct json_value value = {.kind = JSON_OBJECT, .raw = bytes_of_string(good)};
    struct ws_reader reader = new_reader();
    assert_true(ws_reader_read(&value, &reader));
    ws_reader_release(&reader);
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        print_message("# %s\n", wrong[i]);
        value.raw = bytes_of_string(wrong[i]);
        reader = new_reader();
        assert_false(ws_reader_read(&value, &reader));
        ws_reader_release(&reader);
    }
    value = (struct json_value){.kind = JSON_STRING, .raw = BYTES("\"\"")};
    reader = new_reader();
    assert_false(ws_reader_read(&value, &reader));
    ws_reader_release(&reader);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_case_yields_the_same_however_it_is_cut),
        cmocka_unit_test(unmasked_frames_are_refused),
        cmocka_unit_test(lengths_must_be_in_their_shortest_form),
        cmocka_unit_test(the_limit_is_exact_and_sums_fragments),
        cmocka_unit_test(bad_text_fails_before_its_frame_is_complete),
        cmocka_unit_test(a_whole_message_is_a_view_of_the_input),
        cmocka_unit_test(memory_follows_what_has_arrived),
        cmocka_unit_test(no_more_frames_begin_than_are_allowed),
        cmocka_unit_test(a_frame_begins_when_its_bytes_are_there_and_a_longer_one_leaves_a_debt),
        cmocka_unit_test(a_frame_that_waits_is_exchanged),
        cmocka_unit_test(what_is_no_reader_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
