/*
 * The poller over epoll, level-triggered: what one turn leaves unread, the next one reports again.
 *
 * One recv and at most one send a connection and turn. Receiving happens in poller_next(), into one
 * buffer for all connections, so that an idle connection needs none.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/poller.h"

#define EVENTS_PER_WAIT 256
#define RECEIVE_BUFFER_BYTES (64 * 1024)
#define ACCEPTS_PER_WAIT 32 /* then others have their turn */

/* Tokens of descriptors that are no connections; the owner's tokens stay below. */
#define TOKEN_WAKE UINT64_MAX
#define TOKEN_LISTENER_FLAG (UINT64_C(1) << 63)

enum {
    INTEREST_READ = 1,
    INTEREST_WRITE = 2,
};

struct poller {
    int epoll_fd;
    int event_count;
    int event_at;
    int accepts_left;
    int spare_fd; /* given up to accept one connection more, so that it can be told; or -1 */
    struct epoll_event events[EVENTS_PER_WAIT];
    uint8_t receive_buffer[RECEIVE_BUFFER_BYTES];
};

static int open_spare(void)
{
    return open("/dev/null", O_RDONLY | O_CLOEXEC);
}

struct poller *poller_new(void)
{
    struct poller *poller = malloc(sizeof *poller);
    if (poller == NULL)
        return NULL;
    poller->event_count = 0;
    poller->event_at = 0;
    poller->spare_fd = open_spare();
    poller->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (poller->epoll_fd >= 0)
        return poller;
    if (poller->spare_fd >= 0)
        close(poller->spare_fd);
    free(poller);
    return NULL;
}

void poller_free(struct poller *poller)
{
    if (poller == NULL)
        return;
    close(poller->epoll_fd);
    if (poller->spare_fd >= 0)
        close(poller->spare_fd);
    free(poller);
}

static bool control(struct poller *poller, int operation, int fd, uint32_t events, uint64_t token)
{
    struct epoll_event event = {.events = events, .data.u64 = token};
    return epoll_ctl(poller->epoll_fd, operation, fd, &event) == 0;
}

bool poller_listen(struct poller *poller, int listener_fd)
{
    /* Exclusive: a new connection wakes one idle loop, not all of them. */
    return control(poller, EPOLL_CTL_ADD, listener_fd, EPOLLIN | EPOLLEXCLUSIVE,
                   TOKEN_LISTENER_FLAG | (uint64_t)listener_fd);
}

void poller_stop_listening(struct poller *poller, int listener_fd)
{
    (void)control(poller, EPOLL_CTL_DEL, listener_fd, 0, 0);
}

bool poller_watch(struct poller *poller, int wake_fd)
{
    return control(poller, EPOLL_CTL_ADD, wake_fd, EPOLLIN, TOKEN_WAKE);
}

bool poller_attach(struct poller *poller, struct poller_socket *socket, uint64_t token)
{
    socket->interest = INTEREST_READ;
    return control(poller, EPOLL_CTL_ADD, socket->fd, EPOLLIN | EPOLLRDHUP, token);
}

bool poller_detach(struct poller *poller, struct poller_socket *socket)
{
    socket->interest = 0;
    (void)control(poller, EPOLL_CTL_DEL, socket->fd, 0, 0);
    /* What the last wait reported of it is not to be told: it may be another thread's by then. */
    for (int i = poller->event_at; i < poller->event_count; i++) {
        uint64_t token = poller->events[i].data.u64;
        if ((token & TOKEN_LISTENER_FLAG) == 0 && (int)(uint32_t)token == socket->fd)
            poller->events[i].events = 0;
    }
    return true;
}

static void set_interest(struct poller *poller, struct poller_socket *socket, uint64_t token,
                         uint8_t interest)
{
    if (socket->interest == interest)
        return;
    socket->interest = interest;
    uint32_t events = 0;
    if ((interest & INTEREST_READ) != 0)
        events |= EPOLLIN | EPOLLRDHUP;
    if ((interest & INTEREST_WRITE) != 0)
        events |= EPOLLOUT;
    (void)control(poller, EPOLL_CTL_MOD, socket->fd, events, token);
}

void poller_pause(struct poller *poller, struct poller_socket *socket, uint64_t token)
{
    set_interest(poller, socket, token, socket->interest & (uint8_t)~INTEREST_READ);
}

void poller_resume(struct poller *poller, struct poller_socket *socket, uint64_t token)
{
    set_interest(poller, socket, token, socket->interest | INTEREST_READ);
}

ssize_t poller_send(struct poller *poller, struct poller_socket *socket, uint64_t token,
                    struct iovec *parts, int part_count)
{
    size_t wanted = 0;
    for (int i = 0; i < part_count; i++)
        wanted += parts[i].iov_len;
    ssize_t sent;
    do {
        if (part_count == 1) {
            sent = send(socket->fd, parts[0].iov_base, wanted, MSG_NOSIGNAL);
        } else {
            struct msghdr message = {.msg_iov = parts, .msg_iovlen = (size_t)part_count};
            sent = sendmsg(socket->fd, &message, MSG_NOSIGNAL);
        }
    } while (sent < 0 && errno == EINTR);

