/* Events by time in a heap; a link is two pipes; a poller is a queue of sockets that have news. */
#include "network_parts.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "refusals.h"

#define FIRST_FD 3
#define BUFFER_BYTES (48 * 1024)         /* of a socket, see net/listener.c; */
#define LARGE_BUFFER_BYTES (1024 * 1024) /* where the network is as fast as memory */
#define SEGMENT_MAX (16 * 1024)
#define STEP_NS 200 /* of a server; or, when it shares its core with others, */
#define SLOW_STEP_NS (100 * 1000)
#define LATENCY_LEAST_NS (NETWORK_MS / 5)
#define LATENCY_MORE_NS (20 * NETWORK_MS)

struct arrival {
    uint64_t at_ns;
    uint64_t number; /* of two at the same time the older comes first */
    struct link *link;
};

struct network network;

uint64_t network_random(void)
{
    /* splitmix64 */
    uint64_t z = (network.random_state += 0x9E3779B97F4A7C15u);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

uint32_t network_below(uint32_t bound)
{
    return (uint32_t)(network_random() % bound);
}

bool network_once_in(uint32_t times)
{
    return network_below(times) == 0;
}

uint64_t network_now_ns(void)
{
    return network.now_ns;
}

void network_advance(uint64_t to_ns)
{
    if (to_ns > network.now_ns)
        network.now_ns = to_ns;
}

/* The heap of arrivals: one entry a link at most, for the first of its segments. */
static bool is_before(const struct arrival *a, const struct arrival *b)
{
    return a->at_ns != b->at_ns ? a->at_ns < b->at_ns : a->number < b->number;
}

static void swap(size_t a, size_t b)
{
    struct arrival arrival = network.heap[a];
    network.heap[a] = network.heap[b];
    network.heap[b] = arrival;
}

static void schedule(struct link *link)
{
    uint64_t at_ns = UINT64_MAX;
    if (link->up.first != NULL)
        at_ns = link->up.first->arrives_ns;
    if (link->down.first != NULL && link->down.first->arrives_ns < at_ns)
        at_ns = link->down.first->arrives_ns;
    if (at_ns == UINT64_MAX || link->is_in_heap || link->is_paused)
        return;
    if (network.heap_length == network.heap_capacity) {
        network.heap_capacity = network.heap_capacity * 2 + 64;
        network.heap = certain_realloc(network.heap, network.heap_capacity * sizeof *network.heap);
    }
    link->is_in_heap = true;
    size_t at = network.heap_length++;
    network.heap[at] = (struct arrival){at_ns, network.arrival_count++, link};
    while (at > 0 && is_before(&network.heap[at], &network.heap[(at - 1) / 2])) {
        swap(at, (at - 1) / 2);
        at = (at - 1) / 2;
    }
}

static struct link *take_first(void)
{
    struct link *link = network.heap[0].link;
    network.heap[0] = network.heap[--network.heap_length];
    size_t at = 0;
    for (;;) {
        size_t least = at;
        for (size_t child = 2 * at + 1; child <= 2 * at + 2; child++) {
            if (child < network.heap_length &&
                is_before(&network.heap[child], &network.heap[least]))
                least = child;
        }
        if (least == at)
            break;
        swap(at, least);
        at = least;
    }
    link->is_in_heap = false;
    return link;
}

uint64_t network_next_ns(void)
{
    return network.heap_length == 0 ? UINT64_MAX : network.heap[0].at_ns;
}

/* The server's end has news for its poller. */
void link_queue(struct link *link)
{
    struct simulated_poller *poller = link->poller;
    if (poller == NULL || link->is_queued)
        return;
    link->is_queued = true;
    link->next_queued = NULL;
    if (poller->last_queued != NULL)
        poller->last_queued->next_queued = link;
    else
        poller->first_queued = link;
    poller->last_queued = link;
    poller->queued_count++;
}

void link_unqueue(struct link *link)
{
    struct simulated_poller *poller = link->poller;
    struct link *before = NULL;
    if (!link->is_queued)
        return;
    for (struct link *at = poller->first_queued; at != link; at = at->next_queued)
        before = at;
    if (before != NULL)
        before->next_queued = link->next_queued;
    else
        poller->first_queued = link->next_queued;
    if (poller->last_queued == link)
        poller->last_queued = before;
    poller->queued_count--;
    link->is_queued = false;
}

/* Sent in one or several segments, cut anywhere. */
void link_put(struct link *link, struct pipe *pipe, struct bytes data, bool is_end)
{
    do {
        size_t length = data.length < SEGMENT_MAX ? data.length : SEGMENT_MAX;
        if (length > 1 && network_once_in(4))
            length = 1 + network_below((uint32_t)length);
        struct segment *segment = certain_malloc(sizeof *segment + length);
        uint64_t arrives_ns =
            network.now_ns + LATENCY_LEAST_NS + network_random() % LATENCY_MORE_NS;
        if (arrives_ns < pipe->arrived_ns)
            arrives_ns = pipe->arrived_ns;
        pipe->arrived_ns = arrives_ns;
        *segment = (struct segment){.arrives_ns = arrives_ns, .length = length};
        segment->is_end = is_end && length == data.length;
        if (length > 0)
            memcpy(segment->data, data.data, length);
        if (pipe->last != NULL)
            pipe->last->next = segment;
        else
            pipe->first = segment;
        pipe->last = segment;
        pipe->in_flight += length;
        data = bytes_of(data.data + length, data.length - length);
    } while (data.length > 0);
    schedule(link);
}

static void forget_segments(struct pipe *pipe)
{
    while (pipe->first != NULL) {
        struct segment *segment = pipe->first;
        pipe->first = segment->next;
        free(segment);
    }
    pipe->last = NULL;
    pipe->in_flight = 0;
}

static void free_pipe(struct pipe *pipe)
{
    forget_segments(pipe);
    free(pipe->buffer);
    *pipe = (struct pipe){0};
}

static void free_link(struct link *link)
{
    if (link->watch != NULL)
        link->watch->is_over = true;
    free_pipe(&link->up);
    free_pipe(&link->down);
    free(link);
}

/* Those whose ends are both closed, when nobody is about to use them. */
static void free_those_over(void)
{
    struct link **at = &network.links;
    network.has_over = false;
    while (*at != NULL) {
        struct link *link = *at;
        bool is_over = link->fd < 0 && link->client == NULL && !link->is_in_heap;
        if (is_over) {
            *at = link->next;
            free_link(link);
        } else {
            at = &link->next;
        }
    }
}

void link_tell_end(struct link *link, bool is_reset)
{
    void *client = link->client;
    if (client == NULL || link->end_is_told)
        return;
    link->end_is_told = true;
    link->events->ended(client, is_reset);
}

/* The next segment of a pipe, if it has arrived and there is room for it; NULL: not yet. */
static struct segment *take_segment(struct pipe *pipe)
{
    struct segment *segment = pipe->first;
    if (segment == NULL || segment->arrives_ns > network.now_ns)
        return NULL;
    if (pipe->buffered > 0 && pipe->buffered + segment->length > network.buffer_bytes) {
        segment->arrives_ns = network.now_ns + LATENCY_MORE_NS; /* the window is closed */
        return NULL;
    }
    pipe->first = segment->next;
    if (pipe->first == NULL)
        pipe->last = NULL;
    pipe->in_flight -= segment->length;
    pipe->acknowledged += (uint32_t)segment->length;
    return segment;
}

static void buffer(struct pipe *pipe, const struct segment *segment)
{
    if (segment->length > 0) {
        pipe->buffer = certain_realloc(pipe->buffer, pipe->buffered + segment->length);
        memcpy(pipe->buffer + pipe->buffered, segment->data, segment->length);
        pipe->buffered += segment->length;
    }
    pipe->has_ended |= segment->is_end;
}

/* What has arrived at the client and may be read; the client may reset or close meanwhile. */
static void read_down(struct link *link)
{
    struct pipe *pipe = &link->down;
    if (link->is_stalled || link->client == NULL || link->is_reset)
        return;
    if (pipe->buffered > 0) {
        uint8_t *data = pipe->buffer;
        size_t length = pipe->buffered;
        pipe->buffer = NULL;
        pipe->buffered = 0;
        link->events->received(link->client, bytes_of(data, length));
        free(data);
    }
    if (pipe->has_ended && link->client != NULL)
        link_tell_end(link, false);
}

static void deliver(struct link *link)
{
    struct segment *segment;
    while ((segment = take_segment(&link->up)) != NULL) {
        buffer(&link->up, segment);
        free(segment);
        link_queue(link);
    }
    while ((segment = take_segment(&link->down)) != NULL) {
        buffer(&link->down, segment);
        free(segment);
        if (link->waits_for_room)
            link_queue(link);
    }
    read_down(link);
}

void network_deliver(void)
{
    while (network.heap_length > 0 && network.heap[0].at_ns <= network.now_ns) {
        struct link *link = take_first();
        if (!link->is_paused)
            deliver(link);
        schedule(link);
    }
    if (network.has_over)
        free_those_over();
}

int network_allocate_fd(enum fd_kind kind)
{
    for (int fd = FIRST_FD; fd < FDS_MAX; fd++) {
        if (network.fds[fd].kind == FD_FREE) {
            network.fds[fd] = (struct descriptor){.kind = kind};
            return fd;
        }
    }
    return -1;
}

struct link *network_link_of(int fd)
{
    assert(network.fds[fd].kind == FD_SOCKET);
    return network.fds[fd].link;
}

size_t network_buffer_bytes(void)
{
    return network.buffer_bytes;
}

void network_lack_descriptors(bool are_lacking)
{
    network.lacks_descriptors = are_lacking;
}

void network_tell_of_wakes(void (*is_woken)(int wake_fd))
{
    network.is_woken = is_woken;
}

int network_listener(void)
{
    return network_allocate_fd(FD_LISTENER);
}

struct link *link_open(struct address from, const struct link_events *events, void *client)
{
    struct link *link = certain_calloc(1, sizeof *link);
    *link = (struct link){.from = from, .events = events, .client = client, .next = network.links};
    link->fd = network_allocate_fd(FD_SOCKET);
    assert(link->fd >= 0);
    network.fds[link->fd].link = link;
    network.links = link;
    struct link **at = &network.backlog;
    while (*at != NULL)
        at = &(*at)->next_queued;
    *at = link;
    return link;
}

void link_send(struct link *link, struct bytes data)
{
    if (!link->is_reset && data.length > 0)
        link_put(link, &link->up, data, false);
}

void link_close(struct link *link)
{
    link->client = NULL;
    if (!link->is_reset)
        link_put(link, &link->up, (struct bytes){0}, true);
    network.has_over = true;
}

void link_break(struct link *link)
{
    link->is_reset = true;
    forget_segments(&link->up);
    forget_segments(&link->down);
    link_queue(link);
}

void link_reset(struct link *link)
{
    link->client = NULL;
    if (!link->is_reset)
        link_break(link);
    network.has_over = true;
}

/* Only so many bytes of those on their way will arrive, so much later. */
static void keep_some(struct pipe *pipe, size_t length, uint64_t late_ns)
{
    struct segment **at = &pipe->first;
    pipe->last = NULL;
    pipe->in_flight = 0;
    while (*at != NULL) {
        struct segment *segment = *at;
        size_t left = length - pipe->in_flight;
        if (left == 0) {
            *at = segment->next;
            free(segment);
            continue;
        }
        if (segment->length > left)
            segment->length = left;
        segment->arrives_ns += late_ns;
        pipe->in_flight += segment->length;
        pipe->arrived_ns = segment->arrives_ns;
        pipe->last = segment;
        at = &segment->next;
    }
}

void link_give_up(struct link *link, uint64_t late_ns, bool has_end)
{
    struct pipe *pipe = &link->up;
    size_t kept = network_once_in(2) ? pipe->in_flight : network_random() % (pipe->in_flight + 1);
    link->client = NULL;
    link->is_paused = false;
    network.has_over = true;
    if (link->is_reset)
        return;
    keep_some(pipe, kept, late_ns);
    if (has_end)
        link_put(link, pipe, (struct bytes){0}, true);
    schedule(link);
}

void link_watch(struct link *link, struct link_watch *watch)
{
    link->watch = watch;
}

struct link_watch *network_watch_of(int fd)
{
    bool is_socket = fd >= 0 && network.fds[fd].kind == FD_SOCKET;
    return is_socket ? network.fds[fd].link->watch : NULL;
}

bool link_lacks_descriptor(const struct link *link)
{
    return link->lacks_descriptor;
}

int link_descriptor(const struct link *link)
{
    return link->fd;
}

bool link_is_served(const struct link *link)
{
    return link->fd >= 0 && !link->is_reset;
}

void link_hold(struct link *link, bool is_paused)
{
    link->is_paused = is_paused;
    schedule(link);
    if (!is_paused && link->end_is_held)
        link_tell_end(link, true);
}

void link_stall(struct link *link, bool is_stalled)
{
    link->is_stalled = is_stalled;
    read_down(link);
}

void network_init(uint64_t seed)
{
    memset(&network, 0, sizeof network);
    network.random_state = seed;
    network.step_ns = network_once_in(4) ? SLOW_STEP_NS : STEP_NS;
    network.buffer_bytes = network_once_in(4) ? LARGE_BUFFER_BYTES : BUFFER_BYTES;
    /* Sometimes a minute before the milliseconds wrap that are kept in 32 bits. */
    network.now_ns = (network_once_in(2) ? UINT64_C(4294900000) : UINT64_C(1000)) * NETWORK_MS;
}

void network_release(void)
{
    for (int fd = FIRST_FD; fd < FDS_MAX; fd++) {
        if (network.fds[fd].kind != FD_SOCKET)
            continue;
        fprintf(stderr, "descriptor %d of a server is still open\n", fd);
        abort();
    }
    while (network.links != NULL) {
        struct link *link = network.links;
        network.links = link->next;
        free_link(link);
    }
    free(network.heap);
    network.heap = NULL;
}
