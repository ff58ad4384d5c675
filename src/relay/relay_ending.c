/*
 * How rooms end: the host closes them, or the time without a host or without members is over. Also
 * which rooms a drain waits for, and which prove their origin.
 */
#include <assert.h>

#include "relay/relay_parts.h"

/*
 * Takes a room out of the table and all lists. Only the effects of this call still refer to it; the
 * next call frees it.
 */
void relay_end_room(struct relay *relay, struct room *room, struct effects *effects)
{
    const struct relay_config *config = &relay->config;
    if (room->party != NULL)
        relay_3_release_room(relay, room);
    relay_discount_room(relay, room);
    effects_add_room_gone(effects, (struct effect_room_gone){room->origin_number});
    room_stop_counting(room);
    room_table_remove(&relay->rooms, room);
    list_remove(&room->pairing);
    list_remove(&room->changed);
    if (config->notes_changes)
        config->forget_record(config->context, room->code);
    if (room->retained != NULL) {
        list_remove(&room->retained->hostless);
        relay_occupy(relay, room);
    }
    relay->closed = room;
    config->dismiss_room(config->context, room->maker);
}

/* Takes all seats of a room away. Returns whether anybody had one. */
static bool unseat_all(struct relay *relay, const struct room *room)
{
    uint32_t at = 0;
    uint32_t client;
    bool has_clients = false;
    while (room_next_client(room, &at, &client)) {
        relay_unseat(relay, client);
        has_clients = true;
    }
    return has_clients;
}

void relay_shut_room(struct relay *relay, struct room *room, struct effects *effects)
{
    if (unseat_all(relay, room))
        effects_add_room_closed(effects, (struct effect_room_closed){room});
    relay_end_room(relay, room, effects);
}

/* The first room of a bucket that is not served; NULL: all are. */
static struct room *find_unserved(struct room *room, bool (*serves)(void *context, uint64_t code),
                                  void *context)
{
    while (room != NULL && serves(context, room->code))
        room = room->next_in_bucket;
    return room;
}

struct room *relay_find_unserved(const struct relay *relay, uint32_t *bucket,
                                 bool (*serves)(void *context, uint64_t code), void *context)
{
    for (; *bucket < relay->rooms.bucket_count; (*bucket)++) {
        struct room *room = find_unserved(relay->rooms.buckets[*bucket], serves, context);
        if (room != NULL)
            return room;
    }
    return NULL;
}

void relay_give_up(struct relay *relay, struct room *room, struct effects *ret_effects)
{
    ret_effects->count = 0;
    relay_free_departed(relay);
    if (unseat_all(relay, room))
        effects_add_room_lost(ret_effects, (struct effect_room_lost){room});
    relay_end_room(relay, room, ret_effects);
}

void relay_close_room(struct relay *relay, struct speaker speaker, struct effects *effects)
{
    const struct member *member = *speaker.seat;
    if (member == NULL)
        effects_refuse(effects, speaker, ERROR_NOT_IN_ROOM);
    else if (!member_is_host(member))
        effects_refuse(effects, speaker, ERROR_CLOSE_NOT_HOST);
    else
        relay_shut_room(relay, member->room, effects);
}

bool relay_is_just_restored(const struct relay *relay, const struct room *room)
{
    const struct retained *retained = room->retained;
    return retained != NULL && retained->is_restored &&
           relay->now_ms - retained->restored_ms < RESTORED_HOLD_LEAST_MS;
}

/* Whether a room of protocol 1 was just restored, and not all its members have come back. */
static bool waits_for_members(const struct relay *relay, const struct room *room)
{
    return relay_is_just_restored(relay, room) && room->known_count > room->member_count;
}

bool relay_outlives(const struct relay *relay, const struct member *last, enum departure departure)
{
    const struct room *room = last->room;
    uint32_t grace_ms = relay->config.empty_room_grace_ms;
    if (room_protocol(room) == PROTOCOL_1)
        return waits_for_members(relay, room);
    if (grace_ms == 0)
        return false;
    if (departure == DEPARTURE_CUT_OFF)
        return true;
    /*
     * When a Wi-Fi fails, some clients close the socket that they take for dead. TCP delivers their
     * close frame when the Wi-Fi is back. Then it means no more than the cut-off of the other
     * members.
     */
    for (uint32_t i = 0; i < room->known_count; i++) {
        const struct member *other = room_by_id(room)[i];
        bool is_absent = other->client == CLIENT_NONE;
        if (is_absent && other->was_cut_off && relay->now_ms - other->active_ms < grace_ms)
            return true;
    }
    return false;
}

