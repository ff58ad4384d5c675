/*
 * Random clients of protocol 3 against the reference server: nothing is lost. And with each rule
 * broken on purpose: the players see it.
 *
 * A seed that fails is printed. SEED=<number> in the environment plays that one alone, with a
 * trace; BREAK=<name> beside it breaks that rule.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "relay/recovery_play.h"
#include "relay/recovery_reference.h"
#include "relay/relay_fixture.h"

#define SEEDS 300
#define SEEDS_UNTIL_FOUND 400
#define STEPS 600
#define FIXED_SEED 1

#define BREAK_NAME(name) #name,
static const char *const break_names[] = {FOR_EACH_RECOVERY_BREAK(BREAK_NAME)};

/* The servers of different seeds keep different numbers of events. */
static uint32_t kept_events_of(uint64_t seed)
{
    static const uint32_t counts[] = {3, 8, 20, 64};
    return counts[seed % ARRAY_LENGTH(counts)];
}

static struct recovery_outcome play_with(uint64_t seed, enum recovery_break broken,
                                         bool forgets_sessions, bool has_trace)
{
    struct recovery_server server;
    struct reference *reference = reference_new(kept_events_of(seed), broken, &server);
    server.forgets_sessions = forgets_sessions;
    struct recovery_options options = {
        .seed = seed, .steps = STEPS, .broken = broken, .has_trace = has_trace};
    struct recovery_outcome outcome = recovery_play(&server, &options);
    reference_free(reference);
    return outcome;
}

static struct recovery_outcome play(uint64_t seed, enum recovery_break broken, bool has_trace)
{
    return play_with(seed, broken, false, has_trace);
}

static void play_seeds(uint64_t first, uint32_t count)
{
    struct recovery_outcome sum = {0};
    for (uint64_t seed = first; seed < first + count; seed++) {
        struct recovery_outcome outcome = play(seed, BREAK_NONE, false);
        if (outcome.verdict.is_broken)
            fail_msg("SEED=%" PRIu64 ": %s", seed, outcome.verdict.what);
        sum.messages += outcome.messages;
        sum.recovered += outcome.recovered;
        sum.unrecovered += outcome.unrecovered;
    }
    print_message("%u seeds from SEED=%" PRIu64 " on: %u messages, %u recovered, %u not\n", count,
                  first, sum.messages, sum.recovered, sum.unrecovered);
    /* Or else the players would see little. */
    assert_true(sum.messages > 20 * count);
    assert_true(sum.recovered > 2 * count);
    assert_true(sum.unrecovered > count / 20);
}

static void nothing_is_lost_for_the_fixed_seeds(void **state)
{
    (void)state;
    play_seeds(FIXED_SEED, SEEDS);
}

static void nothing_is_lost_for_seeds_of_the_clock(void **state)
{
    (void)state;
    play_seeds((uint64_t)time(NULL) * SEEDS, SEEDS / 3);
}

static void each_broken_rule_is_found(void **state)
{
    (void)state;
    for (uint32_t broken = BREAK_NONE + 1; broken < RECOVERY_BREAK_COUNT; broken++) {
        struct recovery_outcome outcome = {0};
        uint64_t seed = FIXED_SEED;
        while (seed < FIXED_SEED + SEEDS_UNTIL_FOUND && !outcome.verdict.is_broken)
            outcome = play(seed++, (enum recovery_break)broken, false);
        print_message("%s: SEED=%" PRIu64 ": %s\n", break_names[broken], seed - 1,
                      outcome.verdict.what);
        if (!outcome.verdict.is_broken)
            fail_msg("%s is not found", break_names[broken]);
    }
}

/* Where the network brings nothing that only such a memory could judge. */
static void sessions_may_be_forgotten_with_their_seats(void **state)
{
    (void)state;
    for (uint64_t seed = FIXED_SEED; seed < FIXED_SEED + SEEDS; seed++) {
        struct recovery_outcome outcome =
            play_with(seed, BREAK_SERVER_SESSIONS_FORGOTTEN, true, false);
        if (outcome.verdict.is_broken)
            fail_msg("seed %" PRIu64 ": %s", seed, outcome.verdict.what);
    }
}

static void same_seed_is_the_same_play(void **state)
{
    (void)state;
    struct recovery_outcome first = play(FIXED_SEED, BREAK_NONE, false);
    struct recovery_outcome second = play(FIXED_SEED, BREAK_NONE, false);
    assert_memory_equal(&first, &second, sizeof first);
}

static enum recovery_break break_from_environment(void)
{
    const char *name = getenv("BREAK");
    for (uint32_t i = 0; name != NULL && i < RECOVERY_BREAK_COUNT; i++) {
        if (strcmp(name, break_names[i]) == 0)
            return (enum recovery_break)i;
    }
    assert_null(name);
    return BREAK_NONE;
}

static void seed_of_the_environment(void **state)
{
    (void)state;
    uint64_t seed = strtoull(getenv("SEED"), NULL, 10);
    struct recovery_outcome outcome = play(seed, break_from_environment(), true);
    if (outcome.verdict.is_broken)
        fail_msg("SEED=%" PRIu64 ": %s", seed, outcome.verdict.what);
}

static void seeds_of_the_environment(void **state)
{
    (void)state;
    play_seeds((uint64_t)time(NULL) * SEEDS, (uint32_t)strtoul(getenv("SEEDS"), NULL, 10));
}

int main(void)
{
    const struct CMUnitTest many[] = {cmocka_unit_test(seeds_of_the_environment)};
    const struct CMUnitTest one[] = {cmocka_unit_test(seed_of_the_environment)};
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_lost_for_the_fixed_seeds),
        cmocka_unit_test(nothing_is_lost_for_seeds_of_the_clock),
        cmocka_unit_test(each_broken_rule_is_found),
        cmocka_unit_test(sessions_may_be_forgotten_with_their_seats),
        cmocka_unit_test(same_seed_is_the_same_play),
    };
    if (getenv("SEED") != NULL)
        return cmocka_run_group_tests(one, NULL, NULL);
    if (getenv("SEEDS") != NULL)
        return cmocka_run_group_tests(many, NULL, NULL);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
