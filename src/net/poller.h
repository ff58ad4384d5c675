/*
 * The seam to the kernel: a poller speaks in outcomes ("accepted", "bytes arrived"), which both a
 * readiness interface (epoll) and a completion interface (io_uring) deliver.
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
    uint32_t sending; /* bytes of a send that was begun and is not over; 0: there is none */
    uint8_t state;    /* the poller's own note; 0 while the socket is not attached */
    uint8_t owner;    /* the receiver's note: what kind of thing the socket belongs to */
};

enum outcome_kind {
    OUTCOME_ACCEPTED,      /* `fd` is a new connection, non-blocking, and the receiver's to close */
    OUTCOME_OVERFLOWED,    /* so it is, but descriptors are used up: close it at once */
    OUTCOME_ACCEPT_FAILED, /* there is a new connection, and it can't be had now: stop listening */
    OUTCOME_RECEIVED,      /* `data` arrived; the receiver may change it */
    OUTCOME_ENDED,         /* the peer has shut down its side; nothing more will be received */
    OUTCOME_SENT,          /* a send that was begun is over: `sent` bytes went out */
    OUTCOME_WRITABLE,      /* a socket that was full takes more now */
    OUTCOME_FAILED,        /* the connection is broken; it must be detached */
    OUTCOME_DETACHED,      /* what poller_detach() had to wait for is done */
    OUTCOME_WOKEN,         /* the waking descriptor is readable */
};

struct outcome {
    enum outcome_kind kind;
    struct poller_socket *socket; /* whose outcome it is; NULL for those of descriptors */
    int fd;                       /* ACCEPTED, OVERFLOWED */
    size_t sent;                  /* SENT */
    bool is_full;                 /* SENT: the socket took no more; OUTCOME_WRITABLE will follow */
    struct bytes_mut data;        /* RECEIVED: valid until the next poller_next() */
};

/* One more is a line here, and one in the table in poller.c. */
enum poller_kind {
    POLLER_EPOLL,
    POLLER_IO_URING,
    POLLER_KINDS,
};

/* What people call it: `epoll`, `io_uring`. */
const char *poller_name(enum poller_kind kind);

/* Whether the kernel has it, allows it, and it works: tried with a pair of sockets. */
bool poller_works(enum poller_kind kind);

/* NULL with errno set when the kernel refuses. It may be made, and listen, in another thread. */
MUST_CHECK struct poller *poller_new(enum poller_kind kind);
void poller_free(struct poller *poller);

/*
 * Before it is started: the kernel is to refuse whatever no poller asks of it, for ever. False,
 * with errno set: it can't, and the poller works as before.
 */
MUST_CHECK bool poller_restrict(struct poller *poller);

/* Called once by the thread that the poller belongs to, before it waits. */
void poller_start(struct poller *poller);

/* Accepts from a listening socket, shared with other pollers or not. False: errno says why. */
MUST_CHECK bool poller_listen(struct poller *poller, int listener_fd);

/* Stops accepting from it; what was accepted already may still be told. */
void poller_stop_listening(struct poller *poller, int listener_fd);

/* Whether anything of this poller still accepts: after it was told to stop, until the next wait. */
bool poller_is_accepting(struct poller *poller);

/* Yields OUTCOME_WOKEN whenever the descriptor is readable; the receiver reads it empty. */
MUST_CHECK bool poller_watch(struct poller *poller, int wake_fd);

/* Begins to receive on a socket that is connected and non-blocking. False: the kernel refuses. */
MUST_CHECK bool poller_attach(struct poller *poller, struct poller_socket *socket);

/*
 * Ends all that goes on with the socket, so that it may be closed or attached elsewhere. True: done
 * at once; no outcome of it follows. False: OUTCOME_DETACHED will follow, as the last; until then
 * its memory and the bytes of its send stay in use, and what the kernel had already done is told.
 * It may be called again meanwhile, and afterwards.
 */
MUST_CHECK bool poller_detach(struct poller *poller, struct poller_socket *socket);

/*
 * Stops and resumes receiving; what arrives meanwhile stays in the kernel. Some may
 * still be told after a pause, a bounded amount that the kernel had on its way; the peer's end
 * never is.
 */
void poller_pause(struct poller *poller, struct poller_socket *socket);
void poller_resume(struct poller *poller, struct poller_socket *socket);

/* The most that is told of a socket between two waits, and after a pause. */
#define POLLER_RECEIVED_BYTES_MAX (1024 * 1024)

/*
 * Whether something may have arrived on the socket that has not been told: who is busy tells late,
 * and must not take it for silence.
 */
bool poller_may_have_input(struct poller *poller, const struct poller_socket *socket);

#define POLLER_SEND_BEGUN (-1)  /* OUTCOME_SENT will follow */
#define POLLER_SEND_FAILED (-2) /* the connection is broken */

/*
 * Sends what the socket takes. Returns the bytes that went out (when it is less than all, the
 * socket is full and OUTCOME_WRITABLE will follow), or one of the above. A send that was begun
 * needs the bytes, not the parts, until it is over; until then, or until OUTCOME_WRITABLE follows,
 * there must be no other on the socket.
 */
ssize_t poller_send(struct poller *poller, struct poller_socket *socket, const struct iovec *parts,
                    int part_count);

/*
 * Begins what was asked for, and waits for at least one outcome or the timeout (milliseconds; -1:
 * none).
 */
void poller_wait(struct poller *poller, int timeout_ms);

/* The next outcome; false when there is none left. Who stops before that is told the rest after
 * the next wait. */
bool poller_next(struct poller *poller, struct outcome *ret_outcome);

#endif
