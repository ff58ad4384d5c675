/* What the server is asked to do: the defaults, the environment, a file, and the command line. */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "server/config_options.h"
#include "server/limits.h"

/* Whether the arguments contain an option that is a command, not a setting. */
static bool has_argument(int argument_count, char **arguments, const char *name)
{
    for (int i = 1; i < argument_count; i++) {
        if (strcmp(arguments[i], name) == 0)
            return true;
    }
    return false;
}

/* The value of a variable, or NULL if it is unset or empty. */
static const char *variable(const char *name)
{
    const char *text = getenv(name); /* NOLINT(concurrency-mt-unsafe): one thread */
    return text == NULL || *text == '\0' ? NULL : text;
}

/* Whether the process runs on Fly, whose proxies understand `fly-replay`. */
static bool is_on_fly(void)
{
    return variable("FLY_MACHINE_ID") != NULL;
}

static void set_defaults(struct config *config)
{
    char why[256];
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    uint64_t loops = cores < 1 ? 1 : (uint64_t)cores;
    *config = (struct config){
        .loops = loops > LOOPS_MAX ? LOOPS_MAX : loops,
        .asks_for_replays = is_on_fly(),
        .connections_per_address_max = CONNECTIONS_PER_ADDRESS_UNSET,
        .on_stop = ON_STOP_KINDS,
    };
    for (size_t i = 0; i < config_option_count; i++) {
        const struct option *option = &config_options[i];
        bool is_set = !option->unset.is_value ||
                      config_option_set(config, FROM_DEFAULTS, option, option->name,
                                        option->unset.text, (struct complaint){why, sizeof why});
        assert(is_set);
    }
}

static bool read_environment(struct config *config, struct complaint complaint)
{
    for (size_t i = 0; i < config_option_count; i++) {
        const char *name = config_options[i].environment;
        const char *text = variable(name);
        if (text == NULL && config_options[i].fallback != NULL) {
            name = config_options[i].fallback;
            text = variable(name);
        }
        if (text != NULL &&
            !config_option_set(config, FROM_ENVIRONMENT, &config_options[i], name, text, complaint))
            return false;
    }
    return true;
}

/* Reads `--name value` or `--name=value`. Advances `*at` past what it read. */
static bool read_argument(struct config *config, enum config_source source, int argument_count,
                          char **arguments, int *at, struct complaint complaint)
{
    const char *argument = arguments[(*at)++];
    size_t name_length = strcspn(argument, "=");
    const struct option *option = config_option_find(argument, name_length);
    if (option == NULL) {
        snprintf(complaint.text, complaint.capacity, "unknown option '%s' (--help lists them)",
                 argument);
        return false;
    }
    const char *value = NULL;
    if (argument[name_length] == '=')
        value = argument + name_length + 1;
    else if (option->kind == VALUE_FLAG)
        value = "true";
    else if (*at < argument_count)
        value = arguments[(*at)++];
    if (value == NULL) {
        snprintf(complaint.text, complaint.capacity, "%s needs a value", option->name);
        return false;
    }
    return config_option_set(config, source, option, option->name, value, complaint);
}

/* Ends the text at its last character that is no blank, and returns where its first one is. */
static char *trim(char *text)
{
    size_t length = strlen(text);
    while (length > 0 && strchr(" \t\r", text[length - 1]) != NULL)
        text[--length] = '\0';
    return text + strspn(text, " \t");
}

/* Reads `--name value`, `--name=value` or `--flag`; a comment or nothing changes nothing. */
static bool read_line(struct config *config, char *line, struct complaint complaint)
{
    char *arguments[] = {trim(line), NULL};
    int count = 1;
    int at = 0;
    if (*arguments[0] == '\0' || *arguments[0] == '#')
        return true;
    size_t name_length = strcspn(arguments[0], "= \t");
    const struct option *option = config_option_find(arguments[0], name_length);
    if (option != NULL && option->offset == offsetof(struct config, options_file)) {
        snprintf(complaint.text, complaint.capacity, "a file of options can't name another one");
        return false;
    }
    char *value = arguments[0] + name_length;
    if (*value == ' ' || *value == '\t') {
        *value = '\0';
        arguments[count++] = trim(value + 1);
    }
    if (!read_argument(config, FROM_FILE, count, arguments, &at, complaint))
        return false;
    if (at < count)
        snprintf(complaint.text, complaint.capacity, "%s=%s is how a value is given to a flag",
                 option->name, arguments[1]);
    return at == count;
}

