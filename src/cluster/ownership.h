/*
 * Who owns what: the part of one node in it.
 *
 * A pure machine. The caller tells it the time and outcomes; it says which requests to send to the
 * engine, and which slices the node may serve. It has no clock, no randomness and no memory but its
 * own structure, and fails in no way. It belongs to one thread.
 *
 * In each turn of its thread, which begins at least five times a second, the caller
 *
 *  1. calls ownership_begin_turn() with the time, read anew;
 *  2. hands over outcomes of requests that have come;
 *  3. takes all events, then all requests, each until there is none left, and carries them out;
 *  4. serves: a slice for which ownership_term() returns a term, and nothing else.
 *
 * Between two turns it may call anything but 1 as often as it likes. Times are milliseconds of a
 * clock that goes on while the machine sleeps (CLOCK_BOOTTIME).
 *
 * Rules of the cluster's model, by their names there, and where they are:
 * - chain, last-valid: map.h. Also: a read that shows an older stream is no read.
 * - look: a turn that begins more than 2 s after the last one handles nothing before a map read
 *   that was sent since then has succeeded, or 2 s of tries have failed.
 * - wait: a slice opens 3 s after the node read the entry that gave it. The 3 s begin with the next
 *   turn, whose clock was surely read after the entry. It also opens only if the map was read
 *   within the last 2 s: who is cut off meanwhile opens nothing. A slice that its owner has given
 *   (SLICE_MOVED) opens with the next turn: that one served it no more before it wrote the entry,
 *   or before its lease said that it had ended. In the latter case it had the slice for 3 s: else
 *   the owner before it might still serve.
 * - own-entry: what became of a term of this node is read from the entry that raised it.
 * - terms: a slice opens only at a term that is higher than any at which another node owned it.
 * - hasty: a node is dead when five renewals of this node's own lease, sent a second apart, each
 *   acknowledged within 1 s, follow its last one in the order of the stream; the leases are read
 *   after the fifth acknowledgement.
 * - own-lease: leases that do not show this node's own newest one were read from a replica that
 *   lags, or from another stream. Nobody is judged by them. A sequence that goes down is of a new
 *   stream: the renewals are counted anew.
 * - A node that has ended (see ownership_end()) is dead at once. A judgement holds for 2 s after
 *   its leases were asked for, so not beyond a pause.
 * - heirs: nodes that renew their lease and do not drain, in the order of their ids. The first one
 *   gives all slices of the dead away in one entry, each to the heir that then has the fewest. If
 *   it does not, the second one does so a second later, and so on.
 * - sharing (not in the model): who has two slices more than the heir with the fewest yields some,
 *   of those whose rooms it has. It serves them no more from then on, and the rooms' last records
 *   are written: the caller says when. Only then it writes the entry that gives them to the heirs
 *   that have the fewest by now. It may be one of these itself; only a new term brings a slice
 *   back. So at each moment one node serves at most, whatever becomes of the entry. Who was given
 *   a slice yields none for 3 s, since the giver may be leaving, and its lease may not say so yet.
 * - leaving (not in the model): a node that is to end yields all its slices before, in this way.
 *
 * A move with `next` (map.h) has no part in this: the rooms go through the records, and not from
 * node to node. Its fields are kept, but cleared when the slice gets another owner. A node that
 * drains, and does not leave, keeps its slices, with their rooms, until it ends.
 */
#ifndef PARTY_CLUSTER_OWNERSHIP_H
#define PARTY_CLUSTER_OWNERSHIP_H

#include "cluster/lease.h"
#include "cluster/map.h"

