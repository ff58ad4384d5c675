/*
 * The poller over io_uring. A multishot receive is requested once; it then delivers data again and
 * again, in buffers that the kernel takes from a ring. Sends are queued, and submitted together
 * with the next wait, which is the only system call of a turn.
 *
 * A request is named by its socket's address and its kind. A socket is detached only when each of
 * its requests has had its last completion, so no completion can be about a later socket at that
 * address.
 *
 * Needs Linux 6.1. Call poller_works() before creating a poller: containers often forbid io_uring.
 */
#include <assert.h>
#include <errno.h>
#include <liburing.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/acceptor.h"
#include "net/poller_backend.h"
#include "net/socket.h"

/* Queue of requests; when it is full, they are submitted within the turn. */
#define SUBMISSIONS 1024
#define COMPLETIONS 16384 /* completions that the kernel can queue without allocating memory */
#define COMPLETIONS_PER_WAIT 1024
#define RECEIVE_BUFFERS 256 /* a power of two */
#define RECEIVE_BUFFER_BYTES 1024
#define RECEIVE_GROUP 0
#define ACCEPT_TRIES 32       /* connections may die before they are accepted */
#define MESSAGES_PER_BATCH 64 /* sends of several parts in the queue of requests */
#define PARTS_PER_MESSAGE 64
/*
 * After these the kernel is out of memory for requests, and connections that need one are closed.
 */
#define SUBMIT_TRIES 1000
#define SUBMIT_RETRY_US 1000

/* poller_socket.state */
enum {
    WANTED = 1,     /* the owner wants to receive: not paused */
    RECEIVING = 2,  /* a receive request is under way */
    POLLING = 4,    /* the socket was full; a poll request is under way */
    CANCELLING = 8, /* a cancel request is under way */
    ENDED = 16,     /* nothing more will be received */
    DETACHING = 32,
    CANCEL_MORE = 64, /* that request cancels only the receive; cancel the rest afterwards */
};

/* The name of a request is a socket's address with one of these in its low bits, ... */
enum request {
    REQUEST_RECEIVE,
    REQUEST_SEND,
    REQUEST_WRITABLE,
    REQUEST_CANCEL,
    REQUEST_MASK = 3,
};

/* ... or one of these, which are no addresses. */
enum {
    NAME_ACCEPT = 4,
    NAME_ACCEPTABLE = 8, /* a poll of the listener, while descriptors are short */
    NAME_WAKE = 12,
    NAME_NOBODY = 16,
    NAMES_END = 20,
};

/* The memory that a send of several parts reads when it is submitted. */
union message {
    uint8_t gathered[POLLER_GATHERED_BYTES_MAX];
    struct {
        struct msghdr head;
        struct iovec parts[PARTS_PER_MESSAGE];
    };
};

struct uring_poller {
    struct poller base;
    struct io_uring ring;
    struct io_uring_buf_ring *buffer_ring; /* NULL until registered */
    uint8_t *buffers;
    int lent; /* index of the buffer that the last outcome refers to; -1: none */
    struct poller_socket *detached; /* the socket to report as detached next, or NULL */
    int listener_fd;
    int wake_fd;
    /* Completions of the last wait that are not handled yet. Later ones wait for the next wait. */
    unsigned completions_left;
    bool is_listening; /* listening is wanted */
    bool is_accepting; /* an accept or poll request for the listener is under way */
    bool is_watching;  /* a poll request for the wake descriptor is under way */
    bool is_short;     /* there was no place for the last request that was wanted */
    bool is_retired;   /* all sockets are being detached */
    struct acceptor acceptor;
    int message_count;
    union message messages[MESSAGES_PER_BATCH];
};

_Static_assert(RECEIVE_BUFFERS *RECEIVE_BUFFER_BYTES <= POLLER_RECEIVED_BYTES_MAX,
               "what all buffers hold may be of one socket");
_Static_assert(_Alignof(struct poller_socket) > REQUEST_MASK, "two bits below an address");

static struct uring_poller *uring_of(struct poller *poller)
{
    return CONTAINER_OF(poller, struct uring_poller, base);
}

/* Submits the queued requests, without waiting. */
static void submit(struct uring_poller *poller)
{
    (void)io_uring_submit(&poller->ring);
    if (io_uring_sq_ready(&poller->ring) == 0)
        poller->message_count = 0;
}

