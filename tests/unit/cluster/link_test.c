/* A link: its header, and what two ends say to each other, step by step. The rest is simulated. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants these before it. */
#include <cmocka.h>

#include "base/attributes.h"
#include "cluster/link.h"
#include "support/guard_page.h"

#define NOW UINT64_C(1000000)
#define A UINT64_C(0xA)
#define B UINT64_C(0xB)

/* Two ends that have not said anything yet. */
static struct link a;
static struct link b;

static int set_up(void **state)
{
    (void)state;
    link_begin(&a, A, NOW);
    link_begin(&b, B, NOW);
    return 0;
}

static enum link_verdict pass(struct link *from, struct link *to, bool has_bytes)
{
    struct link_header header = link_next(from, has_bytes, NOW);
    return link_receive(to, &header, has_bytes, NOW);
}

/* Both are open, and have said so. */
static int set_up_open(void **state)
{
    set_up(state);
    assert_int_equal(pass(&a, &b, false), LINK_IGNORED);
    assert_int_equal(pass(&b, &a, false), LINK_IGNORED);
    assert_int_equal(pass(&a, &b, false), LINK_IGNORED);
    assert_int_equal(pass(&b, &a, false), LINK_IGNORED);
    assert_true(link_is_open(&a) && link_is_open(&b));
    return 0;
}

static const uint8_t header_bytes[] = {
    'l',  'i',  'n',  'k',  2,                      /* the mark and the version */
    0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0xF8, /* from */
    0x09,                                           /* loop */
    0x11, 0,    0,    0,    0,    0,    0,    0x80, /* session */
    0x12, 0,    0,    0,    0,    0,    0,    0x81, /* answers */
    0x13, 0,    0,    0,    0,    0,    0,    0x82, /* number */
    0x14, 0,    0,    0,    0,    0,    0,    0x83, /* received */
    'x',  'y',                                      /* the stream */
};

/* Reads a message where reading one byte too far is a crash. */
static bool reads(struct bytes message, struct link_header *ret_header, size_t *ret_stream_length)
{
    struct guarded copy = guarded_copy(message);
    struct bytes stream = {0};
    bool is_read = link_header_read(guarded_view(&copy), ret_header, &stream);
    if (is_read)
        assert_ptr_equal(stream.data, copy.bytes.data + LINK_HEADER_BYTES);
    *ret_stream_length = stream.length;
    guarded_free(&copy);
    return is_read;
}

static void a_header_is_read_and_written(void **state)
{
    uint8_t written[LINK_HEADER_BYTES];
    struct writer writer = writer_over(written, sizeof written);
    struct link_header header;
    size_t stream_length;
    (void)state;
    assert_true(reads(bytes_of(header_bytes, sizeof header_bytes), &header, &stream_length));
    assert_int_equal(stream_length, 2);
    assert_true(header.from == UINT64_C(0xF807060504030201));
    assert_int_equal(header.loop, 9);
    assert_true(header.session == UINT64_C(0x8000000000000011));
    assert_true(header.answers == UINT64_C(0x8100000000000012));
    assert_true(header.number == UINT64_C(0x8200000000000013));
    assert_true(header.received == UINT64_C(0x8300000000000014));
    link_header_write(&writer, &header);
    assert_int_equal(writer.length, LINK_HEADER_BYTES);
    assert_memory_equal(written, header_bytes, LINK_HEADER_BYTES);
    assert_true(reads(bytes_of(written, sizeof written), &header, &stream_length));
    assert_int_equal(stream_length, 0);
}

static void what_is_no_header_is_refused(void **state)
{
    uint8_t wrong[sizeof header_bytes];
    struct link_header header;
    size_t stream_length;
    (void)state;
    for (size_t length = 0; length < LINK_HEADER_BYTES; length++)
        assert_false(reads(bytes_of(header_bytes, length), &header, &stream_length));
    for (size_t i = 0; i < 5; i++) {
        memcpy(wrong, header_bytes, sizeof wrong);
        wrong[i]++;
        assert_false(reads(bytes_of(wrong, sizeof wrong), &header, &stream_length));
    }
    memcpy(wrong, header_bytes, sizeof wrong);
    memset(wrong + 14, 0, 8); /* no session */
    assert_false(reads(bytes_of(wrong, sizeof wrong), &header, &stream_length));
}

static void a_link_opens_when_the_peer_answers(void **state)
{
    (void)state;
    assert_int_equal(link_check(&a, NOW), LINK_MUST_SPEAK);
    assert_int_equal(pass(&a, &b, false), LINK_IGNORED);
    assert_int_equal(link_check(&a, NOW), LINK_NOTHING_DUE);
    assert_false(link_is_open(&b)); /* what it heard may be old */
    assert_int_equal(link_check(&b, NOW), LINK_MUST_SPEAK);
    assert_int_equal(pass(&b, &a, false), LINK_IGNORED);
    assert_true(link_is_open(&a));
    assert_int_equal(link_check(&a, NOW), LINK_MUST_SPEAK);
    /* The first bytes open the other end, too. */
    assert_int_equal(pass(&a, &b, true), LINK_TAKEN);
    assert_true(link_is_open(&b));
    assert_int_equal(pass(&b, &a, true), LINK_TAKEN);
}