#define OWNERSHIP_PERIOD_MS 1000   /* between two renewals, and between two reads of the map */
#define OWNERSHIP_PATIENCE_MS 1000 /* for an outcome; then it is not known */
#define OWNERSHIP_RETRY_MS 250     /* between two reads of the map, when they fail at once, */
#define OWNERSHIP_HINT_MS 100      /* and when hints ask for them */
#define OWNERSHIP_PAUSE_MS 2000    /* look: between the begins of two turns */
#define OWNERSHIP_TRIES_MS 2000    /* look: of tries that failed */
#define OWNERSHIP_WAIT_MS 3000     /* wait */
#define OWNERSHIP_FRESH_MS 2000    /* age of a map read by which a slice opens */
#define OWNERSHIP_JUDGED_MS 2000   /* as long holds a judgement */
#define OWNERSHIP_RENEWALS 5       /* hasty */
#define OWNERSHIP_MISSED_LEAST 3   /* who missed so many is no heir; two may be chance */
#define OWNERSHIP_HEIR_MS 1000     /* each heir waits so long for those before it, ... */
#define OWNERSHIP_HEIRS_WAITED 4   /* ... but for no more than so many */
#define OWNERSHIP_FOUND_MS 10000   /* so long does nothing stand before a new era begins */
#define OWNERSHIP_KEPT_MS 3000     /* sharing: who was given a slice keeps its slices for so long */
#define OWNERSHIP_PACE_MS 400      /* from one yield to the next, if no heir says that it is done */
#define OWNERSHIP_YIELD_ROOMS 32   /* sharing: so many rooms, about, are yielded at once, */
#define OWNERSHIP_YIELDS 64        /* or as many as let so many yields be enough for all, */
#define OWNERSHIP_YIELDS_MAX 64    /* and so many slices at most, where there are no rooms */
#define OWNERSHIP_STRIDE 159       /* odd; 159 / 256 is nearly the golden ratio */
#define OWNERSHIP_LEASES_MAX 128

enum ownership_request_kind {
    OWNERSHIP_WRITE_LEASE,
    OWNERSHIP_READ_MAP,
    OWNERSHIP_READ_LEASES,
    OWNERSHIP_WRITE_MAP,
    OWNERSHIP_REQUESTS
};

/*
 * At most one request of a kind is outstanding. A new one replaces it: the caller may go on with
 * the old one, but its outcome, which names its serial number, no longer counts.
 */
struct ownership_request {
    enum ownership_request_kind kind;
    uint64_t serial;
    struct bytes text; /* to write; valid until the next call */
    /*
     * WRITE_MAP: to be refused unless this is the stream's last revision, and the entry there still
     * the one that was read (Nats-Expected-Last-Sequence and -Msg-Id). Otherwise an entry that
     * comes late to a stream that was made anew might fit there by chance, and bring the old era
     * back.
     */
    uint64_t revision;
};

enum ownership_event_kind {
    OWNERSHIP_MUST_LOOK, /* handle nothing: no client, nothing of the bus */
    OWNERSHIP_LOST,      /* serve it no more: slice, term, why, to, to_term */
    OWNERSHIP_ERA,       /* records and links of other eras than `era` are none of this cluster's */
    OWNERSHIP_LOOKED,    /* go on; is_found: the map was read. If not, the bus is away */
    OWNERSHIP_OPENED,    /* mint and serve: slice, term */
    OWNERSHIP_ENDED,     /* after ownership_end(): the others know it */
};

enum ownership_loss {
    OWNERSHIP_LOST_TAKEN,   /* this node was dead to another one */
    OWNERSHIP_LOST_MOVED,   /* with its rooms */
    OWNERSHIP_LOST_UNKNOWN, /* the entry that raised the term is gone; `to` is the owner now */
    OWNERSHIP_LOST_ERA,     /* a new era began; `to` is the owner in it */
    OWNERSHIP_LOST_NOBODY,  /* the map can't be read any more, or this node ends: no `to` */
    /* This node will give it to another one: see ownership_has_handed_over(); no `to` yet. */
    OWNERSHIP_LOST_YIELDED,
};

struct ownership_event {
    enum ownership_event_kind kind;
    uint32_t slice;
    uint64_t term;
    enum ownership_loss why;
    struct node_id to;
    uint64_t to_term;
    uint64_t era;
    bool is_found;
};

/* A key and value of the leases' stream. The texts need to be valid for the call alone. */
struct ownership_lease {
    struct bytes key; /* a node's id as text */
    struct bytes text;
    uint64_t sequence; /* of its last write, in the stream */
};

enum ownership_written {
    OWNERSHIP_ACKNOWLEDGED,
    OWNERSHIP_REFUSED,
    OWNERSHIP_UNKNOWN, /* no answer: it may have been carried out, or be so later */
};

