/*
 * Protocol 3 once more, and simply: a model of its rooms beside the real relays, one for each loop.
 *
 * Whatever a client does is done to its relay and worked out by the model, from the bytes said and
 * with a JSON reader of its own. What every client hears of it, which connections it ends, and the
 * rooms and members afterwards are compared at once; a difference fails the test. Nothing is shared
 * and nothing is forgotten: each seat has a list of all events that were ever for it. What the
 * relay draws (codes and epochs) is taken from what it says.
 *
 * Used by the simulation (random clients) and by the fuzzer of protocol 3.
 */
#ifndef PARTY_TESTS_RELAY_MODEL_3_H
#define PARTY_TESTS_RELAY_MODEL_3_H

#include "relay/code.h"
#include "relay/relay_fixture.h"

#define MODEL_3_LOOPS_MAX 4
#define MODEL_3_ROOMS_MAX (MODEL_3_LOOPS_MAX * WORLD_ROOMS_MAX)
#define MODEL_3_MEMBERS_MAX (2 * WORLD_MEMBERS_MAX) /* seats, and as many who watch */
#define MODEL_3_FOREIGNERS 2                        /* the last clients: of protocols 1 and 2 */
#define MODEL_3_CLIENTS (WORLD_CLIENTS - MODEL_3_FOREIGNERS)
#define MODEL_3_SESSIONS 4
#define MODEL_3_OUTCASTS 256
#define MODEL_3_EPOCH_DIGITS 16
#define MODEL_3_LOG_PLENTY (2 << 20) /* for all that is ever said in a room of a test */
#define MODEL_3_NONE UINT32_MAX      /* no client, no index */
#define MODEL_3_NEVER UINT64_MAX
#define MODEL_3_TOKEN "a.b.c" /* with which a room may have so many members: */
#define MODEL_3_TOKEN_MEMBERS 2

/* How an event may be told to a member who missed it. */
enum model_3_keeping {
    MODEL_3_KEPT,
    MODEL_3_COUNTED, /* as one of those that were skipped */
    MODEL_3_STATE,   /* until there is a newer one */
};

struct model_3_event {
    enum model_3_keeping keeping;
    char *text; /* owned */
};

/* A seat, or one of the audience. */
struct model_3_member {
    char *id;                         /* canonical; owned, as all texts are */
    uint32_t index;                   /* MODEL_3_NONE: it watches */
    uint32_t client;                  /* MODEL_3_NONE: it is away */
    char *sessions[MODEL_3_SESSIONS]; /* the newest first; NULL: none */
    double attempt;                   /* of the newest */
    char epoch[MODEL_3_EPOCH_DIGITS + 1];
    char lost_epoch[MODEL_3_EPOCH_DIGITS + 1]; /* before the last restart; empty: none */
    char *epochs;                              /* all that the seat has had, since then */
    uint64_t heard;                            /* messages in this epoch */
    uint64_t confirmed;                        /* events that the member has seen */
    uint64_t retold;                           /* so many are told as messages alone */
    uint64_t event_count;
    struct model_3_event *events; /* of this epoch; owned */
    uint64_t entered_ms;          /* when it is here */
    uint64_t stayed_ms;           /* before that */
    uint64_t expires_ms;          /* when it is away */
};

/* The last ones whom the host has thrown out: texts by which they are known. */
struct model_3_outcasts {
    uint32_t count;
    char *names[MODEL_3_OUTCASTS];
};

