/*
 * party-bench: a load generator for WebSocket relays that speak protocol 1, 2 or 3
 * (docs/protocol.md).
 *
 *     party-bench lockstep --url ws://127.0.0.1:8080 --rooms 100 --clients 8 --pid 1234
 *
 * This file has the beginning and the end: options and report. From here, read scenario.h (what the
 * clients play), crew.h (the run, from outside), worker.h (a thread of the run) and client.h (one
 * client).
 *
 * Any failure ends the run with a sentence (give_up.h): half a benchmark is none.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "scenario.h"

#define STATUS_USAGE 2

static void add_parameter(void *report, const char *name, const char *json)
{
    char key[32];
    snprintf(key, sizeof key, "%s", name);
    for (char *at = key; *at != '\0'; at++) {
        if (*at == '-')
            *at = '_';
    }
    report_json(report, "parameters", key, json);
}

/* Prints the lengths of frames, for programs that must know them: bench/run gives them to the
 * floor. */
static void print_lengths(const struct options *options)
{
    struct send_frame frame;
    struct send_shape shape = {.kind = MESSAGE_BROADCAST, .data_bytes = options->payload};
    send_frame_init(&frame, &shape);
    printf("%zu %zu\n", frame.length, message_relayed_length(options->payload));
    send_frame_release(&frame);
}

static void run(const struct options *options)
{
    static struct report report;
    const struct scenario *scenario = scenario_of(options);
    report_text(&report, NULL, "scenario", scenario_name((enum scenario_kind)options->scenario));
    options_visit(options, add_parameter, &report);
    if (scenario->conduct != NULL)
        scenario->conduct(options, &report);
    else
        scenario_measure(options, &report);
    report_print(&report);
    if (options->json != NULL)
        report_write(&report, options->json);
}

int main(int argument_count, char **arguments)
{
    char why[512];
    struct options options;
    switch (options_read(argument_count, arguments, &options, why, sizeof why)) {
    case OPTIONS_HELP:
        options_print_help();
        return EXIT_SUCCESS;
    case OPTIONS_INVALID:
        fprintf(stderr, "party-bench: %s\n", why);
        return STATUS_USAGE;
    case OPTIONS_RUN:
        break;
    }
    signal(SIGPIPE, SIG_IGN);
    if (options.prints_lengths)
        print_lengths(&options);
    else
        run(&options);
    return EXIT_SUCCESS;
}
