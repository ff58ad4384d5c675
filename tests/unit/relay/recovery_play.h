/*
 * A play: several clients of protocol 3 in one room, a network that loses their connections, and a
 * server, whichever it is.
 *
 *     struct recovery_server server = ...;
 *     struct recovery_options options = {.seed = seed};
 *     struct recovery_outcome outcome = recovery_play(&server, &options);
 *     if (outcome.verdict.is_broken)
 *         fail_msg("SEED=%" PRIu64 ": %s", seed, outcome.verdict.what);
 *
 * The seed determines everything. In the end the network is well, and all that was promised must
 * have come. `recovery_server.h` says how to plug a server in.
 */
#ifndef PARTY_TESTS_RECOVERY_PLAY_H
#define PARTY_TESTS_RECOVERY_PLAY_H

#include "recovery/recovery_break.h"
#include "recovery/recovery_server.h"
#include "recovery/recovery_verdict.h"

struct recovery_options {
    uint64_t seed;
    uint32_t steps;             /* at most 1500 */
    enum recovery_break broken; /* by the players */
    bool has_trace;             /* print all that goes in and out */
};

struct recovery_outcome {
    struct verdict verdict;
    uint32_t messages;    /* that players said */
    uint32_t recovered;   /* players who came back and had missed nothing */
    uint32_t unrecovered; /* or had, in the same epoch */
};

/* Sets `server->hearer`, which is invalid afterwards. The caller owns the server. */
struct recovery_outcome recovery_play(struct recovery_server *server,
                                      const struct recovery_options *options);

#endif