/*
 * Returns a place in the queue of requests. NULL: the kernel has taken no requests for a second.
 * Later calls then fail at once, until the kernel takes requests again.
 */
static struct io_uring_sqe *take_request(struct uring_poller *poller)
{
    struct io_uring_sqe *request = io_uring_get_sqe(&poller->ring);
    int tries = poller->is_short ? 1 : SUBMIT_TRIES;
    for (int i = 0; request == NULL && i < tries; i++) {
        if (i > 0)
            usleep(SUBMIT_RETRY_US);
        submit(poller);
        request = io_uring_get_sqe(&poller->ring);
    }
    if (request == NULL && !poller->is_short)
        fprintf(stderr,
                "party-sockets: the kernel takes no more requests, connections are closed\n");
    poller->is_short = request == NULL;
    return request;
}

/*
 * Shuts a socket for which there was no place for a request. Requests of it that are under way then
 * end by themselves.
 */
static void shut_socket(const struct poller_socket *socket)
{
    (void)shutdown(socket->fd, SHUT_RDWR);
}

static void name_request(struct io_uring_sqe *request, const struct poller_socket *socket,
                         enum request kind)
{
    io_uring_sqe_set_data64(request, (uintptr_t)socket | kind);
}

static void recycle(struct uring_poller *poller, int buffer)
{
    io_uring_buf_ring_add(
        poller->buffer_ring, poller->buffers + (size_t)buffer * RECEIVE_BUFFER_BYTES,
        RECEIVE_BUFFER_BYTES, (unsigned short)buffer, io_uring_buf_ring_mask(RECEIVE_BUFFERS), 0);
    io_uring_buf_ring_advance(poller->buffer_ring, 1);
}

static void recycle_lent(struct uring_poller *poller)
{
    if (poller->lent >= 0)
        recycle(poller, poller->lent);
    poller->lent = -1;
}

/* Requests a multishot receive. False: there is no place for the request. */
static bool receive(struct uring_poller *poller, struct poller_socket *socket)
{
    struct io_uring_sqe *request = take_request(poller);
    if (request == NULL)
        return false;
    io_uring_prep_recv_multishot(request, socket->fd, NULL, 0, 0);
    request->flags |= IOSQE_BUFFER_SELECT;
    request->buf_group = RECEIVE_GROUP;
    name_request(request, socket, REQUEST_RECEIVE);
    socket->state |= RECEIVING;
    return true;
}

static void receive_if_wanted(struct uring_poller *poller, struct poller_socket *socket)
{
    bool is_wanted = (socket->state & (WANTED | RECEIVING | ENDED | DETACHING)) == WANTED;
    if (is_wanted && !receive(poller, socket))
        shut_socket(socket); /* the next send fails */
}

static void poll_for_room(struct uring_poller *poller, struct poller_socket *socket)
{
    struct io_uring_sqe *request = take_request(poller);
    if (request == NULL) {
        shut_socket(socket); /* that ends the receive as well */
        return;
    }
    io_uring_prep_poll_add(request, socket->fd, POLLOUT);
    name_request(request, socket, REQUEST_WRITABLE);
    socket->state |= POLLING;
}

static bool needs_cancelling(const struct poller_socket *socket)
{
    uint8_t state = socket->state;
    if ((state & DETACHING) != 0)
        return (state & (RECEIVING | POLLING)) != 0;
    return (state & (RECEIVING | WANTED)) == RECEIVING;
}

/* Cancels requests that are no longer wanted. A send is over by itself. */
static void cancel_unwanted(struct uring_poller *poller, struct poller_socket *socket)
{
    if (!needs_cancelling(socket))
        return;
    if ((socket->state & CANCELLING) != 0) {
        if ((socket->state & DETACHING) != 0)
            socket->state |= CANCEL_MORE;
        return;
    }
    struct io_uring_sqe *request = take_request(poller);
    if (request == NULL) {
        shut_socket(socket);
        return;
    }
    /*
     * By its name the kernel finds a request in a hash table. By its descriptor it would walk over
     * the requests of all sockets, so detaching thousands would take seconds.
     */
    bool is_receiving = (socket->state & RECEIVING) != 0;
    uintptr_t name = (uintptr_t)socket | (is_receiving ? REQUEST_RECEIVE : REQUEST_WRITABLE);
    io_uring_prep_cancel64(request, name, 0);
    name_request(request, socket, REQUEST_CANCEL);
    socket->state |= CANCELLING;
    if (is_receiving && (socket->state & (DETACHING | POLLING)) == (DETACHING | POLLING))
        socket->state |= CANCEL_MORE;
}

