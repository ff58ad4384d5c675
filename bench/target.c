/* Parses the URL, resolves the host and connects. Knows no protocol above TCP. */
#include "target.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/time.h>
#include <unistd.h>

#include "give_up.h"

#define CONNECT_TIMEOUT_S 5
#define CONNECTIONS_PER_ADDRESS 16384
#define LOOPBACK_ADDRESSES 250

/* Splits `host:port` or `[v6]:port`. */
static bool split_authority(const char *authority, char host[256], const char **ret_port)
{
    const char *colon = strrchr(authority, ':');
    if (colon == NULL || colon == authority || colon[1] == '\0')
        return false;
    size_t length = (size_t)(colon - authority);
    if (authority[0] == '[') {
        if (authority[length - 1] != ']')
            return false;
        authority++;
        length -= 2;
    }
    memcpy(host, authority, length);
    host[length] = '\0';
    *ret_port = colon + 1;
    return true;
}

static bool is_loopback(const struct sockaddr_storage *address)
{
    if (address->ss_family != AF_INET)
        return false;
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)address;
    return ntohl(v4->sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
}

static bool resolve(const char *host, const char *port, struct target *target)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
    struct addrinfo *found;
    if (getaddrinfo(host, port, &hints, &found) != 0)
        return false;
    memcpy(&target->address, found->ai_addr, found->ai_addrlen);
    target->address_length = found->ai_addrlen;
    target->is_loopback = is_loopback(&target->address);
    freeaddrinfo(found);
    return true;
}

bool target_parse(const char *url, struct target *ret_target, char *ret_why, size_t why_capacity)
{
    static const char *const schemes[] = {"ws://", "wss://"};
    const char *port;
    *ret_target = (struct target){0};
    ret_target->is_secure = strncmp(url, schemes[true], strlen(schemes[true])) == 0;
    const char *scheme = schemes[ret_target->is_secure];
    if (strncmp(url, scheme, strlen(scheme)) == 0) {
        const char *authority = url + strlen(scheme);
        size_t length = strcspn(authority, "/");
        const char *path = authority[length] == '\0' ? "/" : authority + length;
        if (length < sizeof ret_target->authority && strlen(path) < sizeof ret_target->path) {
            memcpy(ret_target->authority, authority, length);
            strcpy(ret_target->path, path);
        }
    }
    if (!split_authority(ret_target->authority, ret_target->host, &port)) {
        snprintf(ret_why, why_capacity, "--url wants ws://HOST:PORT or wss://HOST:PORT, not '%s'",
                 url);
        return false;
    }
    if (!resolve(ret_target->host, port, ret_target)) {
        snprintf(ret_why, why_capacity, "there is no host or port '%s'", ret_target->authority);
        return false;
    }
    return true;
}

/* Chooses the address from which we connect. connect() chooses the port, since it knows free ones.
 */
static void bind_source(int fd, uint64_t number)
{
    uint32_t last = 1 + (uint32_t)(number / CONNECTIONS_PER_ADDRESS % LOOPBACK_ADDRESSES);
    struct sockaddr_in source = {
        .sin_family = AF_INET,
        .sin_addr.s_addr = htonl((uint32_t)IN_LOOPBACKNET << 24 | last),
    };
    int on = 1;
    setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
    if (bind(fd, (const struct sockaddr *)&source, sizeof source) != 0)
        give_up("can't bind 127.0.0.%u: %s", last, strerror(errno));
}

int target_connect(const struct target *target, uint64_t number, bool waits)
{
    int type = SOCK_STREAM | SOCK_CLOEXEC | (waits ? 0 : SOCK_NONBLOCK);
    int fd = socket(target->address.ss_family, type, 0);
    if (fd < 0)
        give_up("no socket for client %llu: %s", (unsigned long long)number, strerror(errno));
    if (target->is_loopback && number >= CONNECTIONS_PER_ADDRESS)
        bind_source(fd, number);
    int on = 1;
    struct timeval timeout = {.tv_sec = CONNECT_TIMEOUT_S};
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof timeout); /* connect() heeds it */
    bool is_connected =
        connect(fd, (const struct sockaddr *)&target->address, target->address_length) == 0;
    if (!is_connected && (waits || errno != EINPROGRESS))
        give_up("can't connect to %s: %s", target->authority,
                errno == EINPROGRESS ? "it doesn't answer" : strerror(errno));
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    return fd;
}

int target_try(const struct target *target)
{
    int fd = socket(target->address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        give_up("no socket: %s", strerror(errno));
    if (connect(fd, (const struct sockaddr *)&target->address, target->address_length) == 0)
        return fd;
    close(fd);
    return -1;
}
