/* Letters for other nodes' loops: which go together in one message of the bus, and what comes of
 * it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants these before it. */
#include <cmocka.h>

#include "server/node_parts.h"
#include "server/remote.h"

#define SENT_MAX 8
#define PEER UINT64_C(0xb)

struct sent {
    char subject[NODE_SUBJECT_MAX];
    struct bytes text;
};

static struct sent sent[SENT_MAX];
static uint32_t sent_count;

static struct node_outbox *watched; /* NULL: none */
static size_t waiting[SENT_MAX];    /* bytes, when the message went out */

static enum bus_outcome keep_what_is_sent(struct bus *bus, const char *subject, struct bytes text)
{
    (void)bus;
    if (watched != NULL)
        waiting[sent_count] = watched->bytes;
    assert_true(sent_count < SENT_MAX && text.length <= BUS_MESSAGE_MAX);
    struct sent *at = &sent[sent_count++];
    snprintf(at->subject, sizeof at->subject, "%s", subject);
    uint8_t *copy = malloc(text.length);
    assert_non_null(copy);
    memcpy(copy, text.data, text.length);
    at->text = bytes_of(copy, text.length);
    return BUS_DONE;
}

/* What was sent is read again, message by message, and then the subscription has ended. */
static enum bus_reading read_what_was_sent(struct bus_subscription *subscription, uint32_t wait_ms,
                                           struct bytes *ret_text)
{
    uint32_t *at = (uint32_t *)subscription;
    (void)wait_ms;
    if (*at == sent_count)
        return BUS_CLOSED;
    *ret_text = sent[(*at)++].text;
    return BUS_MESSAGE;
}

static const struct bus_functions functions = {.publish = keep_what_is_sent,
                                               .read = read_what_was_sent};
static struct bus bus = {.functions = &functions};

static int begin(void **state)
{
    struct node *node = calloc(1, sizeof *node);
    assert_non_null(node);
    node->bus = &bus;
    assert_true(node_outbox_init(&node->outbox));
    sent_count = 0;
    *state = node;
    return 0;
}

static int end(void **state)
{
    struct node *node = *state;
    node_outbox_release(&node->outbox);
    free(node);
    for (uint32_t i = 0; i < sent_count; i++)
        free((void *)(uintptr_t)sent[i].text.data);
    return 0;
}

static void say(struct node *node, uint32_t loop, struct bytes letter)
{
    assert_true(node_publish(node, PEER, loop, letter));
}

/* A letter of so many bytes of 'x'. */
static void say_long(struct node *node, uint32_t loop, size_t length)
{
    uint8_t *text = malloc(length);
    assert_non_null(text);
    memset(text, 'x', length);
    say(node, loop, bytes_of(text, length));
    free(text);
}

static void send_all(struct node *node)
{
    node_outbox_stop(&node->outbox);
    assert_null(node_run_sender(node));
    assert_int_equal(node->outbox.bytes, 0);
}

static void assert_next(struct bytes *bundle, struct bytes expected)
{
    struct bytes letter;
    assert_true(bundle_next(bundle, &letter));
    assert_true(bytes_equal(letter, expected));
}

static void what_waits_for_a_loop_goes_together(void **state)
{
    struct node *node = *state;
    say(node, 0, BYTES("first"));
    say(node, 1, BYTES("for another loop"));
    say(node, 0, BYTES("second"));
    send_all(node);
    assert_int_equal(sent_count, 2);
    assert_string_equal(sent[0].subject, "loop.000000000000000b.0");
    assert_string_equal(sent[1].subject, "loop.000000000000000b.1");
    struct bytes bundle = sent[0].text;
    assert_next(&bundle, BYTES("first"));
    assert_next(&bundle, BYTES("second"));
    assert_int_equal(bundle.length, 0);
    bundle = sent[1].text;
    assert_next(&bundle, BYTES("for another loop"));
    assert_int_equal(bundle.length, 0);
}

static void what_is_for_nodes_goes_as_it_is(void **state)
{
    struct node *node = *state;
    node_post(node, "pulse", BYTES("one"));
    node_post(node, "pulse", BYTES("two"));
    send_all(node);
    assert_int_equal(sent_count, 2);
    assert_true(bytes_equal(sent[0].text, BYTES("one")));
    assert_true(bytes_equal(sent[1].text, BYTES("two")));
}

