/* The poller's promises that no black box can see: what it tells, and what it no longer tells. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants these before it. */
#include <cmocka.h>

#include <sys/socket.h>
#include <unistd.h>

#include "net/poller.h"

#define PEERS 3

/* Connected pairs: ours is attached to the poller, the other end is the test's. */
struct pairs {
    struct poller *poller;
    struct poller_socket ours[PEERS];
    int theirs[PEERS];
};

static void pairs_init(struct pairs *pairs)
{
    pairs->poller = poller_new();
    assert_non_null(pairs->poller);
    for (int i = 0; i < PEERS; i++) {
        int fds[2];
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
        pairs->ours[i] = (struct poller_socket){.fd = fds[0]};
        pairs->theirs[i] = fds[1];
        assert_true(poller_attach(pairs->poller, &pairs->ours[i], (uint64_t)fds[0]));
    }
}

static void pairs_release(struct pairs *pairs)
{
    for (int i = 0; i < PEERS; i++) {
        close(pairs->ours[i].fd);
        close(pairs->theirs[i]);
    }
    poller_free(pairs->poller);
}

static void what_arrives_is_told_once(void **state)
{
    (void)state;
    struct pairs pairs;
    struct outcome outcome;
    pairs_init(&pairs);
    assert_int_equal(write(pairs.theirs[1], "hello", 5), 5);
    poller_wait(pairs.poller, 1000);
    assert_true(poller_next(pairs.poller, &outcome));
    assert_int_equal(outcome.kind, OUTCOME_RECEIVED);
    assert_int_equal(outcome.token, pairs.ours[1].fd);
    assert_int_equal(outcome.data.length, 5);
    assert_memory_equal(outcome.data.data, "hello", 5);
    assert_false(poller_next(pairs.poller, &outcome));
    pairs_release(&pairs);
}

static void nothing_is_told_of_a_detached_socket(void **state)
{
    (void)state;
    struct pairs pairs;
    struct outcome outcome;
    pairs_init(&pairs);
    for (int i = 0; i < PEERS; i++)
        assert_int_equal(write(pairs.theirs[i], "x", 1), 1);
    poller_wait(pairs.poller, 1000); /* all three are in this batch */
    assert_true(poller_next(pairs.poller, &outcome));
    for (int i = 0; i < PEERS; i++) {
        if (outcome.token != (uint64_t)pairs.ours[i].fd)
            assert_true(poller_detach(pairs.poller, &pairs.ours[i]));
    }
    assert_false(poller_next(pairs.poller, &outcome));
    pairs_release(&pairs);
}

static void who_is_paused_is_told_when_resumed(void **state)
{
    (void)state;
    struct pairs pairs;
    struct outcome outcome;
    pairs_init(&pairs);
    uint64_t token = (uint64_t)pairs.ours[0].fd;
    poller_pause(pairs.poller, &pairs.ours[0], token);
    assert_int_equal(write(pairs.theirs[0], "x", 1), 1);
    poller_wait(pairs.poller, 0);
    assert_false(poller_next(pairs.poller, &outcome));
    poller_resume(pairs.poller, &pairs.ours[0], token);
    poller_wait(pairs.poller, 1000);
    assert_true(poller_next(pairs.poller, &outcome));
    assert_int_equal(outcome.kind, OUTCOME_RECEIVED);
    pairs_release(&pairs);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_arrives_is_told_once),
        cmocka_unit_test(nothing_is_told_of_a_detached_socket),
        cmocka_unit_test(who_is_paused_is_told_when_resumed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
