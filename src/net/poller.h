/*
 * The seam to the kernel: a poller speaks in outcomes ("accepted", "bytes arrived"), which both a
 * readiness interface (epoll) and a completion interface (io_uring) can deliver.
 *
 * A poller belongs to one thread. It knows sockets and bytes, no protocol.
 *
 *     poller_wait(poller, timeout_ms);
 *     while (poller_next(poller, &outcome)) ...
 */
#ifndef PARTY_NET_POLLER_H
#define PARTY_NET_POLLER_H

#include <sys/uio.h>

#include "base/attributes.h"
#include "base/bytes.h"

struct poller;

/* A connected socket as the poller sees it; embedded in its owner's connection. */
struct poller_socket {
    int fd;
    uint8_t interest; /* the poller's own note */
};

enum outcome_kind {
    OUTCOME_ACCEPTED,      /* `fd` is a new connection, non-blocking, and the receiver's to close */
    OUTCOME_OVERFLOWED,    /* so it is, but descriptors are used up: close it at once */
    OUTCOME_ACCEPT_FAILED, /* there is a new connection, and it can't be had now: stop listening */
    OUTCOME_RECEIVED,      /* `data` arrived; the receiver may change it */
    OUTCOME_ENDED,         /* the peer has shut down its side; nothing more will be received */
    OUTCOME_SENT,     /* `sent` bytes of the pending send went out (0: the socket takes more now) */
    OUTCOME_FAILED,   /* the connection is broken; it must be detached */
    OUTCOME_DETACHED, /* what poller_detach() had to wait for is done */
    OUTCOME_WOKEN,    /* the waking descriptor is readable */
};

struct outcome {
    enum outcome_kind kind;
    uint64_t token;        /* the one the socket was attached with */
    int fd;                /* ACCEPTED, OVERFLOWED */
    size_t sent;           /* SENT */
    struct bytes_mut data; /* RECEIVED: valid until the next poller_next() */
};

/* NULL with errno set when the kernel refuses. */
MUST_CHECK struct poller *poller_new(void);
void poller_free(struct poller *poller);

/* Accepts from a listening socket, shared with other pollers or not. False: errno says why. */
MUST_CHECK bool poller_listen(struct poller *poller, int listener_fd);

/* Stops accepting from it. */
void poller_stop_listening(struct poller *poller, int listener_fd);

/* Yields OUTCOME_WOKEN whenever the descriptor is readable; the receiver reads it empty. */
MUST_CHECK bool poller_watch(struct poller *poller, int wake_fd);

/*
 * Begins to receive on a socket. The low 32 bits of the token are its fd; the rest is the owner's,
 * below bit 63. False: errno says why.
 */
MUST_CHECK bool poller_attach(struct poller *poller, struct poller_socket *socket, uint64_t token);

/*
 * Ends all that goes on with the socket, so that it may be closed or attached elsewhere; no outcome
 * of it follows. True: done at once. False: OUTCOME_DETACHED will follow, and until then its memory
 * and buffers stay in use.
 */
bool poller_detach(struct poller *poller, struct poller_socket *socket);

/* Stops and resumes receiving; what arrives meanwhile stays in the kernel. */
void poller_pause(struct poller *poller, struct poller_socket *socket, uint64_t token);
void poller_resume(struct poller *poller, struct poller_socket *socket, uint64_t token);

#define POLLER_SEND_PENDING                                              \
    (-1) /* OUTCOME_SENT will follow; the bytes must stay where they are \
          */
#define POLLER_SEND_FAILED (-2)

/* Sends as much as goes at once. Returns bytes sent, or one of the above. */
ssize_t poller_send(struct poller *poller, struct poller_socket *socket, uint64_t token,
                    struct iovec *parts, int part_count);

/* Waits for at least one outcome or the timeout (milliseconds; -1: none). */
void poller_wait(struct poller *poller, int timeout_ms);

/* The next outcome of the last wait; false when there is none left. */
bool poller_next(struct poller *poller, struct outcome *ret_outcome);

#endif