/* Of one loop's letters none overtakes another, also where a short one would fit still. */
static void what_does_not_fit_goes_in_the_next_message(void **state)
{
    struct node *node = *state;
    struct bytes letter;
    say_long(node, 0, 100);
    say_long(node, 0, LINK_MESSAGE_BYTES_MAX);
    say(node, 0, BYTES("short"));
    send_all(node);
    assert_int_equal(sent_count, 3);
    assert_int_equal(sent[0].text.length, 100 + BUNDLE_LENGTH_BYTES);
    assert_int_equal(sent[1].text.length, BUS_MESSAGE_MAX);
    struct bytes bundle = sent[1].text;
    assert_true(bundle_next(&bundle, &letter));
    assert_int_equal(letter.length, LINK_MESSAGE_BYTES_MAX);
    assert_int_equal(sent[2].text.length, 5 + BUNDLE_LENGTH_BYTES);
}

/* Others may wait in its place at once, and not only when all that was taken has gone. */
static void what_has_gone_waits_no_more(void **state)
{
    struct node *node = *state;
    for (uint32_t loop = 0; loop < 3; loop++)
        say_long(node, loop, 1000);
    watched = &node->outbox;
    send_all(node);
    watched = NULL;
    assert_int_equal(waiting[0], 3000);
    assert_int_equal(waiting[1], 2000);
    assert_int_equal(waiting[2], 1000);
}

/* A stranger's bundle does not fill the mailbox with letters of nothing. */
static void a_bundle_has_a_greatest_number_of_letters(void **state)
{
    struct node *node = *state;
    struct loop *loop = calloc(1, sizeof *loop);
    uint32_t at = 0;
    assert_non_null(loop);
    assert_true(mailbox_init(&loop->mailbox, &kernel_linux));
    struct node_reader reader = {
        .node = node, .loop = loop, .subscription = (struct bus_subscription *)&at};
    uint8_t *zeros = calloc(2 * NODE_BURST_LETTERS_MAX, BUNDLE_LENGTH_BYTES);
    assert_non_null(zeros);
    sent[sent_count++].text = bytes_of(zeros, 2 * NODE_BURST_LETTERS_MAX * BUNDLE_LENGTH_BYTES);
    assert_null(node_run_reader(&reader));
    uint32_t count = 0;
    for (struct mail *mail = mailbox_take_all(&loop->mailbox), *next; mail != NULL; mail = next) {
        next = mail->next;
        free(mail);
        count++;
    }
    assert_int_equal(count, NODE_BURST_LETTERS_MAX);
    mailbox_release(&loop->mailbox);
    free(loop);
}

static void each_letter_is_mail_of_its_own(void **state)
{
    const struct bytes expected[] = {BYTES("first"), BYTES(""), BYTES("third")};
    struct node *node = *state;
    struct loop *loop = calloc(1, sizeof *loop);
    uint32_t at = 0;
    assert_non_null(loop);
    assert_true(mailbox_init(&loop->mailbox, &kernel_linux));
    struct node_reader reader = {
        .node = node, .loop = loop, .subscription = (struct bus_subscription *)&at};
    for (uint32_t i = 0; i < 3; i++)
        say(node, 0, expected[i]);
    send_all(node);
    assert_int_equal(sent_count, 1);
    assert_null(node_run_reader(&reader));
    struct mail *mail = mailbox_take_all(&loop->mailbox);
    for (uint32_t i = 0; i < 3; i++) {
        assert_non_null(mail);
        struct remote_mail *remote = (struct remote_mail *)mail;
        struct mail *next = mail->next;
        assert_int_equal(mail->kind, MAIL_REMOTE);
        assert_true(bytes_equal(bytes_of(remote->message, remote->length), expected[i]));
        free(remote);
        mail = next;
    }
    assert_null(mail);
    mailbox_release(&loop->mailbox);
    free(loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_waits_for_a_loop_goes_together, begin, end),
        cmocka_unit_test_setup_teardown(what_is_for_nodes_goes_as_it_is, begin, end),
        cmocka_unit_test_setup_teardown(what_does_not_fit_goes_in_the_next_message, begin, end),
        cmocka_unit_test_setup_teardown(what_has_gone_waits_no_more, begin, end),
        cmocka_unit_test_setup_teardown(a_bundle_has_a_greatest_number_of_letters, begin, end),
        cmocka_unit_test_setup_teardown(each_letter_is_mail_of_its_own, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
