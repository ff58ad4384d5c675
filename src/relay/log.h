/*
 * The log of a room: the events that a member may have missed, each once for all members.
 *
 * Every event of a room has a number, whomever it is for. A seat counts the events that are for it;
 * a member who comes back says how many of them it has seen, and the log has the rest, or says that
 * it has not. The log keeps events as frames, and drops the oldest when it would be too large. An
 * event that nobody needs to see late (`volatile`, or a state with a newer one behind it) is
 * counted and not kept: `skipped` stands for it. Belongs to one loop's thread.
 */
#ifndef PARTY_RELAY_LOG_H
#define PARTY_RELAY_LOG_H

#include "base/attributes.h"
#include "base/bytes.h"
#include "base/payload.h"

/* Which seats of the room an event is for. */
enum log_readers {
    LOG_EVERYONE,
    LOG_EVERYONE_BUT,
    LOG_ONE,
    LOG_SOME,
};

struct log_address {
    enum log_readers readers;
    uint32_t index;          /* of the seat; EVERYONE_BUT, ONE */
    const uint32_t *indices; /* of the seats, each once, at most UINT16_MAX of them; SOME */
    uint32_t index_count;
};

struct log;
struct room;

/* Who pays for the memory of logs: both may be called in any function that changes the log. */
struct log_account {
    bool (*admit)(struct log *log, size_t bytes); /* false: no more */
    void (*dismiss)(struct log *log, size_t bytes);
};

struct log {
    struct log_segment *first; /* with the oldest events; NULL: nothing is kept */
    struct log_segment *last;
    struct log_record *newest;
    struct log_record *state; /* of the room's state; NULL: none is kept */
    const struct log_account *account;
    size_t bytes; /* admitted */
    size_t bytes_max;
    uint64_t oldest; /* number of the oldest event that the log knows */
    uint64_t next;   /* number of the next event */
};

/* A member who missed events. */
struct log_reader {
    uint32_t index; /* of the seat */
    uint64_t since; /* number of the first event that the seat counts */
};

/* One of the missed events, or some that are not kept. Valid until the log changes. */
struct log_missed {
    uint64_t skipped;        /* so many are not kept; 0: one is, as follows */
    struct bytes frame;      /* as it was sent */
    struct payload *payload; /* that has the frame; NULL: none, the bytes are in the log */
};

/* Whether a reader wants a frame: if not, `skipped` stands for it. */
struct log_filter {
    bool (*is_wanted)(const struct log_filter *filter, struct bytes frame);
    const struct room *room;
};

struct log_cursor {
    struct log_reader reader;
    const struct log_segment *segment;
    size_t at;
    uint64_t number;  /* of the event at `at` */
    uint64_t to_pass; /* events that the reader has seen, and are still in front of it */
    uint64_t lost;    /* events before all these, which `skipped` stands for as well */
    const struct log_filter *filter; /* NULL: the reader wants all */
};

/* `account` must outlive the log. */
void log_init(struct log *log, size_t bytes_max, const struct log_account *account);
void log_release(struct log *log);

/*
 * Counts an event and keeps its frame. `payload` is one that has the frame, to which the log refers
 * then, or NULL: the log copies the bytes. When memory is short, or the frame is larger than the
 * log may be, nothing of what the log has is of use any more, and it is dropped.
 */
void log_keep(struct log *log, const struct log_address *address, struct bytes frame,
              struct payload *payload);

/*
 * Counts an event that is not kept, with those before it that are alike; or several with the same
 * address, as an entry of their own.
 */
void log_skip(struct log *log, const struct log_address *address);
void log_skip_many(struct log *log, const struct log_address *address, uint32_t count);

/* The same for the room's state. No state before it is kept any more. */
void log_keep_state(struct log *log, const struct log_address *address, struct payload *payload);

/* Counts an event whose frame could not be made. The log drops all events, which are of no use now.
 */
void log_lose(struct log *log);

/* Drops the oldest events, so that something else may have their memory. False: there are none. */
bool log_give_way(struct log *log);

/* Drops the events before this number, which everybody has seen. */
void log_drop_before(struct log *log, uint64_t number);

/*
 * Finds the last `count` events that are for this reader. False: the log does not have all of them
 * any more.
 */
MUST_CHECK bool log_find_missed(const struct log *log, struct log_reader reader, uint64_t count,
                                struct log_cursor *ret_cursor);

/*
 * Finds all events that the log still has of the last `count` for this reader. `skipped` stands for
 * the others.
 */
struct log_cursor log_find_rest(const struct log *log, struct log_reader reader, uint64_t count);

/* The next of them; false: there are no more. */
bool log_next_missed(struct log_cursor *cursor, struct log_missed *ret_missed);

/* What the log knows of one event, or of some that are not kept. Valid until the log changes. */
struct log_entry {
    struct log_address address;
    uint32_t skipped;   /* so many are not kept; 0: one is */
    bool is_state;      /* it is the room's state */
    struct bytes frame; /* as it was sent */
};

/* Where all events of the log begin. */
struct log_cursor log_begin(const struct log *log);

/* The next of them, whomever it is for; false: there are no more. */
bool log_next_entry(const struct log *log, struct log_cursor *cursor, struct log_entry *ret_entry);

/* Has a log that never had an event begin with this number. */
void log_resume(struct log *log, uint64_t oldest);

/* The number of the event behind the last one that this reader has seen, if it has missed `count`.
 */
uint64_t log_seen_until(const struct log *log, struct log_reader reader, uint64_t count);

#endif
