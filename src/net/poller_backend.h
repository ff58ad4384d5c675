/* The operations of a poller; poller.h describes each. */
#ifndef PARTY_NET_POLLER_BACKEND_H
#define PARTY_NET_POLLER_BACKEND_H

#include "net/poller.h"

struct poller_operations {
    void (*free)(struct poller *poller);
    bool (*restrict_operations)(struct poller *poller);
    void (*start)(struct poller *poller);
    bool (*listen)(struct poller *poller, int listener_fd);
    void (*stop_listening)(struct poller *poller, int listener_fd);
    bool (*is_accepting)(struct poller *poller);
    bool (*watch)(struct poller *poller, int wake_fd);
    bool (*attach)(struct poller *poller, struct poller_socket *socket);
    bool (*detach)(struct poller *poller, struct poller_socket *socket);
    void (*retire)(struct poller *poller); /* NULL: detaching costs little */
    void (*pause)(struct poller *poller, struct poller_socket *socket);
    void (*resume)(struct poller *poller, struct poller_socket *socket);
    ssize_t (*send)(struct poller *poller, struct poller_socket *socket, const struct iovec *parts,
                    int part_count);
    bool (*may_have_input)(struct poller *poller, const struct poller_socket *socket);
    void (*wait)(struct poller *poller, int timeout_ms);
    bool (*next)(struct poller *poller, struct outcome *ret_outcome);
};

/* The first member of every poller's own structure. */
struct poller {
    const struct poller_operations *operations;
};

/* NULL: the kernel refuses; errno says why. */
MUST_CHECK struct poller *poller_epoll_new(void);
MUST_CHECK struct poller *poller_io_uring_new(void);

/*
 * Pollers copy short parts together and send them as one part, since sendmsg() costs more than the
 * copy. (It was 0.7 us in lockstep (100, 8, 16), see docs/benchmarks.md.)
 */
#define POLLER_GATHERED_BYTES_MAX 4096

static inline void poller_gather(uint8_t *out, const struct iovec *parts, int part_count)
{
    for (int i = 0; i < part_count; i++) {
        memcpy(out, parts[i].iov_base, parts[i].iov_len);
        out += parts[i].iov_len;
    }
}

/* The sum of the parts' lengths. */
static inline size_t poller_parts_length(const struct iovec *parts, int part_count)
{
    size_t length = 0;
    for (int i = 0; i < part_count; i++)
        length += parts[i].iov_len;
    return length;
}

#endif
