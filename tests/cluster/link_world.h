/*
 * A link in one thread: two ends, each with the machine that is tested (cluster/link.h), and a
 * network between them that loses, delays, repeats, cuts and forges. The seed determines all that
 * happens.
 *
 * An end has *lives*: each call of link_begin() begins one. Times are milliseconds of the world's
 * clock, which goes on from one event to the next.
 */
#ifndef PARTY_TESTS_CLUSTER_LINK_WORLD_H
#define PARTY_TESTS_CLUSTER_LINK_WORLD_H

#include "cluster/link.h"
#include "cluster/seeds.h"

#define ENDS 2
#define LIVES_MAX 1024 /* of an end in one world */
#define WIRE_MAX 1024
#define ALBUM_MAX 64 /* letters that may come once more much later */
#define LATE_MS 4000
#define NEVER UINT64_MAX

/* A message on its way. Of a forged one nobody has a life. */
struct letter {
    uint64_t due_ms;
    uint64_t order; /* among those that are due at once */
    uint32_t to;
    bool is_forged;
    bool has_bytes;
    uint64_t place; /* of its bytes in the stream of the sender's life, from 1 on */
    struct link_header header;
};

/* What is true of a life. */
struct life {
    uint64_t session;
    uint64_t partner; /* the session that it sent bytes to, or took bytes of; 0: none */
    uint64_t sent;    /* messages with bytes */
    uint64_t taken;
    uint64_t
        owed_ms; /* since when something that was taken is not acknowledged; NEVER: nothing is */
};

struct end {
    struct link link;
    bool is_up;
    uint64_t up_ms;      /* an end that is down comes back then */
    uint64_t stopped_ms; /* until then nothing of it runs */
    uint64_t wakes_ms;   /* when link_check() may have something to say */
    uint64_t says_ms;    /* when it has bytes for the other end */
    uint32_t life_count;
    struct life lives[LIVES_MAX];
    uint64_t last_due_ms; /* of what it has sent so far, in order */
    bool is_cut;          /* what it sends is lost */
    uint64_t cut_ms;      /* is_cut, until then; NEVER: until somebody says so */
    uint32_t spoken;      /* messages without bytes */
};

/* How bad the network of a seed is: each is once in so many, or never (0). */
struct manners {
    uint32_t loses;
    uint32_t doubles;
    uint32_t delays;
    uint32_t fault_ms; /* one every so often */
    uint32_t late_ms;  /* how late a turn may be */
    uint32_t way_ms;   /* what a message takes, with up to 2 ms more */
    uint32_t says_ms;  /* an end has bytes so often */
};

struct outcome {
    uint32_t letters;
    uint32_t taken;
    uint32_t voids;
    uint32_t losses;
    uint32_t forged;
    uint64_t whole_ms; /* from the healing until both are whole */
};

struct world {
    uint64_t now_ms;
    bool has_faults;
    bool is_quiet; /* nobody has bytes to send */
    uint64_t fault_ms;
    struct manners manners;
    struct end ends[ENDS];
    struct letter wire[WIRE_MAX];
    uint32_t wire_count;
    uint64_t order;
    struct letter album[ALBUM_MAX];
    uint32_t album_count;
    struct outcome outcome;
};

extern struct world world;

static inline struct end *other_end(const struct end *end)
{
    return &world.ends[end == &world.ends[0]];
}

static inline char name_of(const struct end *end)
{
    return end == &world.ends[0] ? 'a' : 'b';
}

static inline struct life *life_of(struct end *end)
{
    return &end->lives[end->life_count - 1];
}

/* link_simulate.c */
uint64_t draw_number(void); /* of 64 bits */

/* link_network.c */
void network_send(const struct end *from, struct letter letter);
void network_forge(struct end *to);
void network_forge_unproven(struct end *to); /* what does not even void a link */
void network_repeat(struct end *to);         /* something old */
bool network_deliver(struct end *to, struct letter *ret_letter);
uint64_t network_due_ms(const struct end *to);

/* link_truth.c: all that is checked. Nothing of it looks into a link. */
void truth_begin(struct end *end, uint64_t session);
void truth_sent(struct end *end, struct letter *letter);
void truth_taken(struct end *end, const struct letter *letter);
void truth_check_void(struct end *end, const struct letter *letter);
void truth_check_turn(struct end *end);
bool truth_is_whole(void);

#endif
