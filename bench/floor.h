/*
 * The floor: the least that a relay could do. The same bytes come in and go out through the same
 * system calls as a relay's, and nothing else is done: no handshake, no frames, and no copies
 * unless they are asked for. What it costs is the kernel's part of a relay's cost.
 *
 * A client's first four bytes are its room's number (little-endian), and it gets one byte back.
 * From then on, for every `frame_bytes_in` bytes of it, each other member of the room is owed one
 * frame of `frame_bytes_out` bytes, the same for all; so what waits for a connection is a number.
 *
 * One thread. It trusts its clients: it is for measuring, and has no limits.
 */
#ifndef PARTY_BENCH_FLOOR_H
#define PARTY_BENCH_FLOOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FLOOR_CONNECTIONS_MAX (1024 * 1024)

/* The forms that are compared; see floor_help in floor.c. */
enum floor_send { SEND_PLAIN, SEND_SENDMSG, SEND_WRITEV, SEND_ZERO_COPY };
enum floor_receive { RECEIVE_MULTISHOT, RECEIVE_ONE_SHOT, RECEIVE_POLL };
enum floor_completions { COMPLETIONS_FAILURES, COMPLETIONS_ALL, COMPLETIONS_AWAITED };

struct floor_options {
    bool is_io_uring;
    const char *host; /* NULL: every address */
    uint16_t port;
    uint32_t clients_per_room;
    uint32_t frame_bytes_in;
    uint32_t frame_bytes_out;
    enum floor_send send;
    bool is_copied;

    uint32_t events; /* epoll: events of one wait */

    enum floor_receive receive; /* from here on io_uring */
    enum floor_completions completions;
    uint32_t buffers; /* a power of two */
    uint32_t buffer_bytes;
    uint32_t entries;
    bool is_registered;
    bool is_cooperative;
    bool is_submitted_apart;
};

struct floor_connection {
    uint32_t room;     /* its number + 1; 0 before it has a seat */
    uint32_t received; /* bytes of an incomplete frame, or of the room's number */
    uint64_t owed;     /* bytes that wait to be sent */
    uint8_t *queue;    /* --queue copied: they stand here, behind `sent` bytes */
    size_t queue_capacity;
    uint32_t sent;      /* bytes of the frame that was sent in part */
    uint32_t number_in; /* the room's number as far as it has come */
    uint32_t in_flight; /* io_uring: bytes of the last send */
    bool is_listed;     /* among those with output */
    bool is_blocked;    /* the socket is full */
};

struct floor_room {
    int *members; /* clients_per_room descriptors */
    uint32_t count;
};

struct floor {
    const struct floor_options *options;
    int listener_fd;
    struct floor_connection *connections; /* at their descriptors */
    struct floor_room *rooms;
    uint32_t room_capacity;
    int *listed; /* descriptors of those with output */
    uint32_t listed_count;
    uint8_t *frames; /* the frame over and over, so that any number of them is one stretch */
    size_t frames_bytes;
};

/* Bytes have come in: gives the sender its seat, or makes its room's members owed. */
void floor_received(struct floor *floor, int fd, const uint8_t *data, size_t length);

/* Puts a connection among those with output, unless it is there or its socket is full. */
void floor_list(struct floor *floor, int fd);

/* The next stretch that is owed to a connection. */
const uint8_t *floor_owed(const struct floor *floor, int fd, size_t *ret_length);
void floor_sent(struct floor *floor, int fd, size_t length);

/* The last `length` bytes that were said to be sent were not. */
void floor_unsent(struct floor *floor, int fd, size_t length);

/* The connection leaves its room; the descriptor is closed. */
void floor_close(struct floor *floor, int fd);

/* They serve until the process is killed; they return when the kernel refuses, with errno. */
void floor_serve_epoll(struct floor *floor);
void floor_serve_io_uring(struct floor *floor);

#endif
