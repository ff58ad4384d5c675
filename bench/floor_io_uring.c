/*
 * The floor over io_uring. The kernel receives into buffers of a ring, and the floor gives each
 * buffer back at once. Sends are written into the submission queue and begin with the wait, so a
 * turn is one system call.
 *
 * Sends are MSG_DONTWAIT and MSG_WAITALL. Each send is over when the call that submits it returns.
 * A send that did not get all bytes out counts as failed, and posts a completion even if successful
 * sends are silent.
 */
#include <errno.h>
#include <liburing.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "floor.h"
#include "net/machine.h"

#define BUFFER_GROUP 1
#define POLL_RECEIVE_BYTES (64 * 1024)
#define SEND_FLAGS (MSG_NOSIGNAL | MSG_DONTWAIT | MSG_WAITALL)

/* The upper half of an entry's user data. The lower half is the descriptor. */
enum operation { ACCEPT, RECEIVE, SEND, WRITABLE };

struct ring {
    struct floor *floor;
    const struct floor_options *options;
    struct io_uring io_uring;
    struct io_uring_buf_ring *buffer_ring;
    uint8_t *buffers;
    uint32_t buffers_to_return;
    uint32_t sends; /* of this turn */
    uint32_t descriptors_max;
    struct iovec *parts; /* of sendmsg, each at the index of its descriptor */
    struct msghdr *messages;
};

static struct io_uring_sqe *next_entry(struct ring *ring)
{
    struct io_uring_sqe *entry = io_uring_get_sqe(&ring->io_uring);
    if (entry != NULL)
        return entry;
    io_uring_submit(&ring->io_uring);
    return io_uring_get_sqe(&ring->io_uring);
}

static void finish_entry(const struct ring *ring, struct io_uring_sqe *entry,
                         enum operation operation, int fd)
{
    io_uring_sqe_set_data64(entry, (uint64_t)operation << 32 | (uint32_t)fd);
    if (ring->options->is_registered && operation != ACCEPT)
        entry->flags |= IOSQE_FIXED_FILE;
}

static void begin_accepting(struct ring *ring)
{
    struct io_uring_sqe *entry = next_entry(ring);
    io_uring_prep_multishot_accept(entry, ring->floor->listener_fd, NULL, NULL,
                                   SOCK_NONBLOCK | SOCK_CLOEXEC);
    finish_entry(ring, entry, ACCEPT, ring->floor->listener_fd);
}

static void begin_receiving(struct ring *ring, int fd)
{
    struct io_uring_sqe *entry = next_entry(ring);
    if (ring->options->receive == RECEIVE_POLL) {
        io_uring_prep_poll_multishot(entry, fd, POLLIN);
    } else if (ring->options->receive == RECEIVE_MULTISHOT) {
        io_uring_prep_recv_multishot(entry, fd, NULL, 0, 0);
    } else {
        io_uring_prep_recv(entry, fd, NULL, ring->options->buffer_bytes, 0);
        entry->ioprio |= IORING_RECVSEND_POLL_FIRST;
    }
    if (ring->options->receive != RECEIVE_POLL) {
        entry->flags |= IOSQE_BUFFER_SELECT;
        entry->buf_group = BUFFER_GROUP;
    }
    finish_entry(ring, entry, RECEIVE, fd);
}

static void begin_waiting_until_writable(struct ring *ring, int fd)
{
    struct io_uring_sqe *entry = next_entry(ring);
    io_uring_prep_poll_add(entry, fd, POLLOUT);
    finish_entry(ring, entry, WRITABLE, fd);
}

/* All owed bytes count as sent. When a completion says otherwise, the rest is owed again. */
static void begin_sending(struct ring *ring, int fd)
{
    struct io_uring_sqe *entry = next_entry(ring);
    size_t length;
    const uint8_t *bytes = floor_owed(ring->floor, fd, &length);
    if (ring->options->send == SEND_PLAIN) {
        io_uring_prep_send(entry, fd, bytes, length, SEND_FLAGS);
    } else if (ring->options->send == SEND_ZERO_COPY) {
        io_uring_prep_send_zc(entry, fd, bytes, length, SEND_FLAGS, 0);
    } else {
        ring->parts[fd] = (struct iovec){(void *)(uintptr_t)bytes, length};
        ring->messages[fd] = (struct msghdr){.msg_iov = &ring->parts[fd], .msg_iovlen = 1};
        io_uring_prep_sendmsg(entry, fd, &ring->messages[fd], SEND_FLAGS);
    }
    finish_entry(ring, entry, SEND, fd);
    if (ring->options->completions == COMPLETIONS_FAILURES)
        entry->flags |= IOSQE_CQE_SKIP_SUCCESS;
    ring->sends++;
    floor_sent(ring->floor, fd, length);
    struct floor_connection *connection = &ring->floor->connections[fd];
    connection->in_flight = (uint32_t)length;
    if (connection->owed > 0 && !connection->is_blocked) { /* more than one stretch is owed */
        connection->is_blocked = true;
        begin_waiting_until_writable(ring, fd);
    }
}

