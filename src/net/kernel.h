/*
 * What a server asks of the system beside its pollers, in one table: the clock, random bits, and
 * what is asked of a descriptor now and then. Servers that are tested without sockets and without
 * waiting have another table (tests/simulation).
 *
 * Every function may be called by any thread; a descriptor's by the thread that has it.
 */
#ifndef PARTY_NET_KERNEL_H
#define PARTY_NET_KERNEL_H

#include "net/poller.h"
#include "net/socket.h"

struct kernel {
    /* Nanoseconds of a clock that never jumps. */
    uint64_t (*now_ns)(void);
    /* Unpredictable bytes, at most 256 at once. */
    void (*random)(void *ret_bytes, size_t length);

    /* See poller_new(). */
    struct poller *(*poller_new)(enum poller_kind kind);

    /* Something to be woken by: a descriptor, or -1 with errno. Posting to it makes it readable. */
    int (*wake_new)(void);
    void (*wake_post)(int wake_fd);
    void (*wake_read)(int wake_fd);
    void (*wake_free)(int wake_fd);

    /* Connected sockets; see net/socket.h. */
    bool (*peer_address)(int fd, struct address *ret_address);
    bool (*own_address)(int fd, struct address *ret_address);
    bool (*delivery)(int fd, struct socket_delivery *ret_delivery);
    bool (*is_broken)(int fd);
    /* Nothing more will be sent. False: the connection is broken. */
    bool (*shut)(int fd);
    /* The descriptor is free again. `resets`: the kernel is to keep nothing for the peer. */
    void (*close)(int fd, bool resets);
    void (*refuse)(int fd, struct bytes answer);
};

/* Linux. */
extern const struct kernel kernel_linux;

/* 32 bits of milliseconds, see clock_now_ms(). */
static inline uint32_t kernel_now_ms(const struct kernel *kernel)
{
    return (uint32_t)(kernel->now_ns() / 1000000);
}

#endif
