/*
 * A relay without a server: clients are numbers, what they are told lands in inboxes as text.
 *
 *     struct world world;
 *     world_init(&world);
 *     say(&world, 1, "{\"type\":\"create\",...}");
 *     expect_only(&world, 1, "{\"type\":\"created\",...}");
 *     world_release(&world);
 *
 * Each expectation takes what it names out of the inbox. world_release() fails the test when
 * somebody heard something that nobody expected.
 */
#ifndef PARTY_TESTS_RELAY_FIXTURE_H
#define PARTY_TESTS_RELAY_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/allocation.h"
#include "relay/record.h"

#define WORLD_CLIENTS 64
#define WORLD_ROOMS_MAX 12
#define WORLD_MEMBERS_MAX 8
#define WORLD_ID_BYTES_MAX 256
#define WORLD_GRACE_MS 120000
#define WORLD_EMPTY_GRACE_MS 60000
#define WORLD_MIGRATE_MS 15000
#define WORLD_LOG_BYTES 65536
#define WORLD_GUESSES_MAX 10
#define INBOX_TEXTS_MAX 1024

struct fake_client {
    struct member *seat;
    enum protocol protocol;
    uint16_t origin_number;
    bool was_replaced;
    bool was_closed;    /* with its room */
    bool was_sent_away; /* since the relay does not serve its room any more */
    bool was_kicked;
    bool was_given_up;
    char reason[KICK_REASON_BYTES_MAX + 1]; /* of the kick */
    uint32_t text_count;
    char *texts[INBOX_TEXTS_MAX]; /* owned, oldest first */
};

struct world {
    struct relay relay;
    struct fake_client clients[WORLD_CLIENTS];
    struct effects effects; /* of the last call */
    uint32_t rooms_admitted;
    uint32_t rooms_deserted; /* of them, those in which nobody is */
    size_t bytes_admitted;
    size_t bytes_max;        /* of those; no limit unless a test sets one */
    size_t maker_bytes_max;  /* the same, for those that are not certain: one maker has all rooms */
    uint32_t misses;         /* joins that named no room and were told so */
    bool is_reticent;        /* who joins may not be told what was found */
    uint32_t newcomers_left; /* that may come; any number unless a test sets one */
    const char *token;       /* that `create` must have; NULL: none */
    enum token_answer token_answer;     /* for that token */
    uint32_t guesses;                   /* wrong passwords */
    bool is_of_stop;                    /* records are of a planned stop */
    uint16_t restored_origin;           /* of rooms that are made of their records */
    size_t held;                        /* the account of payloads */
    uint32_t crowds[WORLD_CLIENTS + 1]; /* by the rooms' origin, who is in them */
    uint64_t random_state;
    const uint32_t *draws; /* what the relay draws, when set; the last one repeats */
    size_t draw_count;
};

/*
 * A relay that has all codes to itself and draws 1, 2, 3, ...: rooms are AAAB, AAAC, AAAD, ...
 * Clients speak protocol 1.
 */
void world_init(struct world *world);

/* The same for clients that speak protocol 2: rooms are 111112, 111113, 111114, ... */
void world_init_2(struct world *world);

/* The same for clients that speak protocol 3: rooms are BBBC, BBBD, BBBF, ... */
void world_init_3(struct world *world);

/* As world_init_3(), but what is drawn is random: an epoch is no other seat's. */
void world_init_3_random(struct world *world, uint64_t seed);

/* As world_init(), but what is drawn is random, and depends on the seed only. */
void world_init_random(struct world *world, uint64_t seed);

/* Makes the relay draw these, the last one over and over. They must outlive the world. */
void world_set_draws(struct world *world, const uint32_t *draws, size_t draw_count);

/* Everybody leaves, the time of what is left passes, and nothing may be left then; what they hear
 * of that is of no interest. */
void world_release(struct world *world);

/* A predictable random number. */
uint32_t random_next(uint64_t *state);

void say(struct world *world, uint32_t client, const char *text);
void say_bytes(struct world *world, uint32_t client, struct bytes text);

