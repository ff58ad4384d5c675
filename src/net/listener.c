/*
 * All loops share one listener (EPOLLEXCLUSIVE). With a listener for each loop (SO_REUSEPORT), a
 * busy loop would keep connections waiting that an idle one could accept, and the kernel would not
 * refuse a port that another process uses.
 */
#include "net/listener.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define LISTEN_BACKLOG 4096
/*
 * The kernel doubles both. All output of a client may be in flight at once; input is read at once.
 */
#define SEND_BUFFER_BYTES (256 * 1024)
#define RECEIVE_BUFFER_BYTES (64 * 1024)
/*
 * Output that the kernel may hold before it sends it. Without this limit a peer that does not read
 * keeps half a MiB in the kernel, which --max-buffered-bytes does not count; with it some 48 KiB
 * (measured).
 */
#define UNSENT_BYTES_MAX (32 * 1024)

/* Sets options, which accepted sockets inherit on Linux. So accepting needs no further calls. */
static void set_options(int fd, int family)
{
    int on = 1;
    int off = 0;
    int send_buffer = SEND_BUFFER_BYTES;
    int receive_buffer = RECEIVE_BUFFER_BYTES;
    int unsent = UNSENT_BYTES_MAX;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &unsent, sizeof unsent);
    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &send_buffer, sizeof send_buffer);
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
    if (family == AF_INET6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
}

/* Returns a bound socket; -1: `ret_error` says why. */
static int bind_address(const struct sockaddr *address, socklen_t length, int *ret_error)
{
    int fd = socket(address->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    *ret_error = errno;
    if (fd < 0)
        return -1;
    set_options(fd, address->sa_family);
    if (bind(fd, address, length) == 0)
        return fd;
    *ret_error = errno;
    close(fd);
    return -1;
}

static int bind_any(uint16_t port, int *ret_error)
{
    struct sockaddr_in6 any6 = {
        .sin6_family = AF_INET6, .sin6_addr = in6addr_any, .sin6_port = htons(port)};
    int fd = bind_address((struct sockaddr *)&any6, sizeof any6, ret_error);
    if (fd >= 0 || (*ret_error != EAFNOSUPPORT && *ret_error != EADDRNOTAVAIL))
        return fd;
    struct sockaddr_in any4 = {
        .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_ANY), .sin_port = htons(port)};
    return bind_address((struct sockaddr *)&any4, sizeof any4, ret_error);
}

static enum listener_result explain(int error, const char *host, uint16_t port, char *ret_why,
                                    size_t why_capacity)
{
    if (error == EADDRINUSE) {
        snprintf(ret_why, why_capacity, "port %u is in use by another program", port);
        return LISTENER_TAKEN;
    }
    snprintf(ret_why, why_capacity, "can't listen on %s port %u: %s",
             host != NULL ? host : "any address,", port, strerrordesc_np(error));
    return LISTENER_FAILED;
}

enum listener_result listener_bind(const char *host, uint16_t port, int *ret_fd, char *ret_why,
                                   size_t why_capacity)
{
    int error = 0;
    if (host == NULL) {
        *ret_fd = bind_any(port, &error);
    } else {
        struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
        struct addrinfo *found;
        char service[8];
        snprintf(service, sizeof service, "%u", port);
        error = getaddrinfo(host, service, &hints, &found);
        if (error != 0) {
            snprintf(ret_why, why_capacity, "can't resolve host %s: %s", host, gai_strerror(error));
            return LISTENER_FAILED;
        }
        *ret_fd = bind_address(found->ai_addr, found->ai_addrlen, &error);
        freeaddrinfo(found);
    }
    return *ret_fd >= 0 ? LISTENER_READY : explain(error, host, port, ret_why, why_capacity);
}

enum listener_result listener_begin(int listener_fd, char *ret_why, size_t why_capacity)
{
    if (listen(listener_fd, LISTEN_BACKLOG) == 0)
        return LISTENER_READY;
    return explain(errno, NULL, listener_port(listener_fd), ret_why, why_capacity);
}

int listener_open(const char *host, uint16_t port, char *ret_why, size_t why_capacity)
{
    int fd;
    if (listener_bind(host, port, &fd, ret_why, why_capacity) != LISTENER_READY)
        return -1;
    if (listener_begin(fd, ret_why, why_capacity) == LISTENER_READY)
        return fd;
    close(fd);
    return -1;
}

void listener_end(int listener_fd)
{
    (void)shutdown(listener_fd, SHUT_RDWR);
}

uint16_t listener_port(int listener_fd)
{
    struct sockaddr_storage address;
    socklen_t length = sizeof address;
    if (getsockname(listener_fd, (struct sockaddr *)&address, &length) != 0)
        return 0;
    if (address.ss_family == AF_INET6)
        return ntohs(((struct sockaddr_in6 *)&address)->sin6_port);
    return ntohs(((struct sockaddr_in *)&address)->sin_port);
}

int listener_lan_addresses(char (*ret_addresses)[ADDRESS_TEXT_MAX], int limit)
{
    struct ifaddrs *interfaces;
    if (getifaddrs(&interfaces) != 0)
        return 0;
    int count = 0;
    for (struct ifaddrs *at = interfaces; at != NULL && count < limit; at = at->ifa_next) {
        bool is_usable = at->ifa_addr != NULL && at->ifa_addr->sa_family == AF_INET &&
                         (at->ifa_flags & IFF_UP) != 0 && (at->ifa_flags & IFF_LOOPBACK) == 0;
        if (!is_usable)
            continue;
        const struct sockaddr_in *address = (const struct sockaddr_in *)at->ifa_addr;
        if (inet_ntop(AF_INET, &address->sin_addr, ret_addresses[count], ADDRESS_TEXT_MAX) != NULL)
            count++;
    }
    freeifaddrs(interfaces);
    return count;
}
