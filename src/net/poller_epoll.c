/*
 * The poller over epoll, level-triggered: epoll reports input again that a turn has left unread.
 *
 * A connection gets one recv and at most one send in a turn. poller_next() receives into one buffer
 * for all connections, so an idle connection needs none.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/acceptor.h"
#include "net/poller_backend.h"
#include "net/socket.h"

#define EVENTS_PER_WAIT 256
#define RECEIVE_BUFFER_BYTES (64 * 1024)
#define ACCEPTS_PER_WAIT 32 /* after these, other events are handled */

/* The source of an event: a socket's address, which is even, or one of these. */
#define EVENT_WAKE UINT64_C(1)
#define EVENT_LISTENER UINT64_C(3) /* with the listener's descriptor shifted above it */
#define EVENT_LISTENER_SHIFT 2

/* poller_socket.state */
enum {
    INTEREST_READ = 1,
    INTEREST_WRITE = 2,
};

struct epoll_poller {
    struct poller base;
    int epoll_fd; /* -1: it is retired */
    int event_count;
    int event_at;
    int accepts_left;
    struct acceptor acceptor;
    struct epoll_event events[EVENTS_PER_WAIT];
    uint8_t gathered[POLLER_GATHERED_BYTES_MAX];
    uint8_t receive_buffer[RECEIVE_BUFFER_BYTES];
};

static struct epoll_poller *epoll_of(struct poller *poller)
{
    return CONTAINER_OF(poller, struct epoll_poller, base);
}

static void epoll_free(struct poller *base)
{
    struct epoll_poller *poller = epoll_of(base);
    if (poller->epoll_fd >= 0)
        close(poller->epoll_fd);
    acceptor_release(&poller->acceptor);
    free(poller);
}

/* Epoll works through system calls of the thread, which the sandbox filters. */
static bool epoll_restrict(struct poller *base)
{
    (void)base;
    return true;
}

static void epoll_start(struct poller *base)
{
    (void)base;
}

static bool control(struct epoll_poller *poller, int operation, int fd, uint32_t events,
                    uint64_t source)
{
    struct epoll_event event = {.events = events, .data.u64 = source};
    if (poller->epoll_fd < 0)
        return false;
    return epoll_ctl(poller->epoll_fd, operation, fd, &event) == 0;
}

static bool epoll_listen(struct poller *base, int listener_fd)
{
    /* Exclusive: a new connection wakes one idle loop only. */
    return control(epoll_of(base), EPOLL_CTL_ADD, listener_fd, EPOLLIN | EPOLLEXCLUSIVE,
                   (uint64_t)listener_fd << EVENT_LISTENER_SHIFT | EVENT_LISTENER);
}

static void epoll_stop_listening(struct poller *base, int listener_fd)
{
    (void)control(epoll_of(base), EPOLL_CTL_DEL, listener_fd, 0, 0);
}

/* Accepting never goes on by itself: epoll_next() accepts. */
static bool epoll_is_accepting(struct poller *base)
{
    (void)base;
    return false;
}

static bool epoll_watch(struct poller *base, int wake_fd)
{
    return control(epoll_of(base), EPOLL_CTL_ADD, wake_fd, EPOLLIN, EVENT_WAKE);
}

static bool epoll_attach(struct poller *base, struct poller_socket *socket)
{
    socket->state = INTEREST_READ;
    socket->sending = 0;
    return control(epoll_of(base), EPOLL_CTL_ADD, socket->fd, EPOLLIN | EPOLLRDHUP,
                   (uintptr_t)socket);
}

static bool epoll_detach(struct poller *base, struct poller_socket *socket)
{
    struct epoll_poller *poller = epoll_of(base);
    socket->state = 0;
    (void)control(poller, EPOLL_CTL_DEL, socket->fd, 0, 0);
    /* Removes events of the socket, since another thread may own it when they would be reported. */
    for (int i = poller->event_at; i < poller->event_count; i++) {
        if (poller->events[i].data.u64 == (uintptr_t)socket)
            poller->events[i].events = 0;
    }
    return true;
}

