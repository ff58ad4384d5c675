/*
 * The other nodes of the cluster, and who owns which slice of the rooms, as the loops of this
 * process know it: a picture that one thread writes, and all loops read without waiting.
 *
 * A peer is another node's process. Its place is its own for minutes after it was there last, so a
 * place that a loop has read in its last turn names the same peer.
 */
#ifndef PARTY_SERVER_PEERS_H
#define PARTY_SERVER_PEERS_H

#include <stdatomic.h>
#include <stdbool.h>

#include "base/attributes.h"
#include "base/bytes.h"
#include "cluster/lease.h"
#include "cluster/map.h"
#include "server/limits.h"

#define PEERS_MAX 240
#define PEER_YIELDED 252 /* this process, which hands the rooms over to who gets the slice next */
#define PEER_OPENING                                                                            \
    253                 /* this process, which restores the rooms of the slice, and serves none \
                         */
#define PEER_HERE 254   /* this process */
#define PEER_NOBODY 255 /* nobody who is known */
#define PEER_NO_ROUND_TRIP UINT64_MAX /* none was measured lately */

/* What the list of nodes says of a peer. */
enum peer_state {
    PEER_UNLISTED, /* it has ended, is silent for long, or never renewed its lease in our time */
    PEER_SERVING,  /* it renews its lease */
    PEER_LEAVING,  /* so it does, and it drains */
    PEER_SILENT,   /* it renewed its lease once, and does so no more, or nobody can read it now */
};

struct peer {
    _Atomic uint64_t incarnation;
    atomic_uint loops; /* that it has */
    /*
     * For the list. The name is written before the peer is listed for the first time, and stays
     * for minutes after it was listed last: so whoever has read that it is listed may read it.
     */
    char name[NODE_NAME_MAX + 1];
    atomic_uint state; /* enum peer_state */
    _Atomic uint64_t rooms;
    _Atomic uint64_t clients;
    _Atomic uint64_t round_trip_us; /* over the bus to the peer and back; PEER_NO_ROUND_TRIP */
};

/* A peer as the list shows it. */
struct peer_view {
    const char *name; /* for minutes */
    enum peer_state state;
    uint64_t rooms;
    uint64_t clients;
    uint64_t round_trip_us;
};

/* The cluster at one moment, for /stats. */
struct peers_view {
    const char *name; /* of this node */
    uint32_t own_slices;
    uint32_t live_peers;
    bool is_connected;
    uint32_t count;
    struct peer_view peers[PEERS_MAX]; /* in the order in which this node met them */
};

struct peers {
    uint64_t incarnation;                /* of this process */
    char name[NODE_NAME_MAX + 1];        /* of this node; written before the loops run */
    _Atomic uint64_t slices[MAP_SLICES]; /* read with peers_owner() */
    struct peer peers[PEERS_MAX];
    uint32_t count;      /* only the writer reads it */
    atomic_uint changes; /* raised after slices have changed */
    /*
     * Sends a message to a loop of another process, from any loop's thread. False: it did not go
     * out. The message need not arrive.
     */
    bool (*publish)(void *context, uint64_t incarnation, uint32_t loop, struct bytes message);
    void *context;
    /*
     * Until then, by the server's kernel, this process may give codes of its slices away: the map
     * was read shortly before.
     */
    _Atomic uint64_t fresh_until_ns;
    /*
     * When the writer took its last turn in which it need not look (cluster/ownership.h), by
     * clock_boot_ms(). 0: loops need not care.
     */
    _Atomic uint64_t looked_ms;
    atomic_uint stocked_loops; /* that have had codes for rooms of each kind */
    /* For the figures: */
    atomic_uint own_slices;
    atomic_uint owned_slices; /* that this process serves, or one that is known owns */
    atomic_uint live_peers;
    atomic_bool is_connected; /* to the engine that joins the nodes */
};

/* Who owns a slice: one word, so that it is read as a whole. Equal words are one owner's one term.
 */
struct ownership_word {
    uint64_t word;
};

/* Nobody owns anything at first. */
void peers_init(struct peers *peers, uint64_t incarnation);

/* The place of a process, for any thread. PEER_NOBODY: it has none. */
uint8_t peers_find(const struct peers *peers, uint64_t incarnation);

/* The place of a process, which gets one if it has none. PEER_NOBODY: all places are taken. */
uint8_t peers_add(struct peers *peers, uint64_t incarnation, uint32_t loops);

/* Whether nobody needs the peer at a place: it is not listed, and owns no slice. */
bool peers_is_idle(const struct peers *peers, uint8_t place);

/* Gives the place of an idle peer, which has been so for minutes, to a process that has none. */
void peers_replace(struct peers *peers, uint8_t place, uint64_t incarnation, uint32_t loops);

/*
 * Lists a peer with what its lease says, as serving or leaving. A silent one of the same name is
 * listed no more: it is the process that this one follows.
 */
void peers_list(struct peers *peers, uint8_t place, const struct lease *lease);
void peers_set_state(struct peers *peers, uint8_t place, enum peer_state state);

/* For a place that need not be taken, from one thread, which may be another one than the writer. */
void peers_set_round_trip(struct peers *peers, uint8_t place, uint64_t round_trip_us);

/* What is listed at a place, from any thread. False: nothing is. */
bool peers_look(const struct peers *peers, uint32_t place, struct peer_view *ret_view);
void peers_look_at_all(const struct peers *peers, struct peers_view *ret_view);

/*
 * Notes who owns a slice: a place, or PEER_HERE, PEER_OPENING or PEER_YIELDED if it is this process
 * at this term, or PEER_NOBODY. The caller calls peers_publish_changes() behind the last one.
 */
void peers_set_owner(struct peers *peers, uint32_t slice, uint8_t place, uint64_t term);
void peers_publish_changes(struct peers *peers);

struct ownership_word peers_owner(const struct peers *peers, uint32_t slice);

/* The place in a word: of a peer, or one of the other four. */
static inline uint8_t peers_place(struct ownership_word owner)
{
    return (uint8_t)owner.word;
}

static inline uint64_t peers_term(struct ownership_word owner)
{
    return owner.word >> 8;
}

/* Whether it is another process that is known. */
static inline bool peers_is_other(struct ownership_word owner)
{
    return peers_place(owner) < PEERS_MAX;
}

/* Whether this process has the rooms of the slice, served or not. */
static inline bool peers_is_own(struct ownership_word owner)
{
    return peers_place(owner) == PEER_HERE || peers_place(owner) == PEER_OPENING;
}

static inline bool peers_is_same(struct ownership_word a, struct ownership_word b)
{
    return a.word == b.word;
}

/*
 * A code's slice. The code's number modulo the loops of a node is the loop of its room, so the
 * slice is of a part of the number that does not decide the loop: each slice has codes of each
 * loop. If it were the number modulo 256, a node with two loops and every second slice would have a
 * loop that can make no room.
 */
static inline uint32_t peers_slice_of(uint64_t code)
{
    return (uint32_t)(code / LOOPS_MAX % MAP_SLICES);
}

#endif