/*
 * When a grace begins that begins now: later, if it would be over before a restored room may end.
 * Then the rooms behind this one in its list wait for it, in the first RESTORED_HOLD_LEAST_MS and
 * only if the operator has made the grace shorter than these.
 */
static uint32_t grace_since_ms(const struct relay *relay, const struct room *room,
                               uint32_t grace_ms)
{
    if (!relay_is_just_restored(relay, room))
        return relay->now_ms;
    uint32_t since_restored_ms = relay->now_ms - room->retained->restored_ms;
    uint32_t left_ms = RESTORED_HOLD_LEAST_MS - since_restored_ms;
    return left_ms > grace_ms ? relay->now_ms + left_ms - grace_ms : relay->now_ms;
}

void relay_desert(struct relay *relay, struct room *room)
{
    const struct relay_config *config = &relay->config;
    room->retained->deserted_ms = grace_since_ms(relay, room, config->empty_room_grace_ms);
    list_append(&relay->deserted, &room->retained->deserted);
    config->room_deserted(config->context, room);
}

void relay_desert_restored(struct relay *relay, struct room *room)
{
    if (room->party != NULL) {
        relay_3_desert(relay, room);
        return;
    }
    if (room_protocol(room) == PROTOCOL_2) {
        room->retained->host_left_ms = grace_since_ms(relay, room, relay->config.host_grace_ms);
        list_append(&relay->hostless, &room->retained->hostless);
    }
    relay_desert(relay, room);
}

void relay_resume_room(struct relay *relay, struct room *room, struct effects *effects)
{
    if (room->member_count == 0) {
        relay_desert_restored(relay, room);
        return;
    }
    if (room->member_count > 1)
        relay_begin_proof(relay, room);
    if (room->party != NULL) {
        relay_3_review_host(relay, room, effects);
    } else if (room_protocol(room) == PROTOCOL_2 &&
               room_find_index(room, room->host_index) == NULL) {
        room->retained->host_left_ms = grace_since_ms(relay, room, relay->config.host_grace_ms);
        list_append(&relay->hostless, &room->retained->hostless);
    }
}

void relay_occupy(struct relay *relay, struct room *room)
{
    const struct relay_config *config = &relay->config;
    if (list_is_empty(&room->retained->deserted))
        return;
    list_remove(&room->retained->deserted);
    config->room_occupied(config->context, room);
}

/* All rooms of a list have the same grace, so the first in the list is due first. */
static int32_t time_left_ms(const struct relay *relay, uint32_t since_ms, uint32_t grace_ms)
{
    int32_t left = (int32_t)(since_ms + grace_ms - relay->now_ms);
    return left < 0 ? 0 : left;
}

/* The first room without its host, and what is left of its grace; NULL: there is none. */
static struct room *first_hostless(const struct relay *relay, int32_t *ret_left_ms)
{
    if (list_is_empty(&relay->hostless))
        return NULL;
    const struct retained *retained = CONTAINER_OF(relay->hostless.next, struct retained, hostless);
    *ret_left_ms = time_left_ms(relay, retained->host_left_ms, relay->config.host_grace_ms);
    return retained->room;
}

/* The first room without members, and what is left of its grace; NULL: there is none. */
static struct room *first_deserted(const struct relay *relay, int32_t *ret_left_ms)
{
    if (list_is_empty(&relay->deserted))
        return NULL;
    const struct retained *retained = CONTAINER_OF(relay->deserted.next, struct retained, deserted);
    *ret_left_ms = time_left_ms(relay, retained->deserted_ms, relay->config.empty_room_grace_ms);
    return retained->room;
}

/* What is left until the first deadline of protocol 3 is due. */
static int32_t first_due_ms(const struct relay *relay)
{
    const struct due *due = due_first(&relay->dues);
    return due == NULL ? INT32_MAX : time_left_ms(relay, due->at_ms, 0);
}

