/*
 * An event loop: one thread with its own rooms, connections, timers, buffers and counters. This
 * header has the structures and lists that all parts of a loop use; `turn.h` runs the loop.
 *
 * All loops share `struct server`. Only the loop's own thread uses the other fields of a loop,
 * except atomic ones.
 */
#ifndef PARTY_SERVER_LOOP_H
#define PARTY_SERVER_LOOP_H

#include <stdatomic.h>

#include "net/kernel.h"
#include "server/config.h"
#include "server/conn.h"
#include "server/handles.h"
#include "server/history.h"
#include "server/http/answer_cache.h"
#include "server/limits.h"
#include "server/makers.h"
#include "server/newcomers.h"
#include "server/notices.h"
#include "server/origins.h"
#include "server/peers.h"
#include "server/stats.h"
#include "server/subnets.h"

#define SCRATCH_BYTES (16 * 1024)
#define RANDOM_WORDS 64

#define SHED_CLASSES 256

/* How loops choose the connections to close when the budget is spent; see budget. */
struct shedding {
    atomic_bool is_under_way;
    atomic_uint loops_left; /* loops that have not done their part of the round */
    /* Bytes in use by connections of each class of weight. */
    atomic_size_t bytes_of_class[SHED_CLASSES];
    unsigned lightest;           /* lightest class of the victims */
    atomic_size_t lightest_left; /* bytes of that class that are still to be freed */
};

/*
 * How loops choose the connections to close when all places are taken; see eviction. The loop that
 * begins a round writes the plain fields.
 */
struct eviction {
    atomic_bool is_under_way;
    atomic_uint loops_left; /* loops that have not done their part of the round */
    atomic_uint left;       /* connections that are still to be closed */
    uint32_t subnet;        /* whose connections are closed; held by subnets_hold() for the round */
    enum subnets_kind kind; /* the kind of connections that are closed */
};

/*
 * State of the process that all loops share. Counts are sums of all loops; a loop changes them when
 * a connection or room begins or ends.
 */
struct node;
struct store;

struct server {
    const struct config *config;
    const struct kernel *kernel;
    struct conn_table connections;
    struct origins origins;
    struct subnets subnets;
    struct makers makers;
    struct notices notices;
    struct tls_context *tls;       /* NULL: plain TCP */
    struct token_keys *token_keys; /* NULL: nobody needs a token */
    int listener_fd;
    char listens_on[LISTENS_ON_BYTES_MAX]; /* the options that the listeners were made with */
    int admin_fd; /* listener of --admin-listen, which the main thread accepts from; -1: none */
    /*
     * An eventfd. A loop writes to it when the main thread is to read notices, drain and heap
     * fields.
     */
    int news_fd;
    enum poller_kind poller;
    uint32_t loop_count;
    uint64_t started_ns;
    uint32_t connections_max;
    size_t buffered_bytes_max;
    atomic_uint connection_count;
    atomic_uint remote_count;  /* members at other nodes, which have no place in the table */
    atomic_uint refusal_count; /* connections above a limit that wait for their refusal */
    struct store *store;       /* NULL without --state-dir and without a cluster */
    struct peers *peers;       /* NULL without a cluster */
    struct node *node;         /* the same */
    struct mailbox *recorder;  /* the same: of the node's recorder */
    /* Set by the main thread: another process or program will have the rooms, so none ends now. */
    atomic_bool keeps_rooms;
    atomic_uint rooms;
    atomic_size_t retained_bytes; /* bytes that rooms retain: states, URLs, absent members */
    size_t retained_bytes_max;
    atomic_uint restless_loops;      /* that have not done yet what upgrade has asked all for */
    pthread_barrier_t resting_loops; /* where loops wait for each other in hold() */
    uint64_t rested_ns;              /* when they were asked to hold */
    unsigned executions;             /* of programs, in the life of the process */
    uint64_t upgrades;               /* those that went well */
    uint64_t started_s;              /* when the process began, by the wall clock */
    uint32_t rehearsal_ms;           /* that the last rehearsal took */
    int handover_fd;                 /* of an upgrade that was prepared: gets the handover */
    bool is_upgrade_stuck;           /* a loop has not answered in time */
    atomic_uint draining_loops;
    atomic_uint busy_loops;   /* draining loops that still have a room to wait for */
    atomic_uint busy_rooms;   /* such rooms when the drain began, as the operator is told */
    uint32_t stop_timeout_ms; /* set before the loops stop */
    atomic_bool has_freed;    /* a loop has freed much memory: the main thread trims the heap */
    atomic_bool heap_is_asked;
    atomic_bool lack_of_sandbox_is_told;
    atomic_size_t heap_bytes; /* allocated and not freed, as the main thread measured last */
    atomic_size_t leased;     /* bytes of the budget that all loops have leased */
    struct shedding shedding;
    struct eviction eviction;
    struct loop *loops[LOOPS_MAX];
};

