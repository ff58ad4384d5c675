/* Items of a link: what is written is read, a part of an item waits, what is wrong is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants these before it. */
#include <cmocka.h>

#include "base/attributes.h"
#include "cluster/link_item.h"
#include "support/guard_page.h"

#define ITEM_MAX 1024

static struct buf buf;
static struct link_item item;

static int set_up(void **state)
{
    (void)state;
    buf_init(&buf, 1 << 20);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    buf_release(&buf);
    return 0;
}

/* Reads where reading one byte too far is a crash. Views of the item are dead then. */
static enum link_reading read_at_guard(struct bytes bytes, size_t *ret_rest)
{
    struct guarded copy = guarded_copy(bytes);
    struct bytes stream = guarded_view(&copy);
    enum link_reading reading = link_item_next(&stream, ITEM_MAX, &item);
    if (reading != LINK_ITEM)
        assert_ptr_equal(stream.data, copy.bytes.data);
    *ret_rest = stream.length;
    guarded_free(&copy);
    return reading;
}

/* All the buffer has is one item: as long as it is not whole, it is waited for. */
static void read_one(void)
{
    size_t rest;
    for (size_t length = 0; length < buf.length; length++) {
        assert_int_equal(read_at_guard(bytes_of(buf.data, length), &rest), LINK_NEEDS_MORE);
        assert_int_equal(rest, length);
    }
    assert_int_equal(read_at_guard(buf_view(&buf), &rest), LINK_ITEM);
    assert_int_equal(rest, 0);
    struct bytes stream = buf_view(&buf);
    assert_int_equal(link_item_next(&stream, buf.length, &item), LINK_ITEM);
    assert_int_equal(link_item_next(&stream, ITEM_MAX, &item), LINK_NEEDS_MORE);
    stream = buf_view(&buf);
    assert_int_equal(link_item_next(&stream, buf.length, &item), LINK_ITEM);
}

static void assert_written(struct bytes expected)
{
    assert_int_equal(buf.length, expected.length);
    assert_memory_equal(buf.data, expected.data, expected.length);
}

static void assert_text(struct bytes text, struct bytes expected)
{
    assert_true(bytes_equal(text, expected));
}

static void enter_is_written_and_read(void **state)
{
    const struct address address = {{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}};
    const struct link_item enter = {.client = 0x01020304,
                                    .protocol = 3,
                                    .has_address = true,
                                    .address = address,
                                    .origin = BYTES("https://a.example"),
                                    .text = BYTES("{\"x\":\"\xc3\xa4\"}")};
    (void)state;
    assert_true(link_put_enter(&buf, &enter));
    assert_written(BYTES("\x34\0\0\0\1\4\3\2\1\3\0\1\1\2\3\4\5\6\7\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f"
                         "\x10\x11https://a.example{\"x\":\"\xc3\xa4\"}"));
    read_one();
    assert_int_equal(item.kind, LINK_ENTER);
    assert_int_equal(item.client, 0x01020304);
    assert_int_equal(item.protocol, 3);
    assert_false(item.is_binary);
    assert_true(item.has_address);
    assert_true(address_equal(item.address, address));
    assert_text(item.origin, enter.origin);
    assert_text(item.text, enter.text);
}

static void enter_may_lack_what_is_not_known(void **state)
{
    const struct link_item enter = {.protocol = 1, .is_binary = true, .text = BYTES("\xff")};
    (void)state;
    assert_true(link_put_enter(&buf, &enter));
    assert_written(BYTES("\x0a\0\0\0\1\0\0\0\0\1\1\0\0\xff"));
    read_one();
    assert_true(item.is_binary);
    assert_false(item.has_address);
    assert_int_equal(item.origin.length, 0);
    assert_text(item.text, BYTES("\xff"));
}

static void the_longest_enter_keeps_to_the_overhead(void **state)
{
    uint8_t origin[LINK_ORIGIN_MAX] = {0};
    const struct link_item enter = {
        .protocol = 1, .has_address = true, .origin = bytes_of(origin, sizeof origin)};
    (void)state;
    assert_true(link_put_enter(&buf, &enter));
    read_one();
    assert_int_equal(item.origin.length, LINK_ORIGIN_MAX);
    assert_true(buf.length <= LINK_ITEM_OVERHEAD);
}