static void two_ends_that_begin_at_once_open(void **state)
{
    struct link_header of_a = link_next(&a, false, NOW);
    struct link_header of_b = link_next(&b, false, NOW);
    (void)state;
    assert_int_equal(link_receive(&a, &of_b, false, NOW), LINK_IGNORED);
    assert_int_equal(link_receive(&b, &of_a, false, NOW), LINK_IGNORED);
    of_a = link_next(&a, false, NOW);
    of_b = link_next(&b, false, NOW);
    assert_int_equal(link_receive(&a, &of_b, false, NOW), LINK_IGNORED);
    assert_int_equal(link_receive(&b, &of_a, false, NOW), LINK_IGNORED);
    assert_true(link_is_open(&a) && link_is_open(&b));
    assert_true(of_a.session == A && of_a.answers == B);
    assert_true(of_b.session == B && of_b.answers == A);
}

static void bytes_are_taken_once_and_in_order(void **state)
{
    struct link_header first = link_next(&a, true, NOW);
    struct link_header second = link_next(&a, true, NOW);
    struct link_header third = link_next(&a, true, NOW);
    (void)state;
    assert_int_equal(link_receive(&b, &first, true, NOW), LINK_TAKEN);
    assert_int_equal(link_receive(&b, &first, true, NOW), LINK_IGNORED);
    assert_int_equal(link_receive(&b, &second, true, NOW), LINK_TAKEN);
    assert_int_equal(link_receive(&b, &first, true, NOW), LINK_IGNORED);
    assert_int_equal(link_receive(&b, &third, true, NOW), LINK_TAKEN);
    assert_int_equal(link_next(&b, false, NOW).received, 3);
}

static void a_gap_voids_the_link_and_both_begin_anew(void **state)
{
    struct link_header header;
    (void)state;
    link_next(&a, true, NOW); /* is lost */
    header = link_next(&a, true, NOW);
    assert_int_equal(link_receive(&b, &header, true, NOW), LINK_VOID);
    link_begin(&b, B + 1, NOW);
    assert_int_equal(link_receive(&b, &header, true, NOW), LINK_IGNORED);
    assert_false(link_is_open(&b));
    /* It has learned of the peer, and so tells it at once. */
    header = link_next(&b, false, NOW);
    assert_true(header.session == B + 1 && header.answers == A);
    assert_int_equal(link_receive(&a, &header, false, NOW), LINK_VOID);
    link_begin(&a, A + 1, NOW);
    assert_int_equal(link_receive(&a, &header, false, NOW), LINK_IGNORED);
    assert_int_equal(pass(&a, &b, false), LINK_IGNORED);
    assert_true(link_is_open(&b));
    assert_int_equal(pass(&b, &a, true), LINK_TAKEN);
    assert_int_equal(pass(&a, &b, true), LINK_TAKEN);
}

static void an_idle_message_tells_of_a_loss(void **state)
{
    struct link_header idle;
    (void)state;
    assert_int_equal(pass(&a, &b, true), LINK_TAKEN);
    link_next(&a, true, NOW); /* is lost */
    idle = link_next(&a, false, NOW);
    assert_int_equal(idle.number, 2);
    assert_int_equal(link_receive(&b, &idle, false, NOW), LINK_VOID);
}

static void numbers_that_can_not_be_do_no_harm(void **state)
{
    struct link_header header = link_next(&a, false, NOW);
    struct link before = b;
    (void)state;
    /* The bytes of no message. */
    assert_int_equal(link_receive(&b, &header, true, NOW), LINK_IGNORED);
    /* More is acknowledged than was sent. */
    header.received = UINT64_MAX;
    assert_int_equal(link_receive(&b, &header, false, NOW + 1), LINK_IGNORED);
    header.received = 1;
    assert_int_equal(link_receive(&b, &header, false, NOW + 1), LINK_IGNORED);
    assert_memory_equal(&b, &before, sizeof b);
    /* So much can't have been sent, either; but who knows both sessions may say that something is
     * lost. */
    header.received = 0;
    header.number = UINT64_MAX;
    assert_int_equal(link_receive(&b, &header, true, NOW), LINK_VOID);
    assert_int_equal(link_receive(&b, &header, false, NOW), LINK_VOID);
}

