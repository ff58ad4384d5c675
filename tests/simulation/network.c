/* Events by time in a heap; a link is two pipes; a poller is a queue of sockets that have news. */
#include "network.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net/poller_backend.h"
#include "refusals.h"

#define FDS_MAX 4096
#define FIRST_FD 3
#define BUFFER_BYTES (48 * 1024)         /* of a socket, see net/listener.c; */
#define LARGE_BUFFER_BYTES (1024 * 1024) /* where the network is as fast as memory */
#define SEGMENT_MAX (16 * 1024)
#define STEP_NS 200 /* of a server; or, when it shares its core with others, */
#define SLOW_STEP_NS (100 * 1000)
#define PARTS_MAX 64
#define LATENCY_LEAST_NS (NETWORK_MS / 5)
#define LATENCY_MORE_NS (20 * NETWORK_MS)

struct segment {
    struct segment *next;
    uint64_t arrives_ns;
    size_t length;
    bool is_end; /* the sender has shut its side */
    uint8_t data[];
};

/* One direction. */
struct pipe {
    struct segment *first; /* on their way, in order */
    struct segment *last;
    uint64_t arrived_ns; /* of the last segment that was sent: none overtakes it */
    size_t in_flight;
    uint32_t acknowledged;
    uint8_t *buffer; /* arrived and not read */
    size_t buffered;
    bool has_ended; /* its end has arrived */
};

struct link {
    struct link *next;
    int fd; /* of the server's end; -1: it is closed */
    struct address from;
    const struct link_events *events;
    void *client; /* NULL: the client's end is closed */
    struct pipe up;
    struct pipe down;
    bool is_reset;
    bool is_paused;
    bool is_stalled;
    bool is_in_heap;
    bool lacks_descriptor;
    bool end_is_told;
    bool end_is_held; /* the server has reset it, and the packet that says so has vanished */
    bool is_shut;     /* by the server */
    struct simulated_poller *poller; /* that it is attached to */
    struct poller_socket *socket;
    bool is_queued;
    struct link *next_queued;
    struct iovec parts[PARTS_MAX]; /* of a send that was begun */
    int part_count;
    size_t wanted;
    bool waits_for_room;
};

enum fd_kind { FD_FREE, FD_LISTENER, FD_WAKE, FD_SOCKET };

struct descriptor {
    enum fd_kind kind;
    bool is_posted;
    struct link *link;
};

/* poller_socket.state */
enum { ATTACHED = 1, READING = 2, DETACHING = 4 };

struct simulated_poller {
    struct poller base;
    bool completes; /* as io_uring does: sends and detaching are over at the next wait */
    bool is_listening;
    int wake_fd;
    struct link *first_queued;
    struct link *last_queued;
    uint32_t news_left; /* of those who were queued at the wait */
    uint32_t queued_count;
    uint8_t *lent; /* what was told last; freed then, so that nobody reads it later */
};

struct arrival {
    uint64_t at_ns;
    uint64_t number; /* of two at the same time the older comes first */
    struct link *link;
};

static struct {
    uint64_t random_state;
    uint64_t now_ns;
    uint64_t step_ns;    /* between two looks at the clock */
    size_t buffer_bytes; /* of a socket's kernel, each way */
    uint64_t arrival_count;
    struct descriptor fds[FDS_MAX];
    struct link *links;
    struct link *backlog; /* through next_queued */
    struct arrival *heap;
    size_t heap_length;
    size_t heap_capacity;
    bool lacks_descriptors;
    bool has_over; /* perhaps: links to be freed */
} network;

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

/* A server that looks at the clock has done something since it did so last. */
static uint64_t take_time(void)
{
    return network.now_ns += network.step_ns;
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
static void queue(struct link *link)
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

static void unqueue(struct link *link)
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
static void put(struct link *link, struct pipe *pipe, struct bytes data, bool is_end)
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

static void tell_end(struct link *link, bool is_reset)
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
        tell_end(link, false);
}

