/* Rare calls, for silent, blocked and refused connections. */
#include "net/socket.h"

#include <linux/sockios.h>
#include <linux/tcp.h> /* has tcpi_bytes_acked, which <netinet/tcp.h> lacks */
#include <netinet/in.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

static bool read_address(const struct sockaddr_storage *from, struct address *ret_address)
{
    if (from->ss_family == AF_INET)
        *ret_address =
            address_of_ipv4((const uint8_t *)&((const struct sockaddr_in *)from)->sin_addr);
    else if (from->ss_family == AF_INET6)
        *ret_address =
            address_of_ipv6((const uint8_t *)&((const struct sockaddr_in6 *)from)->sin6_addr);
    return from->ss_family == AF_INET || from->ss_family == AF_INET6;
}

bool socket_peer_address(int fd, struct address *ret_address)
{
    struct sockaddr_storage peer;
    socklen_t length = sizeof peer;
    return getpeername(fd, (struct sockaddr *)&peer, &length) == 0 &&
           read_address(&peer, ret_address);
}

bool socket_own_address(int fd, struct address *ret_address)
{
    struct sockaddr_storage own;
    socklen_t length = sizeof own;
    return getsockname(fd, (struct sockaddr *)&own, &length) == 0 &&
           read_address(&own, ret_address);
}

bool socket_has_input(int fd)
{
    int length = 0;
    return ioctl(fd, FIONREAD, &length) == 0 && length > 0;
}

bool socket_is_broken(int fd)
{
    struct pollfd question = {.fd = fd}; /* poll() reports errors though no events are requested */
    return poll(&question, 1, 0) > 0 && (question.revents & POLLERR) != 0;
}

bool socket_has_ended(int fd)
{
    struct pollfd question = {.fd = fd, .events = POLLRDHUP};
    return poll(&question, 1, 0) > 0;
}

bool socket_peek(int fd, uint8_t *ret_byte)
{
    return recv(fd, ret_byte, 1, MSG_PEEK | MSG_DONTWAIT) == 1;
}

bool socket_delivery(int fd, struct socket_delivery *ret_delivery)
{
    struct tcp_info info = {0};
    socklen_t length = sizeof info;
    int in_flight = 0;
    if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &length) != 0 ||
        ioctl(fd, SIOCOUTQ, &in_flight) != 0)
        return false;
    ret_delivery->acknowledged = (uint32_t)info.tcpi_bytes_acked;
    ret_delivery->in_flight = (uint32_t)in_flight;
    return true;
}

void socket_reset_on_close(int fd)
{
    struct linger linger = {.l_onoff = 1, .l_linger = 0};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
}

void socket_refuse(int fd, struct bytes answer)
{
    char ignored[4096];
    (void)!send(fd, answer.data, answer.length, MSG_NOSIGNAL | MSG_DONTWAIT);
    shutdown(fd, SHUT_WR);
    /* Unread input would make close() reset the connection, and the peer lose the answer. */
    (void)!recv(fd, ignored, sizeof ignored, MSG_DONTWAIT);
    close(fd);
}
