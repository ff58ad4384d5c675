/* The kernel table for Linux. */
#include "net/kernel.h"

#include <assert.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "net/clock.h"
#include "net/process.h"

static uint64_t now_ns(void)
{
    return clock_now_ns();
}

static int64_t wall_clock_s(void)
{
    return time(NULL);
}

static void fill_random(void *ret_bytes, size_t length)
{
    /* getrandom(2): up to 256 bytes are neither interrupted nor cut short. */
    ssize_t filled = getrandom(ret_bytes, length, 0);
    assert(filled == (ssize_t)length);
}

static int wake_new(void)
{
    return eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
}

static void wake_post(int wake_fd)
{
    uint64_t one = 1;
    /* If the counter is full, write() fails, but the descriptor is readable. */
    (void)!write(wake_fd, &one, sizeof one);
}

static void wake_read(int wake_fd)
{
    uint64_t count;
    (void)!read(wake_fd, &count, sizeof count);
}

static void wake_free(int wake_fd)
{
    close(wake_fd);
}

static bool shut(int fd)
{
    return shutdown(fd, SHUT_WR) == 0;
}

static void close_socket(int fd, bool resets)
{
    if (resets)
        socket_reset_on_close(fd);
    close(fd);
}

const struct kernel kernel_linux = {
    .now_ns = now_ns,
    .wall_clock_s = wall_clock_s,
    .random = fill_random,
    .poller_new = poller_new,
    .wake_new = wake_new,
    .wake_post = wake_post,
    .wake_read = wake_read,
    .wake_free = wake_free,
    .peer_address = socket_peer_address,
    .own_address = socket_own_address,
    .delivery = socket_delivery,
    .is_broken = socket_is_broken,
    .has_ended = socket_has_ended,
    .peek = socket_peek,
    .shut = shut,
    .close = close_socket,
    .keep = process_keep_descriptor,
    .refuse = socket_refuse,
};
