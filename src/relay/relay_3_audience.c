/* Protocol 3: the audience of a room, and what the host hears of it. */
#include "relay/relay_parts.h"

bool relay_3_allow_audience(struct relay *relay, struct party *party, uint32_t max)
{
    if (party->audience == NULL && max > 0) {
        if (!due_reserve(&relay->dues, 1))
            return false;
        party->audience = audience_new(party->room, relay->now_ms);
        if (party->audience == NULL)
            due_give_back(&relay->dues, 1);
    }
    if (party->audience != NULL)
        party->audience->max = max;
    return party->audience != NULL || max == 0;
}

void relay_3_release_audience(struct relay *relay, const struct party *party)
{
    if (party->audience == NULL)
        return;
    due_cancel(&relay->dues, &party->audience->telling);
    due_give_back(&relay->dues, 1);
}

void relay_3_note_audience(struct relay *relay, struct room *room)
{
    struct audience *audience = room->party->audience;
    if (audience == NULL || audience->telling.place != 0 ||
        (audience->max == 0 && audience->count == 0 && audience->told == 0))
        return;
    uint32_t since_ms = relay->now_ms - audience->told_ms;
    uint32_t wait_ms = since_ms >= AUDIENCE_TOLD_MS ? 0 : AUDIENCE_TOLD_MS - since_ms;
    due_schedule(&relay->dues, &audience->telling, relay->now_ms + wait_ms);
}

void relay_3_tell_audience(struct relay *relay, struct audience *audience, struct effects *effects)
{
    const struct room *room = audience->room;
    const struct member *host = room_find_index(room, room->host_index);
    if (host == NULL)
        return;
    audience->told_ms = relay->now_ms;
    audience->told = audience->count;
    effects_tell_client(
        effects, host->client,
        (struct event){.type = EVENT_AUDIENCE, .room = room, .number = audience->count});
}

void relay_3_leave_audience(struct relay *relay, struct member *member)
{
    struct room *room = member->room;
    room_remove(room, member);
    relay->departed = member;
    relay_3_note_audience(relay, room);
}
