/*
 * What the files of the model of protocol 3 have in common. Functions that expect_ something have
 * just seen the relay do it.
 */
#ifndef PARTY_TESTS_RELAY_MODEL_3_PARTS_H
#define PARTY_TESTS_RELAY_MODEL_3_PARTS_H

#include "relay/relay_model_3.h"
#include "relay/relay_model_text.h"

/* A message, and who said it. */
struct said_3 {
    uint32_t client;
    struct bytes text; /* an object, or a binary message */
    const char *of;    /* its type in errors; NULL: it has none */
};

/* Why a message is refused. No code: it is not. */
struct fault_3 {
    const char *code;
    const char *text;
};

static inline struct world *world_of_3(struct model_3 *model, uint32_t client)
{
    return &model->worlds[model->clients[client].loop];
}

static inline struct simple_value field_3(const struct said_3 *said, const char *name)
{
    return simple_json_member(said->text, name);
}

/* Of relay_model_3.c: compares everything. */
void check_all_3(struct model_3 *model);

/* Of relay_model_3_rooms.c: who is where, and what each seat was told. */

struct model_3_room *find_room_3(struct model_3 *model, const char *code);
uint32_t count_rooms_3(const struct model_3 *model, uint32_t loop);

/* A place for a new room with this code, which no live room has. */
struct model_3_room *place_room_3(struct model_3 *model, const char *code);

/* The room is no more; who was in it is in no room. */
void clear_room_3(struct model_3 *model, struct model_3_room *room);

bool watches_3(const struct model_3_member *member);
bool is_here_3(const struct model_3_member *member); /* in a seat, and present */
uint32_t count_present_3(const struct model_3_room *room);
uint32_t count_watching_3(const struct model_3_room *room);
uint32_t count_seats_3(const struct model_3_room *room);

/* Who is known by this canonical id, has this seat, is in a room as this client; or NULL. */
struct model_3_member *find_known_3(struct model_3_room *room, const char *id);
struct model_3_member *find_seat_3(struct model_3_room *room, uint32_t index);
struct model_3_member *find_client_3(struct model_3 *model, uint32_t client);

/* A new member with this canonical id, which is taken. */
struct model_3_member *add_member_3(struct model_3 *model, struct model_3_room *room,
                                    uint32_t client, char *id);
void remove_member_3(struct model_3 *model, struct model_3_room *room,
                     struct model_3_member *member);

/* Takes the name. */
void cast_out_3(struct model_3_outcasts *outcasts, char *name);

/* The client hears this next. Takes the text. */
void expect_heard_3(struct model_3 *model, uint32_t client, char *text);

/* An event for one seat; for all seats but one, and perhaps those who watch. They take the text. */
void tell_seat_3(struct model_3 *model, struct model_3_member *member, enum model_3_keeping keeping,
                 char *text);
void tell_room_3(struct model_3 *model, struct model_3_room *room,
                 const struct model_3_member *except, enum model_3_keeping keeping, char *text);
void tell_all_3(struct model_3 *model, struct model_3_room *room,
                const struct model_3_member *except, enum model_3_keeping keeping, char *text);

/*
 * The member hears all its events from this number on; or the messages among them of who is in a
 * room that is not NULL.
 */
void expect_replay_3(struct model_3 *model, const struct model_3_member *member, uint64_t seen,
                     struct model_3_room *retelling);

/* Both counts of a seat begin anew. */
void forget_events_3(struct model_3_member *member);

/* Of relay_model_3_leaving.c: seats that are lost, the host, and what time brings. */

/* The room ends, and with it the connections of all who are in it. */
void expect_shut_3(struct model_3 *model, struct model_3_room *room);

/* The seat or the place in the audience is gone. */
void vacate_3(struct model_3 *model, struct model_3_room *room, struct model_3_member *member,
              const char *why);
void depart_3(struct model_3 *model, uint32_t client, enum departure departure);

/* How long the room holds the seat of a member that goes away, after all its stays. */
uint64_t hold_ms_3(const struct model_3_room *room, const struct model_3_member *member);

