/*
 * A cluster in one thread: nodes, each with the machine that is tested (cluster/ownership.h), and
 * an engine that loses, delays, repeats, answers with what was, and acknowledges two writers. The
 * seed determines all that happens.
 *
 * Times are milliseconds of the world's clock, which goes on in ticks. All parts share one world.
 */
#ifndef PARTY_TESTS_CLUSTER_WORLD_H
#define PARTY_TESTS_CLUSTER_WORLD_H

#include "cluster/ownership.h"
#include "cluster/seeds.h"

#define TICK_MS 100
#define NODES_MAX 32 /* processes in the life of a world */
#define LIVE_MAX 5
#define WIRE_MAX 512
#define INBOX_MAX 64
#define STREAMS_MAX 3
#define ENTRIES_MAX 512 /* of the map, in one stream */
#define LEASES_KEPT 8   /* pictures of the leases, one a second */

/* What the truth makes of an entry, without the reader that is tested. */
struct true_slice {
    uint32_t owner; /* index of the node */
    uint64_t term;
    bool is_moved; /* its owner of before has given it */
};

struct true_entry {
    uint64_t at_ms; /* when the engine took it */
    struct bytes text;
    bool stands;
    uint64_t era;
    struct true_slice slices[MAP_SLICES];
};

struct stream {
    uint32_t count;             /* its last revision */
    struct true_entry *entries; /* by revision - 1 */
    uint64_t lease_sequence;
};

struct true_lease {
    uint64_t sequence; /* 0: there is none */
    bool is_draining;
    bool has_ended;
    size_t length;
    uint8_t text[LEASE_TEXT_MAX];
};

struct leases {
    struct true_lease of[NODES_MAX];
};

/* A request on its way to the engine, or an outcome on its way back. */
struct letter {
    bool is_used;
    bool is_outcome;
    enum ownership_request_kind kind;
    uint32_t node;
    uint64_t serial;
    uint64_t sent_ms; /* when it truly was */
    uint64_t due_ms;
    uint64_t revision; /* of a request to write the map: the expected one */
    uint8_t *text;     /* of a request; belongs to the letter */
    size_t length;
    uint64_t based_on_ms;  /* of a request: what its writer took for the time */
    bool is_acknowledged;  /* of an outcome */
    uint64_t sequence;     /* of a lease that was written */
    uint32_t stream;       /* of a map that was read, or of the one behind an entry to write */
    uint32_t count;        /* its last revision */
    struct leases *leases; /* that were read; belongs to the letter */
};

enum stage { STAGE_CLOCK, STAGE_BEGIN, STAGE_INBOX, STAGE_EVENTS, STAGE_REQUESTS, STAGE_SERVE };

struct node {
    struct ownership ownership;
    struct node_id id;
    bool is_alive;
    bool is_draining;
    bool is_ending;
    uint64_t ends_ms;    /* a node that drains ends then */
    uint64_t stopped_ms; /* until then nothing of it runs */
    uint64_t cut_ms;     /* until then it does not reach the engine */
    uint64_t good_ms;    /* since then it has run, and no letter of it was late or lost */
    enum stage stage;
    uint64_t clock_ms; /* what its turn takes for the time */
    bool has_clock;
    uint64_t look_ms;    /* it must have looked since then; 0: it need not */
    uint64_t read_ms;    /* when its last map read that came back in time was sent */
    uint64_t tried_ms;   /* the same for any read */
    uint32_t stream;     /* that it read last */
    uint64_t map_serial; /* its last request to read the map */
    uint64_t map_sent_ms;
    uint64_t lease_serial;
    uint64_t draining_ms; /* since when its lease at the engine says so; 0: it does not */
    bool has_ended;       /* the engine has had such a lease */
    uint32_t inbox_count;
    struct letter inbox[INBOX_MAX];
    uint64_t told[MAP_SLICES];      /* terms that are open, by the events */
    uint64_t seen[MAP_SLICES];      /* the same, by ownership_term() after each step */
    uint64_t served_ms[MAP_SLICES]; /* when it last was served */
    uint64_t yielded[MAP_SLICES];   /* terms at which its rooms are being handed over, */
    uint64_t handed_ms[MAP_SLICES]; /* until then, */
    uint64_t handed[MAP_SLICES];    /* and at which they have been */
};

struct outcome {
    uint32_t entries;
    uint32_t entries_ignored;
    uint32_t slices_taken;
    uint32_t slices_moved;
    uint32_t openings;
    uint32_t losses;
    uint32_t looks;
    uint32_t eras;
    uint64_t shared_ms; /* after the healing, until each node had its share */
    uint64_t healed_ms; /* the death at the end, until all was served again */
};

struct world {
    uint64_t now_ms;
    bool has_faults;
    uint32_t node_count;
    struct node nodes[NODES_MAX];
    uint64_t away_ms; /* until then the engine answers nobody */
    uint32_t stream;  /* the one that there is */
    struct stream streams[STREAMS_MAX];
    uint64_t race_ms; /* when the last conditional write of the map was taken */
    uint64_t race_revision;
    struct leases leases;
    struct leases kept[LEASES_KEPT];
    uint32_t kept_count;
    struct letter wire[WIRE_MAX];
    struct {
        uint32_t node; /* + 1; 0: nobody has opened it */
    } openers[STREAMS_MAX][MAP_SLICES][ENTRIES_MAX];
    struct outcome outcome;
};

extern struct world world;

/* engine.c */
void engine_send(struct letter letter); /* takes its text */
void engine_deliver(void);
void engine_add_junk(void);
void engine_lose_all(void);
void engine_release(void);
void letter_release(struct letter *letter);

/* nodes.c */
void node_start(const char *name);
void node_run(struct node *node);
const char *name_of(const struct node *node);

/* truth.c: all that is checked. None of it asks the functions that are tested what is true. */
void truth_read(struct true_entry *entry, uint64_t revision);
void truth_check_entry(const struct stream *stream, const struct letter *letter);
void truth_check_opening(struct node *node, uint32_t slice, uint64_t term);
void truth_check_event(struct node *node, const struct ownership_event *event);
void truth_check_service(struct node *node);
void truth_check_knowledge(const struct node *node);
void truth_check_end(const struct node *node);
bool truth_is_healed(void);
void truth_check_healed(void);
/* Whether no node that stays has two slices more than another one. */
bool truth_is_shared(void);
const struct true_entry *truth_now(void);

#endif
