/* The poller's promises that no black box can see: what it tells, and what it no longer tells. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants these before it. */
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/listener.h"
#include "net/poller.h"

#define PEERS 3
#define TURNS_MAX 100
#define WAIT_MS 1000 /* long enough for what must come */
#define QUIET_MS 20  /* for what must not */

/* Connected pairs: ours is attached to the poller, the other end is the test's. */
struct pairs {
    struct poller *poller;
    struct poller_socket ours[PEERS];
    int theirs[PEERS];
};

static enum poller_kind kind; /* the one under test */

static void pairs_init(struct pairs *pairs)
{
    pairs->poller = poller_new(kind);
    assert_non_null(pairs->poller);
    poller_start(pairs->poller);
    for (int i = 0; i < PEERS; i++) {
        int fds[2];
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
        pairs->ours[i] = (struct poller_socket){.fd = fds[0]};
        pairs->theirs[i] = fds[1];
        assert_true(poller_attach(pairs->poller, &pairs->ours[i]));
    }
}

static void pairs_release(struct pairs *pairs)
{
    poller_free(pairs->poller);
    for (int i = 0; i < PEERS; i++) {
        close(pairs->ours[i].fd);
        close(pairs->theirs[i]);
    }
}

/* The next outcome, waited for. */
static struct outcome next(struct poller *poller)
{
    struct outcome outcome = {0};
    for (int turn = 0; turn < TURNS_MAX; turn++) {
        if (poller_next(poller, &outcome))
            return outcome;
        poller_wait(poller, WAIT_MS);
    }
    fail_msg("nothing was told");
    return outcome;
}

static void nothing_more_is_told(struct poller *poller)
{
    struct outcome outcome;
    for (int turn = 0; turn < 3; turn++) {
        poller_wait(poller, QUIET_MS);
        assert_false(poller_next(poller, &outcome));
    }
}

static void detach(struct poller *poller, struct poller_socket *socket)
{
    if (poller_detach(poller, socket))
        return;
    struct outcome outcome;
    do
        outcome = next(poller);
    while (outcome.kind != OUTCOME_DETACHED || outcome.socket != socket);
}

/* Says a word to one of ours, and hears that it was told. */
static void say(struct pairs *pairs, int i, const char *word)
{
    size_t length = strlen(word);
    assert_int_equal(write(pairs->theirs[i], word, length), length);
}

static void expect_word(struct pairs *pairs, int i, const char *word)
{
    struct outcome outcome = next(pairs->poller);
    assert_int_equal(outcome.kind, OUTCOME_RECEIVED);
    assert_ptr_equal(outcome.socket, &pairs->ours[i]);
    assert_int_equal(outcome.data.length, strlen(word));
    assert_memory_equal(outcome.data.data, word, strlen(word));
}

static void it_works(void **state)
{
    (void)state;
    assert_true(poller_works(kind));
}

static void what_arrives_is_told_once(void **state)
{
    (void)state;
    struct pairs pairs;
    pairs_init(&pairs);
    say(&pairs, 1, "hello");
    expect_word(&pairs, 1, "hello");
    nothing_more_is_told(pairs.poller);
    say(&pairs, 1, "again");
    expect_word(&pairs, 1, "again");
    pairs_release(&pairs);
}

static void nothing_is_told_of_a_detached_socket(void **state)
{
    (void)state;
    struct pairs pairs;
    struct outcome outcome;
    pairs_init(&pairs);
    for (int i = 0; i < PEERS; i++)
        say(&pairs, i, "x");
    poller_wait(pairs.poller, WAIT_MS); /* all three are in this batch */
    assert_true(poller_next(pairs.poller, &outcome));
    struct poller_socket *told = outcome.socket;
    bool is_detached[PEERS];
    for (int i = 0; i < PEERS; i++)
        is_detached[i] = told != &pairs.ours[i] && poller_detach(pairs.poller, &pairs.ours[i]);
    for (int turn = 0; turn < 3; turn++) {
        while (poller_next(pairs.poller, &outcome)) {
            int i = (int)(outcome.socket - pairs.ours);
            assert_ptr_not_equal(outcome.socket, told);
            assert_false(is_detached[i]);
            is_detached[i] = outcome.kind == OUTCOME_DETACHED;
        }
        poller_wait(pairs.poller, QUIET_MS);
    }
    for (int i = 0; i < PEERS; i++)
        assert_true(told == &pairs.ours[i] || is_detached[i]);
    pairs_release(&pairs);
}

