/* What a room retains without need of a connection: absent members and the state. */
#include <assert.h>
#include <stdlib.h>

#include "base/allocation.h"
#include "relay/relay_parts.h"

/* Pointers to an absent member, in two arrays of the room, which grow by doubling. */
#define ARRAYS_BYTES (2 * 2 * sizeof(struct member *))

bool relay_admit_bytes(const struct relay *relay, struct room *room, size_t count)
{
    const struct relay_config *config = &relay->config;
    size_t bytes = room->retained->bytes + count;
    size_t bytes_max = room->party == NULL ? ROOM_RETAINED_MAX : ROOM_3_RETAINED_MAX;
    bool is_admitted =
        bytes <= bytes_max &&
        config->admit_bytes(config->context, room->maker, count, bytes <= ROOM_RETAINED_CERTAIN);
    if (is_admitted)
        room->retained->bytes = bytes;
    return is_admitted;
}

/*
 * Who misses an event is told so and takes the state anew. Who loses a seat can't come back, and
 * a state or a ban that is refused is what the host must do again.
 */
bool relay_admit_before_log(const struct relay *relay, struct room *room, size_t count)
{
    while (!relay_admit_bytes(relay, room, count)) {
        if (room->party == NULL || !log_give_way(&room->party->log))
            return false;
    }
    return true;
}

static void dismiss_bytes(const struct relay *relay, struct room *room, size_t count)
{
    assert(count <= room->retained->bytes);
    room->retained->bytes -= count;
    relay->config.dismiss_bytes(relay->config.context, room->maker, count);
}

static const struct party *party_of(struct log *log)
{
    return CONTAINER_OF(log, struct party, log);
}

static bool admit_log(struct log *log, size_t bytes)
{
    return relay_admit_bytes(party_of(log)->relay, party_of(log)->room, bytes);
}

static void dismiss_log(struct log *log, size_t bytes)
{
    dismiss_bytes(party_of(log)->relay, party_of(log)->room, bytes);
}

const struct log_account relay_log_account = {admit_log, dismiss_log};

void relay_discount_room(const struct relay *relay, struct room *room)
{
    if (room->retained != NULL)
        dismiss_bytes(relay, room, room->retained->bytes);
}

/*
 * The bytes that are counted for an absent member. In protocol 2 a host is always remembered, so it
 * is not counted.
 */
static size_t absent_cost(const struct member *member)
{
    if (!member->is_in_seat && member_is_host(member))
        return 0;
    return allocation_cost(member_size(member->is_in_seat, member->id_length)) + ARRAYS_BYTES;
}

void relay_discount_absent(const struct relay *relay, struct member *member)
{
    struct room *room = member->room;
    size_t cost = absent_cost(member);
    room->retained->absent_bytes -= cost;
    dismiss_bytes(relay, room, cost);
}

bool relay_admit_absent(const struct relay *relay, const struct member *member)
{
    struct room *room = member->room;
    size_t cost = absent_cost(member);
    bool is_bounded = room->party == NULL; /* seats are bounded by their number */
    if ((is_bounded && room->retained->absent_bytes + cost > ROOM_ABSENT_BYTES_MAX) ||
        !relay_admit_before_log(relay, room, cost))
        return false;
    room->retained->absent_bytes += cost;
    return true;
}

/* Forgets the first absent member. True: it was `member`, which is not counted yet. */
static bool forget_first(struct relay *relay, struct room *room, struct member *member)
{
    struct member *first = room_absent(room)[0];
    if (first != member)
        relay_discount_absent(relay, first);
    room_remove(room, first);
    if (first == member)
        relay->departed = first;
    else
        member_free(first);
    return first == member;
}

/*
 * The member that was present for the shortest time is forgotten first, even if it has just left.
 */
void relay_remember_absent(struct relay *relay, struct room *room, struct member *member)
{
    uint32_t limit = room->members_max > ABSENT_LEAST ? room->members_max : ABSENT_LEAST;
    room_retire(room, member);
    /*
     * An absent host is never forgotten, so its bytes are not counted: if other members have used
     * up the limit, relay_admit_absent() would refuse even a cost of 0.
     */
    if (member_is_host(member))
        return;
    bool is_forgotten = room->absent_count > limit && forget_first(relay, room, member);
    while (!is_forgotten && !relay_admit_absent(relay, member))
        is_forgotten = forget_first(relay, room, member);
}

bool relay_keep_url(const struct relay *relay, struct room *room, struct bytes url)
{
    room->retained->url = malloc(url.length);
    if (room->retained->url == NULL || !relay_admit_bytes(relay, room, allocation_cost(url.length)))
        return false;
    memcpy(room->retained->url, url.data, url.length);
    room->retained->url_length = (uint16_t)url.length;
    return true;
}

bool relay_state_fits(struct bytes span)
{
    if (span.length > STATE_SPAN_BYTES_MAX)
        return false;
    return span.length <= STATE_COMPACT_BYTES_MAX ||
           json_compact_length(span) <= STATE_COMPACT_BYTES_MAX;
}

void relay_set_state(const struct relay *relay, struct speaker speaker,
                     const struct envelope *envelope, struct effects *effects)
{
    struct member *member = *speaker.seat;
    if (member != NULL)
        member->active_ms = relay->now_ms;
    if (member == NULL) {
        effects_refuse(effects, speaker, ERROR_NOT_IN_ROOM);
    } else if (!member_is_host(member)) {
        effects_refuse(effects, speaker, ERROR_STATE_NOT_HOST);
    } else if (envelope->data.kind == JSON_ABSENT) {
        effects_refuse(effects, speaker, ERROR_STATE_REQUIRED);
    } else if (!relay_state_fits(envelope->data.raw)) {
        effects_refuse(effects, speaker, ERROR_STATE_TOO_LARGE);
    } else {
        struct room *room = member->room;
        struct event event = {.type = EVENT_STATE, .room = room, .data = envelope->data.raw};
        effects_add_keep_state(effects, (struct effect_keep_state){speaker.client, room, event});
    }
}

static size_t state_cost(const struct payload *state)
{
    return state == NULL ? 0 : allocation_cost(sizeof *state + state->length);
}

bool relay_replace_state(const struct relay *relay, struct room *room, struct payload **retained,
                         struct payload *state)
{
    size_t before = state_cost(*retained);
    size_t after = state_cost(state);
    if (after > before && !relay_admit_before_log(relay, room, after - before))
        return false;
    if (after < before)
        dismiss_bytes(relay, room, before - after);
    payload_release(*retained);
    *retained = payload_acquire(state);
    return true;
}

bool relay_keep_state(struct relay *relay, struct room *room, struct payload *state)
{
    if (!relay_replace_state(relay, room, &room->retained->state, state))
        return false;
    room_note_change(room);
    if (room->party != NULL) {
        struct log_address address = {.readers = LOG_EVERYONE_BUT, .index = room->host_index};
        struct member *host = room_find_index(room, room->host_index);
        party_note_event(room->party, &address, host, KEEP_STATE,
                         bytes_of(state->data, state->length), state);
    }
    return true;
}

bool relay_keep_private(struct relay *relay, struct room *room, struct payload *state)
{
    room_note_change(room);
    return relay_replace_state(relay, room, &room->party->private_state, state);
}
