/* What the files of the node share, and nobody else includes. */
#ifndef PARTY_SERVER_NODE_PARTS_H
#define PARTY_SERVER_NODE_PARTS_H

#include <pthread.h>

#include "bus/bus.h"
#include "cluster/ownership.h"
#include "cluster/pulse.h"
#include "net/clock.h"
#include "server/loop.h"
#include "server/recorder.h"

#define NODE_TURN_MS 100          /* of the keeper, */
#define NODE_MOVING_TURN_MS 5     /* and while it opens or gives away slices: rooms stand still */
#define NODE_LEASES_MS 2000       /* between two looks at all leases ... */
#define NODE_LEASES_SOON_MS 500   /* ... and while an owner is not known by its lease */
#define NODE_ALIVE_MS 6000        /* so long after its last renewal a node counts in the figures */
#define NODE_LISTED_MS 600000     /* as long the list of nodes has a silent one, */
#define NODE_PLACE_MS 660000      /* and as long it keeps its place among the peers */
#define NODE_LEASE_MS 600000      /* a lease is removed that was not renewed for so long, ... */
#define NODE_LEASE_LOOKS 300      /* ... and that so many looks have shown as it was */
#define NODE_FIGURES_MS 500       /* between two lines for the operator about slices */
#define NODE_FRESH_MS 3000        /* after a read of the map rooms may be made, */
#define NODE_END_MS 2000          /* as long node_end() waits, */
#define NODE_RECORDS_END_MS 10000 /* and before that for the last records */
#define NODE_RECORDS_MS 20        /* between two turns of a recorder that has nothing to do */
#define NODE_READ_MS 200          /* as long a reader waits before it looks whether it has to end */
#define NODE_OUT_BYTES_MAX ((size_t)32 << 20) /* that wait for the sender */
#define NODE_BURST_NS 1000000 /* from one burst of letters to the next, while there are many */
#define NODE_BURST_LETTERS_MAX 1024
#define NODE_IN_MESSAGES_MAX 8192 /* that wait for a reader */
#define NODE_IN_BYTES_MAX (16 << 20)
#define NODE_HINT "look\1"     /* to nodes: the map or a lease has changed, read them */
#define NODE_OPENED "opened\1" /* the sender has opened the slices that it was given */
#define NODE_PULSE_MS 1000     /* between two rounds of pulses, */
#define NODE_PULSES_OUT_MAX 16 /* of which each goes to so many nodes at most */
#define NODE_PULSES_IN_MAX 1024
#define NODE_SUBJECT_MAX 64

/* What the clerk is asked for: requests of the machine, and two of the keeper's own. */
enum {
    NODE_LOOK_AT_LEASES = OWNERSHIP_REQUESTS,
    NODE_REMOVE_LEASE, /* the text is its key, and the revision the one that it has */
    NODE_ORDERS,
};

struct node_order {
    bool is_asked;
    int kind;
    uint64_t place; /* among all orders: the oldest one is first */
    uint64_t serial;
    uint64_t revision;
    uint64_t asked_ms;
    size_t length;
    uint8_t text[MAP_TEXT_MAX];
};

/* The clerk's answer. Its texts are valid until the keeper has taken it. */
struct node_outcome {
    int kind;
    uint64_t serial;
    enum bus_outcome outcome;
    uint64_t revision;
    struct bus_entries entries;
};

/* Where keeper and clerk meet. */
struct node_desk {
    pthread_mutex_t lock; /* guards all but `current`, which is the clerk's */
    pthread_cond_t asked;
    pthread_cond_t answered;
    struct node_order orders[NODE_ORDERS];
    uint64_t last_place;
    struct node_order current;
    struct node_outcome outcome;
    bool has_outcome;
    bool is_woken;      /* the keeper waits no longer for an outcome */
    uint64_t turned_ms; /* when it waited last */
    bool is_stopping;
};

struct node_letter {
    struct node_letter *next;
    bool is_for_loop; /* it goes in a bundle, with others of the same subject */
    char subject[NODE_SUBJECT_MAX];
    size_t length;
    uint8_t message[];
};

struct node_outbox {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct node_letter *first;
    struct node_letter *last;
    size_t bytes; /* with those that the sender has taken, and not sent yet */
    bool is_stopping;
    /* The sender's: */
    uint64_t burst_ns; /* when the next burst may begin */
    uint8_t *bundle;   /* BUS_MESSAGE_MAX bytes, to fill */
};

struct node_reader {
    struct node *node;
    struct loop *loop;
    struct bus_subscription *subscription;
    size_t posted; /* bytes of mail, in all */
    pthread_t thread;
    bool has_thread;
};

/* Another node's process, by its lease. Only the keeper uses these. */
struct node_known {
    struct node_id id;
    uint32_t loops;
    uint64_t revision;
    uint64_t since_ms;   /* when this revision was seen first */
    uint32_t looks_same; /* that have shown it since */
    uint64_t renewed_ms; /* when another revision was seen than before */
    bool has_ended;
};

/* What the operator was told of the cluster, and when. */
struct node_figures {
    uint64_t at_ms;
    uint32_t own;
    uint32_t owned;
    uint32_t peers;
};

/*
 * Slices that this node yields: first all loops hand their rooms over, then the recorder writes
 * what they handed over.
 */
struct node_yields {
    bool are_any;
    bool are_written; /* the recorder has been asked for it: `flush` */
    unsigned changes; /* of the picture that shows them as yielded */
    uint64_t flush;
    uint64_t terms[MAP_SLICES]; /* 0: it is not yielded */
};