static void flush_all(struct ring *ring)
{
    struct floor *floor = ring->floor;
    ring->sends = 0;
    for (uint32_t i = 0; i < floor->listed_count; i++) {
        int fd = floor->listed[i];
        floor->connections[fd].is_listed = false;
        begin_sending(ring, fd);
    }
    floor->listed_count = 0;
}

/* Puts a socket into the ring's table, at the index of its descriptor. */
static void set_registered(struct ring *ring, int place, int fd)
{
    if (ring->options->is_registered &&
        io_uring_register_files_update(&ring->io_uring, (unsigned)place, &fd, 1) != 1)
        abort();
}

static void close_connection(struct ring *ring, int fd)
{
    if (ring->options->receive == RECEIVE_POLL) {
        struct io_uring_sqe *entry = next_entry(ring);
        io_uring_prep_poll_remove(entry, (uint64_t)RECEIVE << 32 | (uint32_t)fd);
        entry->flags |= IOSQE_CQE_SKIP_SUCCESS;
        io_uring_submit(&ring->io_uring);
    }
    set_registered(ring, fd, -1);
    floor_close(ring->floor, fd);
}

static void return_buffer(struct ring *ring, uint16_t id)
{
    uint32_t buffer_bytes = ring->options->buffer_bytes;
    io_uring_buf_ring_add(ring->buffer_ring, ring->buffers + (size_t)id * buffer_bytes,
                          buffer_bytes, id, io_uring_buf_ring_mask(ring->options->buffers),
                          (int)ring->buffers_to_return++);
}

static void handle_received(struct ring *ring, int fd, const struct io_uring_cqe *completion)
{
    bool is_over = (completion->flags & IORING_CQE_F_MORE) == 0;
    if ((completion->flags & IORING_CQE_F_BUFFER) != 0) {
        uint16_t id = (uint16_t)(completion->flags >> IORING_CQE_BUFFER_SHIFT);
        if (completion->res > 0)
            floor_received(ring->floor, fd,
                           ring->buffers + (size_t)id * ring->options->buffer_bytes,
                           (size_t)completion->res);
        return_buffer(ring, id);
    }
    if (completion->res <= 0 && completion->res != -ENOBUFS)
        close_connection(ring, fd);
    else if (is_over)
        begin_receiving(ring, fd);
}

/* A multishot poll reports new input, not a state: so the socket is read until it is empty. */
static void handle_readable(struct ring *ring, int fd, const struct io_uring_cqe *completion)
{
    static uint8_t bytes[POLL_RECEIVE_BYTES];
    if (ring->floor->connections[fd].room == 0 && completion->res < 0)
        return; /* the poll that was removed at the close */
    ssize_t received;
    do {
        received = recv(fd, bytes, sizeof bytes, 0);
        if (received > 0)
            floor_received(ring->floor, fd, bytes, (size_t)received);
    } while (received == sizeof bytes);
    if (received == 0 || (received < 0 && errno != EAGAIN))
        close_connection(ring, fd);
    else if ((completion->flags & IORING_CQE_F_MORE) == 0)
        begin_receiving(ring, fd);
}

static void handle_accepted(struct ring *ring, const struct io_uring_cqe *completion)
{
    int fd = completion->res;
    if (fd >= 0) {
        set_registered(ring, fd, fd);
        begin_receiving(ring, fd);
    }
    if ((completion->flags & IORING_CQE_F_MORE) == 0)
        begin_accepting(ring);
}

static void handle_sent(struct ring *ring, int fd, const struct io_uring_cqe *completion)
{
    struct floor_connection *connection = &ring->floor->connections[fd];
    bool is_broken = completion->res < 0 && completion->res != -EAGAIN;
    bool is_notice = (completion->flags & IORING_CQE_F_NOTIF) != 0;
    if (connection->room == 0 || is_broken || is_notice)
        return; /* a broken socket's receive reports it */
    size_t sent = completion->res > 0 ? (size_t)completion->res : 0;
    if (sent < connection->in_flight)
        floor_unsent(ring->floor, fd, connection->in_flight - sent);
    if (connection->owed == 0 || connection->is_listed || connection->is_blocked)
        return;
    connection->is_blocked = true;
    begin_waiting_until_writable(ring, fd);
}

