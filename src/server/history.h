/*
 * The last minutes of a loop, for charts: a ring of samples, one for each interval.
 *
 * Nothing wakes a loop for it. At the beginning of a turn, one comparison tells whether an interval
 * has ended since; then its sample is taken, and those that were slept through are what they must
 * have been: the same rooms and clients, and no message. Intervals are counted on the one clock
 * that all loops have, so that the samples of several loops can be added up. Pure but for its
 * caller's clock; belongs to its loop's thread, others get copies by mail.
 */
#ifndef PARTY_SERVER_HISTORY_H
#define PARTY_SERVER_HISTORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/limits.h"

#define HISTORY_INTERVAL_NS (HISTORY_INTERVAL_S * (uint64_t)1000000000)
/* Some more are kept than are told, since loops answer at different times. */
#define HISTORY_SLOTS (HISTORY_SAMPLES + 4)

struct history_sample {
    uint32_t rooms; /* at the interval's end */
    uint32_t clients;
    uint64_t messages; /* within the interval */
    uint64_t deliveries;
};

/* What a loop has at the moment. */
struct history_state {
    uint32_t rooms;
    uint32_t clients;
    uint64_t messages; /* since the start */
    uint64_t deliveries;
};

struct history {
    uint64_t first; /* the oldest interval that is known, counted from the clock's zero */
    uint64_t next;  /* the one that is under way */
    uint64_t next_ns;
    uint64_t messages; /* since the start, when it began */
    uint64_t deliveries;
    struct history_sample samples[HISTORY_SLOTS]; /* that of interval n is at n % HISTORY_SLOTS */
};

void history_begin(struct history *history, uint64_t now_ns);

/* Whether an interval has ended. */
static inline bool history_is_due(const struct history *history, uint64_t now_ns)
{
    return now_ns >= history->next_ns;
}

/* Takes the samples that are due. `state` is what it has been since the last turn's end. */
void history_advance(struct history *history, uint64_t now_ns, const struct history_state *state);

/* Adds a part to the sum of others; what not all know is not known of the sum. */
void history_add(struct history *total, const struct history *part);

/* The last samples, oldest first; returns how many, at most HISTORY_SAMPLES. */
size_t history_list(const struct history *history,
                    struct history_sample ret_samples[HISTORY_SAMPLES]);

/* Nanoseconds since the last sample was due. */
uint64_t history_age_ns(const struct history *history, uint64_t now_ns);

#endif