void expect_private_state_3(struct model_3 *model, const struct model_3_room *room,
                            const struct model_3_member *member);
void make_host_3(struct model_3 *model, struct model_3_room *room, uint32_t index);
void review_host_3(struct model_3 *model, struct model_3_room *room);
void note_audience_3(const struct model_3 *model, struct model_3_room *room);

/* The room of a loop that has been without anybody present for longest, or NULL. */
struct model_3_room *first_deserted_3(struct model_3 *model, uint32_t loop);

/* When something is due on a loop, or MODEL_3_NEVER. */
uint64_t next_due_3(const struct model_3 *model, uint32_t loop);

/* The relay of a loop does what was due first, at `due_ms`. */
void expect_due_3(struct model_3 *model, uint32_t loop, uint64_t due_ms);

/* Of relay_model_3_fields.c: values of messages, and what is wrong with them. */

bool is_flag_3(struct simple_value value); /* absent, true or false */
bool is_index_3(struct simple_value value, uint32_t index);
bool is_string_of_3(struct simple_value value, size_t least, size_t most); /* bytes of UTF-8 */
bool is_whole_3(struct simple_value value, double least, double most);

/* A number, 0 or more, rounded up, at most `most`; MODEL_3_NONE: it is none. */
uint32_t ceiling_3(struct simple_value value, uint32_t most);

/* What is wrong with a `create` or `join` by itself. */
struct fault_3 create_fault_3(struct model_3 *model, const struct said_3 *said);
struct fault_3 join_fault_3(struct model_3 *model, const struct said_3 *said);

/* Of relay_model_3_joined.c: what who comes hears. */

/* What a join is about, once its form is right. */
struct entrant_3 {
    uint32_t client;
    char *id; /* canonical, as the next two; owned */
    char *session;
    char *password; /* NULL: none */
    double attempt;
    char epoch[MODEL_3_EPOCH_DIGITS + 1]; /* empty: none that could be */
    double seen;                          /* -1: none that could be */
    bool watches;
};

/* The epoch that a value names; empty: none. */
void read_epoch_3(struct simple_value value, char ret_epoch[MODEL_3_EPOCH_DIGITS + 1]);

/* A field of what the client hears next, which the relay alone can say. */
struct simple_value heard_field_3(struct model_3 *model, uint32_t client, const char *name);

/* Both counts of the seat begin anew, in the epoch that the relay says. */
void begin_epoch_3(struct model_3 *model, struct model_3_member *member);

void expect_created_3(struct model_3 *model, uint32_t client);

/* `seen` is what a seat goes on from. */
void expect_joined_3(struct model_3 *model, struct model_3_room *room,
                     const struct model_3_member *member, bool is_recovered, uint64_t seen);

/* What the member of a seat hears who has it again. */
void expect_resumption_3(struct model_3 *model, struct model_3_room *room,
                         struct model_3_member *member, const struct entrant_3 *entrant);

/* Of relay_model_3_entry.c. */

void expect_create_3(struct model_3 *model, const struct said_3 *said);
void expect_join_3(struct model_3 *model, const struct said_3 *said);

/* Of relay_model_3_host.c: what only the host may say, who says it. */

void expect_set_state_3(struct model_3 *model, const struct said_3 *said);
void expect_set_room_3(struct model_3 *model, const struct said_3 *said);
void expect_set_host_3(struct model_3 *model, const struct said_3 *said);
void expect_kick_3(struct model_3 *model, const struct said_3 *said);
void expect_mute_3(struct model_3 *model, const struct said_3 *said);
void expect_close_room_3(struct model_3 *model, const struct said_3 *said);

/* Of relay_model_3_rules.c: each message's rules, in the order in which they are checked. */

/* The client hears of its error. */
void refuse_3(struct model_3 *model, const struct said_3 *said, struct fault_3 fault);

/* What comes of a message. */
void expect_answer_3(struct model_3 *model, uint32_t client, struct bytes text);
void expect_binary_answer_3(struct model_3 *model, uint32_t client, struct bytes message);

#endif
