/*
 * What a room of protocol 3 has beyond one of protocol 2: the log of its events with the counts of
 * its seats, and what the host has decided. What few rooms need is allocated when they do.
 */
#ifndef PARTY_RELAY_PARTY_H
#define PARTY_RELAY_PARTY_H

#include "relay/access.h"
#include "relay/audience.h"
#include "relay/seat.h"

/* How the log treats an event; see log.h. */
enum keeping {
    KEEP_FRAME,
    KEEP_COUNT, /* the event is worthless when late: it is counted only */
    KEEP_STATE, /* as long as there is no newer state */
};

struct party {
    struct room *room;
    const struct relay *relay; /* by which the log is accounted */
    struct log log;
    uint64_t to_all;        /* events that were for everyone, or for everyone but one */
    uint64_t oldest_missed; /* what the slowest seat missed first, when all were looked at last */
    uint32_t confirmations; /* since then */
    uint32_t hold_ms;
    struct due migration;
    struct audience *audience;     /* NULL: none was ever let in */
    struct access *access;         /* NULL: it never had a password, and nobody was thrown out */
    struct payload *private_state; /* in the form in which the host gets it; NULL: none */
    bool host_migrates;
    bool is_locked;
    bool audience_is_muted;
    bool is_unknown; /* nothing came from its creator after `created`, and nobody else came */
    bool has_dues;   /* places in the relay's heap are reserved, and the log is there */
};

/* NULL: memory is short. */
MUST_CHECK struct party *party_new(struct room *room);

/* Frees the party, but not the members; NULL is allowed. */
void party_free(struct party *party);

static inline uint32_t party_audience_count(const struct party *party)
{
    return party->audience == NULL ? 0 : party->audience->count;
}

static inline uint32_t party_audience_max(const struct party *party)
{
    return party->audience == NULL ? 0 : party->audience->max;
}

/* Seats, held ones included. */
static inline uint32_t party_seats(const struct party *party)
{
    return party->room->known_count - party_audience_count(party);
}

/*
 * Counts an event for the seats that it is meant for, and has the log keep its frame, in `payload`
 * if that is not NULL. `except` is the member whom EVERYONE_BUT means. An empty frame could not be
 * made: nobody who missed the event can recover.
 */
void party_note_event(struct party *party, const struct log_address *address, struct member *except,
                      enum keeping keeping, struct bytes frame, struct payload *payload);

/*
 * Iterates over the clients of those whom the address lists (ONE, SOME) and who are here. `at` is 0
 * at first. False: the end.
 */
bool party_next_target(const struct party *party, const struct log_address *address, uint32_t *at,
                       uint32_t *ret_client);

/* Whether the seat's member can have seen so many events of its epoch. */
bool party_is_count(const struct party *party, const struct seat *seat, uint64_t seen);

/* The member has seen so many events; the log drops those that all members have seen. */
void party_confirm(struct party *party, struct seat *seat, uint64_t seen);

/* Begins both counts of a seat anew, with the next event. */
void party_begin_epoch(struct party *party, struct seat *seat, uint64_t epoch);

/* The seat's member has lost what it missed, and waits for the next event. */
void party_skip_to_now(struct party *party, struct seat *seat);

/* The seat, which was removed, waits for nothing any more. */
void party_forget_reader(struct party *party, const struct seat *seat);

/* Finds the events that the member has missed if it has seen so many. False: some are lost. */
MUST_CHECK bool party_find_missed(const struct party *party, const struct seat *seat, uint64_t seen,
                                  struct log_cursor *ret_cursor);

/* Finds all events of the seat's epoch; some may be lost. */
struct log_cursor party_find_all(const struct party *party, const struct seat *seat);

#endif
