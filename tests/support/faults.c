/*
 * Faults for the server: linked in place of allocation and of some system calls (ld --wrap), they
 * do the same, but for
 *
 *     FAIL_ALLOCATION=N    the Nth allocation (from 1, all threads counted) returns NULL
 *     FAULT_PERMILLE=P     of a thousand calls P fail, or do less than was asked for, as the kernel
 *     FAULT_SEED=S         may at any time: EINTR, EAGAIN, ENOBUFS, ECONNABORTED, short sends and
 *                          receives. Which ones depends on the seed (and on the threads). What is
 *                          asked of io_uring is made less before the kernel sees it, and what goes
 *                          on by itself ends after one time.
 *
 *     NO_IO_URING=1        io_uring is not allowed, as in many containers
 *
 * When one of the first is set, a line at the end says how many allocations, and how many faults,
 * there were.
 */
#include <errno.h>
#include <liburing.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

/* NOLINTBEGIN(bugprone-reserved-identifier): the names that the linker's --wrap gives */
void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *pointer, size_t size);
ssize_t __real_recv(int fd, void *out, size_t length, int flags);
ssize_t __real_send(int fd, const void *data, size_t length, int flags);
ssize_t __real_sendmsg(int fd, const struct msghdr *message, int flags);
int __real_accept4(int fd, struct sockaddr *address, socklen_t *length, int flags);
int __real_epoll_wait(int fd, struct epoll_event *events, int most, int timeout_ms);
int __real_io_uring_queue_init_params(unsigned entries, struct io_uring *ring,
                                      struct io_uring_params *parameters);
int __real_io_uring_submit_and_get_events(struct io_uring *ring);
int __real_io_uring_submit_and_wait_timeout(struct io_uring *ring, struct io_uring_cqe **ret_first,
                                            unsigned least, struct __kernel_timespec *timeout,
                                            sigset_t *signals);

void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *pointer, size_t size);
ssize_t __wrap_recv(int fd, void *out, size_t length, int flags);
ssize_t __wrap_send(int fd, const void *data, size_t length, int flags);
ssize_t __wrap_sendmsg(int fd, const struct msghdr *message, int flags);
int __wrap_accept4(int fd, struct sockaddr *address, socklen_t *length, int flags);
int __wrap_epoll_wait(int fd, struct epoll_event *events, int most, int timeout_ms);
int __wrap_io_uring_queue_init_params(unsigned entries, struct io_uring *ring,
                                      struct io_uring_params *parameters);
int __wrap_io_uring_submit_and_get_events(struct io_uring *ring);
int __wrap_io_uring_submit_and_wait_timeout(struct io_uring *ring, struct io_uring_cqe **ret_first,
                                            unsigned least, struct __kernel_timespec *timeout,
                                            sigset_t *signals);
/* NOLINTEND(bugprone-reserved-identifier) */

static unsigned long failing_allocation;
static unsigned long fault_permille;
static atomic_ulong allocations;
static atomic_ulong faults;
static atomic_ulong random_state;

static unsigned long number_of(const char *variable)
{
    const char *text = getenv(variable);
    return text == NULL ? 0 : strtoul(text, NULL, 10);
}

__attribute__((constructor)) static void read_wishes(void)
{
    failing_allocation = number_of("FAIL_ALLOCATION");
    fault_permille = number_of("FAULT_PERMILLE");
    atomic_store(&random_state, number_of("FAULT_SEED"));
}

__attribute__((destructor)) static void report(void)
{
    if (failing_allocation > 0 || fault_permille > 0)
        dprintf(STDERR_FILENO, "faults: %lu allocations, %lu faults\n", atomic_load(&allocations),
                atomic_load(&faults));
}

static bool allocation_fails(void)
{
    bool fails = atomic_fetch_add(&allocations, 1) + 1 == failing_allocation;
    if (fails)
        atomic_fetch_add(&faults, 1);
    return fails;
}

