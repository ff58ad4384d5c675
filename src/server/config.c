/* One table of options serves the command line, the environment and --help. */
#include "server/config.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "server/limits.h"

enum value_kind {
    VALUE_TEXT,
    VALUE_NUMBER,
    VALUE_DURATION, /* `10s`, `250ms`; kept in milliseconds */
};

struct option {
    const char *name;
    const char *environment;
    size_t offset; /* in struct config */
    enum value_kind kind;
    uint64_t least;
    uint64_t most;
    const char *help;
};

#define FIELD(name) offsetof(struct config, name)

static const struct option options[] = {
    {"--host", "HOST", FIELD(host), VALUE_TEXT, 0, 0,
     "address or name to listen on (every IPv4 and IPv6 address)"},
    {"--port", "PORT", FIELD(port), VALUE_NUMBER, 0, 65535,
     "port to listen on, 0 lets the kernel choose (3000)"},
    {"--loops", "LOOPS", FIELD(loops), VALUE_NUMBER, 1, LOOPS_MAX,
     "event loops, a thread each (one for each core)"},
    {"--max-message-bytes", "MAX_MESSAGE_BYTES", FIELD(message_bytes_max), VALUE_NUMBER, 1,
     MESSAGE_BYTES_LIMIT, "longest message a client may send (16777216)"},
    {"--ping-interval", "PING_INTERVAL", FIELD(ping_interval_ms), VALUE_DURATION, 10,
     DURATION_MAX_MS, "silence after which a client is pinged (5s)"},
    {"--idle-timeout", "IDLE_TIMEOUT", FIELD(idle_timeout_ms), VALUE_DURATION, 10, DURATION_MAX_MS,
     "silence after which a client is gone (10s)"},
};

static bool read_digits(const char **text, uint64_t *ret_number)
{
    const char *at = *text;
    uint64_t number = 0;
    for (; *at >= '0' && *at <= '9'; at++) {
        if (number > UINT64_MAX / 10 - 10)
            return false;
        number = number * 10 + (uint64_t)(*at - '0');
    }
    bool has_digits = at > *text;
    *text = at;
    *ret_number = number;
    return has_digits;
}

static bool read_duration(const char *text, uint64_t *ret_ms)
{
    static const struct {
        const char *unit;
        uint64_t ms;
    } units[] = {{"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}};
    uint64_t count;
    if (!read_digits(&text, &count) || count > DURATION_MAX_MS)
        return false;
    for (size_t i = 0; i < ARRAY_LENGTH(units); i++) {
        if (strcmp(text, units[i].unit) == 0) {
            *ret_ms = count * units[i].ms;
            return true;
        }
    }
    return false;
}

static bool read_number(const char *text, uint64_t *ret_number)
{
    return read_digits(&text, ret_number) && *text == '\0';
}

/* `name` is how the user said it: the option's name or the variable's. */
static bool set_option(struct config *config, const struct option *option, const char *name,
                       const char *text, char *ret_why, size_t why_capacity)
{
    void *field = (char *)config + option->offset;
    if (option->kind == VALUE_TEXT) {
        *(const char **)field = text;
        return true;
    }
    uint64_t value = 0;
    if (option->kind == VALUE_DURATION) {
        if (!read_duration(text, &value) || value < option->least || value > option->most) {
            snprintf(ret_why, why_capacity,
                     "%s wants a duration such as 10s or 250ms, from %llums to %llums, not '%s'",
                     name, (unsigned long long)option->least, (unsigned long long)option->most,
                     text);
            return false;
        }
    } else if (!read_number(text, &value) || value < option->least || value > option->most) {
        snprintf(ret_why, why_capacity, "%s wants a whole number from %llu to %llu, not '%s'", name,
                 (unsigned long long)option->least, (unsigned long long)option->most, text);
        return false;
    }
    *(uint64_t *)field = value;
    return true;
}

static void set_defaults(struct config *config)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    uint64_t loops = cores < 1 ? 1 : (uint64_t)cores;
    *config = (struct config){
        .port = 3000,
        .loops = loops > LOOPS_MAX ? LOOPS_MAX : loops,
        .message_bytes_max = 16 * 1024 * 1024,
        .ping_interval_ms = 5000,
        .idle_timeout_ms = 10000,
    };
}

static bool read_environment(struct config *config, char *ret_why, size_t why_capacity)
{
    for (size_t i = 0; i < ARRAY_LENGTH(options); i++) {
        const char *text = getenv(options[i].environment);
        if (text == NULL || *text == '\0')
            continue;
        if (!set_option(config, &options[i], options[i].environment, text, ret_why, why_capacity))
            return false;
    }
    return true;
}

static const struct option *find_option(const char *argument, size_t name_length)
{
    for (size_t i = 0; i < ARRAY_LENGTH(options); i++) {
        if (strlen(options[i].name) == name_length &&
            strncmp(options[i].name, argument, name_length) == 0)
            return &options[i];
    }
    return NULL;
}

/* `--name value` and `--name=value`. Advances `*at` over what it took. */
static bool read_argument(struct config *config, int argument_count, char **arguments, int *at,
                          char *ret_why, size_t why_capacity)
{
    const char *argument = arguments[(*at)++];
    size_t name_length = strcspn(argument, "=");
    const struct option *option = find_option(argument, name_length);
    if (option == NULL) {
        snprintf(ret_why, why_capacity, "unknown option '%s' (--help lists them)", argument);
        return false;
    }
    const char *value = NULL;
    if (argument[name_length] == '=')
        value = argument + name_length + 1;
    else if (*at < argument_count)
        value = arguments[(*at)++];
    if (value == NULL) {
        snprintf(ret_why, why_capacity, "%s needs a value", option->name);
        return false;
    }
    return set_option(config, option, option->name, value, ret_why, why_capacity);
}

enum config_result config_read(int argument_count, char **arguments, struct config *ret_config,
                               char *ret_why, size_t why_capacity)
{
    for (int i = 1; i < argument_count; i++) {
        if (strcmp(arguments[i], "--help") == 0)
            return CONFIG_HELP;
        if (strcmp(arguments[i], "--version") == 0)
            return CONFIG_VERSION;
    }
    set_defaults(ret_config);
    if (!read_environment(ret_config, ret_why, why_capacity))
        return CONFIG_INVALID;
    for (int at = 1; at < argument_count;) {
        if (!read_argument(ret_config, argument_count, arguments, &at, ret_why, why_capacity))
            return CONFIG_INVALID;
    }
    return CONFIG_RUN;
}

void config_print_help(void)
{
    printf("party-sockets: a WebSocket relay for party games\n\n"
           "usage: party-sockets [option value]...\n\n");
    for (size_t i = 0; i < ARRAY_LENGTH(options); i++)
        printf("  %-20s %s; environment: %s\n", options[i].name, options[i].help,
               options[i].environment);
    printf("  %-20s print this and exit\n  %-20s print the version and exit\n", "--help",
           "--version");
}
