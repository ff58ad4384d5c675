/*
 * Protocol 3: seats whose members are away, and seats that are gone; who is the host then; and what
 * is due at some time.
 */
#include <assert.h>

#include "relay/relay_parts.h"

void relay_3_desert(struct relay *relay, struct room *room)
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
    room_note_change(room);
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

/* How long a seat is held for a member that goes away now. */
static uint32_t hold_ms(const struct relay *relay, const struct member *member)
{
    const struct room *room = member->room;
    uint32_t stayed_ms = member->stayed_ms < HOLD_MS_LEAST ? HOLD_MS_LEAST : member->stayed_ms;
    uint32_t hold = room->party->hold_ms < stayed_ms ? room->party->hold_ms : stayed_ms;
    if (member_is_host(member) && hold < relay->config.host_grace_ms)
        hold = relay->config.host_grace_ms;
    /* A creator that heard no `created` creates anew, and nobody else knows the code. */
    return room->party->is_unknown && hold > SILENT_CREATOR_MS ? SILENT_CREATOR_MS : hold;
}

bool relay_3_restore_hold(struct relay *relay, struct member *member, bool was_here,
                          uint32_t left_ms, uint32_t least_ms)
{
    uint32_t grace_ms = relay->config.host_grace_ms;
    uint32_t most_ms = grace_ms > HOLD_MS_MAX ? grace_ms : HOLD_MS_MAX;
    uint32_t hold = was_here ? hold_ms(relay, member) : left_ms;
    if (hold > most_ms)
        hold = most_ms;
    if (hold < least_ms)
        hold = least_ms;
    if (!relay_admit_absent(relay, member))
        return false;
    room_put_away(member->room, member);
    due_schedule(&relay->dues, &member_seat(member)->expiry, relay->now_ms + hold);
    return true;
}

static void go_away(struct relay *relay, struct member *member, uint32_t least_ms,
                    struct effects *effects)
{
    struct room *room = member->room;
    member->active_ms = relay->now_ms;
    member->stayed_ms += relay->now_ms - member->entered_ms;
    uint32_t hold = hold_ms(relay, member);
    if (hold < least_ms)
        hold = least_ms;
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
        relay_3_desert(relay, room);
    relay_3_review_host(relay, room, effects);
}

void relay_3_depart(struct relay *relay, struct member *member, enum departure departure,
                    struct effects *effects)
{
    if (member->is_audience)
        relay_3_leave_audience(relay, member);
    else if (departure == DEPARTURE_FAREWELL)
        relay_3_vacate(relay, member, LEAVING_LEFT, effects);
    else
        go_away(relay, member, departure == DEPARTURE_HANDED_OVER ? RESTORED_HOLD_LEAST_MS : 0,
                effects);
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
        relay_3_leave_audience(relay, member);
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
        relay_3_desert(relay, room);
    relay_3_review_host(relay, room, effects);
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
        relay_3_tell_audience(relay, CONTAINER_OF(due, struct audience, telling), effects);
        break;
    }
}
