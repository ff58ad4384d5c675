/*
 * A client of protocol 3: it knows frames, and nothing of the server but what they say.
 *
 * It counts what it hears and says, keeps what is not confirmed, and says it again when it is back.
 * It checks all that a client can check: that counts fit, that its picture of the room makes sense,
 * that no connection ends without a cause.
 */
#ifndef PARTY_TESTS_RECOVERY_PLAYER_H
#define PARTY_TESTS_RECOVERY_PLAYER_H

#include "recovery/recovery_break.h"
#include "recovery/recovery_server.h"
#include "recovery/recovery_text.h"
#include "recovery/recovery_verdict.h"

#define PLAYER_INDICES 256 /* that a room may give */
#define PLAYER_IDS 2048    /* of messages that a player says */

/* Something said that the server has not confirmed. */
struct player_kept {
    uint64_t n;  /* its number on this connection; 0: it waits for `joined` */
    uint32_t id; /* 0: nothing that others hear */
    char *text;  /* owned */
};

enum player_peer {
    PEER_UNKNOWN,
    PEER_PRESENT,
    PEER_AWAY,
    PEER_LEFT,
};

enum player_said {
    SAID_NOT,
    SAID_KEPT,     /* it must be handled */
    SAID_VOLATILE, /* it may be handled, once */
    SAID_GIVEN_UP, /* it may be handled */
};

/* How a player talks: `say` takes nothing, and copies the text. */
struct player_voice {
    void (*say)(void *context, uint32_t connection, const char *text);
    void *context;
};

struct player {
    struct verdict *verdict;
    const struct player_voice *voice;
    enum recovery_break broken;
    bool ends_with_host;       /* rooms that it creates, */
    bool begins_without_state; /* and so do these */
    uint32_t number;
    uint32_t life;    /* begins anew when the player knows nothing any more */
    uint32_t session; /* number of it */
    uint32_t attempt;

    uint32_t connection; /* RECOVERY_NONE: none */
    bool is_waiting;     /* for the answer to `create` or `join` */
    bool is_seated;      /* the connection has that answer */
    bool is_state_due;   /* the next text is the state behind `joined` */
    bool is_leaving;

    bool may_hear_absent; /* what was said before its picture of the room */

    bool knows; /* what follows, since `created` or `joined` */
    char room[TEXT_STRING_MAX];
    char epoch[TEXT_STRING_MAX];
    uint32_t index;
    uint64_t seen;
    uint64_t own;      /* what was said on this connection and before, as the server counts it */
    uint64_t own_most; /* the largest it has been in this epoch */
    uint64_t heard;    /* confirmed in this epoch */
    uint32_t host;
    uint64_t max_clients;
    enum player_peer peers[PLAYER_INDICES];
    uint32_t highest; /* index that it has heard of */

    struct player_kept *kept; /* owned, oldest first */
    uint32_t kept_count;
    uint32_t kept_capacity;
    uint32_t last_id;
    uint8_t said[PLAYER_IDS]; /* enum player_said, by id */
};

/* `verdict` and `voice` must outlive the player. */
void player_init(struct player *player, uint32_t number, const struct player_voice *voice,
                 struct verdict *verdict);
void player_release(struct player *player);

/* Creates a room, or joins the one with this code, over a connection that is open. */
void player_create(struct player *player, uint32_t connection);
void player_join(struct player *player, uint32_t connection, const char *room);

/* Says something with data of its own: `to` is JSON, or NULL for everybody else. What is kept may
 * be said at any time; what is volatile is lost unless the player is seated. */
void player_send(struct player *player, const char *to, bool is_volatile, uint32_t padding);
void player_set_state(struct player *player);

/* Says a text that counts, and keeps it. Takes the text, which was allocated. */
void player_say(struct player *player, char *text);

/* Nothing is said from now on, until `left` has come. */
void player_leave(struct player *player);
void player_ping(struct player *player);

/* Everything that the server says. */
void player_take(struct player *player, struct bytes text);

/* The server has closed the player's connection. */
void player_closed(struct player *player, uint16_t code);

/* The player gives its connection up; it may come back. */
void player_lose(struct player *player);

/* The player forgets everything but its clientId; its connection is none of its any more. */
void player_forget(struct player *player);

#endif
