/*
 * An event loop: one thread with its own rooms, connections, timers, buffers and counters. This is
 * what all that a loop does stands on; `turn.h` is what it does.
 *
 * Loops share what is in `struct server`. Everything else in a loop is touched by its own thread
 * alone, but for what is atomic.
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
#include "server/stats.h"
#include "server/subnets.h"

#define SCRATCH_BYTES (16 * 1024)
#define RANDOM_WORDS 64

#define SHED_CLASSES 256

/* How it is found out who goes when the budget is spent; see budget. */
struct shedding {
    atomic_bool is_under_way;
    atomic_uint loops_left;                     /* that have not done their part of the round */
    atomic_size_t bytes_of_class[SHED_CLASSES]; /* in use by connections, by classes of weight */
    unsigned lightest;                          /* class of a victim */
    atomic_size_t lightest_left;                /* bytes of that class that are to be freed */
};

/* Who goes when all places are taken; see eviction. A round is written by who began it. */
struct eviction {
    atomic_bool is_under_way;
    atomic_uint loops_left; /* that have not done their part of it */
    atomic_uint left;       /* connections that are still to go */
    uint32_t subnet;        /* whose they are; subnets_hold() keeps it */
    enum subnets_kind kind; /* and of which kind */
};

/* What the process has once. Counts are of all loops, and touched when something comes or goes. */
struct server {
    const struct config *config;
    const struct kernel *kernel;
    struct conn_table connections;
    struct origins origins;
    struct subnets subnets;
    struct makers makers;
    struct notices notices;
    struct tls_context *tls; /* NULL: plain TCP */
    int listener_fd;
    int admin_fd; /* a listener, too, of the main thread; -1: there is none */
    int news_fd;  /* an eventfd: the main thread is to look at what follows */
    enum poller_kind poller;
    uint32_t loop_count;
    uint64_t started_ns;
    uint32_t connections_max;
    size_t buffered_bytes_max;
    atomic_uint connection_count;
    atomic_uint refusal_count; /* connections above a limit that wait for their refusal */
    atomic_uint rooms;
    atomic_size_t retained_bytes; /* bytes that rooms keep: states, URLs, members who are gone */
    size_t retained_bytes_max;
    atomic_uint draining_loops;
    atomic_uint busy_loops; /* draining ones with rooms that are to be waited for */
    atomic_bool has_freed;  /* much memory, which the heap may give back */
    atomic_bool heap_is_asked;
    atomic_bool lack_of_sandbox_is_told;
    atomic_size_t heap_bytes; /* allocated and not freed, when the main thread looked last */
    atomic_size_t leased;     /* of the budget, by all loops */
    struct shedding shedding;
    struct eviction eviction;
    struct loop *loops[LOOPS_MAX];
};

enum deadline_kind {
    DEADLINE_NEXT_TURN, /* has had its share of a turn, and more input */
    DEADLINE_REQUEST,   /* a request to be complete, or its response to be read */
    DEADLINE_LIVENESS,
    DEADLINE_THROTTLE,        /* out of tokens */
    DEADLINE_HANDSHAKE,       /* its TLS handshake to be served, of an address that had few */
    DEADLINE_MORE_HANDSHAKES, /* the same, of one that had more */
    DEADLINE_PENALTY,         /* a failed join too many */
    DEADLINE_FLUSH,           /* output to go out before a close */
    DEADLINE_LINGER,          /* the peer to close after us */
    DEADLINE_KINDS,
};

enum mail_kind {
    MAIL_CONNECTION,       /* a struct conn that lives here from now on */
    MAIL_SNAPSHOT_REQUEST, /* a struct gather_part to be filled and sent back */
    MAIL_SNAPSHOT_REPLY,
    MAIL_WEIGH,  /* the budget is spent: which connections use how much? */
    MAIL_SHED,   /* and: close those who hold most for longest */
    MAIL_EVICT,  /* all places are taken: close some who are in no room */
    MAIL_DRAIN,  /* make no more rooms */
    MAIL_STOP,   /* close everybody and end */
    MAIL_VACANT, /* end the rooms in which nobody is that are over */
};

/* How far a loop's drain is; see drain. */
struct drain {
    bool is_busy; /* there is a room to be waited for */
    uint32_t look_due_ms;
    uint32_t bucket; /* of the rooms' table, where it was found */
};

/*
 * TLS handshakes that wait to be served. One takes 0.1 to 6 ms (with a key of RSA 4096), which is
 * many messages' time; so a hello waits until its loop has time for it. In a turn handshakes have
 * HANDSHAKES_NS_PER_TURN, or one of them if that takes longer; then, if anybody plays here, there
 * is none for twice as long as they took. So they have a third of each loop's time and, together, a
 * third of the process's. Hellos of addresses that had few handshakes lately come first; that is
 * counted for the process, see subnets_ask_handshake(). Those of trusted proxies come first, too:
 * their clients are not known yet.
 */
struct handshakes {
    const struct conn *served; /* whose turn it is */
    uint64_t due_ns;           /* not before */
};

