/* Frame headers and masking (RFC 6455 5.2, 5.3), cut at every place before an unreadable page. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
/* cmocka wants these before it. */
#include <cmocka.h>

#include "proto/ws_frame.h"
#include "support/guard_page.h"

static enum ws_frame_result parse(struct bytes in, struct ws_frame_header *ret_header)
{
    struct guarded guarded = guarded_copy(in);
    enum ws_frame_result result = ws_frame_parse(guarded_view(&guarded), ret_header);
    guarded_free(&guarded);
    return result;
}

static void headers_are_read_once_they_are_whole(void **state)
{
    static const struct {
        struct bytes in;
        uint64_t payload_length;
    } cases[] = {
        {{(const uint8_t *)"\x81\x80\1\2\3\4", 6}, 0},
        {{(const uint8_t *)"\x82\xfd\1\2\3\4", 6}, 125},
        {{(const uint8_t *)"\x01\xfe\x00\x7e\1\2\3\4", 8}, 126},
        {{(const uint8_t *)"\x80\xfe\xff\xff\1\2\3\4", 8}, 65535},
        {{(const uint8_t *)"\x81\xff\0\0\0\0\0\1\0\0\1\2\3\4", 14}, 65536},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct ws_frame_header header;
        struct bytes in = cases[i].in;
        for (size_t length = 0; length < in.length; length++)
            assert_int_equal(parse(bytes_of(in.data, length), &header), WS_FRAME_NEED_MORE);
        assert_int_equal(parse(in, &header), WS_FRAME_DONE);
        assert_int_equal(header.payload_length, cases[i].payload_length);
        assert_int_equal(header.header_length, in.length);
        assert_memory_equal(header.mask, "\1\2\3\4", 4);
        assert_int_equal(header.is_final, in.data[0] >> 7);
    }
}

static void faults_show_with_their_first_byte(void **state)
{
    static const struct bytes cases[] = {
        {(const uint8_t *)"\xc1", 1},
        {(const uint8_t *)"\xa1", 1},
        {(const uint8_t *)"\x91", 1},
        {(const uint8_t *)"\x83", 1},
        {(const uint8_t *)"\x8b", 1},
        {(const uint8_t *)"\x08", 1},
        {(const uint8_t *)"\x81\x05", 2},                      /* not masked */
        {(const uint8_t *)"\x89\xfe", 2},                      /* a long ping */
        {(const uint8_t *)"\x81\xfe\x00\x7d", 4},              /* 125 in 16 bits */
        {(const uint8_t *)"\x81\xff\0\0\0\0\0\0\xff\xff", 10}, /* 65535 in 64 */
        {(const uint8_t *)"\x81\xff\x80\0\0\0\0\0\0\0", 10},   /* the top bit */
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct ws_frame_header header;
        struct bytes in = cases[i];
        assert_int_equal(parse(in, &header), WS_FRAME_INVALID);
        assert_int_equal(parse(bytes_of(in.data, in.length - 1), &header), WS_FRAME_NEED_MORE);
    }
}

static void masking_in_parts_equals_masking_at_once(void **state)
{
    static const uint8_t mask[4] = {1, 2, 3, 4};
    (void)state;
    for (size_t cut = 0; cut <= 21; cut++) {
        uint8_t data[21];
        for (size_t i = 0; i < sizeof data; i++)
            data[i] = (uint8_t)(i ^ mask[i % 4]);
        ws_frame_unmask(data, cut, mask, 0);
        ws_frame_unmask(data + cut, sizeof data - cut, mask, cut);
        for (size_t i = 0; i < sizeof data; i++)
            assert_int_equal(data[i], i);
    }
}

static void headers_are_written_in_their_shortest_form(void **state)
{
    uint8_t out[WS_FRAME_HEADER_OUT_MAX];
    (void)state;
    assert_int_equal(ws_frame_write_header(out, WS_OPCODE_TEXT, 125), 2);
    assert_memory_equal(out, "\x81\x7d", 2);
    assert_int_equal(ws_frame_write_header(out, WS_OPCODE_BINARY, 126), 4);
    assert_memory_equal(out, "\x82\x7e\x00\x7e", 4);
    assert_int_equal(ws_frame_write_header(out, WS_OPCODE_TEXT, 65535), 4);
    assert_int_equal(ws_frame_write_header(out, WS_OPCODE_TEXT, 65536), 10);
    assert_memory_equal(out, "\x81\x7f\0\0\0\0\0\1\0\0", 10);
}

static void a_payload_is_behind_each_form_of_header(void **state)
{
    static uint8_t frame[WS_FRAME_HEADER_OUT_MAX + 65536];
    static const size_t lengths[] = {0, 1, 125, 126, 65535, 65536};
    (void)state;
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        size_t header_length = ws_frame_write_header(frame, WS_OPCODE_TEXT, lengths[i]);
        struct bytes payload = ws_frame_payload(bytes_of(frame, header_length + lengths[i]));
        assert_ptr_equal(payload.data, frame + header_length);
        assert_int_equal(payload.length, lengths[i]);
        for (size_t cut = 0; cut < header_length; cut++)
            assert_int_equal(ws_frame_payload(bytes_of(frame, cut)).length, 0);
    }
}

static void close_codes_are_those_that_peers_may_send(void **state)
{
    static const uint16_t valid[] = {1000, 1003, 1007, 1011, 1014, 3000, 4999};
    static const uint16_t invalid[] = {0, 999, 1004, 1005, 1006, 1015, 2999, 5000, 65535};
    (void)state;
    for (size_t i = 0; i < sizeof valid / sizeof valid[0]; i++)
        assert_true(ws_close_code_is_valid(valid[i]));
    for (size_t i = 0; i < sizeof invalid / sizeof invalid[0]; i++)
        assert_false(ws_close_code_is_valid(invalid[i]));
}

static void a_close_frame_shows_in_its_first_byte(void **state)
{
    (void)state;
    for (unsigned byte = 0; byte <= UINT8_MAX; byte++)
        assert_true(ws_frame_is_close((uint8_t)byte) == (byte == 0x88)); /* FIN, opcode 8 */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(headers_are_read_once_they_are_whole),
        cmocka_unit_test(faults_show_with_their_first_byte),
        cmocka_unit_test(masking_in_parts_equals_masking_at_once),
        cmocka_unit_test(headers_are_written_in_their_shortest_form),
        cmocka_unit_test(a_payload_is_behind_each_form_of_header),
        cmocka_unit_test(close_codes_are_those_that_peers_may_send),
        cmocka_unit_test(a_close_frame_shows_in_its_first_byte),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
