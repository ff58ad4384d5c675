/*
 * Doubles the number of rooms until the bound on p99 breaks, then halves the gap. Each step adds
 * rooms to those that are there. When a step tries fewer rooms, the rest of the rooms is silent.
 *
 * A step keeps the bound when 99 of 100 round trips keep it, no message is lost, and all messages
 * were sent on time. Near the limit this is a matter of chance: a step that breaks the bound is
 * tried once more.
 */
#include <stdio.h>

#include "crew.h"
#include "party.h"

#define FULL_SHARE 0.95 /* of a core: there is nothing left of it */
#define STEPS_MAX 24
#define PRECISION 50 /* the search ends when the gap is a 50th of the rooms */

struct search {
    struct crew *crew;
    double bound_ns;
    struct measurement last;
    struct measurement best; /* the largest number of rooms that kept the bound */
    double setup_seconds;
};

static double p99_ns(const struct measurement *measurement)
{
    return (double)histogram_percentile(&measurement->latency, 0.99);
}

static bool keeps_bound(const struct search *search, const struct measurement *measurement)
{
    return measurement->latency.count > 0 && p99_ns(measurement) <= search->bound_ns &&
           measurement->tally.lost == 0;
}

static void tell_step(const struct search *search, uint32_t rooms, bool is_kept)
{
    const struct options *options = search->crew->setting.options;
    const struct measurement *last = &search->last;
    if (options->is_quiet)
        return;
    fprintf(stderr, "  %6u rooms: p99 %.2f ms, generator %.0f %%", rooms, p99_ns(last) / 1e6,
            last->generator_share * 100);
    if (last->has_server)
        fprintf(stderr, ", server %.0f %%", measurement_server_share(last) * 100);
    fprintf(stderr, "%s\n", is_kept ? "" : ": too many");
}

static bool try_rooms(struct search *search, uint32_t rooms)
{
    search->setup_seconds += crew_seat(search->crew, rooms);
    bool is_kept = false;
    for (int attempt = 0; attempt < 2 && !is_kept; attempt++) {
        crew_measure(search->crew, rooms, &search->last);
        is_kept = keeps_bound(search, &search->last);
        tell_step(search, rooms, is_kept);
    }
    if (is_kept)
        search->best = search->last;
    return is_kept;
}

/* The reason why the last step broke the bound. */
static const char *limit(const struct search *search, bool has_broken)
{
    const struct measurement *broken = &search->last;
    if (!has_broken)
        return "descriptors of the generator";
    if (broken->generator_share > FULL_SHARE)
        return "the generator's core is full";
    if ((double)histogram_percentile(&broken->lateness, 0.99) > search->bound_ns / 2)
        return "the generator was late";
    if (broken->has_server && measurement_busiest_share(broken) > FULL_SHARE)
        return "a core of the server is full";
    if (broken->tally.lost > 0)
        return "messages were lost";
    return "p99";
}

void party_find_rooms(const struct options *options, struct report *report)
{
    static struct search search;
    static struct measurement broken;
    uint32_t most = crew_rooms_max(PARTY_CLIENTS);
    struct plan plan = {
        .rooms = most, .clients_per_room = PARTY_CLIENTS, .clients = most * PARTY_CLIENTS};
    search.crew = crew_new(options, &plan);
    search.bound_ns = options->p99 * 1e9;

    uint32_t good = 0;
    uint32_t bad = most + 1;
    uint32_t rooms = options->rooms < most ? (uint32_t)options->rooms : most;
    for (int step = 0; step < STEPS_MAX && bad - good > 1 + good / PRECISION; step++) {
        if (try_rooms(&search, rooms)) {
            good = rooms;
        } else {
            bad = rooms;
            broken = search.last;
        }
        uint32_t next = bad > most ? good * 2 : good + (bad - good) / 2;
        rooms = next < most ? next : most;
    }
    bool has_broken = bad <= most;
    if (has_broken)
        search.last = broken;
    report_count(report, NULL, "rooms_found", good);
    report_text(report, NULL, "limited_by", limit(&search, has_broken));
    report_number(report, NULL, "setup_seconds", search.setup_seconds);
    measurement_report(good > 0 ? &search.best : &search.last, "state_us", report);
    crew_free(search.crew);
}
