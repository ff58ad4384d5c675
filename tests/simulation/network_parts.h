/* What the files of the simulated network share: network.c has time, links and packets,
 * network_poller.c the poller, network_kernel.c the rest of a kernel. */
#ifndef PARTY_TESTS_NETWORK_PARTS_H
#define PARTY_TESTS_NETWORK_PARTS_H

#include "net/poller_backend.h"
#include "network.h"

#define FDS_MAX 4096
#define PARTS_MAX 64

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
    void *client;             /* NULL: the client's end is closed */
    struct link_watch *watch; /* NULL: nobody watches */
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

struct network {
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
    void (*is_woken)(int wake_fd); /* NULL: nobody wants to know */
    bool has_over;                 /* perhaps: links to be freed */
};

extern struct network network;

/* A descriptor of the server's; -1: there is none. */
int network_allocate_fd(enum fd_kind kind);
/* The link of a socket's descriptor. */
struct link *network_link_of(int fd);

/* The link's server end has news for its poller; it is not to have any more. */
void link_queue(struct link *link);
void link_unqueue(struct link *link);

/* Sends data in one or several segments, cut anywhere. */
void link_put(struct link *link, struct pipe *pipe, struct bytes data, bool is_end);
/* Breaks the link: what is under way is lost. */
void link_break(struct link *link);
/* Tells the client that the server's side has ended. */
void link_tell_end(struct link *link, bool is_reset);

struct poller *network_poller_new(enum poller_kind kind);

#endif