static bool is_busy(const struct poller_socket *socket)
{
    return socket->sending > 0 || (socket->state & (RECEIVING | POLLING | CANCELLING)) != 0;
}

/* Restricts the ring to the operations in use, since seccomp does not see what a ring does. */
static bool uring_restrict(struct poller *base)
{
    static const uint8_t used[] = {
        IORING_OP_ACCEPT, IORING_OP_ASYNC_CANCEL, IORING_OP_POLL_ADD,
        IORING_OP_RECV,   IORING_OP_SEND,         IORING_OP_SENDMSG,
    };
    struct io_uring_restriction restrictions[ARRAY_LENGTH(used) + 1] = {
        {.opcode = IORING_RESTRICTION_SQE_FLAGS_ALLOWED, .sqe_flags = IOSQE_BUFFER_SELECT},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(used); i++)
        restrictions[i + 1] = (struct io_uring_restriction){
            .opcode = IORING_RESTRICTION_SQE_OP,
            .sqe_op = used[i],
        };
    int result = io_uring_register_restrictions(&uring_of(base)->ring, restrictions,
                                                ARRAY_LENGTH(restrictions));
    errno = -result;
    return result == 0;
}

static void uring_start(struct poller *base)
{
    /* From here on only this thread may use the ring (IORING_SETUP_SINGLE_ISSUER). */
    int result = io_uring_enable_rings(&uring_of(base)->ring);
    assert(result == 0);
}

/*
 * Requests a multishot accept. If there is no place, the next wait tries again; the same holds for
 * poll_listener() and poll_wake().
 */
static void accept_more(struct uring_poller *poller)
{
    struct io_uring_sqe *request = take_request(poller);
    if (request == NULL)
        return;
    io_uring_prep_multishot_accept(request, poller->listener_fd, NULL, NULL,
                                   SOCK_NONBLOCK | SOCK_CLOEXEC);
    io_uring_sqe_set_data64(request, NAME_ACCEPT);
    poller->is_accepting = true;
}

/*
 * Polls the listener while descriptors are short: an accept would fail at once even if no
 * connection waits.
 */
static void poll_listener(struct uring_poller *poller)
{
    struct io_uring_sqe *request = take_request(poller);
    if (request == NULL)
        return;
    io_uring_prep_poll_add(request, poller->listener_fd, POLLIN);
    io_uring_sqe_set_data64(request, NAME_ACCEPTABLE);
    poller->is_accepting = true;
}

static bool uring_listen(struct poller *base, int listener_fd)
{
    struct uring_poller *poller = uring_of(base);
    poller->listener_fd = listener_fd;
    poller->is_listening = true;
    if (!poller->is_accepting)
        accept_more(poller);
    return true;
}

static void uring_stop_listening(struct poller *base, int listener_fd)
{
    struct uring_poller *poller = uring_of(base);
    poller->is_listening = false;
    if (!poller->is_accepting)
        return;
    struct io_uring_sqe *request = take_request(poller);
    if (request == NULL)
        return; /* the owner refuses connections that are still accepted, until the listener ends */
    io_uring_prep_cancel_fd(request, listener_fd, IORING_ASYNC_CANCEL_ALL);
    io_uring_sqe_set_data64(request, NAME_NOBODY);
}

static bool uring_is_accepting(struct poller *base)
{
    return uring_of(base)->is_accepting;
}

static void poll_wake(struct uring_poller *poller)
{
    struct io_uring_sqe *request = take_request(poller);
    poller->is_watching = request != NULL;
    if (request == NULL)
        return;
    io_uring_prep_poll_multishot(request, poller->wake_fd, POLLIN);
    io_uring_sqe_set_data64(request, NAME_WAKE);
}