static void say_is_written_and_read(void **state)
{
    (void)state;
    assert_true(link_put_say(&buf, 0xFFFFFFFE, true, BYTES("\0\xff")));
    assert_written(BYTES("\x08\0\0\0\2\xfe\xff\xff\xff\1\0\xff"));
    read_one();
    assert_int_equal(item.kind, LINK_SAY);
    assert_int_equal(item.client, 0xFFFFFFFE);
    assert_true(item.is_binary);
    assert_text(item.text, BYTES("\0\xff"));
}

static void an_empty_text_is_said(void **state)
{
    (void)state;
    assert_true(link_put_say(&buf, 1, false, BYTES("")));
    read_one();
    assert_false(item.is_binary);
    assert_int_equal(item.text.length, 0);
}

static void leave_is_written_and_read(void **state)
{
    (void)state;
    assert_true(link_put_leave(&buf, 7, 2));
    assert_written(BYTES("\6\0\0\0\3\7\0\0\0\2"));
    read_one();
    assert_int_equal(item.kind, LINK_LEAVE);
    assert_int_equal(item.client, 7);
    assert_int_equal(item.departure, 2);
}

static void entered_is_written_and_read(void **state)
{
    (void)state;
    struct link_item entered = {.client = 7, .entered = 9, .outcome = LINK_OUTCOME_SEATED};
    assert_true(link_put_entered(&buf, &entered));
    assert_written(BYTES("\x0b\0\0\0\4\7\0\0\0\x09\0\0\0\0\0"));
    read_one();
    assert_int_equal(item.kind, LINK_ENTERED);
    assert_int_equal(item.client, 7);
    assert_int_equal(item.entered, 9);
    assert_int_equal(item.outcome, LINK_OUTCOME_SEATED);
    assert_false(item.has_seat);
    buf.length = 0;
    entered.entered = LINK_HANDLE_NONE;
    entered.outcome = LINK_OUTCOME_UNTOLD;
    assert_true(link_put_entered(&buf, &entered));
    read_one();
    assert_true(item.entered == LINK_HANDLE_NONE);
    assert_int_equal(item.outcome, LINK_OUTCOME_UNTOLD);
}

#define SEAT_TEXT                                    \
    "\1\2\3\4\5\6\7\x08"               /* code */    \
    "\x11\x12\x13\x14\x15\x16\x17\x18" /* epoch */   \
    "\x21\x22\x23\x24\x25\x26\x27\x28" /* seen */    \
    "\x31\x32\x33\x34"                 /* session */ \
    "\x41\x42\x43\x44"                 /* attempt */ \
    "me"
#define SEAT_WITHOUT_ID "\1\2\3\4\5\6\7\x08\1\2\3\4\5\6\7\x08\1\2\3\4\5\6\7\x08\1\2\3\4\5\6\7\x08"
#define SEAT_OF_NO_SESSION \
    "\1\2\3\4\5\6\7\x08\1\2\3\4\5\6\7\x08\1\2\3\4\5\6\7\x08\0\0\0\0\5\6\7\x08me"

static const struct link_seat seat = {.code = 0x0807060504030201,
                                      .epoch = 0x1817161514131211,
                                      .seen = 0x2827262524232221,
                                      .session = 0x34333231,
                                      .attempt = 0x44434241};

static void assert_seat(void)
{
    assert_true(item.seat.code == seat.code && item.seat.epoch == seat.epoch);
    assert_true(item.seat.seen == seat.seen);
    assert_int_equal(item.seat.session, seat.session);
    assert_int_equal(item.seat.attempt, seat.attempt);
    assert_text(item.text, BYTES("me"));
}

static void entered_has_a_seat(void **state)
{
    (void)state;
    assert_true(link_put_entered(&buf, &(struct link_item){.client = 7,
                                                           .entered = 9,
                                                           .outcome = LINK_OUTCOME_SEATED,
                                                           .has_seat = true,
                                                           .seat = seat,
                                                           .text = BYTES("me")}));
    assert_written(BYTES("\x2d\0\0\0\4\7\0\0\0\x09\0\0\0\0\1" SEAT_TEXT));
    read_one();
    assert_int_equal(item.entered, 9);
    assert_true(item.has_seat);
    assert_seat();
}