enum ownership_slice_state {
    SLICE_FOREIGN,
    SLICE_GIVEN,   /* the entry was read in this turn */
    SLICE_WAITING, /* until `opens_ms` */
    SLICE_OPEN,
    SLICE_YIELDED, /* not served any more, until an entry gives it to somebody */
};

struct ownership_slice {
    uint8_t state;       /* enum ownership_slice_state */
    uint8_t lost_why;    /* enum ownership_loss */
    bool is_moved;       /* given: by its owner */
    bool is_served;      /* open: the caller has its rooms */
    bool is_handed_over; /* yielded: its rooms are recorded */
    uint64_t term;       /* of this node, unless it is foreign */
    uint64_t opens_ms;
    uint64_t known_ms;     /* the first turn since it was read who owns it now; 0: in this turn */
    uint64_t foreign_term; /* the highest at which another node owned it */
    uint64_t told_term;    /* it is open, as the events have said; 0: it is not */
    uint64_t lost_term;    /* what became of told_term: the owner's term, and the owner */
    struct node_id lost_to;
};

struct ownership_pending {
    bool is_out;
    uint64_t serial;
    uint64_t sent_ms;
};

/* A node as the leases showed it. */
struct ownership_node {
    struct node_id id;
    uint64_t sequence;
    bool has_ended;
    bool may_inherit; /* its lease can be read, and it does not drain */
};

struct ownership_judgement {
    bool is_valid;
    uint64_t asked_ms;
    uint64_t renewals[OWNERSHIP_RENEWALS]; /* sequences when it was asked, the newest one last */
    uint32_t count;
    struct ownership_node nodes[OWNERSHIP_LEASES_MAX];
};

/* To be read by its functions only. 64 KiB, most of which are texts and nodes. */
struct ownership {
    struct node_id self;
    uint64_t random;
    uint64_t now_ms;
    uint64_t last_serial;
    struct ownership_pending pending[OWNERSHIP_REQUESTS];

    struct map map; /* the last one that stood */
    bool has_map;
    bool is_outdated; /* a later version stands */
    uint64_t map_revision;
    uint64_t last_revision; /* of the stream, as far as it was read */
    uint64_t map_due_ms;
    bool is_hinted;       /* the map and the leases are to be read soon */
    uint64_t map_read_ms; /* when the last read that succeeded was sent */
    bool was_read;
    bool must_read; /* since this node wrote: it writes no more before that */
    bool is_bare;   /* it succeeded, and nothing stood */
    uint64_t bare_since_ms;

    bool has_turned;
    bool must_look;
    bool is_found; /* by the last look */
    uint64_t look_since_ms;

    bool has_renewed;
    uint64_t lease_due_ms;
    uint32_t renewal_count;
    uint64_t renewals[OWNERSHIP_RENEWALS]; /* the newest one last */
    bool wants_leases;
    struct ownership_judgement judgement;
    bool has_dead;
    uint64_t dead_since_ms;

    bool is_edge_only;
    bool keeps_slices;  /* it may yield none */
    uint64_t gained_ms; /* when it was given a slice by its owner; 0: never */
    uint64_t gave_ms;   /* when it wrote the map last; 0: an heir has opened slices since */
    bool is_draining;
    bool is_leaving;
    bool is_ending;
    bool has_ended;
    bool is_end_told;
    bool is_look_told; /* MUST_LOOK was told, LOOKED was not */
    uint64_t told_era;
    bool is_era_told;
    bool has_changes; /* a slice's state and what was told of it may differ */
    struct ownership_slice slices[MAP_SLICES];

    uint32_t loops;
    uint64_t rooms;
    uint64_t clients;
    uint8_t text[MAP_TEXT_MAX];
    uint8_t lease_text[LEASE_TEXT_MAX];
};

/*
 * `loops`: that the process has, 1 at least, for its lease. `random` is of the kernel's source: the
 * eras that this node may begin are made of it. The node owns nothing and must look.
 */
void ownership_init(struct ownership *ownership, const struct node_id *self, uint32_t loops,
                    uint64_t random);

/* The node never gets slices: call it behind ownership_init(). */
void ownership_be_edge_only(struct ownership *ownership);