/* Detaches one of ours. Returns how many bytes were told meanwhile. */
static size_t detach_and_count(struct pairs *pairs, int i)
{
    size_t told = 0;
    bool is_detached = poller_detach(pairs->poller, &pairs->ours[i]);
    while (!is_detached) {
        struct outcome outcome = next(pairs->poller);
        if (outcome.kind == OUTCOME_RECEIVED)
            told += outcome.data.length;
        is_detached = outcome.kind == OUTCOME_DETACHED && outcome.socket == &pairs->ours[i];
    }
    return told;
}

/* As before the process is replaced: what was not told is for the next poller. */
static void a_retired_poller_loses_nothing(void **state)
{
    (void)state;
    struct pairs pairs;
    size_t told = 0;
    pairs_init(&pairs);
    say(&pairs, 0, "x");
    say(&pairs, 1, "x");
    poller_wait(pairs.poller, WAIT_MS); /* both are in this batch */
    poller_retire(pairs.poller);
    say(&pairs, 2, "x");
    for (int i = 0; i < PEERS; i++)
        told += detach_and_count(&pairs, i);
    nothing_more_is_told(pairs.poller);
    poller_free(pairs.poller);
    pairs.poller = poller_new(kind);
    poller_start(pairs.poller);
    for (int i = 0; i < PEERS; i++)
        assert_true(poller_attach(pairs.poller, &pairs.ours[i]));
    while (told < PEERS) {
        struct outcome outcome = next(pairs.poller);
        assert_int_equal(outcome.kind, OUTCOME_RECEIVED);
        told += outcome.data.length;
    }
    nothing_more_is_told(pairs.poller);
    pairs_release(&pairs);
}

/* As when a connection moves: nothing of what was sent is lost, between one poller and another. */
static void a_socket_can_go_to_another_poller(void **state)
{
    (void)state;
    struct pairs pairs;
    pairs_init(&pairs);
    struct poller *other = poller_new(kind);
    assert_non_null(other);
    poller_start(other);
    for (int round = 0; round < 200; round++) {
        struct poller *from = round % 2 == 0 ? pairs.poller : other;
        struct poller *to = round % 2 == 0 ? other : pairs.poller;
        say(&pairs, 0, "x");
        struct outcome outcome;
        int told = 0;
        bool is_detached = poller_detach(from, &pairs.ours[0]);
        while (!is_detached) {
            outcome = next(from);
            told += outcome.kind == OUTCOME_RECEIVED;
            is_detached = outcome.kind == OUTCOME_DETACHED;
        }
        assert_true(poller_attach(to, &pairs.ours[0]));
        if (told == 0) {
            outcome = next(to);
            assert_int_equal(outcome.kind, OUTCOME_RECEIVED);
            told = (int)outcome.data.length;
        }
        assert_int_equal(told, 1);
    }
    poller_free(other);
    pairs_release(&pairs);
}

static void who_is_paused_is_told_when_resumed(void **state)
{
    (void)state;
    struct pairs pairs;
    pairs_init(&pairs);
    for (int round = 0; round < 50; round++) {
        poller_pause(pairs.poller, &pairs.ours[0]);
        nothing_more_is_told(pairs.poller);
        say(&pairs, 0, "x");
        if (round == 0)
            nothing_more_is_told(pairs.poller);
        poller_resume(pairs.poller, &pairs.ours[0]);
        expect_word(&pairs, 0, "x");
        /* Paused and resumed in one turn, it is as if nothing had been. */
        poller_pause(pairs.poller, &pairs.ours[0]);
        poller_resume(pairs.poller, &pairs.ours[0]);
        say(&pairs, 0, "y");
        expect_word(&pairs, 0, "y");
    }
    pairs_release(&pairs);
}