static void return_is_written_and_read(void **state)
{
    struct link_item again = {.client = 7,
                              .origin = BYTES("o"),
                              .unasked = 0x01020304,
                              .seat = seat,
                              .text = BYTES("me")};
    (void)state;
    assert_true(link_put_return(&buf, &again));
    assert_written(BYTES("\x2e\0\0\0\x09\7\0\0\0\0\1o\4\3\2\1" SEAT_TEXT));
    read_one();
    assert_int_equal(item.kind, LINK_RETURN);
    assert_int_equal(item.client, 7);
    assert_int_equal(item.protocol, 3);
    assert_int_equal(item.unasked, 0x01020304);
    assert_text(item.origin, BYTES("o"));
    assert_false(item.has_address);
    assert_seat();
    buf.length = 0;
    again.has_address = true;
    again.address.octets[15] = 9;
    assert_true(link_put_return(&buf, &again));
    read_one();
    assert_true(item.has_address);
    assert_int_equal(item.address.octets[15], 9);
    assert_seat();
}

static void a_frame_has_its_clients(void **state)
{
    (void)state;
    assert_true(link_put_say(&buf, 1, false, BYTES("before")));
    size_t begin = link_put_frame(&buf, BYTES("\x81\1x"), 1, 5);
    assert_int_equal(begin, 16);
    assert_true(link_add_client(&buf, begin, 0x01020304));
    assert_true(link_add_client(&buf, begin, 0));
    assert_true(link_put_leave(&buf, 1, 0));
    struct bytes stream = buf_view(&buf);
    assert_int_equal(link_item_next(&stream, ITEM_MAX, &item), LINK_ITEM);
    assert_int_equal(link_item_next(&stream, ITEM_MAX, &item), LINK_ITEM);
    assert_int_equal(item.kind, LINK_FRAME);
    assert_text(item.text, BYTES("\x81\1x"));
    assert_int_equal(item.client_count, 3);
    assert_int_equal(link_item_client(&item, 0), 5);
    assert_int_equal(link_item_client(&item, 1), 0x01020304);
    assert_int_equal(link_item_client(&item, 2), 0);
    assert_int_equal(link_item_next(&stream, ITEM_MAX, &item), LINK_ITEM);
    assert_int_equal(item.kind, LINK_LEAVE);
    assert_int_equal(stream.length, 0);
}

static void a_frame_is_written_as_it_is_said(void **state)
{
    (void)state;
    assert_int_equal(link_put_frame(&buf, BYTES("\x81\1x"), 0x0807060504030201, 5), 0);
    assert_true(link_add_client(&buf, 0, 6));
    assert_written(BYTES("\x18\0\0\0\5\1\2\3\4\5\6\7\x08\3\0\0\0\x81\1x\5\0\0\0\6\0\0\0"));
    read_one();
    assert_true(item.counts == 0x0807060504030201);
    assert_int_equal(item.client_count, 2);
}

static void a_frame_has_no_more_clients_than_the_reader_takes(void **state)
{
    (void)state;
    struct bytes frame = BYTES("\x81\1x");
    assert_int_equal(link_put_frame(&buf, frame, 1, 0), 0);
    for (uint32_t i = 1; i < LINK_CLIENTS_MAX; i++)
        assert_true(link_add_client(&buf, 0, i));
    size_t length = buf.length;
    assert_true(length <= frame.length + LINK_ITEM_OVERHEAD);
    assert_false(link_add_client(&buf, 0, LINK_CLIENTS_MAX));
    assert_int_equal(buf.length, length);
    struct bytes stream = buf_view(&buf);
    assert_int_equal(link_item_next(&stream, length, &item), LINK_ITEM);
    assert_int_equal(item.client_count, LINK_CLIENTS_MAX);
    assert_int_equal(link_item_client(&item, LINK_CLIENTS_MAX - 1), LINK_CLIENTS_MAX - 1);
    /* One more, by hand. */
    assert_int_equal(buf_append(&buf, BYTES("\1\0\0\0")), BUF_OK);
    buf.data[0] += 4;
    stream = buf_view(&buf);
    assert_int_equal(link_item_next(&stream, buf.length, &item), LINK_BROKEN);
}