static bool uring_watch(struct poller *base, int wake_fd)
{
    struct uring_poller *poller = uring_of(base);
    poller->wake_fd = wake_fd;
    poll_wake(poller);
    return poller->is_watching;
}

static bool uring_attach(struct poller *base, struct poller_socket *socket)
{
    socket->state = WANTED;
    socket->sending = 0;
    return receive(uring_of(base), socket);
}

static bool uring_detach(struct poller *base, struct poller_socket *socket)
{
    struct uring_poller *poller = uring_of(base);
    socket->state |= DETACHING;
    cancel_unwanted(poller, socket);
    if (is_busy(socket))
        return false;
    if (poller->detached == socket)
        poller->detached = NULL;
    socket->state = 0;
    return true;
}

static void uring_retire(struct poller *base)
{
    uring_of(base)->is_retired = true;
}

static void uring_pause(struct poller *base, struct poller_socket *socket)
{
    socket->state &= (uint8_t)~WANTED;
    cancel_unwanted(uring_of(base), socket);
}

static void uring_resume(struct poller *base, struct poller_socket *socket)
{
    socket->state |= WANTED;
    receive_if_wanted(uring_of(base), socket);
}

/* Takes a message and a place for its request, so that neither is submitted without the other. */
static bool take_message(struct uring_poller *poller, union message **ret_message,
                         struct io_uring_sqe **ret_request)
{
    if (io_uring_sq_space_left(&poller->ring) == 0 || poller->message_count == MESSAGES_PER_BATCH)
        submit(poller);
    if (poller->message_count == MESSAGES_PER_BATCH)
        return false; /* nothing was submitted: the kernel has no memory for requests */
    *ret_message = &poller->messages[poller->message_count];
    *ret_request = io_uring_get_sqe(&poller->ring);
    if (*ret_request == NULL)
        return false;
    poller->message_count++;
    return true;
}

/* The kernel never waits with such a send: it is over as soon as it is submitted. */
#define SEND_FLAGS (MSG_NOSIGNAL | MSG_DONTWAIT)

static struct io_uring_sqe *send_one_part(struct uring_poller *poller, int fd,
                                          const struct iovec *part)
{
    struct io_uring_sqe *request = take_request(poller);
    if (request == NULL)
        return NULL;
    io_uring_prep_send(request, fd, part->iov_base, part->iov_len, SEND_FLAGS);
    return request;
}

static struct io_uring_sqe *send_parts(struct uring_poller *poller, int fd,
                                       const struct iovec *parts, int part_count, size_t length)
{
    struct io_uring_sqe *request;
    union message *message;
    if (!take_message(poller, &message, &request))
        return NULL;
    if (length <= sizeof message->gathered) {
        poller_gather(message->gathered, parts, part_count);
        io_uring_prep_send(request, fd, message->gathered, length, SEND_FLAGS);
        return request;
    }
    memcpy(message->parts, parts, (size_t)part_count * sizeof *parts);
    message->head = (struct msghdr){.msg_iov = message->parts, .msg_iovlen = (size_t)part_count};
    io_uring_prep_sendmsg(request, fd, &message->head, SEND_FLAGS);
    return request;
}

static ssize_t uring_send(struct poller *base, struct poller_socket *socket,
                          const struct iovec *parts, int part_count)
{
    struct uring_poller *poller = uring_of(base);
    size_t length = poller_parts_length(parts, part_count);
    assert(part_count <= PARTS_PER_MESSAGE && socket->sending == 0);
    struct io_uring_sqe *request = part_count == 1
                                       ? send_one_part(poller, socket->fd, parts)
                                       : send_parts(poller, socket->fd, parts, part_count, length);
    if (request == NULL)
        return POLLER_SEND_FAILED;
    name_request(request, socket, REQUEST_SEND);
    socket->sending = (uint32_t)length;
    return POLLER_SEND_BEGUN;
}

/* Completions are in no particular order: any of them may have input of this socket. */
static bool uring_may_have_input(struct poller *base, const struct poller_socket *socket)
{
    return io_uring_cq_ready(&uring_of(base)->ring) > 0 || socket_has_input(socket->fd);
}