static void what_answers_another_session_voids_nothing(void **state)
{
    const struct link_header forged[] = {
        {.session = A + 1, .answers = 0, .number = 1},
        {.session = A + 1, .answers = B + 1, .number = 1, .received = UINT64_MAX},
        {.session = A, .answers = B + 1, .number = UINT64_MAX},
        {.session = A, .answers = 0, .number = 1},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(forged); i++) {
        assert_int_equal(link_receive(&b, &forged[i], true, NOW), LINK_IGNORED);
        assert_int_equal(link_receive(&b, &forged[i], false, NOW), LINK_IGNORED);
    }
    /* The end speaks, since the peer might be another one; but not at once. */
    assert_int_equal(link_check(&b, NOW + LINK_ACKNOWLEDGE_MS - 1), LINK_NOTHING_DUE);
    assert_int_equal(link_check(&b, NOW + LINK_ACKNOWLEDGE_MS), LINK_MUST_SPEAK);
    assert_int_equal(pass(&b, &a, true), LINK_TAKEN);
    assert_int_equal(pass(&a, &b, true), LINK_TAKEN);
}

static void an_end_that_was_restarted_is_noticed(void **state)
{
    (void)state;
    link_begin(&a, A + 1, NOW);
    assert_int_equal(pass(&a, &b, false), LINK_IGNORED);
    assert_int_equal(pass(&b, &a, true), LINK_IGNORED); /* bytes for the one before */
    struct link_header answer = link_next(&a, false, NOW);
    assert_int_equal(link_receive(&b, &answer, false, NOW), LINK_VOID);
}

/* The link says so from this moment on, until then nothing; and that it has to be asked then. */
static void assert_due(const struct link *link, uint64_t in_ms, enum link_due due)
{
    assert_int_equal(link_wait_ms(link, NOW), in_ms);
    if (in_ms > 0)
        assert_int_equal(link_check(link, NOW + in_ms - 1), LINK_NOTHING_DUE);
    assert_int_equal(link_check(link, NOW + in_ms), due);
}

static void an_end_speaks_in_time(void **state)
{
    (void)state;
    assert_due(&a, 0, LINK_MUST_SPEAK);
    link_next(&a, false, NOW);
    assert_due(&a, LINK_OPENING_MS, LINK_MUST_SPEAK);
    set_up_open(state);
    link_next(&a, false, NOW);
    assert_due(&a, LINK_IDLE_MS, LINK_MUST_SPEAK);
    assert_int_equal(pass(&b, &a, true), LINK_TAKEN);
    assert_due(&a, LINK_ACKNOWLEDGE_MS, LINK_MUST_SPEAK);
    link_next(&a, false, NOW);
    assert_due(&a, LINK_IDLE_MS, LINK_MUST_SPEAK);
}

static void an_end_is_lost_in_time(void **state)
{
    uint64_t later_ms = NOW + LINK_UNACKNOWLEDGED_MS;
    (void)state;
    assert_int_equal(link_check(&a, NOW + LINK_SILENT_MS - 1), LINK_MUST_SPEAK);
    assert_int_equal(link_check(&a, NOW + LINK_SILENT_MS), LINK_LOST);
    set_up_open(state);
    assert_int_equal(link_check(&a, NOW + LINK_SILENT_MS - 1), LINK_MUST_SPEAK);
    assert_int_equal(link_check(&a, NOW + LINK_SILENT_MS), LINK_LOST);
    /* Something that waits for its acknowledgement is lost sooner, */
    assert_int_equal(pass(&a, &b, true), LINK_TAKEN);
    link_next(&a, false, later_ms - 1);
    assert_int_equal(link_check(&a, later_ms - 1), LINK_NOTHING_DUE);
    assert_int_equal(link_wait_ms(&a, later_ms - 1), 1);
    assert_int_equal(link_check(&a, later_ms), LINK_LOST);
    /* and not lost once it is acknowledged. */
    assert_int_equal(pass(&b, &a, false), LINK_IGNORED);
    assert_int_equal(link_check(&a, later_ms), LINK_NOTHING_DUE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_header_is_read_and_written),
        cmocka_unit_test(what_is_no_header_is_refused),
        cmocka_unit_test_setup(a_link_opens_when_the_peer_answers, set_up),
        cmocka_unit_test_setup(two_ends_that_begin_at_once_open, set_up),
        cmocka_unit_test_setup(bytes_are_taken_once_and_in_order, set_up_open),
        cmocka_unit_test_setup(a_gap_voids_the_link_and_both_begin_anew, set_up_open),
        cmocka_unit_test_setup(an_idle_message_tells_of_a_loss, set_up_open),
        cmocka_unit_test_setup(numbers_that_can_not_be_do_no_harm, set_up_open),
        cmocka_unit_test_setup(what_answers_another_session_voids_nothing, set_up_open),
        cmocka_unit_test_setup(an_end_that_was_restarted_is_noticed, set_up_open),
        cmocka_unit_test_setup(an_end_speaks_in_time, set_up),
        cmocka_unit_test_setup(an_end_is_lost_in_time, set_up),
    };
    return cmocka_run_group_tests_name("link", tests, NULL, NULL);
}