static void the_end_is_told_once_and_never_while_paused(void **state)
{
    (void)state;
    struct pairs pairs;
    pairs_init(&pairs);
    poller_pause(pairs.poller, &pairs.ours[0]);
    nothing_more_is_told(pairs.poller);
    say(&pairs, 0, "last");
    assert_int_equal(shutdown(pairs.theirs[0], SHUT_WR), 0);
    nothing_more_is_told(pairs.poller);
    poller_resume(pairs.poller, &pairs.ours[0]);
    expect_word(&pairs, 0, "last");
    struct outcome outcome = next(pairs.poller);
    assert_int_equal(outcome.kind, OUTCOME_ENDED);
    poller_pause(pairs.poller, &pairs.ours[0]);
    nothing_more_is_told(pairs.poller);
    pairs_release(&pairs);
}

/* Sends until the socket is full; returns how many bytes it took. */
static size_t fill(struct pairs *pairs)
{
    static char bytes[100000];
    const struct iovec parts[] = {{bytes, 30000}, {bytes + 30000, 70000}};
    size_t total = 0;
    for (;;) {
        ssize_t sent = poller_send(pairs->poller, &pairs->ours[0], parts, 2);
        if (sent >= 0) {
            total += (size_t)sent;
            if (sent < 100000)
                return total;
            continue;
        }
        assert_int_equal(sent, POLLER_SEND_BEGUN);
        assert_int_equal(pairs->ours[0].sending, 100000);
        struct outcome outcome = next(pairs->poller);
        assert_int_equal(outcome.kind, OUTCOME_SENT);
        assert_int_equal(pairs->ours[0].sending, 0);
        total += outcome.sent;
        if (outcome.is_full)
            return total;
        assert_int_equal(outcome.sent, 100000);
    }
}

static size_t drain(int fd, size_t most)
{
    static char bytes[65536];
    size_t total = 0;
    while (total < most) {
        ssize_t length = read(fd, bytes, sizeof bytes);
        if (length <= 0)
            break;
        total += (size_t)length;
    }
    return total;
}

#define CROWD 3000 /* more than a poller can put down at once */

/*
 * Some sends have parts, of which some are too long to be sent as one. They are denser in the
 * second thousand, so that they need places that the first ones had.
 */
static int parts_for(uint32_t i)
{
    if (i % (i <= 1024 ? 32 : 20) != 0)
        return 1;
    return i % 3 == 0 ? 2 : 3;
}

static void send_to_crowd(struct poller *poller, struct poller_socket *sockets, uint32_t round)
{
    static uint32_t words[CROWD][3];
    static uint8_t filling[5000];
    for (uint32_t i = 0; i < CROWD; i++) {
        words[i][0] = words[i][1] = words[i][2] = round * CROWD + i;
        const struct iovec parts[] = {{&words[i][0], 4}, {&words[i][1], 8}, {filling, 5000}};
        ssize_t sent = poller_send(poller, &sockets[i], parts, parts_for(i));
        assert_true(sent == POLLER_SEND_BEGUN || sent > 0);
    }
}

static void check_crowd(const int *theirs, uint32_t round)
{
    static uint8_t bytes[8192];
    for (uint32_t i = 0; i < CROWD; i++) {
        uint32_t word = round * CROWD + i;
        static const size_t lengths[] = {[1] = 4, [2] = 12, [3] = 5012};
        size_t wanted = lengths[parts_for(i)];
        assert_int_equal(read(theirs[i], bytes, sizeof bytes), wanted);
        for (size_t at = 0; at < wanted && at < 12; at += 4)
            assert_memory_equal(bytes + at, &word, 4);
    }
}

