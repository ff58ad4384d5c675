/* accept4(2), and what to do when descriptors are used up. */
#include "net/acceptor.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

void acceptor_init(struct acceptor *acceptor)
{
    acceptor->spare_fd = -1;
    acceptor_restore(acceptor);
}

void acceptor_release(struct acceptor *acceptor)
{
    if (acceptor->spare_fd >= 0)
        close(acceptor->spare_fd);
    acceptor->spare_fd = -1;
}

void acceptor_restore(struct acceptor *acceptor)
{
    if (acceptor->spare_fd < 0)
        acceptor->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

bool acceptor_is_short(int error)
{
    return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

static int accept_fd(int listener_fd)
{
    return accept4(listener_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
}

/*
 * Descriptors are used up: closes the spare one, to accept a connection that will only be refused.
 */
static struct outcome accept_on_spare(struct acceptor *acceptor, int listener_fd)
{
    if (acceptor->spare_fd < 0)
        return (struct outcome){.kind = OUTCOME_ACCEPT_FAILED};
    acceptor_release(acceptor);
    int fd = accept_fd(listener_fd);
    if (fd < 0)
        return (struct outcome){.kind = OUTCOME_ACCEPT_FAILED};
    return (struct outcome){.kind = OUTCOME_OVERFLOWED, .fd = fd};
}

bool acceptor_next(struct acceptor *acceptor, int listener_fd, int tries,
                   struct outcome *ret_outcome)
{
    while (tries-- > 0) {
        int fd = accept_fd(listener_fd);
        if (fd >= 0) {
            *ret_outcome = (struct outcome){.kind = OUTCOME_ACCEPTED, .fd = fd};
            return true;
        }
        if (errno == EAGAIN || errno == EINVAL)
            return false; /* another loop accepted it, or listener_end() was called */
        if (acceptor_is_short(errno)) {
            *ret_outcome = accept_on_spare(acceptor, listener_fd);
            return true;
        }
        /* ECONNABORTED, EINTR, and network errors of that connection alone. */
    }
    return false;
}