static void deliver(struct link *link)
{
    struct segment *segment;
    while ((segment = take_segment(&link->up)) != NULL) {
        buffer(&link->up, segment);
        free(segment);
        queue(link);
    }
    while ((segment = take_segment(&link->down)) != NULL) {
        buffer(&link->down, segment);
        free(segment);
        if (link->waits_for_room)
            queue(link);
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

static int allocate_fd(enum fd_kind kind)
{
    for (int fd = FIRST_FD; fd < FDS_MAX; fd++) {
        if (network.fds[fd].kind == FD_FREE) {
            network.fds[fd] = (struct descriptor){.kind = kind};
            return fd;
        }
    }
    return -1;
}

static struct link *link_of(int fd)
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

int network_listener(void)
{
    return allocate_fd(FD_LISTENER);
}

struct link *link_open(struct address from, const struct link_events *events, void *client)
{
    struct link *link = certain_calloc(1, sizeof *link);
    *link = (struct link){.from = from, .events = events, .client = client, .next = network.links};
    link->fd = allocate_fd(FD_SOCKET);
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
        put(link, &link->up, data, false);
}

void link_close(struct link *link)
{
    link->client = NULL;
    if (!link->is_reset)
        put(link, &link->up, (struct bytes){0}, true);
    network.has_over = true;
}

static void reset(struct link *link)
{
    link->is_reset = true;
    forget_segments(&link->up);
    forget_segments(&link->down);
    queue(link);
}

void link_reset(struct link *link)
{
    link->client = NULL;
    if (!link->is_reset)
        reset(link);
    network.has_over = true;
}

bool link_lacks_descriptor(const struct link *link)
{
    return link->lacks_descriptor;
}

bool link_is_open(const struct link *link)
{
    return link->fd >= 0 && !link->is_reset;
}

void link_hold(struct link *link, bool is_paused)
{
    link->is_paused = is_paused;
    schedule(link);
    if (!is_paused && link->end_is_held)
        tell_end(link, true);
}

void link_stall(struct link *link, bool is_stalled)
{
    link->is_stalled = is_stalled;
    read_down(link);
}

/* The poller. */
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
    struct link *link = link_of(socket->fd);
    assert(link->poller == NULL);
    link->poller = poller_of(base);
    link->socket = socket;
    link->waits_for_room = false;
    socket->state = ATTACHED | READING;
    socket->sending = 0;
    if (has_news(link))
        queue(link);
    return true;
}

static void end_attachment(struct link *link)
{
    unqueue(link);
    link->socket->state = 0;
    link->socket = NULL;
    link->poller = NULL;
}

static bool poller_detach_simulated(struct poller *base, struct poller_socket *socket)
{
    struct link *link = link_of(socket->fd);
    if (link->poller == NULL)
        return true;
    assert(link->poller == poller_of(base));
    if (link->part_count > 0 || (link->poller->completes && network_once_in(2))) {
        socket->state |= DETACHING;
        queue(link);
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
    struct link *link = link_of(socket->fd);
    socket->state |= READING;
    if (link->poller != NULL && has_news(link))
        queue(link);
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
            put(link, &link->down, bytes_of(parts[i].iov_base, length), false);
        sent += length;
    }
    return sent;
}

static ssize_t poller_send_simulated(struct poller *base, struct poller_socket *socket,
                                     const struct iovec *parts, int part_count)
{
    struct link *link = link_of(socket->fd);
    size_t wanted = poller_parts_length(parts, part_count);
    assert(link->part_count == 0 && !link->waits_for_room && wanted > 0);
    if (link->is_reset)
        return POLLER_SEND_FAILED;
    if (poller_of(base)->completes) {
        memcpy(link->parts, parts, (size_t)part_count * sizeof *parts);
        link->part_count = part_count;
        link->wanted = wanted;
        socket->sending = (uint32_t)wanted;
        queue(link);
        return POLLER_SEND_BEGUN;
    }
    size_t sent = take_sent(link, parts, part_count);
    link->waits_for_room = sent < wanted;
    if (link->waits_for_room && has_news(link))
        queue(link);
    return (ssize_t)sent;
}

static bool poller_may_have_input_simulated(struct poller *base, const struct poller_socket *socket)
{
    (void)base;
    return link_of(socket->fd)->up.buffered > 0;
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
        unqueue(link);
        bool is_told = tell(poller, link, ret_outcome);
        /* A reset is told once more at every wait, until somebody detaches the socket. */
        if (link->poller != NULL && has_news(link))
            queue(link);
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

static struct poller *make_poller(enum poller_kind kind)
{
    struct simulated_poller *poller = certain_calloc(1, sizeof *poller);
    poller->base.operations = &operations;
    poller->completes = kind == POLLER_IO_URING;
    return &poller->base;
}

/* The rest of the kernel. */
static void fill_random(void *ret_bytes, size_t length)
{
    uint8_t *bytes = ret_bytes;
    for (size_t i = 0; i < length; i++)
        bytes[i] = (uint8_t)network_random();
}

static int wake_new(void)
{
    return allocate_fd(FD_WAKE);
}

static void wake_post(int wake_fd)
{
    network.fds[wake_fd].is_posted = true;
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
    *ret_address = link_of(fd)->from;
    return true;
}

static bool own_address(int fd, struct address *ret_address)
{
    static const uint8_t octets[4] = {192, 0, 2, 1};
    (void)link_of(fd);
    *ret_address = address_of_ipv4(octets);
    return true;
}

static bool delivery(int fd, struct socket_delivery *ret_delivery)
{
    const struct pipe *down = &link_of(fd)->down;
    ret_delivery->acknowledged = down->acknowledged;
    ret_delivery->in_flight = (uint32_t)down->in_flight;
    return true;
}

static bool is_broken(int fd)
{
    return link_of(fd)->is_reset;
}

static bool shut(int fd)
{
    struct link *link = link_of(fd);
    if (!link->is_reset)
        put(link, &link->down, (struct bytes){0}, true);
    link->is_shut = true;
    return !link->is_reset;
}

static void close_socket(int fd, bool resets)
{
    struct link *link = link_of(fd);
    assert(link->poller == NULL);
    network.fds[fd] = (struct descriptor){0};
    link->fd = -1;
    if (!link->is_reset && (resets || link->up.buffered > 0)) {
        reset(link);
        link->end_is_held = link->is_paused;
        if (!link->is_paused)
            tell_end(link, true);
    } else if (!link->is_reset && !link->is_shut) {
        put(link, &link->down, (struct bytes){0}, true);
    }
    network.has_over = true;
}

static void refuse(int fd, struct bytes answer)
{
    struct link *link = link_of(fd);
    if (!link->is_reset && answer.length > 0)
        put(link, &link->down, answer, false);
    link->up.buffered = 0;
    close_socket(fd, false);
}

const struct kernel network_kernel = {
    .now_ns = take_time,
    .random = fill_random,
    .poller_new = make_poller,
    .wake_new = wake_new,
    .wake_post = wake_post,
    .wake_read = wake_read,
    .wake_free = wake_free,
    .peer_address = peer_address,
    .own_address = own_address,
    .delivery = delivery,
    .is_broken = is_broken,
    .shut = shut,
    .close = close_socket,
    .refuse = refuse,
};

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
