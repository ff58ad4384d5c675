/*
 * The seam to the kernel. A poller reports outcomes ("accepted", "bytes arrived"), which both a
 * readiness interface (epoll) and a completion interface (io_uring) can deliver.
 *
 * A poller belongs to one thread. It knows sockets and bytes, but no protocol.
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

/* A connected socket, embedded in its owner's connection. */
struct poller_socket {
    int fd;
    uint32_t sending; /* bytes of the send that is under way; 0: none */
    uint8_t state;    /* for the poller alone; 0 while the socket is not attached */
    uint8_t owner;    /* for the receiver: the type of the object that embeds the socket */
    bool is_kept;     /* for the receiver: the descriptor stays open in execve() */
};

enum outcome_kind {
    OUTCOME_ACCEPTED,      /* `fd` is a new connection, non-blocking; the receiver must close it */
    OUTCOME_OVERFLOWED,    /* the same, but descriptors are used up: close it at once */
    OUTCOME_ACCEPT_FAILED, /* a new connection waits, and accept fails for now: stop listening */
    OUTCOME_RECEIVED,      /* `data` arrived; the receiver may change it */
    OUTCOME_ENDED,         /* the peer has shut its side: nothing more will be received */
    OUTCOME_SENT,          /* a send is over: the socket took `sent` bytes */
    OUTCOME_WRITABLE,      /* a socket that was full takes bytes again */
    OUTCOME_FAILED,        /* the connection is broken; detach it */
    OUTCOME_DETACHED,      /* poller_detach() is complete */
    OUTCOME_WOKEN,         /* the wake descriptor is readable */
};

struct outcome {
    enum outcome_kind kind;
    struct poller_socket *socket; /* the socket that it is about; NULL for ACCEPTED and the like */
    int fd;                       /* ACCEPTED, OVERFLOWED */
    size_t sent;                  /* SENT */
    bool is_full;                 /* SENT: the socket took no more; OUTCOME_WRITABLE follows */
    struct bytes_mut data;        /* RECEIVED: valid until the next poller_next() */
};

/* Another poller needs a line here, and one in the table of poller.c. */
enum poller_kind {
    POLLER_EPOLL,
    POLLER_IO_URING,
    POLLER_KINDS,
};

/* The option's name for it: `epoll`, `io_uring`. */
const char *poller_name(enum poller_kind kind);

/* Whether the kernel has the poller, allows it, and it works: tries it with a pair of sockets. */
bool poller_works(enum poller_kind kind);

/*
 * NULL: the kernel refuses; errno says why. Another thread may create the poller and call listen.
 */
MUST_CHECK struct poller *poller_new(enum poller_kind kind);
void poller_free(struct poller *poller);

/*
 * Has the kernel refuse all operations that no poller needs, for ever. Call it before
 * poller_start(). False: the kernel can't, errno says why, and the poller works without that.
 */
MUST_CHECK bool poller_restrict(struct poller *poller);

/* The thread that the poller belongs to calls this once, before it waits. */
void poller_start(struct poller *poller);

/* Accepts from a listening socket, which other pollers may share. False: errno says why. */
MUST_CHECK bool poller_listen(struct poller *poller, int listener_fd);

/* Stops accepting. The poller may still report connections that it has accepted already. */
void poller_stop_listening(struct poller *poller, int listener_fd);

/*
 * Whether a request to accept is still under way; after poller_stop_listening(), that may last
 * until the next wait.
 */
bool poller_is_accepting(struct poller *poller);

/* Reports OUTCOME_WOKEN when the descriptor is readable; the receiver must read it empty. */
MUST_CHECK bool poller_watch(struct poller *poller, int wake_fd);

/* Begins to receive on a connected, non-blocking socket. False: the kernel refuses. */
MUST_CHECK bool poller_attach(struct poller *poller, struct poller_socket *socket);

/*
 * Ends all that the poller does with the socket, so that it may be closed or attached to another
 * poller. True: it is complete, and no outcome of the socket follows. False: OUTCOME_DETACHED will
 * be its last outcome. Until then the socket and the bytes of its send stay in use, and the poller
 * still reports what the kernel has done. It may be called again before and after that outcome.
 */
MUST_CHECK bool poller_detach(struct poller *poller, struct poller_socket *socket);

/*
 * Nothing is attached any more, and all sockets are about to be detached. A poller that can lets go
 * of them by this one call, and then reports nothing any more. Others go on as before, with more of
 * the kernel's work in each wait. In either case each socket is detached as above.
 */
void poller_retire(struct poller *poller);

/*
 * Stops and resumes receiving; what arrives meanwhile stays in the kernel. After a pause the poller
 * may still report a bounded amount of data that the kernel has received, but never the peer's end.
 */
void poller_pause(struct poller *poller, struct poller_socket *socket);
void poller_resume(struct poller *poller, struct poller_socket *socket);

/* The most bytes that the poller reports of a socket between two waits, and after a pause. */
#define POLLER_RECEIVED_BYTES_MAX (1024 * 1024)

/*
 * Whether the socket may have input that the poller has not reported. A busy loop reads late, and
 * must not take that for silence of the peer.
 */
bool poller_may_have_input(struct poller *poller, const struct poller_socket *socket);

#define POLLER_SEND_BEGUN (-1)  /* OUTCOME_SENT follows */
#define POLLER_SEND_FAILED (-2) /* the connection is broken */

/*
 * Sends what the socket takes. Returns the number of bytes, or one of the values above. If the
 * socket took less than all, it is full, and OUTCOME_WRITABLE follows. The bytes of a send, but not
 * the array of parts, must stay valid until the send is over. There must be no other send on the
 * socket until then, or until OUTCOME_WRITABLE.
 */
ssize_t poller_send(struct poller *poller, struct poller_socket *socket, const struct iovec *parts,
                    int part_count);

/* Submits requests, and waits for at least one outcome or the timeout (milliseconds; -1: none). */
void poller_wait(struct poller *poller, int timeout_ms);

/*
 * Returns the next outcome; false: there are no more. If the caller stops before that, it gets the
 * other outcomes after the next wait.
 */
bool poller_next(struct poller *poller, struct outcome *ret_outcome);

#endif
