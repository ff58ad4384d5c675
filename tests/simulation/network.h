/*
 * A clock, a network and a kernel in one process and one thread. What happens in it follows from a
 * seed alone: when a packet arrives, how much of it one receive brings, how much a socket takes,
 * and what fails.
 *
 * Servers use it as their kernel (network_kernel); clients call the functions below.
 */
#ifndef PARTY_TESTS_NETWORK_H
#define PARTY_TESTS_NETWORK_H

#include "net/kernel.h"

#define NETWORK_MS UINT64_C(1000000)
#define NETWORK_S (1000 * NETWORK_MS)

/* Random numbers of the seed: 64 bits; below a bound; true once in so many times. */
uint64_t network_random(void);
uint32_t network_below(uint32_t bound);
bool network_once_in(uint32_t times);

/* Begins anew, with a clock at some time and nothing connected. */
void network_init(uint64_t seed);
/* Fails when a descriptor of a server is still open. */
void network_release(void);

/* Nanoseconds. It goes on when a server looks at it, and by network_advance(). */
uint64_t network_now_ns(void);
void network_advance(uint64_t to_ns);

/* When the next packet arrives; UINT64_MAX: none is on its way. */
uint64_t network_next_ns(void);
/* Delivers what has arrived by now. */
void network_deliver(void);

extern const struct kernel network_kernel;

/*
 * The server's process is dead: its kernel resets all connections, and those that wait for it. One
 * of several servers has only the connections that `has` says.
 */
void network_kill_server(bool (*has)(void *context, int fd), void *context);

/* Pollers of network_kernel. Whether one has something to tell, so that its loop has a turn. */
bool network_poller_is_due(const struct poller *poller);

/* Is called when a server wakes the owner of a descriptor; NULL: nobody is. */
void network_tell_of_wakes(void (*is_woken)(int wake_fd));

/* A listener's descriptor, to be given to pollers. */
int network_listener(void);

/* What the kernel of either end keeps for a client that does not read. */
size_t network_buffer_bytes(void);

/* Some of those who come are refused a descriptor until this is switched off again. */
void network_lack_descriptors(bool are_lacking);

/* A connection of a client to the listener. */
struct link;

struct link_events {
    void (*received)(void *client, struct bytes data); /* in order, never empty */
    void (*ended)(void *client, bool is_reset);        /* by the server's side, once */
};

struct link *link_open(struct address from, const struct link_events *events, void *client);
/* The client's bytes go out, however many: its kernel keeps them. */
void link_send(struct link *link, struct bytes data);
/* The client's side ends, after what it has sent; or all at once. The link is not used afterwards.
 */
void link_close(struct link *link);
void link_reset(struct link *link);
/* Whether the server was short of descriptors when the link came, and is to refuse it. */
bool link_lacks_descriptor(const struct link *link);
/* The server's descriptor of it; below 0: it has closed its end. */
int link_descriptor(const struct link *link);
/* Whether the server has not closed its end. */
bool link_is_served(const struct link *link);
/* Packets vanish in both directions until this is switched off again. The link's ends stay open. */
void link_hold(struct link *link, bool is_paused);
/* The client does not read for a while: its kernel's buffer fills up. */
void link_stall(struct link *link, bool is_stalled);

/*
 * The client is gone, and its kernel with it: of what is on its way to the server only a part
 * arrives, cut at any byte, and so much later; and then its end, or nothing any more. The link is
 * not used afterwards.
 */
void link_give_up(struct link *link, uint64_t late_ns, bool has_end);

/* Somebody watches what the server does with a link, also when its client is gone. */
struct link_watch {
    bool is_over; /* both ends are closed */
};

/* `watch` must outlive the network. */
void link_watch(struct link *link, struct link_watch *watch);
/* The watch of a socket's descriptor; NULL: nobody watches. */
struct link_watch *network_watch_of(int fd);

#endif