/* Repeats requests for which there was no place. */
static void repeat_requests(struct uring_poller *poller)
{
    if (poller->is_listening && !poller->is_accepting)
        accept_more(poller);
    if (poller->wake_fd >= 0 && !poller->is_watching)
        poll_wake(poller);
}

/*
 * Since Linux 6.14 a call does the work of twenty completions, or of as many as it waits for. While
 * all sockets are being detached, the rest is asked for, without waiting. At other times that would
 * have the kernel receive more of those who flood the server, and everybody else wait for it.
 */
static void take_more(struct uring_poller *poller)
{
    struct __kernel_timespec no_time = {0};
    struct io_uring_cqe *first;
    if (!poller->is_retired ||
        (IO_URING_READ_ONCE(*poller->ring.sq.kflags) & IORING_SQ_TASKRUN) == 0)
        return;
    unsigned wanted = io_uring_cq_ready(&poller->ring) + COMPLETIONS_PER_WAIT;
    (void)io_uring_wait_cqes(&poller->ring, &first, wanted, &no_time, NULL);
}

static void uring_wait(struct poller *base, int timeout_ms)
{
    struct uring_poller *poller = uring_of(base);
    recycle_lent(poller);
    acceptor_restore(&poller->acceptor);
    if (poller->is_short)
        repeat_requests(poller);
    /* Outcomes that are left must not keep the kernel from working on requests. */
    bool has_leftovers = poller->detached != NULL || io_uring_cq_ready(&poller->ring) > 0;
    if (timeout_ms == 0 || has_leftovers) {
        (void)io_uring_submit_and_get_events(&poller->ring);
    } else {
        struct __kernel_timespec timeout = {.tv_sec = timeout_ms / 1000,
                                            .tv_nsec = timeout_ms % 1000 * 1000000LL};
        struct io_uring_cqe *first;
        (void)io_uring_submit_and_wait_timeout(&poller->ring, &first, 1,
                                               timeout_ms < 0 ? NULL : &timeout, NULL);
    }
    take_more(poller);
    if (io_uring_sq_ready(&poller->ring) == 0)
        poller->message_count = 0;
    poller->completions_left = io_uring_cq_ready(&poller->ring);
}

/* Handles the last completion of a receive, and requests a new one if it is still wanted. */
static void receive_is_over(struct uring_poller *poller, struct poller_socket *socket)
{
    socket->state &= (uint8_t)~RECEIVING;
    receive_if_wanted(poller, socket);
}

/* True: there is an outcome. */
static bool received(struct uring_poller *poller, struct poller_socket *socket,
                     const struct io_uring_cqe *completion, struct outcome *ret_outcome)
{
    int result = completion->res;
    bool is_data = result > 0;
    bool is_end = result == 0;
    bool is_failure = result < 0 && result != -ECANCELED && result != -ENOBUFS && result != -EINTR;
    if ((completion->flags & IORING_CQE_F_BUFFER) != 0) {
        int buffer = (int)(completion->flags >> IORING_CQE_BUFFER_SHIFT);
        if (is_data)
            poller->lent = buffer;
        else
            recycle(poller, buffer);
    }
    /*
     * The end of a paused socket is not reported now: the kernel reports it again when the socket
     * is resumed.
     */
    if ((socket->state & (WANTED | DETACHING)) != WANTED)
        is_end = false;
    if (is_end || is_failure)
        socket->state |= ENDED;
    if ((completion->flags & IORING_CQE_F_MORE) == 0)
        receive_is_over(poller, socket);

    ret_outcome->kind = is_data ? OUTCOME_RECEIVED : is_end ? OUTCOME_ENDED : OUTCOME_FAILED;
    if (is_data)
        ret_outcome->data = (struct bytes_mut){
            poller->buffers + (size_t)poller->lent * RECEIVE_BUFFER_BYTES, (size_t)result};
    return is_data || is_end || is_failure;
}

static void sent(struct uring_poller *poller, struct poller_socket *socket, int result,
                 struct outcome *ret_outcome)
{
    bool is_refused = result == -EAGAIN || result == -ENOBUFS;
    bool is_failure = result < 0 && !is_refused && result != -EINTR;
    ret_outcome->kind = is_failure ? OUTCOME_FAILED : OUTCOME_SENT;
    ret_outcome->sent = result > 0 ? (size_t)result : 0;
    ret_outcome->is_full = is_refused || (result > 0 && (uint32_t)result < socket->sending);
    socket->sending = 0;
    if (ret_outcome->is_full && (socket->state & DETACHING) == 0)
        poll_for_room(poller, socket);
}

