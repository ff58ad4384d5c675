/*
 * Protocol 3: seats whose members are away, and seats that are gone; who is the host then; and what
 * is due at some time.
 */
#include <assert.h>

#include "relay/relay_parts.h"

#define PARTY_DUES 2 /* deadlines of each room, beside one of each seat */

bool relay_3_prepare_room(struct relay *relay, struct room *room)
{
    struct party *party = room->party;
    if (!due_reserve(&relay->dues, PARTY_DUES))
        return false;
    party->relay = relay;
    party->has_dues = true;
    party->audience_told_ms = relay->now_ms - AUDIENCE_TOLD_MS;
    party->account = (struct log_account){relay_admit_log, relay_dismiss_log, party};
    log_init(&party->log, relay->config.log_bytes_max, &party->account);
    return true;
}

void relay_3_release_room(struct relay *relay, struct room *room)
{
    struct party *party = room->party;
    if (!party->has_dues)
        return;
    for (uint32_t i = 0; i < room->known_count; i++) {
        struct member *member = room_by_id(room)[i];
        if (!member->is_audience)
            due_cancel(&relay->dues, &member_seat(member)->expiry);
    }
    due_cancel(&relay->dues, &party->migration);
    due_cancel(&relay->dues, &party->audience_due);
    due_give_back(&relay->dues, PARTY_DUES + party_seats(party));
    party->has_dues = false;
    log_release(&party->log);
}

struct member *relay_3_add_seat(struct relay *relay, struct room *room, struct bytes id,
                                uint32_t client)
{
    if (!due_reserve(&relay->dues, 1))
        return NULL;
    struct member *member = room_add(room, id, client);
    if (member == NULL)
        due_give_back(&relay->dues, 1);
    return member;
}

static void desert(struct relay *relay, struct room *room)
{
    list_append(&relay->waiting, &room->retained->deserted);
    relay->config.room_deserted(relay->config.context, room);
}

void relay_3_tell_private(const struct member *member, struct effects *effects)
{
    const struct room *room = member->room;
    if (member_is_host(member) && room->party->private_state != NULL)
        effects_add_tell_private(effects, (struct effect_tell_private){member->client, room});
}

void relay_3_make_host(struct relay *relay, struct room *room, uint32_t index,
                       struct effects *effects)
{
    room->host_index = index;
    due_cancel(&relay->dues, &room->party->migration);
    relay_3_note_audience(relay, room);
    relay_3_emit_to_all(room, EVENT_HOST, effects)->is_for_audience = true;
    relay_3_tell_private(room_find_index(room, index), effects);
}

/* The room's host may be another member. */
static void review_migration(struct relay *relay, struct room *room, struct effects *effects)
{
    struct due *due = &room->party->migration;
    bool host_is_here = room_find_index(room, room->host_index) != NULL;
    if (host_is_here || room->member_count == 0)
        due_cancel(&relay->dues, due);
    else if (room->host_index == INDEX_NONE)
        relay_3_make_host(relay, room, room->members[0]->index, effects);
    else if (due->place == 0)
        due_schedule(&relay->dues, due, relay->now_ms + relay->config.migrate_ms);
}

void relay_3_review_host(struct relay *relay, struct room *room, struct effects *effects)
{
    if (room->party->host_migrates)
        review_migration(relay, room, effects);
}

void relay_3_note_audience(struct relay *relay, struct room *room)
{
    struct party *party = room->party;
    bool has_audience = party->audience_count > 0 || party->audience_told > 0;
    if (party->audience_due.place != 0 || (party->audience_max == 0 && !has_audience))
        return;
    uint32_t since_ms = relay->now_ms - party->audience_told_ms;
    uint32_t wait_ms = since_ms >= AUDIENCE_TOLD_MS ? 0 : AUDIENCE_TOLD_MS - since_ms;
    due_schedule(&relay->dues, &party->audience_due, relay->now_ms + wait_ms);
}

/* How long a seat is held for a member that goes away now. */
static uint32_t hold_ms(const struct relay *relay, const struct member *member)
{
    const struct room *room = member->room;
    uint32_t stayed_ms = member->stayed_ms < HOLD_MS_LEAST ? HOLD_MS_LEAST : member->stayed_ms;
    uint32_t hold = room->party->hold_ms < stayed_ms ? room->party->hold_ms : stayed_ms;
    if (member_is_host(member) && hold < relay->config.host_grace_ms)
        hold = relay->config.host_grace_ms;
    /* A creator that heard no `created` creates anew, and nobody else knows the code. */
    bool is_unknown = room->party->creator_is_silent && room->next_index == 1;
    return is_unknown && hold > SILENT_CREATOR_MS ? SILENT_CREATOR_MS : hold;
}

