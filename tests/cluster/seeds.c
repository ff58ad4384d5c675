#include "cluster/seeds.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

struct options {
    uint64_t seed;
    uint64_t seeds;
    uint64_t for_seconds;
    bool is_traced;
};

static struct {
    uint64_t seed;
    uint64_t random;
    const uint64_t *now_ms;
    bool is_traced;
    bool is_compared;
    uint64_t digest; /* of all lines */
} run;

uint32_t draw(uint32_t bound)
{
    run.random += UINT64_C(0x9e3779b97f4a7c15);
    uint64_t number = run.random;
    number = (number ^ number >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    number = (number ^ number >> 27) * UINT64_C(0x94d049bb133111eb);
    return (uint32_t)((number ^ number >> 31) >> 32) % bound;
}

void seeds_watch(const uint64_t *now_ms)
{
    run.now_ms = now_ms;
}

uint64_t seeds_seed(void)
{
    return run.seed;
}

void tell(const char *format, ...)
{
    char line[256];
    va_list arguments;
    if (!run.is_traced && !run.is_compared)
        return;
    va_start(arguments, format);
    vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    for (const char *at = line; *at != '\0'; at++)
        run.digest = (run.digest ^ (uint8_t)*at) * UINT64_C(0x100000001b3);
    if (run.is_traced)
        printf("%8.3f %s\n", (double)*run.now_ms / 1000, line);
}

void broken(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fprintf(stderr, "seed %llu: at %.3f s: ", (unsigned long long)run.seed,
            (double)*run.now_ms / 1000);
    vfprintf(stderr, format, arguments);
    fprintf(stderr, "\n");
    va_end(arguments);
    fflush(stdout);
    exit(1);
}

static uint64_t number_of(const char *text)
{
    char *end;
    uint64_t number = strtoull(text, &end, 10);
    if (*text == '\0' || *end != '\0') {
        fprintf(stderr, "%s is no number\n", text);
        exit(2);
    }
    return number;
}

static void read_options(int argument_count, char **arguments, struct options *options)
{
    for (int i = 1; i < argument_count; i++) {
        const char *value = i + 1 < argument_count ? arguments[i + 1] : "";
        if (strcmp(arguments[i], "--trace") == 0) {
            options->is_traced = true;
            continue;
        }
        if (strcmp(arguments[i], "--seed") == 0)
            options->seed = number_of(value);
        else if (strcmp(arguments[i], "--seeds") == 0)
            options->seeds = number_of(value);
        else if (strcmp(arguments[i], "--for") == 0)
            options->for_seconds = number_of(value);
        else
            number_of("");
        i++;
    }
}

/* Returns the digest of its lines. */
static uint64_t play_seed(uint64_t seed, bool is_traced, bool is_compared,
                          void (*play)(char *, size_t), char *summary, size_t capacity)
{
    run.seed = run.random = seed;
    run.is_traced = is_traced;
    run.is_compared = is_compared;
    run.digest = 0;
    play(summary, capacity);
    return run.digest;
}

int seeds_play(int argument_count, char **arguments, void (*play)(char *summary, size_t capacity))
{
    struct options options = {.seeds = 1};
    char summary[256];
    if (getrandom(&options.seed, sizeof options.seed, 0) < 0)
        return 1;
    options.seed %= 1000000000;
    read_options(argument_count, arguments, &options);
    time_t end = time(NULL) + (time_t)options.for_seconds;
    uint64_t i = 0;
    for (; options.for_seconds > 0 ? time(NULL) < end : i < options.seeds; i++) {
        uint64_t seed = options.seed + i;
        /* On stderr, so that it is there when the seed ends the program. */
        fprintf(stderr, "# seed %llu\n", (unsigned long long)seed);
        if (i == 0)
            fprintf(stderr, "# starts\n"); /* for those who plant faults */
        uint64_t digest = play_seed(seed, options.is_traced, i == 0, play, summary, sizeof summary);
        if (i == 0 && play_seed(seed, false, true, play, summary, sizeof summary) != digest)
            broken("two runs of the seed differ");
        printf("ok %llu - seed %llu: %s\n", (unsigned long long)i + 1, (unsigned long long)seed,
               summary);
    }
    printf("1..%llu\n", (unsigned long long)i);
    return 0;
}
