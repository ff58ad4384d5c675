/*
 * An event loop: one thread with its own rooms, connections, timers, buffers and counters.
 *
 * Loops share the table of connections (each entry belongs to one loop at a time), the origins'
 * counts, and their mailboxes. Everything else in a loop is touched by its own thread alone.
 */
#ifndef PARTY_SERVER_LOOP_H
#define PARTY_SERVER_LOOP_H

#include <stdatomic.h>

#include "server/config.h"
#include "server/conn.h"
#include "server/limits.h"
#include "server/origins.h"

#define SCRATCH_BYTES (16 * 1024)
#define RANDOM_WORDS 64

/* What the process has once. */
struct server {
    const struct config *config;
    struct conn_table connections;
    struct origins origins;
    int listener_fd;
    atomic_uint rooms; /* on all loops */
    uint32_t loop_count;
    uint32_t started_ms;
    struct loop *loops[LOOPS_MAX];
};

/* Counters of one loop, handed to others as a copy. */
struct loop_stats {
    uint64_t connections; /* now, of any kind */
    uint64_t clients;     /* now, open WebSockets */
    uint64_t rooms;       /* now */
    uint64_t accepted;
    uint64_t messages_in;
    uint64_t deliveries;
    uint64_t bytes_in;
    uint64_t bytes_out;
    uint64_t moved; /* connections that went to another loop */
};

/* Deadlines of one kind have one length, so that each kind is a queue. */
enum deadline_kind {
    DEADLINE_REQUEST,
    DEADLINE_LIVENESS,
    DEADLINE_FLUSH,
    DEADLINE_LINGER,
    DEADLINE_KINDS,
};

enum mail_kind {
    MAIL_CONNECTION,       /* a struct conn that lives here from now on */
    MAIL_SNAPSHOT_REQUEST, /* a struct gather_part to be filled and sent back */
    MAIL_SNAPSHOT_REPLY,
    MAIL_STOP, /* close everybody and end */
};

struct loop {
    struct server *server;
    uint32_t index;
    uint32_t now_ms; /* as of the last wait */
    struct poller *poller;
    struct mailbox mailbox;
    struct mail stop_mail;
    struct relay relay;
    struct outbox_pool pool;
    struct list deadlines[DEADLINE_KINDS];
    uint32_t deadline_length_ms[DEADLINE_KINDS];
    struct conn *first_dirty;
    struct conn *first_ending;
    struct loop_stats stats;
    atomic_uint load; /* stats.connections, for other loops that look for the emptiest */
    bool is_stopping;
    uint32_t stop_due_ms;
    uint32_t random_left;
    uint32_t random[RANDOM_WORDS];
    uint8_t scratch[SCRATCH_BYTES]; /* where an event is written before it is copied to queues */
};

/* NULL with errno set when memory or the kernel refuses. */
MUST_CHECK struct loop *loop_new(struct server *server, uint32_t index);
void loop_free(struct loop *loop);

/* Runs until MAIL_STOP has come and everybody is gone, or told and given up. A thread's body. */
void *loop_run(void *loop);

/* Puts the connection behind the others that wait for the same kind of deadline. */
void loop_set_deadline(struct loop *loop, struct conn *conn, enum deadline_kind kind);

/* The connection has output for this turn's flush. */
void loop_mark_dirty(struct loop *loop, struct conn *conn);

/* The connection leaves its room, and is freed when it is dead, once the current outcome is done.
 */
void loop_mark_ending(struct loop *loop, struct conn *conn);

/* Sends the connection to another loop; state MOVING. */
void loop_send_away(struct loop *loop, struct conn *conn, uint32_t target);

#endif
