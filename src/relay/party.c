/* Counts and confirmations in a room of protocol 3. The relay has the rules. */
#include "relay/party.h"

#include <assert.h>
#include <stdlib.h>

#define SEATS_LOOKED_AT 16 /* for each confirmation */

struct party *party_new(struct room *room)
{
    struct party *party = calloc(1, sizeof *party);
    if (party == NULL)
        return NULL;
    party->room = room;
    party->is_unknown = true;
    party->migration.kind = DUE_MIGRATION;
    return party;
}

void party_free(struct party *party)
{
    if (party == NULL)
        return;
    assert(party->log.first == NULL && "the relay releases the log, which it accounts for");
    payload_release(party->private_state);
    audience_free(party->audience);
    access_free(party->access);
    free(party);
}

/* The seat with this index, whether its member is here or not; NULL: there is none. */
static struct seat *find_seat(const struct party *party, uint32_t index)
{
    struct member *member = room_find_index(party->room, index);
    if (member == NULL)
        member = room_find_away(party->room, index);
    return member == NULL ? NULL : member_seat(member);
}

static void count_for(const struct party *party, uint32_t index, int64_t change)
{
    struct seat *seat = find_seat(party, index);
    if (seat != NULL)
        seat->offset += change;
}

static void count_event(struct party *party, const struct log_address *address,
                        struct member *except)
{
    switch (address->readers) {
    case LOG_EVERYONE:
        party->to_all++;
        break;
    case LOG_EVERYONE_BUT:
        party->to_all++;
        member_seat(except)->offset--;
        break;
    case LOG_ONE:
        count_for(party, address->index, 1);
        break;
    case LOG_SOME:
        for (uint32_t i = 0; i < address->index_count; i++)
            count_for(party, address->indices[i], 1);
        break;
    }
}

void party_note_event(struct party *party, const struct log_address *address, struct member *except,
                      enum keeping keeping, struct bytes frame, struct payload *payload)
{
    count_event(party, address, except);
    if (frame.length == 0)
        log_lose(&party->log);
    else if (keeping == KEEP_COUNT)
        log_skip(&party->log, address);
    else if (keeping == KEEP_STATE)
        log_keep_state(&party->log, address, payload);
    else
        log_keep(&party->log, address, frame, payload);
}

bool party_next_target(const struct party *party, const struct log_address *address, uint32_t *at,
                       uint32_t *ret_client)
{
    bool is_one = address->readers == LOG_ONE;
    uint32_t count = is_one ? 1 : address->index_count;
    while (*at < count) {
        uint32_t index = is_one ? address->index : address->indices[*at];
        const struct member *member = room_find_index(party->room, index);
        ++*at;
        if (member != NULL) {
            *ret_client = member->client;
            return true;
        }
    }
    return false;
}

bool party_is_count(const struct party *party, const struct seat *seat, uint64_t seen)
{
    return seen <= seat_count(seat, party->to_all);
}

/* Has the log drop what all members have seen. */
static void drop_seen(struct party *party)
{
    const struct room *room = party->room;
    uint64_t oldest = party->log.next;
    for (uint32_t i = 0; i < room->known_count; i++) {
        const struct member *member = room_by_id(room)[i];
        const struct seat *seat = member->is_audience ? NULL : member_seat(member);
        bool has_missed = seat != NULL && seat->seen < seat_count(seat, party->to_all);
        if (has_missed && seat->seen_until < oldest)
            oldest = seat->seen_until;
    }
    party->oldest_missed = oldest;
    party->confirmations = 0;
    log_drop_before(&party->log, oldest);
}

/*
 * Looking at all seats takes long in a large room, so it is done there once for as many
 * confirmations as there are seats.
 */
static void note_confirmation(struct party *party)
{
    uint32_t seats = party_seats(party);
    if (++party->confirmations >= seats || seats <= SEATS_LOOKED_AT)
        drop_seen(party);
}

/* The seat's member has seen all events so far, or will never see them. */
static void see_all(struct party *party, struct seat *seat)
{
    seat->seen = seat_count(seat, party->to_all);
    seat->seen_until = party->log.next;
    note_confirmation(party);
}

void party_confirm(struct party *party, struct seat *seat, uint64_t seen)
{
    uint64_t missed = seat_count(seat, party->to_all) - seen;
    if (seen > seat->seen) {
        seat->seen = seen;
        seat->seen_until = log_seen_until(&party->log, seat_reader(seat), missed);
    }
    note_confirmation(party);
}

void party_begin_epoch(struct party *party, struct seat *seat, uint64_t epoch)
{
    seat->epoch = epoch;
    seat->heard = 0;
    seat->retold = 0;
    seat->offset = -(int64_t)party->to_all;
    see_all(party, seat);
}

void party_skip_to_now(struct party *party, struct seat *seat)
{
    see_all(party, seat);
}

void party_forget_reader(struct party *party, const struct seat *seat)
{
    if (seat->seen_until <= party->oldest_missed)
        drop_seen(party);
}

bool party_find_missed(const struct party *party, const struct seat *seat, uint64_t seen,
                       struct log_cursor *ret_cursor)
{
    uint64_t missed = seat_count(seat, party->to_all) - seen;
    if (seen < seat->seen)
        return false; /* it has confirmed that it has seen more, and the log may have forgotten that
                       */
    return log_find_missed(&party->log, seat_reader(seat), missed, ret_cursor);
}

struct log_cursor party_find_all(const struct party *party, const struct seat *seat)
{
    return log_find_rest(&party->log, seat_reader(seat), seat_count(seat, party->to_all));
}