/* The kernel forgets all sockets in less time than they need one by one. */
static void epoll_retire(struct poller *base)
{
    struct epoll_poller *poller = epoll_of(base);
    if (poller->epoll_fd >= 0)
        close(poller->epoll_fd);
    poller->epoll_fd = -1;
    poller->event_count = 0;
    poller->event_at = 0;
}

static void set_interest(struct epoll_poller *poller, struct poller_socket *socket,
                         uint8_t interest)
{
    if (socket->state == interest)
        return;
    socket->state = interest;
    uint32_t events = 0;
    if ((interest & INTEREST_READ) != 0)
        events |= EPOLLIN | EPOLLRDHUP;
    if ((interest & INTEREST_WRITE) != 0)
        events |= EPOLLOUT;
    (void)control(poller, EPOLL_CTL_MOD, socket->fd, events, (uintptr_t)socket);
}

static void epoll_pause(struct poller *base, struct poller_socket *socket)
{
    set_interest(epoll_of(base), socket, socket->state & (uint8_t)~INTEREST_READ);
}

static void epoll_resume(struct poller *base, struct poller_socket *socket)
{
    set_interest(epoll_of(base), socket, socket->state | INTEREST_READ);
}

static ssize_t epoll_send(struct poller *base, struct poller_socket *socket,
                          const struct iovec *parts, int part_count)
{
    struct epoll_poller *poller = epoll_of(base);
    size_t wanted = poller_parts_length(parts, part_count);
    struct iovec whole = {.iov_base = poller->gathered, .iov_len = wanted};
    ssize_t sent;
    if (part_count > 1 && wanted <= sizeof poller->gathered) {
        poller_gather(poller->gathered, parts, part_count);
        parts = &whole;
        part_count = 1;
    }
    do {
        if (part_count == 1) {
            sent = send(socket->fd, parts[0].iov_base, wanted, MSG_NOSIGNAL);
        } else {
            struct msghdr message = {.msg_iov = (struct iovec *)(uintptr_t)parts,
                                     .msg_iovlen = (size_t)part_count};
            sent = sendmsg(socket->fd, &message, MSG_NOSIGNAL);
        }
    } while (sent < 0 && errno == EINTR);

    if (sent < 0 && errno != EAGAIN && errno != ENOBUFS)
        return POLLER_SEND_FAILED;
    if (sent < 0)
        sent = 0;
    uint8_t interest = socket->state & (uint8_t)~INTEREST_WRITE;
    if ((size_t)sent < wanted)
        interest |= INTEREST_WRITE;
    set_interest(poller, socket, interest);
    return sent;
}

static bool epoll_may_have_input(struct poller *base, const struct poller_socket *socket)
{
    (void)base;
    return socket_has_input(socket->fd);
}

static void epoll_wait_for_events(struct poller *base, int timeout_ms)
{
    struct epoll_poller *poller = epoll_of(base);
    acceptor_restore(&poller->acceptor);
    /*
     * Events that were not reported go first. If epoll reported them anew, their order would be
     * chance.
     */
    int left = poller->event_count - poller->event_at;
    memmove(poller->events, poller->events + poller->event_at,
            (size_t)left * sizeof poller->events[0]);
    int count = 0;
    if (left < EVENTS_PER_WAIT && poller->epoll_fd >= 0)
        count = epoll_wait(poller->epoll_fd, poller->events + left, EVENTS_PER_WAIT - left,
                           left > 0 ? 0 : timeout_ms);
    poller->event_count = left + (count > 0 ? count : 0); /* EINTR: the turn has no outcome */
    poller->event_at = 0;
    poller->accepts_left = ACCEPTS_PER_WAIT;
}

