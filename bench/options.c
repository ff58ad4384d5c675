/* One table of options serves the command line, --help and the parameters in the report. */
#include "options.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "message.h"

enum value_kind {
    VALUE_TEXT,
    VALUE_URL, /* one more of options.urls */
    VALUE_COUNT,
    VALUE_NUMBER, /* with a fraction */
    VALUE_TIME,   /* `10ms`, `1.5s`; kept in seconds */
    VALUE_FLAG,   /* has no value */
    VALUE_CHOICE, /* one of `words`; its index is kept */
};

#define IN(scenario) (1u << SCENARIO_##scenario)
#define IN_ANY ((1u << SCENARIO_COUNT) - 1)
#define WITH_CLIENTS (IN_ANY & ~IN(STARTUP))
#define IN_STREAMS (IN(LOCKSTEP) | IN(PARTY) | IN(AUDIENCE) | IN(IDLE))

struct option {
    const char *name;
    size_t offset; /* in struct options */
    enum value_kind kind;
    unsigned scenarios; /* the scenarios that have this option */
    double least;
    double most;
    const char *help;
    const char *const *words;
};

#define IN_SEATS (IN(PARTY) | IN(CHURN) | IN(STORM)) /* what the floor does not have */

static const char *const protocols[] = {"1", "2", "3", "floor", NULL};
static const char *const pollers[] = {"epoll", "io_uring", "auto", NULL};
static const char *const recipients[] = {"one", "all", NULL};
static const char *const scenarios[] = {
    [SCENARIO_LOCKSTEP] = "lockstep",
    [SCENARIO_PARTY] = "party",
    [SCENARIO_AUDIENCE] = "audience",
    [SCENARIO_CHURN] = "churn",
    [SCENARIO_IDLE] = "idle",
    [SCENARIO_STARTUP] = "startup",
    [SCENARIO_HANDSHAKES] = "handshakes",
    [SCENARIO_STORM] = "storm",
};
static const char *const summaries[] = {
    [SCENARIO_LOCKSTEP] =
        ("one sender a room, W broadcasts in flight; the next one goes out when all "
         "have one"),
    [SCENARIO_PARTY] = "a host and four guests a room, with the traffic of real games; round trips",
    [SCENARIO_AUDIENCE] =
        "one large room whose host broadcasts; when does the last member have it?",
    [SCENARIO_CHURN] = "connect, create or join, one exchange, leave, over and over",
    [SCENARIO_IDLE] = "joined and silent clients: how much memory does each cost?",
    [SCENARIO_STARTUP] = "from the start of the server's command to the first connection",
    [SCENARIO_HANDSHAKES] =
        "connect, TLS (with wss://) and WebSocket handshake, close, over and over",
    [SCENARIO_STORM] =
        ("clients in rooms wait until the server ends them (restart it), and come back "
         "at once"),
};

#define FIELD(name) offsetof(struct options, name)

