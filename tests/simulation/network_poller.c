/* The poller of the simulated kernel: sockets with news wait in a queue for poller_next(). */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "network_parts.h"
#include "refusals.h"

static struct simulated_poller *poller_of(struct poller *base)
{
    return CONTAINER_OF(base, struct simulated_poller, base);
}

static void poller_free_simulated(struct poller *base)
{
    struct simulated_poller *poller = poller_of(base);
    free(poller->lent);
    free(poller);
}

static bool poller_restrict_simulated(struct poller *base)
{
    (void)base;
    return true;
}

static void poller_start_simulated(struct poller *base)
{
    (void)base;
}

static bool poller_listen_simulated(struct poller *base, int listener_fd)
{
    assert(network.fds[listener_fd].kind == FD_LISTENER);
    poller_of(base)->is_listening = true;
    return true;
}

static void poller_stop_listening_simulated(struct poller *base, int listener_fd)
{
    (void)listener_fd;
    poller_of(base)->is_listening = false;
}

static bool poller_is_accepting_simulated(struct poller *base)
{
    (void)base;
    return false;
}

static bool poller_watch_simulated(struct poller *base, int wake_fd)
{
    poller_of(base)->wake_fd = wake_fd;
    return true;
}

static bool has_news(const struct link *link)
{
    bool is_read = (link->socket->state & READING) != 0;
    bool has_room = link->waits_for_room && link->down.in_flight < network.buffer_bytes / 2;
    return link->is_reset || link->part_count > 0 || (link->socket->state & DETACHING) != 0 ||
           has_room || (is_read && (link->up.buffered > 0 || link->up.has_ended));
}

static bool poller_attach_simulated(struct poller *base, struct poller_socket *socket)
{
    struct link *link = network_link_of(socket->fd);
    assert(link->poller == NULL);
    link->poller = poller_of(base);
    link->socket = socket;
    link->waits_for_room = false;
    socket->state = ATTACHED | READING;
    socket->sending = 0;
    if (has_news(link))
        link_queue(link);
    return true;
}

static void end_attachment(struct link *link)
{
    link_unqueue(link);
    link->socket->state = 0;
    link->socket = NULL;
    link->poller = NULL;
}

static bool poller_detach_simulated(struct poller *base, struct poller_socket *socket)
{
    struct link *link = network_link_of(socket->fd);
    if (link->poller == NULL)
        return true;
    assert(link->poller == poller_of(base));
    if (link->part_count > 0 || (link->poller->completes && network_once_in(2))) {
        socket->state |= DETACHING;
        link_queue(link);
        return false;
    }
    end_attachment(link);
    return true;
}

static void poller_pause_simulated(struct poller *base, struct poller_socket *socket)
{
    (void)base;
    socket->state &= (uint8_t)~READING;
}

static void poller_resume_simulated(struct poller *base, struct poller_socket *socket)
{
    (void)base;
    struct link *link = network_link_of(socket->fd);
    socket->state |= READING;
    if (link->poller != NULL && has_news(link))
        link_queue(link);
}

/* What the kernel takes of these bytes now. */
static size_t take_sent(struct link *link, const struct iovec *parts, int part_count)
{
    size_t room = link->down.in_flight < network.buffer_bytes
                      ? network.buffer_bytes - link->down.in_flight
                      : 0;
    if (room > 1 && network_once_in(20))
        room = 1 + network_below((uint32_t)room); /* a short write */
    size_t sent = 0;
    for (int i = 0; i < part_count && sent < room; i++) {
        size_t length = parts[i].iov_len < room - sent ? parts[i].iov_len : room - sent;
        if (length > 0)
            link_put(link, &link->down, bytes_of(parts[i].iov_base, length), false);
        sent += length;
    }
    return sent;
}

static ssize_t poller_send_simulated(struct poller *base, struct poller_socket *socket,
                                     const struct iovec *parts, int part_count)
{
    struct link *link = network_link_of(socket->fd);
    size_t wanted = poller_parts_length(parts, part_count);
    assert(link->part_count == 0 && !link->waits_for_room && wanted > 0);
    if (link->is_reset)
        return POLLER_SEND_FAILED;
    if (poller_of(base)->completes) {
        memcpy(link->parts, parts, (size_t)part_count * sizeof *parts);
        link->part_count = part_count;
        link->wanted = wanted;
        socket->sending = (uint32_t)wanted;
        link_queue(link);
        return POLLER_SEND_BEGUN;
    }
    size_t sent = take_sent(link, parts, part_count);
    link->waits_for_room = sent < wanted;
    if (link->waits_for_room && has_news(link))
        link_queue(link);
    return (ssize_t)sent;
}

static bool poller_may_have_input_simulated(struct poller *base, const struct poller_socket *socket)
{
    (void)base;
    return network_link_of(socket->fd)->up.buffered > 0;
}

static void poller_wait_simulated(struct poller *base, int timeout_ms)
{
    struct simulated_poller *poller = poller_of(base);
    (void)timeout_ms;
    poller->news_left = poller->queued_count;
}