/* True: there is an outcome. False: there is nothing to accept. */
static bool accept_one(struct epoll_poller *poller, int listener_fd, struct outcome *ret_outcome)
{
    if (poller->accepts_left-- <= 0)
        return false;
    if (!acceptor_next(&poller->acceptor, listener_fd, ACCEPTS_PER_WAIT, ret_outcome))
        return false;
    if (ret_outcome->kind == OUTCOME_ACCEPT_FAILED)
        poller->accepts_left = 0;
    return true;
}

/* True: there is an outcome. False: the event was spurious. */
static bool receive(struct epoll_poller *poller, int fd, struct outcome *ret_outcome)
{
    ssize_t received;
    do
        received = recv(fd, poller->receive_buffer, sizeof poller->receive_buffer, 0);
    while (received < 0 && errno == EINTR);
    if (received < 0 && errno == EAGAIN)
        return false;

    if (received < 0) {
        ret_outcome->kind = OUTCOME_FAILED;
    } else if (received == 0) {
        ret_outcome->kind = OUTCOME_ENDED;
    } else {
        ret_outcome->kind = OUTCOME_RECEIVED;
        ret_outcome->data = (struct bytes_mut){poller->receive_buffer, (size_t)received};
    }
    return true;
}

/* Takes one outcome from an event. False: the event has none left. */
static bool take_outcome(struct epoll_poller *poller, struct epoll_event *event,
                         struct outcome *ret_outcome)
{
    uint64_t source = event->data.u64;
    if ((source & EVENT_LISTENER) == EVENT_LISTENER)
        return accept_one(poller, (int)(source >> EVENT_LISTENER_SHIFT), ret_outcome);

    uint32_t happened = event->events;
    event->events = 0;
    *ret_outcome = (struct outcome){.kind = OUTCOME_WOKEN};
    if (source == EVENT_WAKE)
        return happened != 0;
    ret_outcome->socket = event->data.ptr;
    if ((happened & EPOLLOUT) != 0 && (happened & (EPOLLERR | EPOLLHUP)) == 0) {
        event->events = happened & ~(uint32_t)EPOLLOUT;
        ret_outcome->kind = OUTCOME_WRITABLE;
        return true;
    }
    if ((happened & (EPOLLIN | EPOLLRDHUP)) != 0)
        return receive(poller, ret_outcome->socket->fd, ret_outcome);
    ret_outcome->kind = OUTCOME_FAILED;
    return happened != 0; /* an error or hang-up on a socket that is not read */
}

static bool epoll_next(struct poller *base, struct outcome *ret_outcome)
{
    struct epoll_poller *poller = epoll_of(base);
    while (poller->event_at < poller->event_count) {
        if (take_outcome(poller, &poller->events[poller->event_at], ret_outcome))
            return true;
        poller->event_at++;
    }
    return false;
}

static const struct poller_operations operations = {
    .free = epoll_free,
    .restrict_operations = epoll_restrict,
    .start = epoll_start,
    .listen = epoll_listen,
    .stop_listening = epoll_stop_listening,
    .is_accepting = epoll_is_accepting,
    .watch = epoll_watch,
    .attach = epoll_attach,
    .detach = epoll_detach,
    .retire = epoll_retire,
    .pause = epoll_pause,
    .resume = epoll_resume,
    .send = epoll_send,
    .may_have_input = epoll_may_have_input,
    .wait = epoll_wait_for_events,
    .next = epoll_next,
};

struct poller *poller_epoll_new(void)
{
    struct epoll_poller *poller = malloc(sizeof *poller);
    if (poller == NULL)
        return NULL;
    poller->base.operations = &operations;
    poller->event_count = 0;
    poller->event_at = 0;
    acceptor_init(&poller->acceptor);
    poller->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (poller->epoll_fd >= 0)
        return &poller->base;
    acceptor_release(&poller->acceptor);
    free(poller);
    return NULL;
}