enum deadline_kind {
    DEADLINE_NEXT_TURN, /* the connection has used up its share of a turn, and has more input */
    DEADLINE_REQUEST,   /* the client must complete its request, or read its response */
    DEADLINE_LIVENESS,
    DEADLINE_THROTTLE,  /* a connection out of tokens is read again */
    DEADLINE_ENTRANCE,  /* no node could answer the client; it is asked for once more */
    DEADLINE_HANDSHAKE, /* a TLS hello must be answered; few handshakes of its address lately */
    DEADLINE_MORE_HANDSHAKES, /* the same, for an address with many handshakes */
    DEADLINE_PENALTY,         /* a delayed answer must be sent; see perform and lookup */
    DEADLINE_FLUSH,           /* queued output must be sent before a close */
    DEADLINE_LINGER,          /* the peer must close after us */
    DEADLINE_KINDS,
};

enum mail_kind {
    MAIL_CONNECTION,       /* a struct conn, which the receiving loop owns from now on */
    MAIL_SNAPSHOT_REQUEST, /* a struct gather_part, to be filled and sent back */
    MAIL_SNAPSHOT_REPLY,
    MAIL_WEIGH,  /* the budget is spent: weigh the connections */
    MAIL_SHED,   /* then close those that hold most bytes for longest */
    MAIL_EVICT,  /* all places are taken: close some connections in no room */
    MAIL_DRAIN,  /* create no more rooms */
    MAIL_STOP,   /* close all connections and end */
    MAIL_VACANT, /* end the vacant rooms that makers has listed for this loop */
    MAIL_COPY,   /* write the loop's part of a handover, for a rehearsal */
    MAIL_REST,   /* come to rest, since the process is about to replace itself */
    MAIL_GO_ON,  /* it is not, after all */
    MAIL_HOLD,   /* take no more turns */
    MAIL_REMOTE, /* a struct remote_mail, from another node */
    MAIL_OWNERS, /* who owns what has changed: the turn looks itself */
    MAIL_CODES,  /* a struct code_request, to the recorder and back */
    MAIL_REVIVE, /* a struct revival, of the recorder and back to it */
};

/* The progress of a loop's drain; see drain. */
struct drain {
    bool is_busy; /* the loop has a room to wait for */
    uint32_t look_due_ms;
    uint32_t bucket; /* of the table of rooms, where the busy room was found */
};

/*
 * TLS handshakes that wait to be served. A handshake takes 0.1 to 6 ms (the longest with a key of
 * RSA 4096), in which a loop could handle many messages. So a TLS hello waits until its loop has
 * time. In a turn the loop spends HANDSHAKES_NS_PER_TURN on handshakes, or the time of one if that
 * takes longer. If the loop has clients, it then serves none for twice the time that they took. So
 * handshakes take at most a third of each loop's time and of the process's.
 *
 * Hellos of addresses that asked for few handshakes lately are served first. The process counts
 * these, see subnets_ask_handshake(). Hellos of trusted proxies are served first, too, since the
 * addresses of their clients are not known yet.
 */
struct handshakes {
    const struct conn *served; /* the connection whose handshake is served now */
    uint64_t due_ns;           /* the next handshake is not served before */
};

/* How far a loop has come to rest; see resting. */
struct rest {
    bool is_begun;
    bool is_ready; /* nothing is left that must end before the loop is held */
    uint32_t began_ms;
    uint32_t look_ms; /* when it looks again */
};