static uint64_t draw(void)
{
    uint64_t mixed = atomic_fetch_add(&random_state, 0x9E3779B97F4A7C15u); /* splitmix64 */
    mixed = (mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9u;
    mixed = (mixed ^ (mixed >> 27)) * 0x94D049BB133111EBu;
    return mixed ^ (mixed >> 31);
}

static bool is_due(void)
{
    bool is_hit = fault_permille > 0 && draw() % 1000 < fault_permille;
    if (is_hit)
        atomic_fetch_add(&faults, 1);
    return is_hit;
}

/* One of the errors; 0: do less than was asked for instead. */
static int choose(const int *errors, size_t count)
{
    return errors[draw() % count];
}

void *__wrap_malloc(size_t size)
{
    return allocation_fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return allocation_fails() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *pointer, size_t size)
{
    return allocation_fails() ? NULL : __real_realloc(pointer, size);
}

ssize_t __wrap_recv(int fd, void *out, size_t length, int flags)
{
    static const int errors[] = {EINTR, EAGAIN, 0};
    if (!is_due())
        return __real_recv(fd, out, length, flags);
    errno = choose(errors, 3);
    if (errno != 0)
        return -1;
    return __real_recv(fd, out, length > 0 ? 1 + draw() % length % 7 : 0, flags);
}

static const int send_errors[] = {EINTR, EAGAIN, ENOBUFS, 0, 0};

ssize_t __wrap_send(int fd, const void *data, size_t length, int flags)
{
    if (!is_due())
        return __real_send(fd, data, length, flags);
    errno = choose(send_errors, 5);
    if (errno != 0)
        return -1;
    return __real_send(fd, data, length > 1 ? 1 + draw() % (length - 1) : length, flags);
}

ssize_t __wrap_sendmsg(int fd, const struct msghdr *message, int flags)
{
    if (!is_due())
        return __real_sendmsg(fd, message, flags);
    errno = choose(send_errors, 5);
    if (errno != 0)
        return -1;
    const struct iovec *first = message->msg_iov;
    return __real_send(fd, first->iov_base, 1 + draw() % first->iov_len, flags);
}

int __wrap_accept4(int fd, struct sockaddr *address, socklen_t *length, int flags)
{
    static const int errors[] = {EINTR, EAGAIN, ECONNABORTED};
    if (!is_due())
        return __real_accept4(fd, address, length, flags);
    errno = choose(errors, 3);
    return -1;
}

int __wrap_epoll_wait(int fd, struct epoll_event *events, int most, int timeout_ms)
{
    if (!is_due())
        return __real_epoll_wait(fd, events, most, timeout_ms);
    errno = EINTR;
    return -1;
}

int __wrap_io_uring_queue_init_params(unsigned entries, struct io_uring *ring,
                                      struct io_uring_params *parameters)
{
    if (number_of("NO_IO_URING") > 0)
        return -EPERM;
    return __real_io_uring_queue_init_params(entries, ring, parameters);
}

/* A request that the kernel has not seen yet. */
static void spoil_request(struct io_uring_sqe *request)
{
    if (request->opcode == IORING_OP_SEND && request->len > 1) {
        request->len = 1 + (unsigned)(draw() % (request->len - 1));
    } else if (request->opcode == IORING_OP_SENDMSG) {
        struct msghdr *message = (struct msghdr *)(uintptr_t)request->addr;
        message->msg_iovlen = 1;
        message->msg_iov[0].iov_len = 1 + draw() % message->msg_iov[0].iov_len;
    } else if (request->opcode == IORING_OP_RECV) {
        request->ioprio &= (uint16_t)~IORING_RECV_MULTISHOT;
        request->len = 1 + (unsigned)(draw() % 7);
    } else if (request->opcode == IORING_OP_ACCEPT) {
        request->ioprio &= (uint16_t)~IORING_ACCEPT_MULTISHOT;
    }
}

static void spoil_requests(struct io_uring *ring)
{
    struct io_uring_sq *queue = &ring->sq;
    for (unsigned at = queue->sqe_head; at != queue->sqe_tail; at++) {
        if (is_due())
            spoil_request(&queue->sqes[at & queue->ring_mask]);
    }
}

int __wrap_io_uring_submit_and_get_events(struct io_uring *ring)
{
    spoil_requests(ring);
    return __real_io_uring_submit_and_get_events(ring);
}

int __wrap_io_uring_submit_and_wait_timeout(struct io_uring *ring, struct io_uring_cqe **ret_first,
                                            unsigned least, struct __kernel_timespec *timeout,
                                            sigset_t *signals)
{
    if (is_due())
        return -EINTR;
    spoil_requests(ring);
    return __real_io_uring_submit_and_wait_timeout(ring, ret_first, least, timeout, signals);
}