struct model_3_room {
    char code[CODE_LENGTH_MAX + 1]; /* empty before the first room in this place */
    bool is_live;                   /* else it is gone; its code may still be asked for */
    uint32_t loop;
    uint32_t creator;
    bool is_known; /* its creator has said something since, or somebody else has come */
    uint32_t members_max;
    uint32_t audience_max;
    uint64_t hold_ms;
    bool host_migrates;
    bool is_locked;
    bool audience_is_muted;
    char *password; /* canonical; NULL: none, as for the next three */
    char *url;
    char *state;
    char *private_state;
    uint32_t host; /* index; MODEL_3_NONE: there is none */
    uint32_t next_index;
    uint32_t member_count;
    struct model_3_member members[MODEL_3_MEMBERS_MAX]; /* in the order in which they came */
    struct model_3_outcasts kicked;                     /* all epochs of their seats */
    struct model_3_outcasts banned;                     /* canonical ids */
    uint64_t deserted;      /* when nobody is present: which of all desertions that was */
    uint64_t migrates_ms;   /* when somebody else becomes the host, or MODEL_3_NEVER */
    uint64_t audience_ms;   /* when the host hears how many watch, or MODEL_3_NEVER */
    uint64_t told_ms;       /* when it heard that last; 0: never */
    uint32_t told;          /* and how many these were */
    uint64_t busy_since_ms; /* a second in which the audience said so much */
    uint32_t busy_count;
};

struct model_3_client {
    uint32_t loop;
    struct model_3_room *room; /* NULL outside of rooms */
};

struct model_3 {
    struct world worlds[MODEL_3_LOOPS_MAX];
    uint32_t loop_count;
    bool is_draining;
    bool asks_for_token;  /* MODEL_3_TOKEN */
    uint64_t hold_ms_max; /* of any room */
    bool has_large_logs;  /* else who comes back may not be recovered, and the relay knows when */
    bool is_lost;         /* memory was short, so the model doesn't know what was lost */
    struct instance instance; /* of all loops */
    uint64_t now_ms;
    uint64_t desertions;
    uint32_t moved_to; /* the loop that the last message moved its client to, or MODEL_3_NONE */
    uint32_t guesses[MODEL_3_LOOPS_MAX]; /* wrong passwords */
    char foreign_codes[MODEL_3_FOREIGNERS][CODE_LENGTH_MAX + 1];
    struct model_3_room rooms[MODEL_3_ROOMS_MAX];
    struct model_3_client clients[WORLD_CLIENTS];
};

/*
 * Clients begin evenly spread over the loops. The seed decides what is drawn, where the server is,
 * and how long seats may be held. The clock is about to wrap. One room of protocol 1 and one of
 * protocol 2 are there.
 */
void model_3_init(struct model_3 *model, uint32_t loop_count, uint64_t seed,
                  uint32_t log_bytes_max);

/* All clients leave, and the time of what is left passes. */
void model_3_release(struct model_3 *model);

/* A client says something, valid or not; bytes that are no UTF-8 reach the relay as garbage. */
void model_3_say(struct model_3 *model, uint32_t client, struct bytes text);

/* A client sends a binary message. */
void model_3_say_binary(struct model_3 *model, uint32_t client, struct bytes message);

/* The client's connection ends; the next one with its number is on the same loop. */
void model_3_end(struct model_3 *model, uint32_t client, enum departure departure);

/* What is due is done, each thing at its own time, or late: all at the end. */
void model_3_pass_time(struct model_3 *model, uint32_t ms, bool is_late);

/*
 * The process of a loop ends, and another one makes its rooms of their records. The model must not
 * be lost.
 */
void model_3_restart(struct model_3 *model, uint32_t loop);

/* The same for a planned stop, for which all are cut off first: nothing that was for them is lost.
 */
void model_3_stop(struct model_3 *model, uint32_t loop);

/*
 * The process of a loop replaces itself: nobody hears anything, but some times begin anew. The
 * model must not be lost.
 */
void model_3_upgrade(struct model_3 *model, uint32_t loop);

/* Wrong passwords are forgotten. */
void model_3_forget_guesses(struct model_3 *model);

/* `create` needs a token from now on, or none. */
void model_3_set_token(struct model_3 *model, bool asks_for_token);

void model_3_set_draining(struct model_3 *model, bool is_draining);

/*
 * Rooms of each loop may keep only so much more. From then on the model is lost: that the relay is
 * sound and says JSON is all that is checked.
 */
void model_3_set_bytes_left(struct model_3 *model, size_t bytes_left);

#endif
