/*
 * A whole server and all who use it. Whoever waits lets everything go on meanwhile, so that a
 * script reads as what happens.
 *
 * Times are of the world's clock, in nanoseconds. It goes on with the network's, but for gaps in
 * which the server's process stood still: what a server promises, it promises in this time.
 */
#ifndef PARTY_TESTS_WORLD_H
#define PARTY_TESTS_WORLD_H

#include "server/config.h"

#define WORLD_NODES_MAX 32
#define WORLD_LOOPS_MAX 4 /* of a node */

/* What the seed has chosen. */
struct world_plan {
    bool has_faults;
    bool speaks_tls;
    bool upgrades;  /* the server replaces itself now and then, if it does not lack memory */
    uint32_t nodes; /* that are one relay; 1: it knows of no others */
    uint32_t loops; /* of each node; 0: the seed chooses */
    bool restarts; /* it has a store, and now and then it crashes or is stopped, and starts again */
    bool is_traced;
};

/* Makes and starts a server by the seed's choice of options. */
void world_begin(const struct world_plan *plan);
const struct config *world_config(void);

/* Ends the program: the server has broken a promise. `number` says how much of it. */
_Noreturn void world_fail(const char *sentence, unsigned long long number);

uint64_t world_now_ns(void);
/* How long everything has stood still so far: the network's clock is so much ahead. */
uint64_t world_stood_still_ns(void);
/* The same of a moment ago: when what is heard now was done. */
uint64_t world_stood_still_before_ns(void);

/* When the server last had as many rooms as it may, by the network's clock; 0: never. */
uint64_t world_full_ns(void);

/* Lets everything go on until it is so late; or until something is true (then it returns true). */
void world_run_until(uint64_t end_ns);
bool world_run_until_true(uint64_t end_ns, bool (*is_true)(void *context), void *context);

/* Whether the seed wants the server to lack memory now and then. */
bool world_refuses_memory(void);

/* Whether the server replaces itself now and then. */
bool world_upgrades(void);

/* Whether the server has a store, and is started again now and then. */
bool world_has_store(void);

/* In the middle of a commit: everything may go on for a while. */
void world_goes_on(void);

/* Whether several servers are one relay: what each bounds for itself is bounded for none. */
bool world_is_cluster(void);
/* How many servers there were at first. */
uint32_t world_nodes(void);

/* Whether a link between two of them may be void, whose clients are then closed with 1012. */
bool world_may_void_links(void);
/* Whether that may be at any time. */
bool world_has_link_faults(void);

/*
 * Of a cluster: which node has a room, or a connection; WORLD_NOWHERE: none. And the end of a node:
 * who lives takes its slices when the second is called, as soon as they know that it is dead.
 */
#define WORLD_NOWHERE WORLD_NODES_MAX
struct link;
uint32_t world_node_of_room(const char *code);
uint32_t world_node_of_link(const struct link *link);
void world_kill_node(uint32_t node);
void world_take_slices(uint32_t dead);
/* A node that lives gives some of its slices away; whether a room's is just on its way. */
void world_yield_slices(uint32_t node);
bool world_room_is_yielded(const char *code);

/* With what code a server that stops closes everybody. */
unsigned world_stop_code(void);

/* Whether the server stops just now: what connects may be cut off. */
bool world_is_stopping(void);

/* Nothing fails from now on, and the server stays, after a last planned stop if it has a store. */
void world_end_faults(void);

/* When nothing is on its way: each member of another node has its connection there. */
void world_check_members(void);

/* Turns of all loops so far. */
uint64_t world_turns(void);

/* When all have left, and all graces are over: the server has given back all that it took. */
void world_check_rest(void);

/* The server is about to be replaced: it makes no more rooms, and waits for those who play. */
void world_drain(void);

/* The server says goodbye to all who are there, and ends. */
void world_stop(void);

#endif
