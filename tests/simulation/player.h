/*
 * What a player is, for the files that make one: clients.c has what it does and what befalls it,
 * saying.c what it says, hearing.c what it hears.
 */
#ifndef PARTY_TESTS_PLAYER_H
#define PARTY_TESTS_PLAYER_H

#include "base/attributes.h"
#include "clients.h"

#define PARTIES_MAX 256
#define PLAYERS_MAX 16
#define PEERS_MAX 1024 /* indices of protocol 2 in the life of a room */

enum state {
    STATE_AWAY,
    STATE_UPGRADING, /* the request for a WebSocket is on its way */
    STATE_ENTERING,  /* create or join is */
    STATE_SEATED,
};

/* Another member, as a player knows it: by its index, or in protocol 1 by its number. */
struct peer {
    bool is_here;
    bool is_complete; /* it is heard from its first message on, since it came after this player */
    uint32_t connection; /* that was heard last */
    uint32_t told_all;   /* the last number of what it said to everybody, */
    uint32_t told_me;    /* and to this player */
};

/* Which state that is: of which connection of the host, and which one of it. None: 0. */
struct state_said {
    uint32_t connection;
    uint32_t count;
};

struct player {
    struct party *party;
    uint32_t number;
    bool is_quiet; /* speaks seldom: its pongs keep it */
    enum state state;
    struct wire *wire;
    uint64_t acts_ns;
    uint64_t recovers_ns; /* held or stalled until then; 0: it is not */
    bool is_paused;
    bool is_closing; /* its host wants to close the room that it is in, or enters */
    bool is_muted;   /* held for good: it must be found out */
    uint32_t connections;
    uint32_t index;
    char code[8];  /* of the room that it was in last */
    char tried[8]; /* the code of the last join */
    bool has_just_joined;
    struct state_said room_state; /* of the room, as it was told last; the host: as it said */
    uint32_t said_to_all;
    uint32_t said_to[PEERS_MAX];
    struct peer peers[PEERS_MAX];
};

struct party {
    int protocol;
    char code[8];          /* empty: there is no room */
    char closing[8];       /* the code of a room that has ended, or will: its host wants that */
    uint64_t host_left_ns; /* when the first member heard that, or all were cut off, */
    uint32_t host_left;    /* and of which of its connections */
    uint32_t host_seated;  /* the last connection with which it was seated, as it knows */
    uint64_t hit_ns;       /* when a refusal of memory cost it a connection */
    uint32_t player_count;
    struct player players[PLAYERS_MAX];
};

struct clients {
    struct clients_plan plan;
    struct party *parties[PARTIES_MAX];
    bool is_silent;
    bool is_over;
    bool awaits_stop;
    uint64_t hits; /* how many refusals of memory have cost somebody a connection */
    uint64_t digest;
    uint64_t heard;
};

extern struct clients clients;

PRINTF_LIKE(2, 3) void player_trace(const struct player *player, const char *format, ...);
/* The promise is broken: the process ends with this sentence. */
_Noreturn PRINTF_LIKE(2, 3) void player_fails(const struct player *player, const char *format, ...);

/* The connection is gone; the player comes back after a while. */
void player_go_away(struct player *player, uint64_t for_ns);

/* Its WebSocket is open: it creates a room, or joins that of its party. */
void player_enters(struct player *player);

/* It has a turn to speak: once, or many times. */
void player_says_some(struct player *player);

/* What the server says to it. */
void player_hears(struct player *player, const char *text);

/* The connection that the host has had is gone, if nobody knew so: its room ends a grace later. */
void party_host_leaves(struct party *party);

#endif
