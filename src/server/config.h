/* What the operator may set: options, and the environment where an option is not given. */
#ifndef PARTY_SERVER_CONFIG_H
#define PARTY_SERVER_CONFIG_H

#include <stddef.h>
#include <stdint.h>

#include "base/attributes.h"

struct config {
    const char *host; /* NULL: every address */
    uint64_t port;
    uint64_t loops;
    uint64_t message_bytes_max;
    uint64_t ping_interval_ms;
    uint64_t idle_timeout_ms;
};

enum config_result {
    CONFIG_RUN,
    CONFIG_HELP,
    CONFIG_VERSION,
    CONFIG_INVALID, /* `ret_why` has the sentence */
};

/* Strings in the result point into `arguments` or the environment. */
MUST_CHECK enum config_result config_read(int argument_count, char **arguments,
                                          struct config *ret_config, char *ret_why,
                                          size_t why_capacity);

/* Prints what --help tells, made from the same table that the options are read by. */
void config_print_help(void);

#endif
