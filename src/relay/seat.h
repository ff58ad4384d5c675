/*
 * A seat of a room of protocol 3, and its two counts.
 *
 * A member and the server count the same things, so neither has to number them: the events that are
 * meant for the seat, whether its member is here or not (`seen` is the member's count of those),
 * and the messages of the member (`heard` is the server's count of those). An epoch is the life of
 * both counts. Most events are for everyone, or for everyone but one. So the room counts such
 * events once, and a seat keeps by how much its own count differs.
 */
#ifndef PARTY_RELAY_SEAT_H
#define PARTY_RELAY_SEAT_H

#include "relay/due.h"
#include "relay/log.h"
#include "relay/room.h"

#define SEAT_SESSIONS 4 /* the last sessions of a client that its seat remembers */

struct seat {
    uint64_t epoch;      /* random at first, and one more whenever it begins anew; 0 is none */
    uint64_t heard;      /* the member's messages in this epoch */
    int64_t offset;      /* the seat's events in this epoch are the room's `to_all` and this */
    uint64_t seen;       /* events of this epoch that the member has confirmed */
    uint64_t seen_until; /* the log's number of the event behind the last of those */
    uint32_t sessions[SEAT_SESSIONS]; /* hashes, the current one first; 0: none */
    uint32_t attempt;                 /* of the last join in the current session */
    union {
        uint32_t retold;      /* of the events of this epoch so many are told as messages alone */
        uint32_t audience_at; /* place among the audience, for a member without a seat */
    };
    struct due expiry; /* of a seat whose member is away */
};

_Static_assert(sizeof(struct seat) % _Alignof(struct member) == 0, "a member follows its seat");

/* A member of a room of protocol 3 is right behind its seat, in one allocation. */
static inline struct seat *member_seat(const struct member *member)
{
    return (struct seat *)(uintptr_t)member - 1;
}

static inline struct member *seat_member(const struct seat *seat)
{
    return (struct member *)(uintptr_t)(seat + 1);
}

/* What a join says of itself; see struct join. */
struct session {
    uint32_t hash; /* of the session's name, not 0 */
    uint32_t attempt;
};

/*
 * Notes a join of this session. False: it is stale, since the client has joined with this attempt
 * or a later one, or with a session after this one. Nothing was changed then.
 */
bool seat_note_session(struct seat *seat, struct session session);

/* The same for a member that gets its seat again over the connection of its last join. */
bool seat_note_return(struct seat *seat, struct session session);

/*
 * Whether the seat has had this session, or knows of none, as after a crash. Else the session is of
 * a seat before this one, or later than the record of it.
 */
bool seat_knows(const struct seat *seat, struct session session);

/* The events of the epoch so far. */
static inline uint64_t seat_count(const struct seat *seat, uint64_t to_all)
{
    return to_all + (uint64_t)seat->offset;
}

static inline struct log_reader seat_reader(const struct seat *seat)
{
    return (struct log_reader){.index = seat_member(seat)->index, .since = seat->seen_until};
}

#endif
