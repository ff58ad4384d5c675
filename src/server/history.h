/*
 * The last minutes of a loop, for charts: a ring of samples, one for each interval.
 *
 * No timer fills the ring. At the beginning of a turn the loop compares the time with the
 * interval's end; when it is over, the loop takes its sample. For intervals in which the loop
 * slept, it adds samples with the same rooms and clients, and no messages. Intervals are counted on
 * the clock that all loops share, so the samples of several loops can be added up. Pure: the caller
 * passes the time. Only the loop's thread uses the ring; others get copies by mail.
 */
#ifndef PARTY_SERVER_HISTORY_H
#define PARTY_SERVER_HISTORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/limits.h"

#define HISTORY_INTERVAL_NS (HISTORY_INTERVAL_S * (uint64_t)1000000000)
/* The ring keeps some more samples than it lists, since loops answer at different times. */
#define HISTORY_SLOTS (HISTORY_SAMPLES + 4)

struct history_sample {
    uint32_t rooms; /* at the end of the interval */
    uint32_t clients;
    uint64_t messages; /* within the interval */
    uint64_t deliveries;
};

/* Counts of a loop at the moment. */
struct history_state {
    uint32_t rooms;
    uint32_t clients;
    uint64_t messages; /* since the start */
    uint64_t deliveries;
};

struct history {
    uint64_t first; /* the oldest interval in the ring, counted from the clock's zero */
    uint64_t next;  /* the interval that is under way */
    uint64_t next_ns;
    uint64_t messages; /* since the start, at the beginning of the interval */
    uint64_t deliveries;
    /* The sample of interval n is at n % HISTORY_SLOTS. */
    struct history_sample samples[HISTORY_SLOTS];
};

void history_begin(struct history *history, uint64_t now_ns);

/* Whether an interval has ended. */
static inline bool history_is_due(const struct history *history, uint64_t now_ns)
{
    return now_ns >= history->next_ns;
}

/* Takes the samples that are due. `state` has the counts since the end of the last turn. */
void history_advance(struct history *history, uint64_t now_ns, const struct history_state *state);

/* Adds `part` to `total`; the sum covers only intervals that both have. */
void history_add(struct history *total, const struct history *part);

/* Copies the last samples, oldest first; returns how many, at most HISTORY_SAMPLES. */
size_t history_list(const struct history *history,
                    struct history_sample ret_samples[HISTORY_SAMPLES]);

/* Nanoseconds since the last sample was due. */
uint64_t history_age_ns(const struct history *history, uint64_t now_ns);

#endif
