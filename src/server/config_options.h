/*
 * What config's own files share: the table of options, and how the value of one is read.
 *
 * Everything here is for the thread that starts the process.
 */
#ifndef PARTY_SERVER_CONFIG_OPTIONS_H
#define PARTY_SERVER_CONFIG_OPTIONS_H

#include "server/config.h"

#define CHECK_HEALTH "--check-health"
#define UPGRADE "--upgrade"
#define SHOW_STATE "--show-state"

enum value_kind {
    VALUE_TEXT,
    VALUE_NUMBER,
    VALUE_DURATION, /* `10s`, `250ms`; stored in milliseconds */
    VALUE_FLAG,     /* may stand without a value on the command line */
    VALUE_POLLER,
    VALUE_ON_STOP,
    VALUE_ENDPOINT, /* an address and a port */
    VALUE_PREFIX,   /* the beginning of a path */
    VALUE_NAME,     /* letters, digits, `.`, `-` and `_` */
    VALUE_URL,      /* http or https */
    VALUE_SERVERS,  /* URLs of NATS' servers, parted by commas */
    VALUE_CLUSTER,  /* a name, see bus_names.h */
    VALUE_NODE,     /* a name, see node_id.h */
    VALUE_ORIGINS,  /* lists: repeatable, or parted by commas */
    VALUE_PROXIES,
};

struct option {
    const char *name;
    const char *environment;
    size_t offset; /* in struct config */
    enum value_kind kind;
    uint64_t minimum;
    uint64_t maximum;
    const char *help;
    struct unset {
        const char *text; /* what --help shows in brackets */
        bool is_value; /* `text` is read as the option's value; else config_read() computes one */
    } unset;
    const char *fallback; /* a variable that is read when `environment` is not set; or NULL */
};

/* A buffer for the sentence that tells the user what is wrong. */
struct complaint {
    char *text;
    size_t capacity;
};

/* All options, in the order of --help. */
extern const struct option config_options[];
extern const size_t config_option_count;

/* The option with this name, which needs no end; NULL: there is none. */
const struct option *config_option_find(const char *name, size_t name_length);

/*
 * Reads `text` into the option's field. `name` is the option's name or the variable's, for the
 * user. A list of one source replaces those of sources before it. The configuration keeps `text`.
 * False: the complaint says what the option wants.
 */
MUST_CHECK bool config_option_set(struct config *config, enum config_source source,
                                  const struct option *option, const char *name, const char *text,
                                  struct complaint complaint);

#endif
