/*
 * Receives messages: one function for each type of envelope. `send`, the most frequent one, is in
 * this file. Clients of protocol 3 are heard in relay_3.c.
 */
#include "relay/relay_parts.h"

#include <assert.h>

void relay_init(struct relay *relay, const struct relay_config *config)
{
    assert(config->loop_index < config->loop_count);
    assert(config->id_bytes_max <= CLIENT_ID_BYTES_LIMIT);
    *relay = (struct relay){.config = *config};
    list_init(&relay->changed);
    list_init(&relay->resting);
    list_init(&relay->hostless);
    list_init(&relay->pairing);
    list_init(&relay->deserted);
    list_init(&relay->waiting);
}

void relay_release(struct relay *relay)
{
    relay_free_departed(relay);
    for (uint32_t i = 0; i < relay->rooms.bucket_count; i++) {
        for (struct room *room = relay->rooms.buckets[i]; room != NULL;
             room = room->next_in_bucket) {
            if (room->party != NULL)
                relay_3_release_room(relay, room);
        }
    }
    room_table_release(&relay->rooms);
    due_release(&relay->dues);
}

/* In protocol 1, values of `to` that JavaScript takes for false mean all other members. */
static bool names_everyone(enum protocol protocol, const struct json_value *to)
{
    if (protocol == PROTOCOL_2)
        return to->kind == JSON_ABSENT;
    switch (to->kind) {
    case JSON_ABSENT:
    case JSON_NULL:
    case JSON_FALSE:
        return true;
    case JSON_STRING:
        return to->raw.length == 2;
    case JSON_NUMBER:
        return json_member_number(to) == 0;
    default:
        return false;
    }
}

/* The present member that `to` names, by id, or in protocol 2 by index; NULL: there is none. */
static struct member *find_target(const struct relay *relay, const struct room *room,
                                  const struct json_value *to)
{
    struct canonical_id id;
    if (room_protocol(room) == PROTOCOL_1) {
        if (to->kind != JSON_STRING || !id_canonicalize(relay, to, &id))
            return NULL;
        struct member *member = room_find(room, id_view(&id));
        return member == NULL || member->client == CLIENT_NONE ? NULL : member;
    }
    uint64_t index;
    if (!json_member_whole(to, UINT32_MAX - 1, &index))
        return NULL;
    return room_find_index(room, (uint32_t)index);
}

static void receive_send(const struct relay *relay, struct speaker speaker,
                         const struct envelope *envelope, struct effects *effects)
{
    struct member *sender = *speaker.seat;
    if (sender == NULL) {
        effects_refuse(effects, speaker, ERROR_NOT_IN_ROOM);
        return;
    }
    struct event event = {
        .type = EVENT_MESSAGE,
        .room = sender->room,
        .peer = sender,
        .data = envelope->data.raw,
    };
    if (names_everyone(speaker.protocol, &envelope->to)) {
        sender->active_ms = relay->now_ms;
        effects_tell_room(effects, sender->room, speaker.client, event);
        return;
    }
    const struct member *target = find_target(relay, sender->room, &envelope->to);
    /*
     * Clients send messages to themselves to test their connection; that is no activity in a game.
     */
    if (target != sender)
        sender->active_ms = relay->now_ms;
    if (target != NULL)
        effects_tell_client(effects, target->client, event);
    else
        effects_refuse(effects, speaker,
                       speaker.protocol == PROTOCOL_1 ? ERROR_CLIENT_NOT_FOUND
                                                      : ERROR_PEER_NOT_FOUND);
}

const struct room *relay_find_room(const struct relay *relay, uint64_t code)
{
    return room_table_find(&relay->rooms, code);
}

void relay_receive_envelope(struct relay *relay, struct speaker speaker,
                            enum envelope_result result, const struct envelope *envelope,
                            struct effects *ret_effects)
{
    assert(result != ENVELOPE_PAUSED);
    ret_effects->count = 0;
    relay_free_departed(relay);
    if (speaker.protocol == PROTOCOL_3) {
        relay_3_receive(relay, speaker, result, envelope, ret_effects);
        return;
    }
    enum envelope_type last = speaker.protocol == PROTOCOL_1 ? ENVELOPE_SEND : ENVELOPE_CLOSE_ROOM;
    if (result == ENVELOPE_OK && envelope->type > last)
        result = ENVELOPE_UNKNOWN_TYPE;
    if (result != ENVELOPE_OK) {
        bool is_json = result == ENVELOPE_UNKNOWN_TYPE;
        effects_refuse(ret_effects, speaker, is_json ? ERROR_UNKNOWN_TYPE : ERROR_INVALID_JSON);
        return;
    }
    switch (envelope->type) {
    case ENVELOPE_CREATE:
        relay_create(relay, speaker, envelope, ret_effects);
        break;
    case ENVELOPE_JOIN:
        relay_join(relay, speaker, envelope, ret_effects);
        break;
    case ENVELOPE_SEND:
        receive_send(relay, speaker, envelope, ret_effects);
        break;
    case ENVELOPE_SET_STATE:
        relay_set_state(relay, speaker, envelope, ret_effects);
        break;
    default:
        assert(envelope->type == ENVELOPE_CLOSE_ROOM);
        relay_close_room(relay, speaker, ret_effects);
        break;
    }
}

void relay_receive(struct relay *relay, struct speaker speaker, struct bytes text,
                   struct effects *ret_effects)
{
    struct envelope envelope;
    enum envelope_result result = envelope_parse(text, &envelope);
    relay_receive_envelope(relay, speaker, result, &envelope, ret_effects);
}

void relay_receive_garbage(struct relay *relay, struct speaker speaker, struct effects *ret_effects)
{
    const struct envelope none = {.type = ENVELOPE_TYPES};
    relay_receive_envelope(relay, speaker, ENVELOPE_INVALID_JSON, &none, ret_effects);
}

/* Makes a member of a room of protocol 2 absent; its client may come back. */
static void become_absent(struct relay *relay, struct member *member, enum departure departure)
{
    struct room *room = member->room;
    member->active_ms = relay->now_ms;
    member->stayed_ms += relay->now_ms - member->entered_ms;
    member->was_cut_off = departure == DEPARTURE_CUT_OFF;
    if (member_is_host(member)) {
        room->retained->host_left_ms = relay->now_ms;
        list_append(&relay->hostless, &room->retained->hostless);
    }
    relay_remember_absent(relay, room, member);
}

void relay_leave(struct relay *relay, struct member **seat, enum departure departure,
                 struct effects *ret_effects)
{
    ret_effects->count = 0;
    struct member *member = *seat;
    if (member == NULL)
        return;
    *seat = NULL;
    relay_free_departed(relay);
    struct room *room = member->room;
    if (room->party != NULL) {
        relay_3_depart(relay, member, departure, ret_effects);
        return;
    }
    if (departure == DEPARTURE_HANDED_OVER)
        departure = DEPARTURE_CUT_OFF;
    bool is_last = room->member_count == 1;
    if (is_last && !relay_outlives(relay, member, departure)) {
        relay_end_room(relay, room, ret_effects);
        return;
    }
    if (room_protocol(room) == PROTOCOL_1) {
        room_remove(room, member);
        relay->departed = member;
    } else {
        become_absent(relay, member, departure);
    }
    if (room->member_count < 2)
        list_remove(&room->pairing);
    if (is_last)
        relay_desert(relay, room);
    else
        effects_tell_room(ret_effects, room, CLIENT_NONE,
                          (struct event){.type = EVENT_PEER_LEFT, .room = room, .peer = member});
}
