/*
 * What the files of the model have in common. Functions that expect_ something have just seen the
 * relay do it.
 */
#ifndef PARTY_TESTS_RELAY_MODEL_PARTS_H
#define PARTY_TESTS_RELAY_MODEL_PARTS_H

#include "relay/relay_model.h"
#include "relay/relay_model_text.h"

/* A message that is an object, and who said it. */
struct said {
    uint32_t client;
    struct bytes text;
};

static inline struct world *world_of(struct model *model, uint32_t client)
{
    return &model->worlds[model->clients[client].loop];
}

/* Origins tell the rooms' creators apart; 0 stands for none. */
static inline uint16_t origin_of(uint32_t client)
{
    return (uint16_t)(client + 1);
}

/* Of relay_model_rooms.c: who is where, and what is kept. */

uint32_t count_live_rooms(const struct model *model, uint32_t loop);
struct model_room *find_live_room(struct model *model, const char *code);

/* A place for a new room with this code, which no live room has. */
struct model_room *place_room(struct model *model, const char *code);

/* The room is no more; who was in it is in no room. */
void clear_room(struct model *model, struct model_room *room);

uint32_t count_present(const struct model_room *room);
uint32_t count_absent(const struct model_room *room);
bool is_hostless(const struct model_room *room);

/* Who is known by this id, or is in the room as this client, or NULL. */
struct model_member *find_known(struct model_room *room, struct simple_value id);
struct model_member *find_seated(struct model_room *room, uint32_t client);

void add_member(struct model *model, struct model_room *room, uint32_t client,
                struct simple_value id);

/* The client's member is gone, and forgotten, or as the protocol and what rooms keep will have it.
 */
void depart(struct model *model, uint32_t client, enum departure departure);

/* Whether the room is still there when its last member leaves like this. */
bool outlives(const struct model *model, const struct model_room *room, enum departure departure);

/* What a state of so many bytes is counted with: the event that tells it. */
size_t state_size(size_t data_length);

/* Whether the rooms of a loop may keep so much more. */
bool is_room_for(const struct model *model, uint32_t loop, size_t bytes);

/* The room of a loop in which nobody has been longest, or NULL. */
struct model_room *first_deserted(struct model *model, uint32_t loop);

/* When the first room of a loop is over whose host or all of whose members are gone; UINT64_MAX:
 * there is none. */
uint64_t next_end_ms(struct model *model, uint32_t loop);

/* The room that the loop ends at this time: of those that are over first whose host is gone. */
struct model_room *next_to_end(struct model *model, uint32_t loop, uint64_t now_ms);

/* Of relay_model_rules.c: each message's rules, in the order in which they are checked. */

/* The last call had one effect of this kind, or none. */
const struct effect *expect_effect(const struct world *world, enum effect_kind kind);
void expect_no_effect(const struct world *world, enum effect_kind kind);

/* All members but one hear the text. Takes it. */
void expect_heard_in_room(struct model *model, const struct model_room *room, uint32_t except,
                          char *text);

/* That a member came or left, as the others hear of it; to be freed. */
char *peer_text(const char *type, const struct model_room *room, const struct model_member *member);

/* Nothing happened but that the client heard of its error. */
void expect_refusal(struct model *model, uint32_t client, const char *message);

/* The room is ended with its members in it, who lose their seats and hear nothing. */
void expect_closing(struct model *model, struct model_room *room);

/* What comes of a message, which is a value of this kind. */
void expect_answer(struct model *model, const struct said *said, enum json_kind kind);

#endif