/* Whatever is sent in one turn, to however many, each gets its own bytes. */
static void each_of_a_crowd_gets_its_own(void **state)
{
    (void)state;
    static struct poller_socket ours[CROWD];
    static int theirs[CROWD];
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = limit.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    struct poller *poller = poller_new(kind);
    poller_start(poller);
    for (int i = 0; i < CROWD; i++) {
        int fds[2];
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
        ours[i] = (struct poller_socket){.fd = fds[0]};
        theirs[i] = fds[1];
        assert_true(poller_attach(poller, &ours[i]));
    }
    for (uint32_t round = 0; round < 5; round++) {
        uint32_t under_way = 0;
        send_to_crowd(poller, ours, round);
        for (int i = 0; i < CROWD; i++)
            under_way += ours[i].sending > 0;
        for (; under_way > 0; under_way--)
            assert_int_equal(next(poller).kind, OUTCOME_SENT);
        check_crowd(theirs, round);
    }
    poller_free(poller);
    for (int i = 0; i < CROWD; i++) {
        close(ours[i].fd);
        close(theirs[i]);
    }
}

static void a_full_socket_is_told_to_be_writable(void **state)
{
    (void)state;
    struct pairs pairs;
    pairs_init(&pairs);
    size_t sent = fill(&pairs);
    nothing_more_is_told(pairs.poller);
    assert_int_equal(drain(pairs.theirs[0], SIZE_MAX), sent);
    struct outcome outcome = next(pairs.poller);
    assert_int_equal(outcome.kind, OUTCOME_WRITABLE);
    assert_ptr_equal(outcome.socket, &pairs.ours[0]);
    sent = fill(&pairs);
    assert_int_equal(drain(pairs.theirs[0], SIZE_MAX), sent);
    pairs_release(&pairs);
}

static void a_full_socket_can_be_detached(void **state)
{
    (void)state;
    struct pairs pairs;
    pairs_init(&pairs);
    (void)fill(&pairs);
    detach(pairs.poller, &pairs.ours[0]);
    (void)drain(pairs.theirs[0], SIZE_MAX);
    nothing_more_is_told(pairs.poller);
    assert_int_equal(pairs.ours[0].state, 0);
    pairs_release(&pairs);
}

/* Pausing begins a cancellation, which must not take the place of the one that detaching needs. */
static void a_full_socket_can_be_paused_and_detached(void **state)
{
    (void)state;
    struct pairs pairs;
    pairs_init(&pairs);
    (void)fill(&pairs);
    poller_pause(pairs.poller, &pairs.ours[0]);
    detach(pairs.poller, &pairs.ours[0]);
    assert_int_equal(pairs.ours[0].state, 0);
    pairs_release(&pairs);
}

static void a_broken_connection_fails(void **state)
{
    (void)state;
    struct pairs pairs;
    pairs_init(&pairs);
    close(pairs.theirs[0]);
    struct outcome outcome = next(pairs.poller);
    assert_true(outcome.kind == OUTCOME_ENDED || outcome.kind == OUTCOME_FAILED);
    const struct iovec byte = {.iov_base = (char[]){'x'}, .iov_len = 1};
    ssize_t sent = poller_send(pairs.poller, &pairs.ours[0], &byte, 1);
    if (sent == POLLER_SEND_BEGUN)
        assert_int_equal(next(pairs.poller).kind, OUTCOME_FAILED);
    else
        assert_int_equal(sent, POLLER_SEND_FAILED);
    pairs.theirs[0] = dup(pairs.theirs[1]);
    pairs_release(&pairs);
}