/* For the status page; they go with the next renewal. */
void ownership_set_figures(struct ownership *ownership, uint64_t rooms, uint64_t clients);

/* Time passes. A clock that goes back stands still. */
void ownership_begin_turn(struct ownership *ownership, uint64_t now_ms);

/*
 * Outcomes of requests. One whose serial number is not that of the outstanding request of the kind
 * is ignored. A history that is not sound counts as a read that failed.
 */
void ownership_map_was_read(struct ownership *ownership, uint64_t serial,
                            const struct map_history *history);
void ownership_map_was_not_read(struct ownership *ownership, uint64_t serial);
void ownership_map_was_written(struct ownership *ownership, uint64_t serial,
                               enum ownership_written outcome);
void ownership_lease_was_written(struct ownership *ownership, uint64_t serial, uint64_t sequence);
void ownership_lease_was_not_written(struct ownership *ownership, uint64_t serial);

/*
 * All leases that there are, read from the stream's leader. If there are more than
 * OWNERSHIP_LEASES_MAX: those with the highest sequences, since the others are of the dead.
 */
void ownership_leases_were_read(struct ownership *ownership, uint64_t serial,
                                const struct ownership_lease *leases, uint32_t count);
void ownership_leases_were_not_read(struct ownership *ownership, uint64_t serial);

/*
 * Whether this node may yield slices: not while the last records of their rooms could not be
 * written. It may at first.
 */
void ownership_allow_yields(struct ownership *ownership, bool is_allowed);

/* An heir says that it has opened all that it was given: the next slices may be yielded. */
void ownership_heir_has_opened(struct ownership *ownership);

/* The node has all rooms of a slice that is open at this term, so it may yield the slice. */
void ownership_is_serving(struct ownership *ownership, uint32_t slice, uint64_t term);

/*
 * The last records of all rooms of a yielded slice are where the next owner will find them, and
 * nothing more of this node will come there at this term. Ignored for a slice that is not yielded
 * at this term any more.
 */
void ownership_has_handed_over(struct ownership *ownership, uint32_t slice, uint64_t term);

/* Gets no slices from now on; keeps those that it has. */
void ownership_drain(struct ownership *ownership);

/* Drains, and yields all slices that it has, some after the other, as long as there are heirs. */
void ownership_leave(struct ownership *ownership);

/* Whether a node that leaves has no slices any more, or nobody would take them. */
bool ownership_has_left(const struct ownership *ownership);

/*
 * Gives all slices up at once, which must not be served when this returns, and writes a lease that
 * says so, when the events have been taken. Others then give the slices to their heirs without
 * waiting. The process may exit at OWNERSHIP_ENDED; if it exits earlier, it is dead as any.
 */
void ownership_end(struct ownership *ownership);

/*
 * Somebody says that the map or a lease has changed: both are read soon, and not only when a second
 * is over. Whoever says so all the time has them read once in OWNERSHIP_HINT_MS at most, and not
 * while leases are read, or what was judged by them is written.
 */
void ownership_hint(struct ownership *ownership);

/* False: there is none. */
bool ownership_next_event(struct ownership *ownership, struct ownership_event *ret_event);
bool ownership_next_request(struct ownership *ownership, struct ownership_request *ret_request);

/* look: nothing may be handled. */
bool ownership_must_look(const struct ownership *ownership);

/* The term at which this node may mint and serve; 0: it may not. */
uint64_t ownership_term(const struct ownership *ownership, uint32_t slice);

/* The term at which this node has yielded the slice, and nobody has it yet; 0: it has not. */
uint64_t ownership_yielded_term(const struct ownership *ownership, uint32_t slice);

/*
 * When the last read of the map that succeeded was sent. False: none has. A node that has not read
 * it for some seconds may have lost slices.
 */
bool ownership_find_last_read(const struct ownership *ownership, uint64_t *ret_ms);

/* Who owns a slice, as far as this node knows. False: it knows of nobody. */
bool ownership_find_owner(const struct ownership *ownership, uint32_t slice,
                          struct node_id *ret_owner, uint64_t *ret_term);

/* Whether the node owns any slice, or may do so: while this node knows no map, each may. */
bool ownership_owns(const struct ownership *ownership, const struct node_id *node);

#endif