static void close_is_written_and_read(void **state)
{
    char reason[LINK_REASON_MAX];
    (void)state;
    memset(reason, 'r', sizeof reason);
    assert_true(link_put_close(&buf, 7, 4001, BYTES("why")));
    assert_written(BYTES("\x0a\0\0\0\6\7\0\0\0\xa1\x0fwhy"));
    read_one();
    assert_int_equal(item.kind, LINK_CLOSE);
    assert_int_equal(item.client, 7);
    assert_int_equal(item.code, 4001);
    assert_text(item.text, BYTES("why"));
    buf.length = 0;
    assert_true(link_put_close(&buf, 7, 0, BYTES("")));
    read_one();
    assert_int_equal(item.code, 0);
    buf.length = 0;
    assert_true(link_put_close(&buf, 7, 1012, bytes_of(reason, sizeof reason)));
    read_one();
    assert_int_equal(item.text.length, LINK_REASON_MAX);
}

static void ask_is_written_and_read(void **state)
{
    const struct address address = {{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}};
    const struct link_item ask = {
        .client = 7, .room_code = 0x0807060504030201, .has_address = true, .address = address};
    (void)state;
    assert_true(link_put_ask(&buf, &ask));
    assert_written(BYTES("\x1e\0\0\0\7\7\0\0\0\1\2\3\4\5\6\7\x08\1\1\2\3\4\5\6\7\x08\x09\x0a"
                         "\x0b\x0c\x0d\x0e\x0f\x10"));
    read_one();
    assert_int_equal(item.kind, LINK_ASK);
    assert_int_equal(item.client, 7);
    assert_int_equal(item.room_code, 0x0807060504030201);
    assert_true(item.has_address && address_equal(item.address, address));
}

/* Who writes a link to the room looks behind a backslash. */
static void a_url_that_is_no_json_is_broken(void **state)
{
    static const char *const urls[] = {"http://a/\\", "http://a/\\n", "http://a/\"", "http://a/\n",
                                       "http://a/\\u0041"};
    size_t rest;
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(urls); i++) {
        buf.length = 0;
        assert_true(link_put_answer(&buf, &(struct link_item){.text = bytes_of_string(urls[i])}));
        assert_int_equal(read_at_guard(buf_view(&buf), &rest), LINK_BROKEN);
    }
}

static void answer_is_written_and_read(void **state)
{
    const struct link_room room = {.is_found = true,
                                   .has_password = true,
                                   .protocol = 3,
                                   .clients = 0x01020304,
                                   .away = 5,
                                   .audience = 6,
                                   .members_max = 7};
    const struct link_item answer = {
        .client = 9, .room = room, .origin = BYTES("o"), .text = BYTES("url")};
    (void)state;
    assert_true(link_put_answer(&buf, &answer));
    assert_written(BYTES("\x20\0\0\0\x08\x09\0\0\0\0\0\1\0\1\3\4\3\2\1\5\0\0\0\6\0\0\0\7\0\0\0"
                         "\1ourl"));
    read_one();
    assert_int_equal(item.kind, LINK_ANSWER);
    assert_int_equal(item.client, 9);
    assert_memory_equal(&item.room, &room, sizeof room);
    assert_text(item.origin, BYTES("o"));
    assert_text(item.text, BYTES("url"));
    buf.length = 0;
    assert_true(link_put_answer(&buf, &(struct link_item){.text = BYTES("http://a/\\\"\\\\")}));
    read_one();
    buf.length = 0;
    assert_true(link_put_answer(&buf, &(struct link_item){.room.is_untold = true}));
    read_one();
    assert_true(item.room.is_untold);
    assert_false(item.room.is_found || item.room.is_unknown || item.room.is_locked);
}