/* Handles a cancel request that is over. If it found nothing, it may have preceded its target. */
static void cancelled(struct uring_poller *poller, struct poller_socket *socket, int result)
{
    bool must_continue = result < 0 || (socket->state & CANCEL_MORE) != 0;
    socket->state &= (uint8_t) ~(CANCELLING | CANCEL_MORE);
    if (must_continue)
        cancel_unwanted(poller, socket);
}

/* Turns a completion of a socket into an outcome. False: it has none. */
static bool outcome_of_socket(struct uring_poller *poller, const struct io_uring_cqe *completion,
                              struct outcome *ret_outcome)
{
    struct poller_socket *socket =
        (struct poller_socket *)(uintptr_t)(completion->user_data & ~(uint64_t)REQUEST_MASK);
    ret_outcome->socket = socket;
    switch ((enum request)(completion->user_data & REQUEST_MASK)) {
    case REQUEST_RECEIVE:
        return received(poller, socket, completion, ret_outcome);
    case REQUEST_SEND:
        sent(poller, socket, completion->res, ret_outcome);
        return true;
    case REQUEST_WRITABLE:
        socket->state &= (uint8_t)~POLLING;
        ret_outcome->kind = OUTCOME_WRITABLE;
        return (socket->state & DETACHING) == 0;
    case REQUEST_CANCEL:
        cancelled(poller, socket, completion->res);
        return false;
    }
    return false;
}

/* True: there is an outcome. */
static bool accepted(struct uring_poller *poller, const struct io_uring_cqe *completion,
                     struct outcome *ret_outcome)
{
    int result = completion->res;
    ret_outcome->kind = OUTCOME_ACCEPTED;
    ret_outcome->fd = result;
    if ((completion->flags & IORING_CQE_F_MORE) != 0)
        return result >= 0;
    poller->is_accepting = false;
    if (result == -EINVAL)
        poller->is_listening = false; /* the listener has been ended */
    if (poller->is_listening && result < 0 && acceptor_is_short(-result))
        poll_listener(poller);
    else if (poller->is_listening)
        accept_more(poller);
    return result >= 0;
}

/* Accepts a connection that came while descriptors were short. */
static bool take_acceptable(struct uring_poller *poller, struct outcome *ret_outcome)
{
    poller->is_accepting = false;
    if (!poller->is_listening)
        return false;
    bool has_outcome =
        acceptor_next(&poller->acceptor, poller->listener_fd, ACCEPT_TRIES, ret_outcome);
    if (has_outcome && ret_outcome->kind == OUTCOME_ACCEPTED)
        accept_more(poller);
    else if (!has_outcome || ret_outcome->kind == OUTCOME_OVERFLOWED)
        poll_listener(poller);
    return has_outcome;
}

static bool outcome_of_name(struct uring_poller *poller, const struct io_uring_cqe *completion,
                            struct outcome *ret_outcome)
{
    switch (completion->user_data) {
    case NAME_ACCEPT:
        return accepted(poller, completion, ret_outcome);
    case NAME_ACCEPTABLE:
        return take_acceptable(poller, ret_outcome);
    case NAME_WAKE:
        if ((completion->flags & IORING_CQE_F_MORE) == 0)
            poll_wake(poller);
        ret_outcome->kind = OUTCOME_WOKEN;
        return true;
    default:
        return false; /* a cancel request that nobody waits for */
    }
}

/* Has a socket reported as detached after its last completion. */
static void note_detached(struct uring_poller *poller, struct poller_socket *socket)
{
    if ((socket->state & DETACHING) == 0 || is_busy(socket))
        return;
    assert(poller->detached == NULL);
    poller->detached = socket;
}

static struct outcome report_detached(struct uring_poller *poller)
{
    struct poller_socket *socket = poller->detached;
    poller->detached = NULL;
    socket->state = 0;
    return (struct outcome){.kind = OUTCOME_DETACHED, .socket = socket};
}