struct loop {
    struct server *server;
    const struct kernel *kernel; /* the server's */
    uint32_t index;
    uint32_t clock_ms; /* of the monotonic clock, as of the last wait */
    uint32_t now_ms;   /* the same, but times in which the process stood still are cut out */
    struct poller *poller;
    struct mailbox mailbox;
    struct mail *unread_mail; /* taken out of the mailbox */
    bool mail_is_due;         /* there is some, or may be in the mailbox */
    struct mail weigh_mail;
    struct mail shed_mail;
    struct mail evict_mail;
    struct mail drain_mail;
    struct mail stop_mail;
    struct mail vacant_mail;
    atomic_bool vacant_mail_is_posted; /* by any loop, and not read yet */
    struct relay relay;
    struct drain drain;
    struct newcomers newcomers;
    struct outbox_pool pool;
    size_t charged;             /* bytes of the budget that the loop has in use */
    size_t charged_at_most;     /* since it has told that much was freed */
    atomic_size_t leased;       /* and has leased; written by the loop, read by others */
    struct handles connections; /* all that the loop has */
    struct list deadlines[DEADLINE_KINDS];
    uint32_t deadline_length_ms[DEADLINE_KINDS];
    struct conn *first_dirty;
    struct conn *first_unfinished; /* for the next turn's flush */
    uint32_t first_ending; /* a handle, as is each that follows it; CLIENT_NONE: there is none */
    uint32_t first_dead;
    uint64_t work;         /* deliveries, and KiB that were read or written, since the start */
    uint64_t phase_end;    /* of `work`: then what else there is to do is for the next turn */
    uint64_t look_at;      /* of `work`: then the clock is looked at, whether the phase is over */
    uint64_t phase_end_ns; /* 0: it has not been looked at in this phase */
    struct handshakes handshakes;
    const struct conn *share_owner; /* who is being read, in however many pieces */
    uint64_t share_end;             /* of `work`: then it is for that connection */
    uint32_t share_left; /* frames and requests that this connection may still have in this turn */
    uint32_t share_bytes_left; /* and bytes */
    struct loop_stats stats;
    uint32_t crowds[ORIGINS_MAX + 1]; /* members of rooms, by the rooms' origin */
    struct history history;
    struct answer_cache answers;
    atomic_uint load; /* stats.connections, for other loops that look for the emptiest */
    bool is_listening;
    bool is_stopping;
    uint32_t trimmed_ms;    /* when memory for reuse was looked at last */
    uint32_t listen_due_ms; /* not listening: when to try again */
    uint32_t stop_due_ms;
    uint32_t random_left;
    uint32_t random[RANDOM_WORDS];
    uint8_t scratch[SCRATCH_BYTES]; /* where an event is written before it is copied to queues */
    uint8_t plain_text[TLS_WRITE_BYTES_MAX]; /* decrypted, or to be encrypted */
};

/* The connection that the relay calls so, or another part of the loop. */
static inline struct conn *loop_client(const struct loop *loop, uint32_t handle)
{
    return handles_at(&loop->connections, handle);
}

/*
 * All connections that the loop serves, in no order: `at` is 0 at first; NULL: there are no more.
 * Those that the poller is giving up are not among them. They may end meanwhile.
 */
struct conn *loop_next_connection(const struct loop *loop, uint32_t *at);

/* Puts the connection behind the others that wait for the same kind of deadline. */
void loop_set_deadline(struct loop *loop, struct conn *conn, enum deadline_kind kind);

/* The connection has output for this turn's flush. */
void loop_mark_dirty(struct loop *loop, struct conn *conn);

/* Takes the connection off the list of those with output, for this turn or the next. */
void loop_forget_dirty(struct loop *loop, struct conn *conn);

/* The connection has had its share of this turn's flush, and output for the next one's. */
void loop_mark_unfinished(struct loop *loop, struct conn *conn);

/* The connection leaves its room, and is freed when it is dead, once the current outcome is done.
 */
void loop_mark_ending(struct loop *loop, struct conn *conn);

/*
 * A turn has phases: those who are held, what happened, what is due. Each may take so much time and
 * do so much work; then what waits is sent, and the rest of the phase is for the next turn, so that
 * none starves another. The clock is not looked at for a few messages.
 */
static inline void loop_begin_phase(struct loop *loop)
{
    loop->phase_end = loop->work + WORK_PER_PHASE;
    loop->look_at = loop->work + WORK_PER_LOOK;
    loop->phase_end_ns = 0;
}

/* Looks at the clock, and says whether the phase is over. */
bool loop_look_at_clock(struct loop *loop);

static inline bool loop_phase_is_over(struct loop *loop)
{
    return loop->work >= loop->look_at && loop_look_at_clock(loop);
}

/* The connection's input record, made when there is none; NULL when memory is short. */
MUST_CHECK struct conn_input *loop_need_input(const struct loop *loop, struct conn *conn);

/* The clock, now; `now_ms` is that of the turn. */
static inline uint64_t loop_clock_ns(const struct loop *loop)
{
    return loop->kernel->now_ns();
}

static inline uint32_t loop_clock_ms(const struct loop *loop)
{
    return kernel_now_ms(loop->kernel);
}

/* The main thread is to look at what the loop has changed in `struct server`. */
void loop_tell_main(const struct loop *loop);

/* The main thread is to say this on stderr, if it has not been raised before. */
void loop_raise_notice(const struct loop *loop, enum notice notice, struct address about);

#endif