/* The fields of an item behind its length; \x78 is `x`. */
static void what_is_wrong_is_broken(void **state)
{
    const struct bytes wrong[] = {
        BYTES(""),                                         /* no kind */
        BYTES("\0\1\0\0\0\0"),                             /* kinds that are none */
        BYTES("\x0a\1\0\0\0\0"),                           /**/
        BYTES("\xff"),                                     /**/
        BYTES("\1"),                                       /* ENTER: nothing, or too little */
        BYTES("\1\7\0\0"),                                 /**/
        BYTES("\1\7\0\0\0"),                               /**/
        BYTES("\1\7\0\0\0\3"),                             /**/
        BYTES("\1\7\0\0\0\3\0"),                           /**/
        BYTES("\1\7\0\0\0\3\0\0"),                         /**/
        BYTES("\1\7\0\0\0\3\0\0\2x"),                      /* the origin is longer */
        BYTES("\1\7\0\0\0\3\0\1\1\2\3\4\5\6\7\1"),         /* so is the address */
        BYTES("\1\xff\xff\xff\xff\3\0\0\0x"),              /* no client */
        BYTES("\1\7\0\0\0\0\0\0\0x"),                      /* protocols that there are not */
        BYTES("\1\7\0\0\0\4\0\0\0x"),                      /**/
        BYTES("\1\7\0\0\0\3\2\0\0x"),                      /* flags are 0 or 1 */
        BYTES("\1\7\0\0\0\3\0\2\0x"),                      /**/
        BYTES("\1\7\0\0\0\3\0\0\0\xff"),                   /* no UTF-8 */
        BYTES("\2\7\0\0"),                                 /* SAY */
        BYTES("\2\7\0\0\0"),                               /**/
        BYTES("\2\xff\xff\xff\xff\0x"),                    /**/
        BYTES("\2\7\0\0\0\2x"),                            /**/
        BYTES("\2\7\0\0\0\0\xc3"),                         /**/
        BYTES("\3\7\0\0"),                                 /* LEAVE */
        BYTES("\3\7\0\0\0"),                               /**/
        BYTES("\3\xff\xff\xff\xff\0"),                     /**/
        BYTES("\3\7\0\0\0\4"),                             /* no departure */
        BYTES("\3\7\0\0\0\0\0"),                           /* a byte more */
        BYTES("\4\7\0\0\0\x09\0\0"),                       /* ENTERED */
        BYTES("\4\7\0\0\0\x09\0\0\0"),                     /**/
        BYTES("\4\7\0\0\0\x09\0\0\0\0"),                   /**/
        BYTES("\4\xff\xff\xff\xff\x09\0\0\0\0\0"),         /**/
        BYTES("\4\7\0\0\0\xff\xff\xff\xff\0\0"),           /* seated, without a handle */
        BYTES("\4\7\0\0\0\x09\0\0\0\1\0"),                 /* not seated, with one */
        BYTES("\4\7\0\0\0\xff\xff\xff\xff\5\0"),           /* no outcome */
        BYTES("\4\7\0\0\0\x09\0\0\0\0\2"),                 /* flags are 0 or 1 */
        BYTES("\4\7\0\0\0\x09\0\0\0\0\0\0"),               /* a byte more */
        BYTES("\4\7\0\0\0\xff\xff\xff\xff\1\1" SEAT_TEXT), /* not seated, with a seat */
        BYTES("\4\7\0\0\0\x09\0\0\0\0\1" SEAT_WITHOUT_ID), /* of nobody */
        BYTES("\4\7\0\0\0\x09\0\0\0\0\1" SEAT_OF_NO_SESSION),
        BYTES("\5\1\0\0\0\0\0\0\0\1\0\0"),                    /* FRAME */
        BYTES("\5\1\0\0\0\0\0\0\0\1\0\0\0"),                  /**/
        BYTES("\5\1\0\0\0\0\0\0\0\1\0\0\0x"),                 /* for no client */
        BYTES("\5\1\0\0\0\0\0\0\0\1\0\0\0x\7\0\0"),           /* for a part of one */
        BYTES("\5\1\0\0\0\0\0\0\0\1\0\0\0x\7\0\0\0\7"),       /* for one and a part of one */
        BYTES("\5\1\0\0\0\0\0\0\0\0\0\0\0\7\0\0\0"),          /* an empty frame */
        BYTES("\5\1\0\0\0\0\0\0\0\xff\xff\xff\xffx\7\0\0\0"), /* a longer one than there is */
        BYTES("\5\1\0\0\0\0\0\0\0\6\0\0\0x\7\0\0\0"),         /**/
        BYTES("\5\1\0\0\0\0\0\0\0\1\0\0\0x\7\0\0\0\xff\xff\xff\xff"),
        BYTES("\x09\7\0\0\0\0\0\1\0\0"),                      /* RETURN */
        BYTES("\x09\xff\xff\xff\xff\0\0\1\0\0\0" SEAT_TEXT),  /**/
        BYTES("\x09\7\0\0\0\0\0\0\0\0\0" SEAT_TEXT),          /* its number is 0 */
        BYTES("\x09\7\0\0\0\2\0\1\0\0\0" SEAT_TEXT),          /* flags are 0 or 1 */
        BYTES("\x09\7\0\0\0\0\xff\1\0\0\0" SEAT_TEXT),        /* the origin is longer */
        BYTES("\x09\7\0\0\0\0\0\1\0\0\0" SEAT_WITHOUT_ID),    /* of nobody */
        BYTES("\x09\7\0\0\0\0\0\1\0\0\0" SEAT_OF_NO_SESSION), /**/
        BYTES("\6\7\0\0"),                                    /* CLOSE */
        BYTES("\6\7\0\0\0"),                                  /**/
        BYTES("\6\7\0\0\0\xa1"),                              /**/
        BYTES("\6\xff\xff\xff\xff\xa1\x0f"),                  /**/
        BYTES("\6\7\0\0\0\1\0"),                              /* codes that nobody may send */
        BYTES("\6\7\0\0\0\xed\3"),                            /**/
        BYTES("\6\7\0\0\0\0\0why"),                           /* a word where none is said */
        BYTES("\6\7\0\0\0\xa1\x0f\xff"),                      /* no UTF-8 */
        BYTES("\7\7\0\0\0\1\2\3\4\5\6\7"),                    /* ASK: a code that ends early */
        BYTES("\7\7\0\0\0\1\2\3\4\5\6\7\x08\2"),              /* flags are 0 or 1 */
        BYTES("\7\7\0\0\0\1\2\3\4\5\6\7\x08\1\1"),            /* half an address */
        BYTES("\7\7\0\0\0\1\2\3\4\5\6\7\x08\0\0"),            /* a byte more */
        BYTES("\7\xff\xff\xff\xff\1\2\3\4\5\6\7\x08\0"),
        /* ANSWER: a protocol that there is not, flags, an origin that is longer, no UTF-8 */
        BYTES("\x08\7\0\0\0\0\0\1\0\0\4\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"),
        BYTES("\x08\7\0\0\0\0\0\1\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"),
        BYTES("\x08\7\0\0\0\2\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"),
        BYTES("\x08\7\0\0\0\0\2\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"),
        BYTES("\x08\7\0\0\0\0\0\2\0\0\1\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"),
        BYTES("\x08\7\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1"),
        BYTES("\x08\7\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\xff"),
        BYTES("\x08\7\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1\xff"),
        BYTES("\x08\7\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"),
    };
    size_t rest;
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(wrong); i++) {
        uint8_t length[] = {(uint8_t)wrong[i].length, 0, 0, 0};
        buf.length = 0;
        assert_int_equal(buf_append(&buf, bytes_of(length, sizeof length)), BUF_OK);
        assert_int_equal(buf_append(&buf, wrong[i]), BUF_OK);
        /* The same with something behind it, which does not belong to it. */
        for (uint32_t more = 0; more < 2; more++) {
            if (read_at_guard(buf_view(&buf), &rest) != LINK_BROKEN)
                fail_msg("wrong item %zu is not refused", i);
            assert_int_equal(buf_append(&buf, BYTES("\1\1\1\1\1\1\1\1\1\1\1\1")), BUF_OK);
        }
    }
}

