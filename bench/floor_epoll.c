/*
 * The floor over epoll, level-triggered. A readable socket gets one recv, into one buffer for all.
 * At the end of the turn, a socket with output gets one send.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "floor.h"

#define RECEIVE_BUFFER_BYTES (64 * 1024)

static uint8_t receive_buffer[RECEIVE_BUFFER_BYTES];

static bool control(int epoll_fd, int operation, int fd, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.fd = fd};
    return epoll_ctl(epoll_fd, operation, fd, &event) == 0;
}

static void accept_all(const struct floor *floor, int epoll_fd)
{
    int fd;
    while ((fd = accept4(floor->listener_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0)
        if (!control(epoll_fd, EPOLL_CTL_ADD, fd, EPOLLIN))
            close(fd);
}

static void receive(struct floor *floor, int fd)
{
    ssize_t received = recv(fd, receive_buffer, sizeof receive_buffer, 0);
    if (received > 0)
        floor_received(floor, fd, receive_buffer, (size_t)received);
    else if (received == 0 || errno != EAGAIN)
        floor_close(floor, fd);
}

static ssize_t send_bytes(enum floor_send form, int fd, const uint8_t *bytes, size_t length)
{
    if (form == SEND_PLAIN)
        return send(fd, bytes, length, MSG_NOSIGNAL);
    struct iovec part = {.iov_base = (void *)(uintptr_t)bytes, .iov_len = length};
    if (form == SEND_WRITEV)
        return writev(fd, &part, 1);
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    return sendmsg(fd, &message, MSG_NOSIGNAL);
}

static void flush(struct floor *floor, int epoll_fd, int fd)
{
    struct floor_connection *connection = &floor->connections[fd];
    size_t length;
    const uint8_t *bytes = floor_owed(floor, fd, &length);
    ssize_t sent = send_bytes(floor->options->send, fd, bytes, length);
    if (sent > 0)
        floor_sent(floor, fd, (size_t)sent);
    if (connection->owed == 0 || (sent < 0 && errno != EAGAIN))
        return; /* the next recv of a broken socket reports it */
    connection->is_blocked = true;
    (void)control(epoll_fd, EPOLL_CTL_MOD, fd, EPOLLIN | EPOLLOUT);
}

static void flush_all(struct floor *floor, int epoll_fd)
{
    for (uint32_t i = 0; i < floor->listed_count; i++) {
        floor->connections[floor->listed[i]].is_listed = false;
        flush(floor, epoll_fd, floor->listed[i]);
    }
    floor->listed_count = 0;
}

static void handle(struct floor *floor, int epoll_fd, const struct epoll_event *event)
{
    int fd = event->data.fd;
    if (fd == floor->listener_fd) {
        accept_all(floor, epoll_fd);
        return;
    }
    if ((event->events & EPOLLOUT) != 0) {
        floor->connections[fd].is_blocked = false;
        (void)control(epoll_fd, EPOLL_CTL_MOD, fd, EPOLLIN);
        floor_list(floor, fd);
    }
    if ((event->events & (EPOLLIN | EPOLLERR | EPOLLHUP)) != 0)
        receive(floor, fd);
}

void floor_serve_epoll(struct floor *floor)
{
    struct epoll_event *events = calloc(floor->options->events, sizeof *events);
    int epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (events == NULL || epoll_fd < 0 ||
        !control(epoll_fd, EPOLL_CTL_ADD, floor->listener_fd, EPOLLIN))
        return;
    for (;;) {
        int count = epoll_wait(epoll_fd, events, (int)floor->options->events, -1);
        for (int i = 0; i < count; i++)
            handle(floor, epoll_fd, &events[i]);
        flush_all(floor, epoll_fd);
    }
}