static void go_away(struct relay *relay, struct member *member, struct effects *effects)
{
    struct room *room = member->room;
    member->active_ms = relay->now_ms;
    member->stayed_ms += relay->now_ms - member->entered_ms;
    uint32_t hold = hold_ms(relay, member);
    if (hold == 0 || !relay_admit_absent(relay, member)) {
        relay_3_vacate(relay, member, LEAVING_EXPIRED, effects);
        return;
    }
    room_put_away(room, member);
    due_schedule(&relay->dues, &member_seat(member)->expiry, relay->now_ms + hold);
    if (room->member_count < 2)
        list_remove(&room->pairing);
    relay_3_emit_to_others(member, EVENT_PEER_AWAY, effects);
    if (room->member_count == 0)
        desert(relay, room);
    relay_3_review_host(relay, room, effects);
}

static void leave_audience(struct relay *relay, struct member *member)
{
    struct room *room = member->room;
    room_remove(room, member);
    relay->departed = member;
    relay_3_note_audience(relay, room);
}

void relay_3_depart(struct relay *relay, struct member *member, enum departure departure,
                    struct effects *effects)
{
    if (member->is_audience)
        leave_audience(relay, member);
    else if (departure == DEPARTURE_FAREWELL)
        relay_3_vacate(relay, member, LEAVING_LEFT, effects);
    else
        go_away(relay, member, effects);
}

/* Takes the seat away from the room. */
static void remove_seat(struct relay *relay, struct member *member)
{
    struct room *room = member->room;
    struct seat *seat = member_seat(member);
    if (member->client == CLIENT_NONE)
        relay_discount_absent(relay, member);
    due_cancel(&relay->dues, &seat->expiry);
    due_give_back(&relay->dues, 1);
    room_remove(room, member);
    relay->departed = member;
    party_forget_reader(room->party, seat);
    if (room->member_count < 2)
        list_remove(&room->pairing);
}

void relay_3_vacate(struct relay *relay, struct member *member, enum leaving leaving,
                    struct effects *effects)
{
    struct room *room = member->room;
    struct party *party = room->party;
    bool was_host = member_is_host(member);
    bool was_here = member->client != CLIENT_NONE;
    if (member->is_audience) {
        leave_audience(relay, member);
        return;
    }
    remove_seat(relay, member);
    if (party_seats(party) == 0 || (was_host && !party->host_migrates)) {
        relay_shut_room(relay, room, effects);
        return;
    }
    if (was_host)
        room->host_index = INDEX_NONE;
    struct effect_emit *emit = relay_3_emit_to_all(room, EVENT_PEER_LEFT, effects);
    emit->event.peer = member;
    emit->event.leaving = leaving;
    if (was_here && room->member_count == 0)
        desert(relay, room);
    relay_3_review_host(relay, room, effects);
}

static void tell_audience(struct relay *relay, struct party *party, struct effects *effects)
{
    const struct room *room = party->room;
    const struct member *host = room_find_index(room, room->host_index);
    if (host == NULL)
        return;
    party->audience_told_ms = relay->now_ms;
    party->audience_told = party->audience_count;
    effects_tell_client(
        effects, host->client,
        (struct event){.type = EVENT_AUDIENCE, .room = room, .number = party->audience_count});
}

void relay_3_do_due(struct relay *relay, struct effects *effects)
{
    struct due *due = due_first(&relay->dues);
    assert(due != NULL);
    due_cancel(&relay->dues, due);
    switch ((enum due_kind)due->kind) {
    case DUE_EXPIRY: {
        struct seat *seat = CONTAINER_OF(due, struct seat, expiry);
        relay_3_vacate(relay, seat_member(seat), LEAVING_EXPIRED, effects);
        break;
    }
    case DUE_MIGRATION: {
        struct room *room = CONTAINER_OF(due, struct party, migration)->room;
        relay_3_make_host(relay, room, room->members[0]->index, effects);
        break;
    }
    case DUE_AUDIENCE:
        tell_audience(relay, CONTAINER_OF(due, struct party, audience_due), effects);
        break;
    }
}