static void handle(struct ring *ring, const struct io_uring_cqe *completion)
{
    uint64_t data = io_uring_cqe_get_data64(completion);
    int fd = (int)(uint32_t)data;
    switch ((enum operation)(data >> 32)) {
    case ACCEPT:
        handle_accepted(ring, completion);
        return;
    case RECEIVE:
        if (ring->options->receive == RECEIVE_POLL)
            handle_readable(ring, fd, completion);
        else
            handle_received(ring, fd, completion);
        return;
    case SEND:
        handle_sent(ring, fd, completion);
        return;
    case WRITABLE:
        ring->floor->connections[fd].is_blocked = false;
        if (ring->floor->connections[fd].owed > 0)
            floor_list(ring->floor, fd);
        return;
    }
}

static bool set_up_ring(struct ring *ring)
{
    const struct floor_options *options = ring->options;
    struct io_uring_params parameters = {
        .flags = IORING_SETUP_CLAMP | IORING_SETUP_CQSIZE | IORING_SETUP_SINGLE_ISSUER,
        .cq_entries = options->entries * 8,
    };
    parameters.flags |=
        options->is_cooperative ? IORING_SETUP_COOP_TASKRUN : IORING_SETUP_DEFER_TASKRUN;
    int result = io_uring_queue_init_params(options->entries, &ring->io_uring, &parameters);
    if (result == 0)
        result = io_uring_register_ring_fd(&ring->io_uring) == 1 ? 0 : -EINVAL;
    if (result == 0 && options->is_registered)
        result = io_uring_register_files_sparse(&ring->io_uring, ring->descriptors_max);
    errno = -result;
    return result == 0;
}

static bool set_up_buffers(struct ring *ring)
{
    const struct floor_options *options = ring->options;
    void *memory;
    if (posix_memalign(&memory, 4096, options->buffers * sizeof(struct io_uring_buf)) != 0)
        return false;
    struct io_uring_buf_reg registration = {
        .ring_addr = (uintptr_t)memory,
        .ring_entries = options->buffers,
        .bgid = BUFFER_GROUP,
    };
    int result = io_uring_register_buf_ring(&ring->io_uring, &registration, 0);
    errno = -result;
    if (result != 0)
        return false;
    ring->buffer_ring = memory;
    io_uring_buf_ring_init(ring->buffer_ring);
    ring->buffers = malloc((size_t)options->buffers * options->buffer_bytes);
    if (ring->buffers == NULL)
        return false;
    for (uint32_t i = 0; i < options->buffers; i++)
        return_buffer(ring, (uint16_t)i);
    return true;
}

/* sendmsg reads its parts when it begins, so the parts must outlive the turn's flush. */
static bool set_up_messages(struct ring *ring)
{
    if (ring->options->send != SEND_SENDMSG)
        return true;
    ring->parts = calloc(ring->descriptors_max, sizeof *ring->parts);
    ring->messages = calloc(ring->descriptors_max, sizeof *ring->messages);
    return ring->parts != NULL && ring->messages != NULL;
}

static void return_buffers(struct ring *ring)
{
    io_uring_buf_ring_advance(ring->buffer_ring, (int)ring->buffers_to_return);
    ring->buffers_to_return = 0;
}

/* Begins the submissions of the turn, and waits for a completion. */
static void wait_for_outcome(struct ring *ring)
{
    unsigned outcomes = 1;
    if (ring->options->completions == COMPLETIONS_AWAITED)
        outcomes += ring->sends;
    if (ring->options->is_submitted_apart)
        io_uring_submit(&ring->io_uring);
    io_uring_submit_and_wait(&ring->io_uring, outcomes);
}

void floor_serve_io_uring(struct floor *floor)
{
    static struct ring ring;
    ring.floor = floor;
    ring.options = floor->options;
    ring.descriptors_max = machine_raise_descriptor_limit(FLOOR_CONNECTIONS_MAX);
    if (!set_up_ring(&ring) || !set_up_buffers(&ring) || !set_up_messages(&ring))
        return;
    begin_accepting(&ring);
    for (;;) {
        unsigned head, count = 0;
        struct io_uring_cqe *completion;
        return_buffers(&ring);
        wait_for_outcome(&ring);
        io_uring_for_each_cqe(&ring.io_uring, head, completion)
        {
            handle(&ring, completion);
            count++;
        }
        io_uring_cq_advance(&ring.io_uring, count);
        flush_all(&ring);
    }
}
