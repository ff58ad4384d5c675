/*
 * The times of messages in an open loop. Each of `count` senders has one turn in each interval, at
 * a time of its own within the interval. So turns repeat in one order, and no heap is needed.
 *
 * The time of any turn can be computed. So the recipient of a message knows from its number when it
 * was due, and the message need not carry a time.
 */
#ifndef PARTY_BENCH_SCHEDULE_H
#define PARTY_BENCH_SCHEDULE_H

#include <stdint.h>

struct schedule {
    uint64_t start_ns;
    uint64_t interval_ns;
    uint32_t count;
    uint32_t at;        /* in `order`: the sender that has the next turn */
    uint32_t round;     /* the number of that turn */
    uint64_t *phase_ns; /* owned: the time of each sender within the interval */
    uint32_t *order;    /* owned: senders by phase */
};

/* Spreads turns evenly. This thread has every `stride`th sender, from `first` on. */
void schedule_init_even(struct schedule *schedule, uint64_t start_ns, double interval_s,
                        uint32_t count, uint32_t first, uint32_t stride);

/* Puts turns at random times within the interval; the same seed gives the same times. */
void schedule_init_random(struct schedule *schedule, uint64_t start_ns, double interval_s,
                          uint32_t count, uint64_t seed);

void schedule_release(struct schedule *schedule);

/* When a sender's turn with this number is due. */
static inline uint64_t schedule_time(const struct schedule *schedule, uint32_t sender,
                                     uint32_t number)
{
    return schedule->start_ns + number * schedule->interval_ns + schedule->phase_ns[sender];
}

/* When the next turn of any sender is due; UINT64_MAX when there are no senders. */
static inline uint64_t schedule_next_time(const struct schedule *schedule)
{
    if (schedule->count == 0)
        return UINT64_MAX;
    return schedule_time(schedule, schedule->order[schedule->at], schedule->round);
}

/* Takes the next turn. Returns its sender and its number. */
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