/* Reads the lines of the options file, which it parts. */
static bool read_lines(struct config *config, struct complaint complaint)
{
    unsigned number = 1;
    for (char *line = config->options_lines; line != NULL; number++) {
        char *end = strchr(line, '\n');
        if (end != NULL)
            *end = '\0';
        int length =
            snprintf(complaint.text, complaint.capacity, "%s:%u: ", config->options_file, number);
        size_t used = length < 0 || (size_t)length >= complaint.capacity ? 0 : (size_t)length;
        if (!read_line(config, line,
                       (struct complaint){complaint.text + used, complaint.capacity - used}))
            return false;
        line = end == NULL ? NULL : end + 1;
    }
    return true;
}

/* Copies the text of the options file, or what is in it, which must be text of bounded length. */
static bool load_options_file(struct config *config, const struct bytes *options_text,
                              struct complaint complaint)
{
    static char text[OPTIONS_FILE_BYTES_MAX + 1];
    static char lines[sizeof text];
    size_t length = 0;
    const char *why = NULL;
    FILE *file = options_text == NULL ? fopen(config->options_file, "re") : NULL;
    if (file != NULL) {
        length = fread(text, 1, sizeof text, file);
        if (ferror(file) != 0)
            why = strerrordesc_np(errno);
        fclose(file);
    } else if (options_text == NULL) {
        why = strerrordesc_np(errno);
    } else {
        length = options_text->length < sizeof text ? options_text->length : sizeof text;
        memcpy(text, options_text->data, length);
    }
    if (why == NULL && length > OPTIONS_FILE_BYTES_MAX)
        why = "it is longer than 64 KiB";
    if (why == NULL && memchr(text, '\0', length) != NULL)
        why = "it is no text";
    config->options_text = bytes_of(text, length);
    config->options_lines = lines;
    if (why == NULL) {
        memcpy(lines, text, length);
        lines[length] = '\0';
    } else {
        snprintf(complaint.text, complaint.capacity, "--options-file %s: %s", config->options_file,
                 why);
    }
    return why == NULL;
}

/* Finds the options file of the command line, or else of the environment, and reads it. */
static bool read_options_file(struct config *config, int argument_count, char **arguments,
                              const struct bytes *options_text, struct complaint complaint)
{
    static const char name[] = "--options-file";
    size_t name_length = sizeof name - 1;
    for (int at = 1; at < argument_count; at++) {
        if (strncmp(arguments[at], name, name_length) != 0)
            continue;
        if (arguments[at][name_length] == '=')
            config->options_file = arguments[at] + name_length + 1;
        else if (arguments[at][name_length] == '\0' && at + 1 < argument_count)
            config->options_file = arguments[at + 1];
    }
    return config->options_file == NULL ||
           (load_options_file(config, options_text, complaint) && read_lines(config, complaint));
}

/* Reads `--show-state directory`, or the same with `=`, as read_argument() does. */
static bool read_show_state(struct config *config, int argument_count, char **arguments, int *at,
                            struct complaint complaint)
{
    const char *value = arguments[(*at)++] + strlen(SHOW_STATE);
    config->state_directory = *value == '=' ? value + 1 : NULL;
    if (config->state_directory == NULL && *at < argument_count)
        config->state_directory = arguments[(*at)++];
    if (config->state_directory == NULL)
        snprintf(complaint.text, complaint.capacity, SHOW_STATE " needs a value");
    return config->state_directory != NULL;
}

/* Checks what depends on more than one option. */
/* Whether rooms outlive the process. */
static bool keeps_rooms(const struct config *config)
{
    return config->state_directory != NULL || config->cluster != NULL;
}

