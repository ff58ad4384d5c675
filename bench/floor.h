/*
 * The floor: the least that a relay could do. The same bytes come in and go out as in a relay,
 * through the same system calls. The floor does nothing else: no handshake, no frames, and no
 * copies unless an option asks for them. Its cost is the kernel's part of a relay's cost.
 *
 * A client's first four bytes are its room's number (little-endian), and the client gets one byte
 * back. From then on, for every `frame_bytes_in` bytes that the client sends, the floor owes each
 * other member of the room one frame of `frame_bytes_out` bytes. All frames are the same, so a
 * number says how much output waits for a connection.
 *
 * The floor has one thread. It trusts its clients and has no limits, since it is for measuring.
 */
#ifndef PARTY_BENCH_FLOOR_H
#define PARTY_BENCH_FLOOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FLOOR_CONNECTIONS_MAX (1024 * 1024)

/* The forms to compare; see floor_help in floor.c. */
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
    const char *certificate; /* PEM files; NULL: no TLS */
    const char *key;
    enum floor_send send;
    bool is_copied;

    uint32_t events; /* epoll: events that one wait may return */

    enum floor_receive receive; /* from here on for io_uring only */
    enum floor_completions completions;
    uint32_t buffers; /* a power of two */
    uint32_t buffer_bytes;
    uint32_t entries;
    bool is_registered;
    bool is_cooperative;
    bool is_submitted_apart;
};

struct floor_connection {
    uint32_t room;     /* the room's number + 1; 0 before the connection has a seat */
    uint32_t received; /* bytes of an incomplete frame, or of the room's number */
    uint64_t owed;     /* bytes that wait to be sent */
    uint8_t *queue;    /* --queue copied, or TLS: the owed bytes are here, behind `sent` bytes */
    size_t queue_capacity;
    uint32_t sent;       /* bytes that were sent of a frame that was sent in part */
    uint32_t number_in;  /* the bytes of the room's number that have come */
    uint32_t in_flight;  /* io_uring: bytes of the last send */
    struct ssl_st *ssl;  /* TLS; NULL: no byte has come yet */
    size_t queue_length; /* TLS: records in the queue, sent ones included */
    uint64_t plain_owed; /* TLS: bytes of frames that are not in records yet */
    uint32_t plain_sent; /* TLS: the place in its frame where they begin */
    bool is_listed;      /* it is among the connections with output */
    bool is_blocked;     /* the socket is full */
};

struct floor_room {
    int *members; /* clients_per_room descriptors */
    uint32_t count;
};

struct floor {
    const struct floor_options *options;
    int listener_fd;
    struct floor_connection *connections; /* each at the index of its descriptor */
    struct floor_room *rooms;
    uint32_t room_capacity;
    int *listed; /* descriptors of connections with output */
    uint32_t listed_count;
    uint8_t *frames; /* the frame many times over, so that any number of frames is one stretch of
                        memory */
    size_t frames_bytes;
};

/* Handles bytes that came in: gives the sender its seat, or owes frames to its room's members. */
void floor_received(struct floor *floor, int fd, const uint8_t *data, size_t length);

/* The same for decrypted bytes. */
void floor_received_plain(struct floor *floor, int fd, const uint8_t *data, size_t length);

/* TLS: appends a record to the connection's queue. */
void floor_queue(struct floor_connection *connection, const uint8_t *data, size_t length);

/* Lists a connection as one with output, unless it is listed or its socket is full. */
void floor_list(struct floor *floor, int fd);

/* The next stretch of bytes that the floor owes to a connection. */
const uint8_t *floor_owed(struct floor *floor, int fd, size_t *ret_length);
void floor_sent(struct floor *floor, int fd, size_t length);

/* Takes back the last `length` bytes of floor_sent(): they were not sent. */
void floor_unsent(struct floor *floor, int fd, size_t length);

/* Takes the connection out of its room, and closes the descriptor. */
void floor_close(struct floor *floor, int fd);

/* Serve until the process is killed. They return, with errno set, when the kernel refuses. */
void floor_serve_epoll(struct floor *floor);
void floor_serve_io_uring(struct floor *floor);

#endif