static struct bytes_mut lend(struct simulated_poller *poller, struct pipe *pipe)
{
    size_t length = pipe->buffered < network.buffer_bytes ? pipe->buffered : network.buffer_bytes;
    if (length > 1 && network_once_in(4))
        length = 1 + network_below((uint32_t)length);
    poller->lent = certain_malloc(length);
    memcpy(poller->lent, pipe->buffer, length);
    memmove(pipe->buffer, pipe->buffer + length, pipe->buffered - length);
    pipe->buffered -= length;
    return (struct bytes_mut){poller->lent, length};
}

/* One thing of a socket, in the order in which a kernel would tell it. False: there is none. */
static bool tell(struct simulated_poller *poller, struct link *link, struct outcome *ret_outcome)
{
    struct poller_socket *socket = link->socket;
    *ret_outcome = (struct outcome){.socket = socket};
    if (link->part_count > 0) {
        size_t sent = link->is_reset ? 0 : take_sent(link, link->parts, link->part_count);
        link->part_count = 0;
        socket->sending = 0;
        link->waits_for_room = sent < link->wanted;
        ret_outcome->kind = link->is_reset ? OUTCOME_FAILED : OUTCOME_SENT;
        ret_outcome->sent = sent;
        ret_outcome->is_full = link->waits_for_room;
        return true;
    }
    if ((socket->state & DETACHING) != 0) {
        ret_outcome->kind = OUTCOME_DETACHED;
        end_attachment(link);
        return true;
    }
    if (link->is_reset) {
        ret_outcome->kind = OUTCOME_FAILED;
        return true;
    }
    if (link->waits_for_room && link->down.in_flight < network.buffer_bytes / 2) {
        link->waits_for_room = false;
        ret_outcome->kind = OUTCOME_WRITABLE;
        return true;
    }
    if ((socket->state & READING) == 0)
        return false;
    if (link->up.buffered > 0) {
        ret_outcome->kind = OUTCOME_RECEIVED;
        ret_outcome->data = lend(poller, &link->up);
        return true;
    }
    ret_outcome->kind = OUTCOME_ENDED;
    return link->up.has_ended;
}

static bool accept_one(struct simulated_poller *poller, struct outcome *ret_outcome)
{
    struct link *link = network.backlog;
    if (link == NULL || !poller->is_listening)
        return false;
    enum outcome_kind kind = OUTCOME_ACCEPTED;
    if (network.lacks_descriptors && network_once_in(5))
        kind = network_once_in(2) ? OUTCOME_OVERFLOWED : OUTCOME_ACCEPT_FAILED;
    *ret_outcome = (struct outcome){.kind = kind, .fd = link->fd};
    if (kind == OUTCOME_ACCEPT_FAILED)
        return true;
    network.backlog = link->next_queued;
    link->next_queued = NULL;
    link->lacks_descriptor = kind == OUTCOME_OVERFLOWED;
    return true;
}

static bool poller_next_simulated(struct poller *base, struct outcome *ret_outcome)
{
    struct simulated_poller *poller = poller_of(base);
    free(poller->lent);
    poller->lent = NULL;
    if (network.fds[poller->wake_fd].is_posted) {
        *ret_outcome = (struct outcome){.kind = OUTCOME_WOKEN};
        network.fds[poller->wake_fd].is_posted = false; /* as the receiver will read it */
        return true;
    }
    if (accept_one(poller, ret_outcome))
        return true;
    while (poller->news_left > 0 && poller->first_queued != NULL) {
        struct link *link = poller->first_queued;
        poller->news_left--;
        link_unqueue(link);
        bool is_told = tell(poller, link, ret_outcome);
        /* A reset is told once more at every wait, until somebody detaches the socket. */
        if (link->poller != NULL && has_news(link))
            link_queue(link);
        if (is_told)
            return true;
    }
    return false;
}

static const struct poller_operations operations = {
    .free = poller_free_simulated,
    .restrict_operations = poller_restrict_simulated,
    .start = poller_start_simulated,
    .listen = poller_listen_simulated,
    .stop_listening = poller_stop_listening_simulated,
    .is_accepting = poller_is_accepting_simulated,
    .watch = poller_watch_simulated,
    .attach = poller_attach_simulated,
    .detach = poller_detach_simulated,
    .pause = poller_pause_simulated,
    .resume = poller_resume_simulated,
    .send = poller_send_simulated,
    .may_have_input = poller_may_have_input_simulated,
    .wait = poller_wait_simulated,
    .next = poller_next_simulated,
};

bool network_poller_is_due(const struct poller *base)
{
    const struct simulated_poller *poller =
        CONTAINER_OF((struct poller *)(uintptr_t)base, struct simulated_poller, base);
    return poller->queued_count > 0 || network.fds[poller->wake_fd].is_posted ||
           (poller->is_listening && network.backlog != NULL);
}

struct poller *network_poller_new(enum poller_kind kind)
{
    struct simulated_poller *poller = certain_calloc(1, sizeof *poller);
    poller->base.operations = &operations;
    poller->completes = kind == POLLER_IO_URING;
    return &poller->base;
}
