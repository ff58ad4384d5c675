/* What a server asks of a kernel beside its pollers: the clock, random bits, waking, sockets. */
#include <assert.h>
#include <string.h>

#include "network_parts.h"

/* A server that looks at the clock has done something since it did so last. */
static uint64_t take_time(void)
{
    return network.now_ns += network.step_ns;
}

/* Some day in 2026 was when the simulated clock began. Reading this clock takes no time. */
static int64_t wall_clock_s(void)
{
    return INT64_C(1770000000) + (int64_t)(network.now_ns / 1000000000);
}

static void fill_random(void *ret_bytes, size_t length)
{
    uint8_t *bytes = ret_bytes;
    for (size_t i = 0; i < length; i++)
        bytes[i] = (uint8_t)network_random();
}

static int wake_new(void)
{
    return network_allocate_fd(FD_WAKE);
}

static void wake_post(int wake_fd)
{
    network.fds[wake_fd].is_posted = true;
    if (network.is_woken != NULL)
        network.is_woken(wake_fd);
}

static void wake_read(int wake_fd)
{
    network.fds[wake_fd].is_posted = false;
}

static void wake_free(int wake_fd)
{
    network.fds[wake_fd].kind = FD_FREE;
}

static bool peer_address(int fd, struct address *ret_address)
{
    *ret_address = network_link_of(fd)->from;
    return true;
}

static bool own_address(int fd, struct address *ret_address)
{
    static const uint8_t octets[4] = {192, 0, 2, 1};
    (void)network_link_of(fd);
    *ret_address = address_of_ipv4(octets);
    return true;
}

static bool delivery(int fd, struct socket_delivery *ret_delivery)
{
    const struct pipe *down = &network_link_of(fd)->down;
    ret_delivery->acknowledged = down->acknowledged;
    ret_delivery->in_flight = (uint32_t)down->in_flight;
    return true;
}

static bool is_broken(int fd)
{
    return network_link_of(fd)->is_reset;
}

static bool has_ended(int fd)
{
    const struct link *link = network_link_of(fd);
    return link->is_reset || link->up.has_ended;
}

static bool peek(int fd, uint8_t *ret_byte)
{
    const struct pipe *up = &network_link_of(fd)->up;
    if (up->buffered > 0)
        *ret_byte = up->buffer[0];
    return up->buffered > 0;
}

static bool shut(int fd)
{
    struct link *link = network_link_of(fd);
    if (!link->is_reset)
        link_put(link, &link->down, (struct bytes){0}, true);
    link->is_shut = true;
    return !link->is_reset;
}

static void close_socket(int fd, bool resets)
{
    struct link *link = network_link_of(fd);
    assert(link->poller == NULL);
    network.fds[fd] = (struct descriptor){0};
    link->fd = -1;
    if (!link->is_reset && (resets || link->up.buffered > 0)) {
        link_break(link);
        link->end_is_held = link->is_paused;
        if (!link->is_paused)
            link_tell_end(link, true);
    } else if (!link->is_reset && !link->is_shut) {
        link_put(link, &link->down, (struct bytes){0}, true);
    }
    network.has_over = true;
}

void network_kill_server(bool (*has)(void *context, int fd), void *context)
{
    if (has == NULL)
        network.backlog = NULL;
    for (struct link *link = network.links; link != NULL; link = link->next) {
        if (link->fd < 0 || (has != NULL && !has(context, link->fd)))
            continue;
        link_unqueue(link);
        link->poller = NULL;
        link->socket = NULL;
        link->part_count = 0;
        link->waits_for_room = false;
        close_socket(link->fd, true);
    }
}

/* Nothing is executed here: the next server is in the same process. */
static void keep(int fd, bool is_kept)
{
    (void)fd;
    (void)is_kept;
}

static void refuse(int fd, struct bytes answer)
{
    struct link *link = network_link_of(fd);
    if (!link->is_reset && answer.length > 0)
        link_put(link, &link->down, answer, false);
    link->up.buffered = 0;
    close_socket(fd, false);
}

const struct kernel network_kernel = {
    .now_ns = take_time,
    .wall_clock_s = wall_clock_s,
    .random = fill_random,
    .poller_new = network_poller_new,
    .wake_new = wake_new,
    .wake_post = wake_post,
    .wake_read = wake_read,
    .wake_free = wake_free,
    .peer_address = peer_address,
    .own_address = own_address,
    .delivery = delivery,
    .is_broken = is_broken,
    .has_ended = has_ended,
    .peek = peek,
    .shut = shut,
    .close = close_socket,
    .keep = keep,
    .refuse = refuse,
};
