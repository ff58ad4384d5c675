/* Adds counters up, and names them for people. */
#include "server/stats.h"

void stats_count_turn(struct loop_stats *stats, uint64_t duration_ns)
{
    static const uint32_t bounds_us[TURN_CLASSES - 1] = TURN_BOUNDS_US;
    int class = 0;
    while (class < TURN_CLASSES - 1 && duration_ns > bounds_us[class] * (uint64_t)1000)
        class ++;
    stats->turns[class]++;
    stats->turns_ns += duration_ns;
}

void stats_add(struct loop_stats *total, const struct loop_stats *part)
{
    total->connections += part->connections;
    total->clients += part->clients;
    total->rooms += part->rooms;
    total->changed += part->changed;
    total->buffered += part->buffered;
    for (int i = 0; i < COUNTERS; i++)
        total->counters[i] += part->counters[i];
    for (int i = 0; i < RELAY_ERRORS; i++)
        total->errors[i] += part->errors[i];
    for (int i = 0; i < TURN_CLASSES; i++)
        total->turns[i] += part->turns[i];
    total->turns_ns += part->turns_ns;
}

const char *stats_counter_text(enum counter counter)
{
#define TEXT(name, text, ...) [COUNTER_##name] = text,
    static const char *const texts[COUNTERS] = {FOR_EACH_COUNTER(TEXT, TEXT, TEXT)};
#undef TEXT
    return texts[counter];
}