static bool uring_next(struct poller *base, struct outcome *ret_outcome)
{
    struct uring_poller *poller = uring_of(base);
    struct io_uring_cqe *completion;
    recycle_lent(poller);
    while (poller->detached == NULL && poller->completions_left > 0 &&
           io_uring_peek_cqe(&poller->ring, &completion) == 0) {
        bool is_socket = completion->user_data >= NAMES_END;
        poller->completions_left--;
        *ret_outcome = (struct outcome){0};
        bool has_outcome = is_socket ? outcome_of_socket(poller, completion, ret_outcome)
                                     : outcome_of_name(poller, completion, ret_outcome);
        if (is_socket)
            note_detached(poller, ret_outcome->socket);
        io_uring_cqe_seen(&poller->ring, completion);
        if (has_outcome)
            return true;
    }
    if (poller->detached == NULL)
        return false;
    *ret_outcome = report_detached(poller);
    return true;
}

static size_t buffers_bytes(void)
{
    return (size_t)RECEIVE_BUFFERS * RECEIVE_BUFFER_BYTES;
}

static void *map_memory(size_t bytes)
{
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return memory == MAP_FAILED ? NULL : memory;
}

static bool register_buffers(struct uring_poller *poller)
{
    size_t ring_bytes = RECEIVE_BUFFERS * sizeof(struct io_uring_buf);
    struct io_uring_buf_ring *buffer_ring = map_memory(ring_bytes);
    poller->buffers = map_memory(buffers_bytes());
    struct io_uring_buf_reg registration = {.ring_addr = (uintptr_t)buffer_ring,
                                            .ring_entries = RECEIVE_BUFFERS,
                                            .bgid = RECEIVE_GROUP};
    int result = buffer_ring == NULL || poller->buffers == NULL
                     ? -ENOMEM
                     : io_uring_register_buf_ring(&poller->ring, &registration, 0);
    if (result != 0) {
        if (buffer_ring != NULL)
            munmap(buffer_ring, ring_bytes);
        errno = -result;
        return false;
    }
    poller->buffer_ring = buffer_ring;
    io_uring_buf_ring_init(buffer_ring);
    for (int i = 0; i < RECEIVE_BUFFERS; i++)
        recycle(poller, i);
    return true;
}

static void uring_free(struct poller *base)
{
    struct uring_poller *poller = uring_of(base);
    io_uring_queue_exit(&poller->ring);
    if (poller->buffer_ring != NULL)
        munmap(poller->buffer_ring, RECEIVE_BUFFERS * sizeof(struct io_uring_buf));
    if (poller->buffers != NULL)
        munmap(poller->buffers, buffers_bytes());
    acceptor_release(&poller->acceptor);
    free(poller);
}

static const struct poller_operations operations = {
    .free = uring_free,
    .restrict_operations = uring_restrict,
    .start = uring_start,
    .listen = uring_listen,
    .stop_listening = uring_stop_listening,
    .is_accepting = uring_is_accepting,
    .watch = uring_watch,
    .attach = uring_attach,
    .detach = uring_detach,
    .retire = uring_retire,
    .pause = uring_pause,
    .resume = uring_resume,
    .send = uring_send,
    .may_have_input = uring_may_have_input,
    .wait = uring_wait,
    .next = uring_next,
};

struct poller *poller_io_uring_new(void)
{
    struct uring_poller *poller = calloc(1, sizeof *poller);
    if (poller == NULL)
        return NULL;
    struct io_uring_params parameters = {
        /*
         * The kernel completes requests only within poller_wait(), in the thread that called start.
         */
        .flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_R_DISABLED |
                 IORING_SETUP_SUBMIT_ALL | IORING_SETUP_CQSIZE | IORING_SETUP_TASKRUN_FLAG,
        .cq_entries = COMPLETIONS,
    };
    int result = io_uring_queue_init_params(SUBMISSIONS, &poller->ring, &parameters);
    if (result != 0) {
        free(poller);
        errno = -result;
        return NULL;
    }
    poller->base.operations = &operations;
    poller->lent = -1;
    poller->wake_fd = -1;
    acceptor_init(&poller->acceptor);
    if (register_buffers(poller))
        return &poller->base;
    int error = errno;
    uring_free(&poller->base);
    errno = error;
    return NULL;
}
