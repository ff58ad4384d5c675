/*
 * The services of the system that a server uses beside its pollers, in one table: clock, random
 * numbers, and calls on single sockets. The simulation has another table, without sockets and
 * without waiting (tests/simulation).
 *
 * Any thread may call these functions, but those for a descriptor only the thread that owns it.
 */
#ifndef PARTY_NET_KERNEL_H
#define PARTY_NET_KERNEL_H

#include "net/poller.h"
#include "net/socket.h"

struct kernel {
    /* Nanoseconds of a clock that never jumps. */
    uint64_t (*now_ns)(void);
    /* Seconds since 1970, UTC. The operator may set this clock, so it may jump. */
    int64_t (*wall_clock_s)(void);
    /* Unpredictable bytes, at most 256 at once. */
    void (*random)(void *ret_bytes, size_t length);

    /* See poller_new(). */
    struct poller *(*poller_new)(enum poller_kind kind);

    /* An event: a descriptor that wake_post() makes readable. -1: errno says why. */
    int (*wake_new)(void);
    void (*wake_post)(int wake_fd);
    void (*wake_read)(int wake_fd);
    void (*wake_free)(int wake_fd);

    /* Connected sockets; see net/socket.h. */
    bool (*peer_address)(int fd, struct address *ret_address);
    bool (*own_address)(int fd, struct address *ret_address);
    bool (*delivery)(int fd, struct socket_delivery *ret_delivery);
    bool (*is_broken)(int fd);
    bool (*has_ended)(int fd);
    bool (*peek)(int fd, uint8_t *ret_byte);
    /* Ends the sending side. False: the connection is broken. */
    bool (*shut)(int fd);
    /*
     * Closes the descriptor. `resets`: with a reset, so that the kernel keeps nothing for the peer.
     */
    void (*close)(int fd, bool resets);
    /* Whether the descriptor stays open when the process executes another program. */
    void (*keep)(int fd, bool is_kept);
    void (*refuse)(int fd, struct bytes answer);
};

/* The table for Linux. */
extern const struct kernel kernel_linux;

/* The clock in milliseconds, 32 bits; see clock_now_ms(). */
static inline uint32_t kernel_now_ms(const struct kernel *kernel)
{
    return (uint32_t)(kernel->now_ns() / 1000000);
}

#endif