static const struct option options[] = {
    {"--url", FIELD(urls), VALUE_URL, WITH_CLIENTS, 0, 0,
     "the server, ws://HOST:PORT or wss://HOST:PORT (ws://127.0.0.1:8080); given again, another "
     "node of the same cluster: the members of each room are spread evenly over all of them (wss: "
     "certificates must have the "
     "name of the first)",
     NULL},
    {"--ca", FIELD(authorities), VALUE_TEXT, WITH_CLIENTS, 0, 0,
     "wss: PEM file of the certificates to trust (the system's; on loopback nothing is checked)",
     NULL},
    {"--insecure", FIELD(is_insecure), VALUE_FLAG, WITH_CLIENTS, 0, 0,
     "wss: do not check the server's certificate", NULL},
    {"--no-tickets", FIELD(keeps_no_tickets), VALUE_FLAG, WITH_CLIENTS, 0, 0,
     "wss: a client that comes again makes a full handshake, and resumes no session", NULL},
    {"--protocol", FIELD(protocol), VALUE_CHOICE, WITH_CLIENTS, 0, 0,
     "the server's protocol: 1, 2, 3, or floor for party-floor (1)", protocols},
    {"--threads", FIELD(threads), VALUE_COUNT, WITH_CLIENTS, 1, THREADS_MAX,
     "threads of the generator; the rooms are divided among them (1)", NULL},
    {"--pid", FIELD(pid), VALUE_COUNT, WITH_CLIENTS, 1, 1 << 30,
     "the server's process id: adds its CPU time and memory", NULL},
    {"--json", FIELD(json), VALUE_TEXT, IN_ANY, 0, 0, "file to write the results to", NULL},
    {"--duration", FIELD(duration), VALUE_NUMBER, WITH_CLIENTS, 0.01, 86400,
     "seconds that are measured (5); in storm, the longest time until all are back (60)", NULL},
    {"--warm-up", FIELD(warm_up), VALUE_NUMBER, WITH_CLIENTS & ~IN(STORM), 0, 86400,
     "seconds of the same traffic before that (1)", NULL},
    {"--poller", FIELD(poller), VALUE_CHOICE, WITH_CLIENTS, 0, 0,
     "the generator's own poller: epoll, io_uring or auto (epoll)", pollers},
    {"--poll-every", FIELD(poll_every), VALUE_TIME, IN_STREAMS, 0, 0.1,
     "look for input at this interval, without sleeping: on one machine, waking the generator for "
     "each "
     "message would be the server's work (as soon as there is input)",
     NULL},
    {"--quiet", FIELD(is_quiet), VALUE_FLAG, IN_ANY, 0, 0, "no live line", NULL},

    {"--rooms", FIELD(rooms), VALUE_COUNT, IN(LOCKSTEP) | IN(PARTY) | IN(CHURN) | IN(STORM), 1,
     100000, "rooms at the same time (100)", NULL},
    {"--clients", FIELD(clients), VALUE_COUNT, IN(LOCKSTEP) | IN(AUDIENCE) | IN(IDLE) | IN(STORM),
     2, 1000000,
     "members of each room, the sender included (8); in idle, all clients together (1000); in "
     "audience, the members of the room (1000)",
     NULL},
    {"--in-flight", FIELD(in_flight), VALUE_COUNT, IN(LOCKSTEP) | IN(IDLE), 1, 4096,
     "broadcasts of each sender that are in flight (1)", NULL},
    {"--payload", FIELD(payload), VALUE_COUNT, IN(LOCKSTEP) | IN(AUDIENCE) | IN(IDLE),
     DATA_BYTES_LEAST, 15 << 20, "bytes of the value `data`, quotes included (80)", NULL},
    {"--rate", FIELD(rate), VALUE_NUMBER, IN(LOCKSTEP) | IN(AUDIENCE) | IN(IDLE), 0.01, 1e8,
     "broadcasts a second, all rooms together, in place of --in-flight (audience: 10)", NULL},
    {"--print-lengths", FIELD(prints_lengths), VALUE_FLAG, IN(LOCKSTEP) | IN(AUDIENCE), 0, 0,
     "print the lengths of a frame to the server and of one from it, and exit", NULL},

    {"--watch", FIELD(is_watching), VALUE_FLAG, IN(AUDIENCE), 0, 0,
     "members without a seat: the room's audience in protocol 3", NULL},
    {"--state", FIELD(state), VALUE_CHOICE, IN(PARTY), 0, 0,
     "who gets the host's states: one guest in turn, or all (one)", recipients},
    {"--speed", FIELD(speed), VALUE_NUMBER, IN(PARTY), 0.01, 1000, "multiplies all rates (1)",
     NULL},
    {"--find-rooms", FIELD(finds_rooms), VALUE_FLAG, IN(PARTY), 0, 0,
     "find the largest number of rooms that keeps --p99, starting from --rooms", NULL},
    {"--p99", FIELD(p99), VALUE_TIME, IN(PARTY), 1e-6, 60,
     "bound that 99 of 100 round trips must keep (10ms)", NULL},

    {"--clients-per-room", FIELD(clients_per_room), VALUE_COUNT, IN(IDLE), 2, AUDIENCE_MAX, "(5)",
     NULL},
    {"--active", FIELD(active), VALUE_COUNT, IN(IDLE), 1, 1000000,
     "so many of the clients are in rooms that play lockstep (none)", NULL},

    {"--command", FIELD(command), VALUE_TEXT, IN(STARTUP), 0, 0,
     "starts the server; {port} is replaced, and spaces separate the words", NULL},
    {"--rounds", FIELD(rounds), VALUE_COUNT, IN(STARTUP), 1, 10000, "how many starts (10)", NULL},

    {"--at-once", FIELD(at_once), VALUE_COUNT, IN(HANDSHAKES) | IN(STORM), 1, 1000000,
     "connections on their way at the same time (handshakes: 32; storm: all)", NULL},
    {"--count", FIELD(count), VALUE_COUNT, IN(HANDSHAKES), 1, 1e9,
     "handshakes after which it ends, before --duration (as many as the time allows)", NULL},
    {"--cut", FIELD(cuts), VALUE_FLAG, IN(STORM), 0, 0,
     "the clients end their connections themselves, all at once", NULL},
};