struct node {
    struct bus *bus;
    struct server *server; /* NULL before node_begin() */
    struct peers peers;
    struct node_id id;

    struct ownership ownership;
    struct node_known known[BUS_LEASES_MAX];
    uint32_t known_count;
    bool is_moving;  /* slices are opened or given away: the keeper's turns are short */
    bool is_opening; /* slices are opened */
    struct node_yields yields;
    uint64_t listed_ms[PEERS_MAX]; /* when a peer's last renewal was seen, or it was added */
    uint64_t leases_asked_ms;
    bool has_stranger; /* an owner whose lease is not known */
    struct node_figures figures_told;
    bool is_bus_known_away;
    pthread_t keeper;
    bool has_keeper;
    atomic_bool is_stopping;
    atomic_bool is_hinted;    /* by another node */
    atomic_bool heir_is_done; /* another node says that it has opened slices */
    atomic_bool must_drain;
    atomic_bool must_leave;
    atomic_bool has_left;
    atomic_bool must_end;
    atomic_bool has_ended;

    struct node_desk desk;
    pthread_t clerk;
    bool has_clerk;

    struct node_outbox outbox;
    pthread_t sender;
    bool has_sender;

    struct bus_subscription *pulses;
    struct pulse_end pulse_ends[PEERS_MAX]; /* these two are the thread's */
    uint32_t next_pulse;
    pthread_t pulse_thread;
    bool has_pulse_thread;

    struct bus *records_bus;
    struct recorder *recorder;
    struct map recorder_map; /* that the recorder has read last */
    bool recorder_map_is_known;
    pthread_t recorder_thread;
    bool has_recorder;

    struct node_reader readers[LOOPS_MAX];
};

/* Waits on a condition of node_condition_init() for so long. The caller has the lock. */
void node_wait(pthread_cond_t *condition, pthread_mutex_t *lock, uint32_t wait_ms);
bool node_condition_init(pthread_cond_t *condition);

/* node_keys.c */
bool node_desk_init(struct node_desk *desk);
void node_desk_release(struct node_desk *desk);
/* Replaces an order of the kind that the clerk has not begun. */
void node_ask(struct node_desk *desk, int kind, const struct ownership_request *request);
/* Waits until there is an outcome, or for so long. False: there is none. */
bool node_wait_for_outcome(struct node_desk *desk, uint32_t wait_ms,
                           struct node_outcome *ret_outcome);
/* Ends its wait, or its next one. */
void node_wake_keeper(struct node_desk *desk);
void node_outcome_taken(struct node_desk *desk);
void node_desk_stop(struct node_desk *desk);
void *node_run_clerk(void *argument);

/* node_keeper.c */
/* What was read of the map, in the machine's words. The texts stay where they are. */
struct map_history node_history_of(const struct bus_entries *read,
                                   struct map_entry ret_entries[BUS_MAP_HISTORY_MAX]);
void *node_run_keeper(void *argument);

/* node_leases.c */
/*
 * Notes who is there beside this node, how many loops it has, and whether it renews its lease. Asks
 * for the removal of a lease that is of no use any more.
 */
void node_note_leases(struct node *node, const struct bus_entries *entries);
/*
 * The place of a process, which gets one if it has none: that of a peer which was not there for
 * NODE_PLACE_MS, if all are taken. PEER_NOBODY: each of so many was.
 */
uint8_t node_add_peer(struct node *node, uint64_t incarnation, uint32_t loops);
/* NULL: the last look showed none. */
const struct node_known *node_find_known(const struct node *node, uint64_t incarnation);
bool node_is_alive(const struct node_known *known, uint64_t now_ms);
/* A node that was killed says nothing of it, and its lease stays for a while: time tells. */
void node_list_silent_ones(struct node *node, uint64_t now_ms);

/* node_yields.c */
/* Tells the machine whether rooms can be recorded, so that slices may be yielded. Once a turn. */
void node_allow_yields(struct node *node);
void node_note_yield(struct node *node, uint32_t slice, uint64_t term);
/* The picture was published, with what was noted. */
void node_yields_are_shown(struct node *node);
/* Tells the machine when the rooms of the slices that were shown are handed over. Once a turn. */
void node_follow_yields(struct node *node);

/* node_recorder.c */
bool node_recorder_begin(struct node *node);

/* node_messages.c */
bool node_outbox_init(struct node_outbox *outbox);
void node_outbox_release(struct node_outbox *outbox);
void node_outbox_stop(struct node_outbox *outbox);
/* Hands a message to the sender, from any thread. It may be lost. */
void node_post(struct node *node, const char *subject, struct bytes message);
bool node_publish(void *context, uint64_t incarnation, uint32_t loop, struct bytes message);
void *node_run_sender(void *argument);
/* Begins the subscription for the reader's loop. False: it can't be. */
bool node_reader_open(struct node_reader *reader);
void node_reader_close(struct node_reader *reader);
void *node_run_reader(void *argument);

/* node_pulse.c */
/* Begins the subscription for pulses. False: it can't be. */
bool node_pulse_open(struct node *node);
void node_pulse_close(struct node *node);
void *node_run_pulse(void *argument);
/* Tells all nodes that are there that the map or this node's lease has changed. */
void node_hint(struct node *node);

/* Tells the same nodes that this one has opened all slices that it was given. */
void node_tell_opened(struct node *node);

#endif