/* The client has come from another loop, with this join. */
void carry_out(struct world *world, uint32_t client, const struct join *join);
__attribute__((format(printf, 3, 4))) void say_format(struct world *world, uint32_t client,
                                                      const char *format, ...);
void say_garbage(struct world *world, uint32_t client);

void say_binary(struct world *world, uint32_t client, struct bytes message);

/* A binary message as it is in an inbox: its control characters are \xNN. To be freed. */
char *printable(struct bytes message);

/* The client's connection ends in this way. */
void end_connection(struct world *world, uint32_t client, enum departure departure);

/* The client says farewell, and its connection ends. */
void drop(struct world *world, uint32_t client);

/* The client's connection ends without its doing. */
void cut_off(struct world *world, uint32_t client);

/* Does what is due first: a room ends, a seat expires. False: nothing is due. */
bool do_due(struct world *world);

/* Has the relay give up the first room with this code. False: there is none. */
bool give_up(struct world *world, uint64_t code);

/* The record of the room with this code, of a planned stop if the world says so; to be freed. */
char *record_of(const struct world *world, const char *code);

/* Makes the room of a record. False: nothing was changed, and `ret_fault` says why. */
bool restore(struct world *world, const char *record, struct record_fault *ret_fault);

/* The same for bytes that may be anything. */
bool restore_bytes(struct world *world, struct bytes record, struct record_fault *ret_fault);

/* The relay and all that is counted for it begin anew; nobody has a seat. */
void end_process(struct world *world);

/*
 * The process replaces itself. Nobody may hear anything of it, and everything that is written of
 * the rooms is the same afterwards.
 */
void upgrade(struct world *world);

/* What is written of a room for that, to be freed by free_room_picture(). */
struct room_picture {
    char *record;
    struct bytes_mut log;
};

struct room_picture picture_at_upgrade(const struct world *world, const struct room *room);
void free_room_picture(struct room_picture picture);

/* The room of such a picture. */
void restore_at_upgrade(struct world *world, struct room_picture picture);

/* The same of any log; may be refused. */
bool restore_with_log(struct world *world, const char *record, struct bytes log,
                      struct record_fault *ret_fault);

/* So much time passes. Rooms whose time is over are closed, each at its own time. */
void pass_time(struct world *world, uint32_t ms);

void create_room(struct world *world, uint32_t client, const char *id, uint32_t max_clients);
void join_room(struct world *world, uint32_t client, const char *id, const char *code);

void set_state(struct world *world, uint32_t client, const char *data);

/* Begins a world_init_2() in which clients 1, 2 and 3 are `a`, the host, `b` and `c` of room
 * 111112; nothing is in an inbox. */
void init_party(struct world *world, uint32_t max_clients);

/* The oldest text in the client's inbox is this one. */
void expect_next(struct world *world, uint32_t client, const char *text);

/* As expect_next(), and nothing follows. */
void expect_only(struct world *world, uint32_t client, const char *text);

/* The client hears this error, and nobody hears anything else. */
void expect_error(struct world *world, uint32_t client, const char *message);

/* The same in protocol 3: an error with this code, for a message of this type and number (0: none).
 */
void expect_code(struct world *world, uint32_t client, const char *code, const char *of,
                 uint32_t number);
/* The same for a message whose `to` the error repeats; empty: it repeats none. */
void expect_code_to(struct world *world, uint32_t client, const char *code, const char *of,
                    const char *to, uint32_t number);

/* Nobody has anything in the inbox. */
void expect_silence(struct world *world);

/* Empties an inbox, or all. */
void forget_texts_of(struct world *world, uint32_t client);

void forget_texts(struct world *world);

/* The last call had these effects, in this order. */
void expect_effects(const struct world *world, const enum effect_kind *kinds, uint32_t count);

#define EXPECT_EFFECTS(world, ...)                                   \
    expect_effects((world), (const enum effect_kind[]){__VA_ARGS__}, \
                   ARRAY_LENGTH(((const enum effect_kind[]){__VA_ARGS__})))

#endif