int32_t relay_due_left_ms(const struct relay *relay)
{
    int32_t hostless_ms = INT32_MAX;
    int32_t deserted_ms = INT32_MAX;
    int32_t first_ms = first_due_ms(relay);
    (void)first_hostless(relay, &hostless_ms);
    (void)first_deserted(relay, &deserted_ms);
    if (hostless_ms < first_ms)
        first_ms = hostless_ms;
    if (deserted_ms < first_ms)
        first_ms = deserted_ms;
    return first_ms == INT32_MAX ? -1 : first_ms;
}

bool relay_do_due(struct relay *relay, struct effects *ret_effects)
{
    int32_t left_ms;
    ret_effects->count = 0;
    relay_free_departed(relay);
    if (first_due_ms(relay) == 0) {
        relay_3_do_due(relay, ret_effects);
        return true;
    }
    struct room *room = first_hostless(relay, &left_ms);
    if (room == NULL || left_ms > 0)
        room = first_deserted(relay, &left_ms);
    if (room == NULL || left_ms > 0)
        return false;
    relay_shut_room(relay, room, ret_effects);
    return true;
}

bool relay_end_first_deserted(struct relay *relay, struct effects *effects)
{
    int32_t left_ms;
    struct room *room = first_deserted(relay, &left_ms);
    if (room == NULL && !list_is_empty(&relay->waiting))
        room = CONTAINER_OF(relay->waiting.next, struct retained, deserted)->room;
    if (room != NULL)
        relay_shut_room(relay, room, effects); /* its audience may be there */
    return room != NULL;
}

void relay_end_deserted(struct relay *relay, struct vacancy *vacancy, struct effects *ret_effects)
{
    struct room *room = CONTAINER_OF(vacancy, struct retained, vacancy)->room;
    ret_effects->count = 0;
    relay_free_departed(relay);
    assert(room->member_count == 0);
    relay_shut_room(relay, room, ret_effects);
}

void relay_begin_proof(struct relay *relay, struct room *room)
{
    if (relay->config.proof_ms == 0 || room->is_proven)
        return;
    room->paired_ms = relay->now_ms;
    list_append(&relay->pairing, &room->pairing);
}

/* The room that has had several members for longest without proof; NULL: there is none. */
static struct room *first_pairing(const struct relay *relay)
{
    if (list_is_empty(&relay->pairing))
        return NULL;
    return CONTAINER_OF(relay->pairing.next, struct room, pairing);
}

int32_t relay_proof_left_ms(const struct relay *relay)
{
    const struct room *room = first_pairing(relay);
    return room == NULL ? -1 : time_left_ms(relay, room->paired_ms, relay->config.proof_ms);
}

bool relay_prove_room(struct relay *relay, struct effects *ret_effects)
{
    ret_effects->count = 0;
    relay_free_departed(relay);
    if (relay_proof_left_ms(relay) != 0)
        return false;
    struct room *room = first_pairing(relay);
    list_remove(&room->pairing);
    room->is_proven = true;
    effects_add_room_proven(ret_effects, (struct effect_room_proven){room->origin_number});
    return true;
}

bool relay_room_is_busy(const struct relay *relay, const struct room *room)
{
    if (room->member_count != 1)
        return room->member_count > 1;
    return relay->now_ms - room->members[0]->active_ms < QUIET_MS;
}

const struct room *relay_find_busy_room(const struct relay *relay, uint32_t *bucket)
{
    const struct room_table *table = &relay->rooms;
    for (uint32_t i = 0; i < table->bucket_count; i++) {
        uint32_t at = (*bucket + i) % table->bucket_count;
        for (const struct room *room = table->buckets[at]; room != NULL;
             room = room->next_in_bucket) {
            if (!relay_room_is_busy(relay, room))
                continue;
            *bucket = at;
            return room;
        }
    }
    return NULL;
}

uint32_t relay_count_busy_rooms(const struct relay *relay, uint32_t most)
{
    const struct room_table *table = &relay->rooms;
    uint32_t seen = 0;
    uint32_t busy = 0;
    for (uint32_t at = 0; at < table->bucket_count && seen < most; at++) {
        for (const struct room *room = table->buckets[at]; room != NULL;
             room = room->next_in_bucket) {
            seen++;
            busy += relay_room_is_busy(relay, room);
        }
    }
    return busy;
}
