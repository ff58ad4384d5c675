/* Lays out the turns. The header has the functions that take them. */
#include "schedule.h"

#include <stdlib.h>

#include "clock_ns.h"
#include "give_up.h"

static void allocate(struct schedule *schedule, uint64_t start_ns, double interval_s,
                     uint32_t count)
{
    *schedule = (struct schedule){
        .start_ns = start_ns,
        .interval_ns = (uint64_t)(interval_s * (double)NANOSECONDS),
        .count = count,
        .phase_ns = allocate_or_give_up(count, sizeof *schedule->phase_ns),
        .order = allocate_or_give_up(count, sizeof *schedule->order),
    };
}

void schedule_init_even(struct schedule *schedule, uint64_t start_ns, double interval_s,
                        uint32_t count, uint32_t first, uint32_t stride)
{
    allocate(schedule, start_ns, interval_s, count);
    double step_ns = (double)schedule->interval_ns / ((double)count * stride);
    for (uint32_t i = 0; i < count; i++) {
        schedule->phase_ns[i] = (uint64_t)(step_ns * ((double)i * stride + first));
        schedule->order[i] = i;
    }
}

/* splitmix64 */
static uint64_t next_random(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

static int compare_phases(const void *a, const void *b, void *phases)
{
    const uint64_t *phase_ns = phases;
    uint64_t first = phase_ns[*(const uint32_t *)a];
    uint64_t second = phase_ns[*(const uint32_t *)b];
    return (first > second) - (first < second);
}

void schedule_init_random(struct schedule *schedule, uint64_t start_ns, double interval_s,
                          uint32_t count, uint64_t seed)
{
    allocate(schedule, start_ns, interval_s, count);
    for (uint32_t i = 0; i < count; i++) {
        schedule->phase_ns[i] = next_random(&seed) % schedule->interval_ns;
        schedule->order[i] = i;
    }
    qsort_r(schedule->order, count, sizeof *schedule->order, compare_phases, schedule->phase_ns);
}

void schedule_release(struct schedule *schedule)
{
    free(schedule->phase_ns);
    free(schedule->order);
    *schedule = (struct schedule){0};
}