/* The sentence that tells the user what is wrong. */
struct complaint {
    char *text;
    size_t capacity;
};

PRINTF_LIKE(2, 3)
static bool complain(struct complaint complaint, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(complaint.text, complaint.capacity, format, arguments);
    va_end(arguments);
    return false;
}

static bool read_number(const char *text, const char **ret_end, double *ret_number)
{
    char *end;
    if (*text < '0' || *text > '9')
        return false; /* strtod() also takes signs, hexadecimal and infinity */
    errno = 0;
    *ret_number = strtod(text, &end);
    *ret_end = end;
    return errno == 0 && isfinite(*ret_number);
}

static bool read_unit(const char *text, double *ret_factor)
{
    static const struct {
        const char *unit;
        double seconds;
    } units[] = {{"us", 1e-6}, {"ms", 1e-3}, {"s", 1}};
    for (size_t i = 0; i < ARRAY_LENGTH(units); i++) {
        if (strcmp(text, units[i].unit) == 0) {
            *ret_factor = units[i].seconds;
            return true;
        }
    }
    return false;
}

static bool set_choice(const struct option *option, uint64_t *field, const char *text,
                       struct complaint complaint)
{
    char known[64] = "";
    for (uint64_t i = 0; option->words[i] != NULL; i++) {
        if (strcmp(option->words[i], text) == 0) {
            *field = i;
            return true;
        }
        snprintf(known + strlen(known), sizeof known - strlen(known), "%s%s", i > 0 ? ", " : "",
                 option->words[i]);
    }
    return complain(complaint, "%s wants one of %s, not '%s'", option->name, known, text);
}

static bool set_number(const struct option *option, void *field, const char *text,
                       struct complaint complaint)
{
    double number = 0;
    double factor = 1;
    const char *end;
    bool is_good = read_number(text, &end, &number);
    if (is_good && option->kind == VALUE_TIME)
        is_good = read_unit(end, &factor);
    else if (is_good)
        is_good = *end == '\0' && (option->kind == VALUE_NUMBER || number == floor(number));
    number *= factor;
    if (!is_good || number < option->least || number > option->most) {
        static const char *const wanted[] = {[VALUE_COUNT] = "a whole number",
                                             [VALUE_NUMBER] = "a number",
                                             [VALUE_TIME] = "a time such as 10ms, in seconds"};
        return complain(complaint, "%s wants %s from %.12g to %.12g, not '%s'", option->name,
                        wanted[option->kind], option->least, option->most, text);
    }
    if (option->kind == VALUE_COUNT)
        *(uint64_t *)field = (uint64_t)number;
    else
        *(double *)field = number;
    return true;
}

static bool add_url(struct options *into, const char *text, struct complaint complaint)
{
    if (into->url_count == URLS_MAX)
        return complain(complaint, "there may be at most %d --url", URLS_MAX);
    into->urls[into->url_count++] = text;
    return true;
}