struct loop {
    struct server *server;
    const struct kernel *kernel; /* the server's */
    uint32_t index;
    uint32_t clock_ms; /* the monotonic clock after the last wait */
    uint32_t now_ms;   /* as clock_ms, without the gaps in which the process stood still */
    struct poller *poller;
    struct mailbox mailbox;
    struct mail *unread_mail; /* mail that was taken out of the mailbox and not handled yet */
    bool mail_is_due;         /* there is unread mail, or the mailbox may have some */
    struct mail weigh_mail;
    struct mail shed_mail;
    struct mail evict_mail;
    struct mail drain_mail;
    struct mail stop_mail;
    struct mail vacant_mail;
    struct mail copy_mail;
    struct mail rest_mail;
    struct mail go_on_mail;
    struct mail hold_mail;
    struct mail owners_mail;
    struct rest rest;
    struct buf part;                   /* of the handover, for the main thread */
    bool part_failed;                  /* memory was short for it */
    uint32_t cut_off;                  /* connections with too much output to be handed over */
    bool is_held;                      /* the thread takes no more turns: see hold */
    atomic_bool vacant_mail_is_posted; /* a loop has posted vacant_mail, which is not handled yet */
    atomic_bool owners_mail_is_posted; /* the same of owners_mail, which the node posts */
    /* The last picture (peers.changes) with which the loop has done all that follows from it. */
    atomic_uint owners_handled;
    /* Bytes of MAIL_REMOTE that were handled, in all, each with REMOTE_MAIL_OVERHEAD; it wraps. */
    atomic_size_t remote_handled;
    struct links *links; /* to other nodes; NULL without a cluster */
    struct relay relay;
    struct drain drain;
    struct newcomers newcomers;
    struct outbox_pool pool;
    size_t charged; /* bytes of the budget that the loop has in use */
    /* The peak of `charged` since the last trim of the heap was asked for. */
    size_t charged_at_most;
    /* Bytes that the loop has leased; it writes them, other loops read them. */
    atomic_size_t leased;
    struct handles connections; /* all connections of the loop */
    struct list deadlines[DEADLINE_KINDS];
    uint32_t deadline_length_ms[DEADLINE_KINDS];
    struct conn *first_dirty;
    struct conn *first_unfinished; /* connections for the next turn's flush */
    uint32_t first_ending; /* a handle, as in conn.next_ending; CLIENT_NONE: the list is empty */
    uint32_t first_dead;
    uint64_t work; /* units since the start: deliveries, and KiB that were read or written */
    /* When `work` reaches this, the rest of the phase waits for the next turn. */
    uint64_t phase_end;
    /* When `work` reaches this, the loop reads the clock to see if the phase is over. */
    uint64_t look_at;
    uint64_t phase_end_ns; /* 0: the loop has not read the clock in this phase */
    struct handshakes handshakes;
    /* The connection that is being read; it has one share of the turn. */
    const struct conn *share_owner;
    uint64_t share_end;        /* when `work` reaches this, its share is used up */
    uint32_t share_left;       /* frames and requests that are left of its share */
    uint32_t share_bytes_left; /* bytes of input that are left of its share */
    struct loop_stats stats;
    uint32_t crowds[ORIGINS_MAX + 1]; /* members of rooms, by the origin of the room */
    struct history history;
    struct answer_cache answers;
    atomic_uint load;    /* stats.connections, for loops that look for the emptiest one */
    atomic_uint clients; /* in a cluster: stats.clients after the last turn, for the node's lease */
    bool is_listening;
    bool is_stopping;
    bool is_resting;         /* no socket is attached: between two programs */
    bool writes_records;     /* the server has a store, and the loop's rooms are in it */
    uint32_t records_due_ms; /* from when on changed rooms are handed over */
    uint32_t trimmed_ms;     /* when pool and answer cache were trimmed last */
    uint32_t listen_due_ms;  /* when not listening: the time of the next try */
    uint32_t stop_due_ms;
    uint32_t random_left;
    uint32_t random[RANDOM_WORDS];
    uint8_t scratch[SCRATCH_BYTES];          /* for an event before it is copied to queues */
    uint8_t plain_text[TLS_WRITE_BYTES_MAX]; /* decrypted text, or text to encrypt */
};

/* The connection that has this handle; the relay calls it a client. */
static inline struct conn *loop_client(const struct loop *loop, uint32_t handle)
{
    return handles_at(&loop->connections, handle);
}

/*
 * Iterates over the connections that the loop serves, in no order. `at` is 0 at first; NULL means
 * the end. Connections that the poller is detaching are left out, and those at other nodes. The
 * caller may end connections meanwhile.
 */
struct conn *loop_next_connection(const struct loop *loop, uint32_t *at);

/* Appends the connection to the queue of this kind of deadline, and takes it out of any other. */
void loop_set_deadline(struct loop *loop, struct conn *conn, enum deadline_kind kind);

/* Notes that the connection has output for this turn's flush. */
void loop_mark_dirty(struct loop *loop, struct conn *conn);

/* Removes the connection from the lists of those to flush, in this turn or the next. */
void loop_forget_dirty(struct loop *loop, struct conn *conn);

/* Notes that the connection has used up its share of this turn's flush and has more output. */
void loop_mark_unfinished(struct loop *loop, struct conn *conn);

/*
 * Notes that the connection must leave its room, and be freed if it is dead, after the current
 * outcome.
 */
void loop_mark_ending(struct loop *loop, struct conn *conn);

/*
 * A turn has phases: paused connections, outcomes, mail, deadlines, the flush. Each phase has a
 * bounded time and amount of work. What is left of a phase waits for the next turn, so that no
 * phase starves another one. The loop reads the clock only after WORK_PER_LOOK units of work.
 */
static inline void loop_begin_phase(struct loop *loop)
{
    loop->phase_end = loop->work + WORK_PER_PHASE;
    loop->look_at = loop->work + WORK_PER_LOOK;
    loop->phase_end_ns = 0;
}

/* Reads the clock. Returns whether the phase is over. */
bool loop_look_at_clock(struct loop *loop);

static inline bool loop_phase_is_over(struct loop *loop)
{
    return loop->work >= loop->look_at && loop_look_at_clock(loop);
}

/* Returns the connection's input record, and creates it if there is none. NULL: memory is short. */
MUST_CHECK struct conn_input *loop_need_input(const struct loop *loop, struct conn *conn);

/* The monotonic clock now; `clock_ms` and `now_ms` stay the same for a turn. */
static inline uint64_t loop_clock_ns(const struct loop *loop)
{
    return loop->kernel->now_ns();
}

static inline uint32_t loop_clock_ms(const struct loop *loop)
{
    return kernel_now_ms(loop->kernel);
}

/* Wakes the main thread, to look at what the loop has changed in `struct server`. */
void loop_tell_main(const struct loop *loop);

/* Has the main thread print this notice on stderr, unless a loop has raised it before. */
void loop_raise_notice(const struct loop *loop, enum notice notice, struct address about);

#endif
