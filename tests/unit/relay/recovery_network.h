/*
 * The network of a play: connections of two queues each, which may be cut at any point.
 *
 * A player gives a connection up at once; what the server hears of that comes late or never. Some
 * of what was under way still arrives there, and nothing at the player.
 */
#ifndef PARTY_TESTS_RECOVERY_NETWORK_H
#define PARTY_TESTS_RECOVERY_NETWORK_H

#include "recovery/recovery_player.h"
#include "recovery/recovery_witness.h"

#define NETWORK_SESSIONS 1024 /* of a player */

struct network_text {
    char *text;               /* owned */
    struct witness_mark mark; /* of what the server told */
};

struct network_queue {
    struct network_text *texts; /* owned, oldest first */
    uint32_t count;
    uint32_t capacity;
};

struct network_link {
    bool is_used;
    bool is_open;        /* the server has not seen its end */
    bool is_given_up;    /* its player is gone */
    bool will_close;     /* the server sees its end, when all before has arrived */
    uint16_t close_code; /* with which: of the player, or of the server if it is not open */
    uint32_t delay;      /* of what was given up: so often nothing arrives yet */
    uint32_t player;
    uint32_t session; /* number of the player's */
    struct network_queue up;
    struct network_queue down;
};

struct network {
    struct recovery_server *server;
    struct recovery_hearer hearer;
    struct witness *witness;
    struct player *players;
    bool has_trace;
    bool is_session_known[RECOVERY_PLAYERS][NETWORK_SESSIONS]; /* to the server, by a join */
    struct network_link links[RECOVERY_CONNECTIONS];
};

/* All arguments must outlive the network. */
void network_init(struct network *network, struct recovery_server *server, struct witness *witness,
                  struct player *players, bool has_trace);
void network_release(struct network *network);

/* Opens a connection of this player. If all are in use, the server first sees the end of one that
 * was given up. */
uint32_t network_open(struct network *network, uint32_t player);

void network_say(struct network *network, uint32_t connection, const char *text);

/* One text arrives, or an end does. False: nothing is under way. */
bool network_deliver_up(struct network *network, uint32_t connection);
bool network_deliver_down(struct network *network, uint32_t connection);

/* The player gives the connection up. At most `arriving` texts still arrive at the server, and
 * then, if `will_close`, the connection's end. */
void network_cut(struct network *network, uint32_t connection, uint32_t arriving, bool will_close,
                 uint16_t code);

/* Nothing that was given up arrives any more, and the server sees the end of it all. */
void network_heal(struct network *network);

/* The server has lost all connections. */
void network_crash(struct network *network);

/* Only the first `count` texts that the server told this connection arrive. */
void network_lose_down(struct network *network, uint32_t connection, uint32_t count);

/* Nothing that this player said in sessions before this one arrives any more. */
void network_drop_sessions(struct network *network, uint32_t player, uint32_t session);

#endif
