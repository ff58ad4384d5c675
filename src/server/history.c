/* The ring of samples. */
#include "server/history.h"

static void move_to(struct history *history, uint64_t next)
{
    history->next = next;
    history->next_ns = (next + 1) * HISTORY_INTERVAL_NS;
    if (next > history->first + HISTORY_SLOTS)
        history->first = next - HISTORY_SLOTS;
}

void history_begin(struct history *history, uint64_t now_ns)
{
    uint64_t next = now_ns / HISTORY_INTERVAL_NS;
    *history = (struct history){.first = next};
    move_to(history, next);
}

static void put(struct history *history, const struct history_sample *sample)
{
    history->samples[history->next % HISTORY_SLOTS] = *sample;
    move_to(history, history->next + 1);
}

void history_advance(struct history *history, uint64_t now_ns, const struct history_state *state)
{
    uint64_t next = now_ns / HISTORY_INTERVAL_NS;
    struct history_sample sample = {
        .rooms = state->rooms,
        .clients = state->clients,
        .messages = state->messages - history->messages,
        .deliveries = state->deliveries - history->deliveries,
    };
    history->messages = state->messages;
    history->deliveries = state->deliveries;
    put(history, &sample);
    sample.messages = 0;
    sample.deliveries = 0;
    /* Skips intervals whose samples would be overwritten at once. */
    if (next - history->next > HISTORY_SLOTS)
        move_to(history, next - HISTORY_SLOTS);
    while (history->next < next)
        put(history, &sample);
}

void history_add(struct history *total, const struct history *part)
{
    if (part->first > total->first)
        total->first = part->first;
    if (part->next < total->next)
        move_to(total, part->next);
    for (uint64_t i = total->first; i < total->next; i++) {
        struct history_sample *sum = &total->samples[i % HISTORY_SLOTS];
        const struct history_sample *sample = &part->samples[i % HISTORY_SLOTS];
        sum->rooms += sample->rooms;
        sum->clients += sample->clients;
        sum->messages += sample->messages;
        sum->deliveries += sample->deliveries;
    }
}

size_t history_list(const struct history *history,
                    struct history_sample ret_samples[HISTORY_SAMPLES])
{
    size_t count = 0;
    uint64_t first = history->first;
    if (history->next > first + HISTORY_SAMPLES)
        first = history->next - HISTORY_SAMPLES;
    for (uint64_t i = first; i < history->next; i++)
        ret_samples[count++] = history->samples[i % HISTORY_SLOTS];
    return count;
}

uint64_t history_age_ns(const struct history *history, uint64_t now_ns)
{
    uint64_t ended_ns = history->next * HISTORY_INTERVAL_NS;
    return now_ns > ended_ns ? now_ns - ended_ns : 0;
}
