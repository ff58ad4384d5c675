/* Chooses a poller by its kind, and tries whether it works. */
#include "net/poller.h"

#include <sys/socket.h>
#include <unistd.h>

#include "net/poller_backend.h"

#define TRIAL_WAIT_MS 100
#define TRIAL_TURNS_MAX 8

static const struct {
    const char *name;
    struct poller *(*make)(void);
} pollers[POLLER_KINDS] = {
    [POLLER_EPOLL] = {"epoll", poller_epoll_new},
    [POLLER_IO_URING] = {"io_uring", poller_io_uring_new},
};

const char *poller_name(enum poller_kind kind)
{
    return pollers[kind].name;
}

struct poller *poller_new(enum poller_kind kind)
{
    return pollers[kind].make();
}

void poller_free(struct poller *poller)
{
    if (poller != NULL)
        poller->operations->free(poller);
}

bool poller_restrict(struct poller *poller)
{
    return poller->operations->restrict_operations(poller);
}

void poller_start(struct poller *poller)
{
    poller->operations->start(poller);
}

bool poller_listen(struct poller *poller, int listener_fd)
{
    return poller->operations->listen(poller, listener_fd);
}

void poller_stop_listening(struct poller *poller, int listener_fd)
{
    poller->operations->stop_listening(poller, listener_fd);
}

bool poller_is_accepting(struct poller *poller)
{
    return poller->operations->is_accepting(poller);
}

bool poller_watch(struct poller *poller, int wake_fd)
{
    return poller->operations->watch(poller, wake_fd);
}

bool poller_attach(struct poller *poller, struct poller_socket *socket)
{
    return poller->operations->attach(poller, socket);
}

bool poller_detach(struct poller *poller, struct poller_socket *socket)
{
    return poller->operations->detach(poller, socket);
}

void poller_retire(struct poller *poller)
{
    if (poller->operations->retire != NULL)
        poller->operations->retire(poller);
}

void poller_pause(struct poller *poller, struct poller_socket *socket)
{
    poller->operations->pause(poller, socket);
}

void poller_resume(struct poller *poller, struct poller_socket *socket)
{
    poller->operations->resume(poller, socket);
}

bool poller_may_have_input(struct poller *poller, const struct poller_socket *socket)
{
    return poller->operations->may_have_input(poller, socket);
}

ssize_t poller_send(struct poller *poller, struct poller_socket *socket, const struct iovec *parts,
                    int part_count)
{
    return poller->operations->send(poller, socket, parts, part_count);
}

void poller_wait(struct poller *poller, int timeout_ms)
{
    poller->operations->wait(poller, timeout_ms);
}

bool poller_next(struct poller *poller, struct outcome *ret_outcome)
{
    return poller->operations->next(poller, ret_outcome);
}

/* Waits for an outcome of this kind, a bounded time. False: it did not come. */
static bool wait_for(struct poller *poller, enum outcome_kind kind)
{
    struct outcome outcome;
    for (int turn = 0; turn < TRIAL_TURNS_MAX; turn++) {
        poller_wait(poller, TRIAL_WAIT_MS);
        while (poller_next(poller, &outcome)) {
            if (outcome.kind == kind)
                return true;
        }
    }
    return false;
}

/* Receives and sends a byte and detaches, on a socket whose peer is `peer_fd`. */
static bool try_socket(struct poller *poller, struct poller_socket *socket, int peer_fd)
{
    const struct iovec byte = {.iov_base = (char[]){'x'}, .iov_len = 1};
    if (!poller_attach(poller, socket))
        return false;
    bool works = write(peer_fd, "x", 1) == 1 && wait_for(poller, OUTCOME_RECEIVED);
    if (works) {
        ssize_t sent = poller_send(poller, socket, &byte, 1);
        works = sent == 1 || (sent == POLLER_SEND_BEGUN && wait_for(poller, OUTCOME_SENT));
    }
    bool is_detached = poller_detach(poller, socket) || wait_for(poller, OUTCOME_DETACHED);
    return works && is_detached;
}

bool poller_works(enum poller_kind kind)
{
    int fds[2];
    struct poller *poller = poller_new(kind);
    if (poller == NULL)
        return false;
    bool works = false;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) == 0) {
        struct poller_socket socket = {.fd = fds[0]};
        poller_start(poller);
        works = try_socket(poller, &socket, fds[1]);
        close(fds[0]);
        close(fds[1]);
    }
    poller_free(poller);
    return works;
}