static void a_reason_that_is_too_long_is_broken(void **state)
{
    char reason[LINK_REASON_MAX] = {0};
    size_t rest;
    (void)state;
    assert_true(link_put_close(&buf, 7, 4001, bytes_of(reason, sizeof reason)));
    assert_int_equal(buf_append(&buf, BYTES("x")), BUF_OK);
    buf.data[0]++;
    assert_int_equal(read_at_guard(buf_view(&buf), &rest), LINK_BROKEN);
}

static void an_item_that_is_too_long_is_broken_at_once(void **state)
{
    struct bytes stream;
    (void)state;
    assert_true(link_put_leave(&buf, 7, 2));
    for (size_t most = 0; most < buf.length; most++) {
        stream = buf_view(&buf);
        assert_int_equal(link_item_next(&stream, most, &item), LINK_BROKEN);
        stream.length = 4;
        assert_int_equal(link_item_next(&stream, most, &item), LINK_BROKEN);
    }
    stream = BYTES("\xff\xff\xff\xff");
    assert_int_equal(link_item_next(&stream, ITEM_MAX, &item), LINK_BROKEN);
    assert_int_equal(link_item_next(&stream, (size_t)UINT32_MAX + 4, &item), LINK_NEEDS_MORE);
}

static void what_does_not_fit_is_not_appended(void **state)
{
    const struct link_item enter = {.protocol = 1};
    const struct link_item again = {.unasked = 1, .seat = seat, .text = BYTES("me")};
    (void)state;
    buf_init(&buf, 11);
    assert_true(link_put_leave(&buf, 7, 2)); /* leaves one byte */
    assert_false(link_put_enter(&buf, &enter));
    assert_false(link_put_say(&buf, 7, false, BYTES("")));
    assert_false(link_put_leave(&buf, 7, 2));
    assert_false(link_put_entered(&buf, &(struct link_item){.entered = 9}));
    assert_false(link_put_return(&buf, &again));
    assert_false(link_put_close(&buf, 7, 0, BYTES("")));
    assert_false(link_put_ask(&buf, &enter));
    assert_false(link_put_answer(&buf, &enter));
    assert_true(link_put_frame(&buf, BYTES("x"), 1, 7) == SIZE_MAX);
    assert_written(BYTES("\6\0\0\0\3\7\0\0\0\2"));
    buf_release(&buf);
    buf_init(&buf, 25);
    assert_int_equal(link_put_frame(&buf, BYTES("x"), 1, 7), 0);
    assert_false(link_add_client(&buf, 0, 8));
    assert_written(BYTES("\x12\0\0\0\5\1\0\0\0\0\0\0\0\1\0\0\0x\7\0\0\0"));
}