static bool is_consistent(const struct config *config, enum config_result use,
                          struct complaint complaint)
{
    const char *why = NULL;
    if ((config->tls_certificate == NULL) != (config->tls_key == NULL))
        why = "--tls-cert and --tls-key go together";
    if (config->idle_timeout_ms <= config->ping_interval_ms)
        why = "--idle-timeout must be longer than --ping-interval";
    if (config->on_stop == ON_STOP_KEEP && !keeps_rooms(config))
        why = "--on-stop keep needs a --state-dir or a --cluster";
    if (config->cluster != NULL && config->state_directory != NULL && use == CONFIG_RUN)
        why =
            "--cluster and --state-dir don't go together: a cluster keeps the records of its rooms "
            "itself";
    if (config->cluster != NULL && config->message_bytes_max > CLUSTER_MESSAGE_BYTES_MAX)
        why = "--max-message-bytes is at most 16 MiB with --cluster";
    if (config->nats_replicas == 2)
        why = "--nats-replicas wants 1 or 3";
    if (use == CONFIG_CHECK_HEALTH && config->port == 0)
        why = CHECK_HEALTH " needs a --port to ask at";
    if (why != NULL)
        snprintf(complaint.text, complaint.capacity, "%s", why);
    return why == NULL;
}

/* Reads the process id behind `--upgrade`. */
static bool read_upgrade(struct config *config, const char *text, struct complaint complaint)
{
    char *end = NULL;
    unsigned long pid = text == NULL || *text < '1' || *text > '9' ? 0 : strtoul(text, &end, 10);
    config->upgrade_pid = pid;
    if (pid > 0 && *end == '\0' && pid <= INT32_MAX)
        return true;
    snprintf(complaint.text, complaint.capacity, UPGRADE " needs the id of a process");
    return false;
}

enum config_result config_read(int argument_count, char **arguments,
                               const struct bytes *options_text, struct config *ret_config,
                               char *ret_why, size_t why_capacity)
{
    struct complaint complaint = {ret_why, why_capacity};
    enum config_result result = CONFIG_RUN;
    if (has_argument(argument_count, arguments, "--help"))
        return CONFIG_HELP;
    if (has_argument(argument_count, arguments, "--version"))
        return CONFIG_VERSION;
    set_defaults(ret_config);
    bool is_about_another = has_argument(argument_count, arguments, UPGRADE);
    if (!read_environment(ret_config, complaint) ||
        (!is_about_another &&
         !read_options_file(ret_config, argument_count, arguments, options_text, complaint)))
        return CONFIG_INVALID;
    for (int at = 1; at < argument_count;) {
        if (strcmp(arguments[at], CHECK_HEALTH) == 0) {
            result = CONFIG_CHECK_HEALTH;
            at++;
        } else if (strcmp(arguments[at], UPGRADE) == 0) {
            /* It is about another process, whose options these are not. */
            const char *pid = at + 1 < argument_count ? arguments[at + 1] : NULL;
            return read_upgrade(ret_config, pid, complaint) ? CONFIG_UPGRADE : CONFIG_INVALID;
        } else if (strcspn(arguments[at], "=") == strlen(SHOW_STATE) &&
                   strncmp(arguments[at], SHOW_STATE, strlen(SHOW_STATE)) == 0) {
            if (!read_show_state(ret_config, argument_count, arguments, &at, complaint))
                return CONFIG_INVALID;
            result = CONFIG_SHOW_STATE;
        } else if (!read_argument(ret_config, FROM_COMMAND_LINE, argument_count, arguments, &at,
                                  complaint)) {
            return CONFIG_INVALID;
        }
    }
    if (!is_consistent(ret_config, result, complaint))
        return CONFIG_INVALID;
    if (ret_config->on_stop == ON_STOP_KINDS)
        ret_config->on_stop = keeps_rooms(ret_config) ? ON_STOP_KEEP : ON_STOP_DRAIN;
    return result;
}