    bool is_blocked = sent < 0 && (errno == EAGAIN || errno == ENOBUFS);
    if (sent < 0 && !is_blocked)
        return POLLER_SEND_FAILED;
    bool is_partial = is_blocked || (size_t)sent < wanted;
    uint8_t interest = socket->interest & (uint8_t)~INTEREST_WRITE;
    set_interest(poller, socket, token, is_partial ? interest | INTEREST_WRITE : interest);
    return is_blocked ? POLLER_SEND_PENDING : sent;
}

void poller_wait(struct poller *poller, int timeout_ms)
{
    if (poller->spare_fd < 0)
        poller->spare_fd = open_spare();
    int count = epoll_wait(poller->epoll_fd, poller->events, EVENTS_PER_WAIT, timeout_ms);
    poller->event_count = count > 0 ? count : 0; /* EINTR: a turn with nothing in it */
    poller->event_at = 0;
    poller->accepts_left = ACCEPTS_PER_WAIT;
}

static int accept_fd(int listener_fd)
{
    return accept4(listener_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
}

/* Descriptors are used up: the spare one makes room for a connection that is only to be refused. */
static struct outcome accept_on_spare(struct poller *poller, int listener_fd)
{
    if (poller->spare_fd < 0)
        return (struct outcome){.kind = OUTCOME_ACCEPT_FAILED};
    close(poller->spare_fd);
    poller->spare_fd = -1; /* opened anew at the next wait */
    int fd = accept_fd(listener_fd);
    if (fd < 0)
        return (struct outcome){.kind = OUTCOME_ACCEPT_FAILED};
    return (struct outcome){.kind = OUTCOME_OVERFLOWED, .fd = fd};
}

/* True: an outcome was made. False: nothing (more) to accept. */
static bool accept_one(struct poller *poller, int listener_fd, struct outcome *ret_outcome)
{
    while (poller->accepts_left > 0) {
        poller->accepts_left--;
        int fd = accept_fd(listener_fd);
        if (fd >= 0) {
            *ret_outcome = (struct outcome){.kind = OUTCOME_ACCEPTED, .fd = fd};
            return true;
        }
        if (errno == EAGAIN)
            return false; /* another loop was faster */
        if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
            *ret_outcome = accept_on_spare(poller, listener_fd);
            if (ret_outcome->kind == OUTCOME_ACCEPT_FAILED)
                poller->accepts_left = 0;
            return true;
        }
        /* ECONNABORTED, EINTR and errors of the network that belong to that connection alone. */
    }
    return false;
}

/* True: an outcome was made. False: the report was spurious. */
static bool receive(struct poller *poller, uint64_t token, int fd, struct outcome *ret_outcome)
{
    ssize_t received;
    do
        received = recv(fd, poller->receive_buffer, sizeof poller->receive_buffer, 0);
    while (received < 0 && errno == EINTR);
    if (received < 0 && errno == EAGAIN)
        return false;

    *ret_outcome = (struct outcome){.kind = OUTCOME_RECEIVED, .token = token};
    if (received < 0)
        ret_outcome->kind = OUTCOME_FAILED;
    else if (received == 0)
        ret_outcome->kind = OUTCOME_ENDED;
    else
        ret_outcome->data = (struct bytes_mut){poller->receive_buffer, (size_t)received};
    return true;
}

/* Takes one thing off an event's list of what happened; false when nothing is left of it. */
static bool take_outcome(struct poller *poller, struct epoll_event *event,
                         struct outcome *ret_outcome)
{
    uint64_t token = event->data.u64;
    int fd = (int)(uint32_t)token;
    if (token != TOKEN_WAKE && (token & TOKEN_LISTENER_FLAG) != 0)
        return accept_one(poller, fd, ret_outcome);

    uint32_t happened = event->events;
    event->events = 0;
    *ret_outcome = (struct outcome){.kind = OUTCOME_WOKEN, .token = token};
    if (token == TOKEN_WAKE)
        return happened != 0;
    if ((happened & EPOLLOUT) != 0 && (happened & (EPOLLERR | EPOLLHUP)) == 0) {
        event->events = happened & ~(uint32_t)EPOLLOUT;
        ret_outcome->kind = OUTCOME_SENT;
        return true;
    }
    if ((happened & (EPOLLIN | EPOLLRDHUP)) != 0)
        return receive(poller, token, fd, ret_outcome);
    ret_outcome->kind = OUTCOME_FAILED;
    return happened != 0; /* error or hang-up on a socket that is not being read */
}

bool poller_next(struct poller *poller, struct outcome *ret_outcome)
{
    while (poller->event_at < poller->event_count) {
        if (take_outcome(poller, &poller->events[poller->event_at], ret_outcome))
            return true;
        poller->event_at++;
    }
    return false;
}