#define ITEM_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ITEM_TEST(enter_is_written_and_read),
        ITEM_TEST(enter_may_lack_what_is_not_known),
        ITEM_TEST(the_longest_enter_keeps_to_the_overhead),
        ITEM_TEST(say_is_written_and_read),
        ITEM_TEST(an_empty_text_is_said),
        ITEM_TEST(leave_is_written_and_read),
        ITEM_TEST(entered_is_written_and_read),
        ITEM_TEST(entered_has_a_seat),
        ITEM_TEST(return_is_written_and_read),
        ITEM_TEST(a_frame_has_its_clients),
        ITEM_TEST(a_frame_is_written_as_it_is_said),
        ITEM_TEST(a_frame_has_no_more_clients_than_the_reader_takes),
        ITEM_TEST(close_is_written_and_read),
        ITEM_TEST(ask_is_written_and_read),
        ITEM_TEST(answer_is_written_and_read),
        ITEM_TEST(a_url_that_is_no_json_is_broken),
        ITEM_TEST(what_is_wrong_is_broken),
        ITEM_TEST(a_reason_that_is_too_long_is_broken),
        ITEM_TEST(an_item_that_is_too_long_is_broken_at_once),
        ITEM_TEST(what_does_not_fit_is_not_appended),
    };
    return cmocka_run_group_tests_name("link_item", tests, NULL, NULL);
}
