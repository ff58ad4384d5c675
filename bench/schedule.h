/*
 * When what is due, in an open loop: each of `count` senders has a turn once an interval, each at a
 * time of its own within it, so turns go round and round in one order and no heap is needed.
 *
 * The time of any turn can be computed, so whoever receives a message with its number knows when it
 * was due, and no time has to travel with it.
 */
#ifndef PARTY_BENCH_SCHEDULE_H
#define PARTY_BENCH_SCHEDULE_H

#include <stdint.h>

struct schedule {
    uint64_t start_ns;
    uint64_t interval_ns;
    uint32_t count;
    uint32_t at;        /* in `order`: whose turn is next */
    uint32_t round;     /* the number of that turn */
    uint64_t *phase_ns; /* owned: of each sender, within the interval */
    uint32_t *order;    /* owned: senders by phase */
};

/* Turns evenly spread. This thread's senders are every `stride`th of all, from `first` on. */
void schedule_init_even(struct schedule *schedule, uint64_t start_ns, double interval_s,
                        uint32_t count, uint32_t first, uint32_t stride);

/* Turns at random times within the interval, the same ones for the same seed. */
void schedule_init_random(struct schedule *schedule, uint64_t start_ns, double interval_s,
                          uint32_t count, uint64_t seed);

void schedule_release(struct schedule *schedule);

/* When a sender's turn of that number is due. */
static inline uint64_t schedule_time(const struct schedule *schedule, uint32_t sender,
                                     uint32_t number)
{
    return schedule->start_ns + number * schedule->interval_ns + schedule->phase_ns[sender];
}

/* When the next turn is due, whosever it is; UINT64_MAX when there are no senders. */
static inline uint64_t schedule_next_time(const struct schedule *schedule)
{
    if (schedule->count == 0)
        return UINT64_MAX;
    return schedule_time(schedule, schedule->order[schedule->at], schedule->round);
}

/* Takes the next turn: whose it is, and its number. */
static inline uint32_t schedule_take(struct schedule *schedule, uint32_t *ret_number)
{
    uint32_t sender = schedule->order[schedule->at];
    *ret_number = schedule->round;
    if (++schedule->at == schedule->count) {
        schedule->at = 0;
        schedule->round++;
    }
    return sender;
}

#endif