/* More than all receive buffers of a poller hold, from several at once, and in order. */
static void more_than_the_buffers_hold_arrives(void **state)
{
    (void)state;
    struct pairs pairs;
    pairs_init(&pairs);
    const size_t wanted = 4 * 1024 * 1024;
    size_t written[PEERS] = {0};
    size_t told[PEERS] = {0};
    static uint8_t bytes[50000];
    for (int turn = 0; turn < 100000 && told[0] + told[1] + told[2] < PEERS * wanted; turn++) {
        for (int i = 0; i < PEERS; i++) {
            for (size_t at = 0; at < sizeof bytes; at++)
                bytes[at] = (uint8_t)((written[i] + at) % 251);
            size_t left = wanted - written[i];
            ssize_t length =
                left == 0 ? 0 : write(pairs.theirs[i], bytes, left < sizeof bytes ? left : 50000);
            written[i] += length > 0 ? (size_t)length : 0;
        }
        struct outcome outcome;
        poller_wait(pairs.poller, QUIET_MS);
        while (poller_next(pairs.poller, &outcome)) {
            assert_int_equal(outcome.kind, OUTCOME_RECEIVED);
            int i = (int)(outcome.socket - pairs.ours);
            for (size_t at = 0; at < outcome.data.length; at++)
                assert_int_equal(outcome.data.data[at], (told[i] + at) % 251);
            told[i] += outcome.data.length;
        }
    }
    for (int i = 0; i < PEERS; i++)
        assert_int_equal(told[i], wanted);
    pairs_release(&pairs);
}

static void a_wake_is_told(void **state)
{
    (void)state;
    struct poller *poller = poller_new(kind);
    int wake_fd = eventfd(0, EFD_NONBLOCK);
    uint64_t count = 1;
    assert_true(poller_watch(poller, wake_fd));
    poller_start(poller);
    for (int round = 0; round < 3; round++) {
        assert_int_equal(write(wake_fd, &count, sizeof count), sizeof count);
        assert_int_equal(next(poller).kind, OUTCOME_WOKEN);
        assert_int_equal(read(wake_fd, &count, sizeof count), sizeof count);
        nothing_more_is_told(poller);
    }
    poller_free(poller);
    close(wake_fd);
}

static int connect_to(int listener_fd)
{
    struct sockaddr_storage address;
    socklen_t length = sizeof address;
    assert_int_equal(getsockname(listener_fd, (struct sockaddr *)&address, &length), 0);
    int fd = socket(address.ss_family, SOCK_STREAM, 0);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, length), 0);
    return fd;
}

struct listening {
    struct poller *poller;
    int listener_fd;
};

static void listening_init(struct listening *listening)
{
    char why[256];
    listening->listener_fd = listener_open("127.0.0.1", 0, why, sizeof why);
    assert_true(listening->listener_fd >= 0);
    listening->poller = poller_new(kind);
    assert_true(poller_listen(listening->poller, listening->listener_fd));
    poller_start(listening->poller);
}

static void listening_release(struct listening *listening)
{
    poller_free(listening->poller);
    close(listening->listener_fd);
}

static void who_connects_is_accepted_while_listening(void **state)
{
    (void)state;
    struct listening listening;
    listening_init(&listening);
    struct poller *poller = listening.poller;
    for (int round = 0; round < 3; round++) {
        int first = connect_to(listening.listener_fd);
        struct outcome outcome = next(poller);
        assert_int_equal(outcome.kind, OUTCOME_ACCEPTED);
        close(outcome.fd);
        close(first);
        poller_stop_listening(poller, listening.listener_fd);
        nothing_more_is_told(poller);
        int second = connect_to(listening.listener_fd);
        nothing_more_is_told(poller);
        assert_true(poller_listen(poller, listening.listener_fd));
        outcome = next(poller);
        assert_int_equal(outcome.kind, OUTCOME_ACCEPTED);
        close(outcome.fd);
        close(second);
    }
    listening_release(&listening);
}