static bool set_option(struct options *into, const struct option *option, const char *text,
                       struct complaint complaint)
{
    void *field = (char *)into + option->offset;
    switch (option->kind) {
    case VALUE_TEXT:
        *(const char **)field = text;
        return true;
    case VALUE_URL:
        return add_url(into, text, complaint);
    case VALUE_FLAG:
        *(uint64_t *)field = 1;
        return true;
    case VALUE_CHOICE:
        return set_choice(option, field, text, complaint);
    default:
        return set_number(option, field, text, complaint);
    }
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

/* Reads `--name value` or `--name=value`. Advances `*at` over the words that it took. */
static bool read_argument(struct options *into, int argument_count, char **arguments, int *at,
                          struct complaint complaint)
{
    const char *argument = arguments[(*at)++];
    size_t name_length = strcspn(argument, "=");
    const struct option *option = find_option(argument, name_length);
    if (option == NULL)
        return complain(complaint, "unknown option '%s' (--help lists them)", argument);
    if ((option->scenarios & 1u << into->scenario) == 0)
        return complain(complaint, "%s means nothing to %s", option->name,
                        scenarios[into->scenario]);
    const char *value = option->kind == VALUE_FLAG ? "" : NULL; /* a flag needs no value */
    if (argument[name_length] == '=')
        value = argument + name_length + 1;
    else if (value == NULL && *at < argument_count)
        value = arguments[(*at)++];
    if (value == NULL)
        return complain(complaint, "%s needs a value", option->name);
    return set_option(into, option, value, complaint);
}

static bool read_scenario(const char *word, struct options *into, struct complaint complaint)
{
    for (uint64_t i = 0; i < SCENARIO_COUNT; i++) {
        if (strcmp(scenarios[i], word) == 0) {
            into->scenario = i;
            return true;
        }
    }
    return complain(complaint, "there is no scenario '%s' (--help lists them)", word);
}

static void set_defaults(struct options *into)
{
    static const uint64_t clients[SCENARIO_COUNT] = {
        [SCENARIO_LOCKSTEP] = 8,
        [SCENARIO_AUDIENCE] = 1000,
        [SCENARIO_IDLE] = 1000,
        [SCENARIO_STORM] = 4,
    };
    into->threads = 1;
    into->duration = into->scenario == SCENARIO_STORM ? 60 : 5;
    into->warm_up = into->scenario == SCENARIO_STORM ? 0 : 1;
    into->rooms = 100;
    into->clients = clients[into->scenario];
    into->in_flight = 1;
    into->payload = 80;
    into->rate = into->scenario == SCENARIO_AUDIENCE ? 10 : 0;
    into->speed = 1;
    into->p99 = 0.01;
    into->clients_per_room = 5;
    into->rounds = 10;
    into->at_once = into->scenario == SCENARIO_HANDSHAKES ? 32 : 0;
}

/* The URLs are all ws:// or all wss://, since one TLS context serves all clients. */
static bool is_secure(const char *url)
{
    return strncmp(url, "wss:", 4) == 0;
}

static bool are_alike(const struct options *read)
{
    for (uint64_t i = 1; i < read->url_count; i++) {
        if (is_secure(read->urls[i]) != is_secure(read->urls[0]))
            return false;
    }
    return true;
}

static bool is_about_tls(const struct options *read)
{
    return read->authorities != NULL || read->is_insecure || read->keeps_no_tickets;
}

/* Checks that need more than one option. */
static bool fits_together(const struct options *read, struct complaint complaint)
{
    bool is_floor = read->protocol == PROTOCOL_FLOOR;
    if (is_floor && (IN_SEATS & 1u << read->scenario) != 0)
        return complain(complaint, "the floor has no %s, since it only broadcasts",
                        scenarios[read->scenario]);
    if (read->cuts && read->protocol == PROTOCOL_1)
        return complain(complaint, "--cut needs --protocol 2 or 3: in protocol 1 a room ends with "
                                   "its last member");
    if (!are_alike(read))
        return complain(complaint, "all --url want the same of ws:// and wss://");
    if (is_about_tls(read) && !is_secure(read->urls[0]))
        return complain(complaint, "--ca, --insecure and --no-tickets need --url wss://...");
    if (read->scenario == SCENARIO_STARTUP && read->command == NULL)
        return complain(complaint, "startup needs --command \"PROGRAM --port {port}\"");
    if (read->scenario == SCENARIO_AUDIENCE && read->clients > AUDIENCE_MAX)
        return complain(complaint, "an audience has at most %d members", AUDIENCE_MAX);
    if (read->is_watching && read->protocol != PROTOCOL_3)
        return complain(complaint, "--watch needs --protocol 3");
    if ((read->scenario == SCENARIO_LOCKSTEP || read->scenario == SCENARIO_STORM) &&
        read->clients > AUDIENCE_MAX)
        return complain(complaint, "a room has at most %d members", AUDIENCE_MAX);
    if (read->scenario == SCENARIO_IDLE && read->active > read->clients)
        return complain(complaint, "--active counts some of --clients: it can't be more");
    if (read->scenario == SCENARIO_IDLE && read->active > 0 &&
        read->active % read->clients_per_room != 0)
        return complain(complaint, "--active wants whole rooms: a multiple of --clients-per-room");
    return true;
}

enum options_result options_read(int argument_count, char **arguments, struct options *ret_options,
                                 char *ret_why, size_t why_capacity)
{
    struct complaint complaint = {ret_why, why_capacity};
    *ret_options = (struct options){0};
    for (int i = 1; i < argument_count; i++) {
        if (strcmp(arguments[i], "--help") == 0)
            return OPTIONS_HELP;
    }
    if (argument_count < 2) {
        complain(complaint, "which scenario? (--help lists them)");
        return OPTIONS_INVALID;
    }
    if (!read_scenario(arguments[1], ret_options, complaint))
        return OPTIONS_INVALID;
    set_defaults(ret_options);
    for (int at = 2; at < argument_count;) {
        if (!read_argument(ret_options, argument_count, arguments, &at, complaint))
            return OPTIONS_INVALID;
    }
    if (ret_options->url_count == 0)
        ret_options->urls[ret_options->url_count++] = "ws://127.0.0.1:8080";
    return fits_together(ret_options, complaint) ? OPTIONS_RUN : OPTIONS_INVALID;
}

/* Prints the scenarios that have an option, unless all have it. */
static void print_scenarios_of(const struct option *option)
{
    if (option->scenarios == IN_ANY || option->scenarios == WITH_CLIENTS)
        return;
    const char *before = " [";
    for (int i = 0; i < SCENARIO_COUNT; i++) {
        if ((option->scenarios & 1u << i) != 0) {
            printf("%s%s", before, scenarios[i]);
            before = ", ";
        }
    }
    printf("]");
}

void options_print_help(void)
{
    printf("party-bench: plays many party games at once against a WebSocket relay, and measures\n\n"
           "usage: party-bench SCENARIO [option value]...\n\n"
           "scenarios:\n");
    for (int i = 0; i < SCENARIO_COUNT; i++)
        printf("  %-18s %s\n", scenarios[i], summaries[i]);
    printf("\noptions, with the scenarios that have them, and their defaults:\n");
    for (size_t i = 0; i < ARRAY_LENGTH(options); i++) {
        printf("  %-18s %s", options[i].name, options[i].help);
        print_scenarios_of(&options[i]);
        printf("\n");
    }
    printf("  %-18s print this and exit\n\n", "--help");
    printf("Switch the server's rate limit off first (party-sockets: --max-message-rate 0 "
           "--max-byte-rate 0), and give\n"
           "server and generator a core each (taskset -c 0, taskset -c 1).\n"
           "Status: 0, or 1 when the server failed or can't be reached, or 2 for wrong usage.\n");
}

const char *scenario_name(enum scenario_kind scenario)
{
    return scenarios[scenario];
}

static void write_json(const struct option *option, const void *field, char *out, size_t capacity)
{
    switch (option->kind) {
    case VALUE_TEXT:
    case VALUE_URL:
        break;
    case VALUE_CHOICE:
        snprintf(out, capacity, "\"%s\"", option->words[*(const uint64_t *)field]);
        break;
    case VALUE_FLAG:
        snprintf(out, capacity, "%s", *(const uint64_t *)field != 0 ? "true" : "false");
        break;
    case VALUE_COUNT:
        snprintf(out, capacity, "%llu", *(const unsigned long long *)field);
        break;
    default:
        snprintf(out, capacity, "%.12g", *(const double *)field);
    }
}

/* Leaves out texts, and flags that are off: they do not affect the measurement. */
void options_visit(const struct options *read, option_visitor *visit, void *context)
{
    for (size_t i = 0; i < ARRAY_LENGTH(options); i++) {
        char json[64];
        const struct option *option = &options[i];
        const void *field = (const char *)read + option->offset;
        bool is_told = (option->scenarios & 1u << read->scenario) != 0;
        bool is_off = option->kind == VALUE_FLAG && *(const uint64_t *)field == 0;
        bool is_text = option->kind == VALUE_TEXT || option->kind == VALUE_URL;
        if (!is_told || is_off || is_text || option->offset == FIELD(pid))
            continue;
        write_json(option, field, json, sizeof json);
        visit(context, option->name + strlen("--"), json);
    }
}
