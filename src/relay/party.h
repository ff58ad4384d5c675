/*
 * What a room of protocol 3 has beyond one of protocol 2: the log of its events with the counts of
 * its seats, an audience, and what the host decides about who may come.
 */
#ifndef PARTY_RELAY_PARTY_H
#define PARTY_RELAY_PARTY_H

#include "relay/seat.h"

#define PASSWORD_BYTES_MAX 64
#define PASSWORD_SALT_BYTES 16
#define PASSWORD_DIGEST_BYTES 32 /* SHA-256 */
#define BANS_MAX 256             /* clients that a room remembers as banned, and as kicked */

/* How the log treats an event; see log.h. */
enum keeping {
    KEEP_FRAME,
    KEEP_COUNT, /* the event is worthless when late: it is counted only */
    KEEP_STATE, /* as long as there is no newer state */
};

/* Somebody whom the host has thrown out. */
struct outcast {
    uint64_t id_hash; /* of the clientId, for a ban; 0: it may come back in a new epoch */
    uint64_t epoch;   /* of the seat that it had; 0: none */
};

/* The last BANS_MAX of them, the oldest in front at `first`. */
struct outcasts {
    struct outcast *items;
    uint32_t count;
    uint32_t first;
};

struct party {
    struct room *room;
    const struct relay *relay; /* by which the log is accounted */
    struct log_account account;
    struct log log;
    uint64_t to_all;        /* events that were for everyone, or for everyone but one */
    uint64_t oldest_missed; /* what the slowest seat missed first, when all were looked at last */
    uint32_t confirmations; /* since then */
    uint32_t hold_ms;
    struct member **audience; /* in no order; each knows its place */
    uint32_t audience_count;
    uint32_t audience_capacity;
    uint32_t audience_max;
    uint32_t audience_told;    /* what the host heard last */
    uint32_t audience_told_ms; /* when the host heard of the audience last */
    uint32_t busy_since_ms;    /* a second in which `busy_count` messages of the audience came */
    uint32_t busy_count;
    struct due migration;
    struct due audience_due;
    struct outcasts kicked;
    struct outcasts banned;
    struct payload *private_state; /* in the form in which the host gets it; NULL: none */
    bool host_migrates;
    bool is_locked;
    bool audience_is_muted;
    bool creator_is_silent; /* nothing came from it after its `created` */
    bool has_password;
    bool has_dues; /* places in the relay's heap are reserved, and the log is there */
    uint8_t salt[PASSWORD_SALT_BYTES];
    uint8_t digest[PASSWORD_DIGEST_BYTES];
};

/* NULL: memory is short. */
MUST_CHECK struct party *party_new(struct room *room);

/* Frees the party, but not the members; NULL is allowed. */
void party_free(struct party *party);

/* Seats, held ones included. */
static inline uint32_t party_seats(const struct party *party)
{
    return party->room->known_count - party->audience_count;
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

/* Reserves a place for one more of the audience. False: memory is short. */
MUST_CHECK bool party_reserve_audience(struct party *party);
void party_add_audience(struct party *party, struct member *member);
void party_remove_audience(struct party *party, struct member *member);

/* Remembers an outcast, and forgets the oldest of too many. False: memory is short. */
MUST_CHECK bool party_cast_out(struct outcasts *outcasts, struct outcast outcast);
bool party_was_kicked(const struct party *party, uint64_t epoch);
bool party_is_banned(const struct party *party, uint64_t id_hash);

/* Sets the password, or none if it is empty; the salt has PASSWORD_SALT_BYTES. */
void party_set_password(struct party *party, struct bytes password, const uint8_t *salt);
bool party_is_password(const struct party *party, struct bytes password);

#endif