/* With no descriptor left, one connection at a time is had on the spare one, and nothing spins. */
static void out_of_descriptors_one_is_told_at_a_time(void **state)
{
    (void)state;
    struct listening listening;
    struct rlimit before;
    listening_init(&listening);
    nothing_more_is_told(listening.poller);
    int first = connect_to(listening.listener_fd);
    int second = connect_to(listening.listener_fd);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    struct rlimit none = {.rlim_cur = 3, .rlim_max = before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    struct poller *poller = listening.poller;
    /* What the kernel had accepted before descriptors were short is a common connection. */
    struct outcome outcome = next(poller);
    bool had_one = outcome.kind == OUTCOME_ACCEPTED;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_true(had_one || outcome.kind == OUTCOME_OVERFLOWED ||
                outcome.kind == OUTCOME_ACCEPT_FAILED);
    if (outcome.kind != OUTCOME_ACCEPT_FAILED)
        close(outcome.fd);
    close(first);
    close(second);
    listening_release(&listening);
}

/* The kernel takes nothing of this process's ring any more: /dev/null is in its place. */
static void break_ring(void)
{
    int null_fd = open("/dev/null", O_RDWR);
    for (int fd = 0; fd < null_fd; fd++) {
        char path[64];
        char target[64] = "";
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        ssize_t length = readlink(path, target, sizeof target - 1);
        if (length > 0 && strstr(target, "io_uring") != NULL)
            assert_int_equal(dup2(null_fd, fd), fd);
    }
    close(null_fd);
}

#define MORE_THAN_FIT 1100 /* requests in a ring */

/* Who needs a request that there is no place for is told so; the process lives. */
static void who_finds_no_place_in_the_ring_is_refused(void **state)
{
    (void)state;
    static struct poller_socket sockets[MORE_THAN_FIT];
    int fds[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    struct poller *poller = poller_new(kind);
    assert_non_null(poller);
    poller_start(poller);
    break_ring();
    int refused = 0;
    for (int i = 0; i < MORE_THAN_FIT; i++) {
        sockets[i].fd = fds[0];
        if (!poller_attach(poller, &sockets[i]))
            refused++;
    }
    assert_in_range(refused, 1, MORE_THAN_FIT - 1);
    /* One that has a request under way is ended instead: the kernel then ends that by itself. */
    assert_false(poller_detach(poller, &sockets[0]));
    assert_int_equal(send(fds[0], "x", 1, MSG_NOSIGNAL), -1);
    poller_free(poller);
    close(fds[0]);
    close(fds[1]);
}

static int use_epoll(void **state)
{
    (void)state;
    kind = POLLER_EPOLL;
    return 0;
}

static int use_io_uring(void **state)
{
    (void)state;
    kind = POLLER_IO_URING;
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_works),
        cmocka_unit_test(what_arrives_is_told_once),
        cmocka_unit_test(nothing_is_told_of_a_detached_socket),
        cmocka_unit_test(a_socket_can_go_to_another_poller),
        cmocka_unit_test(who_is_paused_is_told_when_resumed),
        cmocka_unit_test(the_end_is_told_once_and_never_while_paused),
        cmocka_unit_test(each_of_a_crowd_gets_its_own),
        cmocka_unit_test(a_full_socket_is_told_to_be_writable),
        cmocka_unit_test(a_full_socket_can_be_detached),
        cmocka_unit_test(a_retired_poller_loses_nothing),
        cmocka_unit_test(a_full_socket_can_be_paused_and_detached),
        cmocka_unit_test(a_broken_connection_fails),
        cmocka_unit_test(more_than_the_buffers_hold_arrives),
        cmocka_unit_test(a_wake_is_told),
        cmocka_unit_test(who_connects_is_accepted_while_listening),
        cmocka_unit_test(out_of_descriptors_one_is_told_at_a_time),
    };
    int failed = cmocka_run_group_tests_name("epoll", tests, use_epoll, NULL);
    /* Where the kernel does not have it, the server uses epoll as well. */
    const struct CMUnitTest ring_tests[] = {
        cmocka_unit_test(who_finds_no_place_in_the_ring_is_refused),
    };
    if (poller_works(POLLER_IO_URING)) {
        failed += cmocka_run_group_tests_name("io_uring", tests, use_io_uring, NULL);
        failed += cmocka_run_group_tests_name("a broken ring", ring_tests, use_io_uring, NULL);
    }
    return failed;
}
