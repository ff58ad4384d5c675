/* One table of options serves the command line, the environment and --help. */
#include "server/config.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proto/http_request.h"
#include "proto/origin.h"
#include "proto/url.h"
#include "relay/relay.h"
#include "relay/url_template.h"

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
        bool is_value; /* `text` is read as the option's value; else set_defaults() computes one */
    } unset;
    const char *fallback; /* a variable that is read when `environment` is not set; or NULL */
};

/*
 * The value of an option that is not given: a constant, or a description of one that depends on the
 * machine.
 */
#define STANDARD(value) \
    {                   \
        value, true     \
    }
#define OTHERWISE(words) \
    {                    \
        words, false     \
    }

/* A buffer for the sentence that tells the user what is wrong. */
struct complaint {
    char *text;
    size_t capacity;
};

#define CHECK_HEALTH "--check-health"
#define UPGRADE "--upgrade"
#define SHOW_STATE "--show-state"

#define FIELD(name) offsetof(struct config, name)

static const struct option options[] = {
    {"--options-file", "OPTIONS_FILE", FIELD(options_file), VALUE_TEXT, 0, 0,
     "file with more options, one in a line, read anew at an upgrade; the command line wins over "
     "it, and it over the environment",
     OTHERWISE("none"), NULL},
    {"--host", "HOST", FIELD(host), VALUE_TEXT, 0, 0, "address or name to listen on",
     OTHERWISE("every IPv4 and IPv6 address"), NULL},
    {"--port", "PORT", FIELD(port), VALUE_NUMBER, 0, 65535,
     "port to listen on, 0 lets the kernel choose", STANDARD("3000"), NULL},
    {"--loops", "LOOPS", FIELD(loops), VALUE_NUMBER, 1, LOOPS_MAX, "event loops, a thread each",
     OTHERWISE("one for each core"), NULL},
    {"--poller", "POLLER", FIELD(poller), VALUE_POLLER, 0, POLLER_AUTO,
     "epoll, io_uring, or auto: io_uring where the kernel has it and allows it", STANDARD("auto"),
     NULL},
    {"--admin-listen", "ADMIN_LISTEN", FIELD(admin_listen), VALUE_ENDPOINT, 0, 0,
     "address and port for /metrics and /stats, such as 127.0.0.1:9000, in plain text; they are "
     "there and nowhere else",
     OTHERWISE("none: they are told to private addresses"), NULL},
    {"--tls-cert", "TLS_CERT", FIELD(tls_certificate), VALUE_TEXT, 0, 0,
     "file with the certificate and its chain, PEM: the port speaks TLS", OTHERWISE("none"), NULL},
    {"--tls-key", "TLS_KEY", FIELD(tls_key), VALUE_TEXT, 0, 0,
     "file with the certificate's private key, PEM", OTHERWISE("none"), NULL},

    {"--protocol", "PROTOCOL", FIELD(protocol), VALUE_NUMBER, PROTOCOL_1, PROTOCOL_2,
     "protocol of clients that name none", STANDARD("1"), NULL},
    {"--instance-id", "INSTANCE_ID", FIELD(instance_id), VALUE_NAME, 0, 0,
     "this one of several servers behind one name", OTHERWISE("none"), "FLY_MACHINE_ID"},
    {"--region", "REGION", FIELD(region), VALUE_NAME, 0, 0,
     "where it is, such as fra; codes of protocol 2 tell it", OTHERWISE("none"), "FLY_REGION"},
    {"--path-prefix", "PATH_PREFIX", FIELD(path_prefix), VALUE_PREFIX, 0, 0,
     "path below which a proxy has the server, such as /relay, for the link in a QR code",
     OTHERWISE("none"), NULL},
    {"--fly-replay", "FLY_REPLAY", FIELD(asks_for_replays), VALUE_FLAG, 0, 1,
     "requests for other instances are answered with fly-replay",
     OTHERWISE("where FLY_MACHINE_ID is set"), NULL},
    {"--no-sandbox", "NO_SANDBOX", FIELD(is_free), VALUE_FLAG, 0, 1,
     "loops keep all that the process may do", OTHERWISE("they give up what they do not need"),
     NULL},
    {"--dashboard-url", "DASHBOARD_URL", FIELD(dashboard_url), VALUE_URL, 0, 0,
     "where browsers are sent that come without a WebSocket", OTHERWISE("the server's own page"),
     NULL},

    {"--ping-interval", "PING_INTERVAL", FIELD(ping_interval_ms), VALUE_DURATION, 10,
     DURATION_MAX_MS, "silence after which a client is pinged", STANDARD("5s"), NULL},
    {"--idle-timeout", "IDLE_TIMEOUT", FIELD(idle_timeout_ms), VALUE_DURATION, 10, DURATION_MAX_MS,
     "silence after which a client is gone", STANDARD("10s"), NULL},
    {"--request-timeout", "REQUEST_TIMEOUT", FIELD(request_timeout_ms), VALUE_DURATION, 10,
     DURATION_MAX_MS, "time for a handshake or request to be complete, its answer to be read",
     STANDARD("5s"), NULL},
    {"--stall-timeout", "STALL_TIMEOUT", FIELD(stall_timeout_ms), VALUE_DURATION, 10,
     DURATION_MAX_MS, "time in which output must advance, or close 1013", STANDARD("15s"), NULL},
    {"--drain-timeout", "DRAIN_TIMEOUT", FIELD(drain_timeout_ms), VALUE_DURATION, 10,
     DURATION_MAX_MS, "time that running rooms have after SIGTERM", STANDARD("300s"), NULL},
    {"--state-dir", "STATE_DIR", FIELD(state_directory), VALUE_TEXT, 0, 0,
     "directory in which rooms outlive the process", OTHERWISE("none: they end with it"),
     "STATE_DIRECTORY"},
    {"--on-stop", "ON_STOP", FIELD(on_stop), VALUE_ON_STOP, 0, ON_STOP_KINDS,
     "after SIGTERM: keep rooms for the next process, or drain, which lets them come to their end",
     OTHERWISE("keep with --state-dir, else drain"), NULL},
    {"--host-grace", "HOST_GRACE_MS", FIELD(host_grace_ms), VALUE_DURATION, 10, DURATION_MAX_MS,
     "time that a host has to come back, in protocol 2; the variable in milliseconds",
     STANDARD("120s"), NULL},
    {"--empty-room-grace", "EMPTY_ROOM_GRACE", FIELD(empty_room_grace_ms), VALUE_DURATION, 0,
     DURATION_MAX_MS, "time that a room has when its last member was cut off, in protocol 2",
     STANDARD("60s"), NULL},
    {"--max-hold", "MAX_HOLD", FIELD(hold_ms), VALUE_DURATION, 0, HOLD_MS_MAX,
     "longest time that a room may hold seats of lost members, in protocol 3", STANDARD("600s"),
     NULL},
    {"--host-migration", "HOST_MIGRATION", FIELD(migrate_ms), VALUE_DURATION, 10, DURATION_MAX_MS,
     "time that a host may be away before another member is the host, in protocol 3",
     STANDARD("15s"), NULL},

    {"--max-request-bytes", "MAX_REQUEST_BYTES", FIELD(request_bytes_max), VALUE_NUMBER,
     REQUEST_BYTES_LEAST, HTTP_REQUEST_HEAD_MAX,
     "longest head of a request, with its cookies, or 431", STANDARD("16384"), NULL},
    {"--max-message-bytes", "MAX_MESSAGE_BYTES", FIELD(message_bytes_max), VALUE_NUMBER, 1,
     MESSAGE_BYTES_LIMIT, "longest message a client may send, or close 1009", STANDARD("16777216"),
     NULL},
    {"--max-message-rate", "MAX_MESSAGE_RATE", FIELD(message_rate_max), VALUE_NUMBER, 0,
     MESSAGE_RATE_LIMIT, "frames a second read from a client, twice that at once; 0: any",
     STANDARD("500"), NULL},
    {"--max-byte-rate", "MAX_BYTE_RATE", FIELD(byte_rate_max), VALUE_NUMBER, 0, BYTE_RATE_LIMIT,
     "bytes a second read from a client, eight times that at once; 0: any", STANDARD("524288"),
     NULL},
    {"--room-log-bytes", "ROOM_LOG_BYTES", FIELD(log_bytes_max), VALUE_NUMBER, ROOM_LOG_BYTES_LEAST,
     ROOM_LOG_BYTES_LIMIT, "events that a room keeps for members that missed them, in protocol 3",
     STANDARD("65536"), NULL},
    {"--max-queue-bytes", "MAX_QUEUE_BYTES", FIELD(queue_bytes_max), VALUE_NUMBER, 1,
     MESSAGE_BYTES_LIMIT, "output that may wait for a client, or close 1013", STANDARD("16777216"),
     NULL},
    {"--max-buffered-bytes", "MAX_BUFFERED_BYTES", FIELD(buffered_bytes_max), VALUE_NUMBER,
     BUFFERED_BYTES_LEAST, UINT64_MAX / 16, "everything buffered for all clients",
     OTHERWISE("a quarter of the memory"), NULL},

    {"--max-connections", "MAX_CONNECTIONS", FIELD(connections_max), VALUE_NUMBER, 0,
     CONNECTIONS_MAX, "connections in all, more get 503; 0: what descriptors and memory allow",
     STANDARD("0"), NULL},
    {"--max-connections-per-address", "MAX_CONNECTIONS_PER_ADDRESS",
     FIELD(connections_per_address_max), VALUE_NUMBER, 0, CONNECTIONS_MAX,
     "connections from one address, more get 429; 0: any", OTHERWISE("4096 from public ones"),
     NULL},
    {"--max-rooms", "MAX_ROOMS", FIELD(rooms_max), VALUE_NUMBER, 1, ROOMS_MAX, "rooms in all",
     STANDARD("524288"), NULL},
    {"--max-clients-per-room", "MAX_CLIENTS_PER_ROOM", FIELD(clients_per_room_max), VALUE_NUMBER, 1,
     CONNECTIONS_MAX, "members of any room", STANDARD("10000"), NULL},
    {"--max-client-id-bytes", "MAX_CLIENT_ID_BYTES", FIELD(client_id_bytes_max), VALUE_NUMBER, 1,
     CLIENT_ID_BYTES_LIMIT, "longest clientId", STANDARD("256"), NULL},
    {"--max-failed-joins", "MAX_FAILED_JOINS", FIELD(failed_joins_max), VALUE_NUMBER, 0,
     FAILED_JOINS_LIMIT, "joins of one connection that may name no room; 0: any", STANDARD("30"),
     NULL},
    {"--max-failed-joins-per-address", "MAX_FAILED_JOINS_PER_ADDRESS",
     FIELD(failed_joins_per_address_max), VALUE_NUMBER, 0, 1000000,
     "joins and look-ups of one address that may name no room, a minute; 0: any", STANDARD("300"),
     NULL},

    {"--allow-origin", "ALLOW_ORIGIN", FIELD(allowed_origins), VALUE_ORIGINS, 0, 0,
     "origin that may enter, such as https://*.example.com; repeatable", OTHERWISE("every origin"),
     NULL},
    {"--origin-proof", "ORIGIN_PROOF", FIELD(origin_proof_ms), VALUE_DURATION, 0, DURATION_MAX_MS,
     "time that a room has two members before its origin is a series in /metrics", STANDARD("60s"),
     NULL},
    {"--token-key", "TOKEN_KEY", FIELD(token_key), VALUE_TEXT, 0, 0,
     "file with an Ed25519 public key, PEM, or with a secret of at least 32 characters, for tokens "
     "that let clients create rooms",
     OTHERWISE("none: nobody needs a token"), NULL},
    {"--require-origin", "REQUIRE_ORIGIN", FIELD(requires_origin), VALUE_FLAG, 0, 1,
     "clients without an Origin header may not enter", OTHERWISE("they may"), NULL},
    {"--trust-proxy", "TRUST_PROXY", FIELD(trusted_proxies), VALUE_PROXIES, 0, 0,
     "proxy whose word about addresses counts, such as 10.0.0.0/8, or proxy:10.0.0.0/8 if it "
     "speaks the PROXY protocol; repeatable",
     OTHERWISE("none"), NULL},
};

/* Replaces control characters in the value, so that the sentence stays one line. */
static bool complain(struct complaint complaint, const char *name, const char *wanted,
                     const char *text)
{
    snprintf(complaint.text, complaint.capacity, "%s wants %s, not '%s'", name, wanted, text);
    for (char *at = complaint.text; *at != '\0'; at++) {
        if ((unsigned char)*at < ' ' || *at == 0x7F)
            *at = '?';
    }
    return false;
}

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

static bool read_flag(const char *text, uint64_t *ret_flag)
{
    static const char *const words[][2] = {{"0", "1"}, {"false", "true"}, {"no", "yes"}};
    for (size_t i = 0; i < ARRAY_LENGTH(words); i++) {
        for (uint64_t flag = 0; flag <= 1; flag++) {
            if (strcmp(text, words[i][flag]) == 0) {
                *ret_flag = flag;
                return true;
            }
        }
    }
    return false;
}

static bool read_on_stop(const char *text, uint64_t *ret_on_stop)
{
    *ret_on_stop = strcmp(text, "keep") == 0 ? ON_STOP_KEEP : ON_STOP_DRAIN;
    return *ret_on_stop == ON_STOP_KEEP || strcmp(text, "drain") == 0;
}

static bool read_poller(const char *text, uint64_t *ret_poller)
{
    *ret_poller = POLLER_AUTO;
    if (strcmp(text, "auto") == 0)
        return true;
    for (enum poller_kind kind = 0; kind < POLLER_KINDS; kind++) {
        if (strcmp(text, poller_name(kind)) == 0) {
            *ret_poller = kind;
            return true;
        }
    }
    return false;
}

/* A variable whose name ends with the unit _MS has a plain number as its value. */
static bool is_in_milliseconds(const struct option *option, const char *name)
{
    size_t length = strlen(name);
    return name == option->environment && length > 3 && strcmp(name + length - 3, "_MS") == 0;
}

/* Writes what --poller may be: `auto`, or the name of a poller. */
static void write_poller_names(char *text, size_t capacity)
{
    size_t length = (size_t)snprintf(text, capacity, "auto");
    for (enum poller_kind kind = 0; kind < POLLER_KINDS && length < capacity; kind++) {
        const char *separator = kind + 1 < POLLER_KINDS ? ", " : " or ";
        length += (size_t)snprintf(text + length, capacity - length, "%s%s", separator,
                                   poller_name(kind));
    }
}

/* Reads a number, a duration, a flag or a poller. */
static bool set_number(const struct option *option, void *field, const char *name, const char *text,
                       struct complaint complaint)
{
    char wanted[96];
    uint64_t value = 0;
    bool is_good = false;
    unsigned long long minimum = option->minimum;
    unsigned long long maximum = option->maximum;
    if (option->kind == VALUE_DURATION && is_in_milliseconds(option, name)) {
        snprintf(wanted, sizeof wanted, "milliseconds, from %llu to %llu", minimum, maximum);
        is_good = read_number(text, &value);
    } else if (option->kind == VALUE_DURATION) {
        snprintf(wanted, sizeof wanted, "a duration such as 10s or 250ms, from %llums to %llums",
                 minimum, maximum);
        is_good = read_duration(text, &value);
    } else if (option->kind == VALUE_FLAG) {
        snprintf(wanted, sizeof wanted, "true or false");
        is_good = read_flag(text, &value);
    } else if (option->kind == VALUE_ON_STOP) {
        snprintf(wanted, sizeof wanted, "keep or drain");
        is_good = read_on_stop(text, &value);
    } else if (option->kind == VALUE_POLLER) {
        write_poller_names(wanted, sizeof wanted);
        is_good = read_poller(text, &value);
    } else {
        snprintf(wanted, sizeof wanted, "a whole number from %llu to %llu", minimum, maximum);
        is_good = read_number(text, &value);
    }
    if (!is_good || value < option->minimum || value > option->maximum)
        return complain(complaint, name, wanted, text);
    *(uint64_t *)field = value;
    return true;
}

bool config_is_name(struct bytes text)
{
    for (size_t i = 0; i < text.length; i++) {
        uint8_t c = ascii_lower(text.data[i]);
        bool is_good =
            (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || memchr(".-_", c, 3) != NULL;
        if (!is_good)
            return false;
    }
    return text.length > 0 && text.length <= INSTANCE_BYTES_MAX;
}

/* Only plain characters, since events, headers and labels contain the name unescaped. */
static bool set_name(const char **field, const char *name, const char *text,
                     struct complaint complaint)
{
    *field = text;
    return config_is_name(bytes_of_string(text)) ||
           complain(complaint, name, "at most 64 letters, digits, '.', '-' or '_'", text);
}

/* Reads `127.0.0.1:9000`, `localhost:9000` or `[::1]:9000`. */
static bool read_endpoint(const char *text, struct endpoint *ret_endpoint)
{
    const char *colon = strrchr(text, ':');
    uint64_t port;
    if (colon == NULL || !read_number(colon + 1, &port) || port > UINT16_MAX)
        return false;
    bool has_brackets = text[0] == '[' && colon[-1] == ']' && colon - text > 2;
    const char *host = has_brackets ? text + 1 : text;
    size_t length = (size_t)(colon - host) - (has_brackets ? 1 : 0);
    bool is_good = length > 0 && length < sizeof ret_endpoint->host &&
                   strcspn(host, has_brackets ? "[]" : "[]:") >= length;
    if (!is_good)
        return false;
    memcpy(ret_endpoint->host, host, length);
    ret_endpoint->host[length] = '\0';
    ret_endpoint->port = (uint16_t)port;
    return true;
}

static bool set_endpoint(const char **field, const char *name, const char *text,
                         struct complaint complaint)
{
    struct endpoint endpoint;
    *field = text;
    return read_endpoint(text, &endpoint) ||
           complain(complaint, name, "an address and a port such as 127.0.0.1:9000 or [::1]:9000",
                    text);
}

struct endpoint config_admin_endpoint(const struct config *config)
{
    struct endpoint endpoint;
    bool is_read = read_endpoint(config->admin_listen, &endpoint);
    assert(is_read);
    return endpoint;
}

static bool set_prefix(const char **field, const char *name, const char *text,
                       struct complaint complaint)
{
    *field = text;
    return http_path_prefix_is_plain(bytes_of_string(text)) ||
           complain(complaint, name, "the beginning of a path such as /relay", text);
}

static bool set_url(const char **field, const char *name, const char *text,
                    struct complaint complaint)
{
    enum url_kind kind = url_classify(bytes_of_string(text));
    bool is_good = (kind == URL_HTTPS || kind == URL_HTTP || kind == URL_HTTP_NEAR) &&
                   strlen(text) <= DASHBOARD_URL_BYTES_MAX;
    *field = text;
    return is_good || complain(complaint, name, "an http or https URL", text);
}

/* NULL: the item was added. Otherwise what the option wants instead. */
static const char *add_origin(struct origin_list *origins, struct bytes item)
{
    if (origins->list.count == ALLOWED_ORIGINS_MAX)
        return "up to 64 origins";
    const char *fault = origin_pattern_fault(item);
    if (fault == NULL)
        origins->items[origins->list.count++] = item;
    return fault;
}

/*
 * Adds a trusted proxy; `proxy:10.0.0.0/8` introduces its connections, `10.0.0.0/8` does not. NULL:
 * it was added. Otherwise what the option wants instead.
 */
static const char *add_proxy(struct proxy_list *proxies, struct bytes item)
{
    const struct bytes prefix = BYTES("proxy:");
    struct trusted_proxy proxy = {.introduces = bytes_have_prefix(item, prefix)};
    if (proxy.introduces)
        item = bytes_of(item.data + prefix.length, item.length - prefix.length);
    if (proxies->list.count == TRUSTED_PROXIES_MAX || !address_range_parse(item, &proxy.range))
        return "up to 64 addresses or ranges such as 10.0.0.0/8, or proxy:10.0.0.0/8";
    proxies->items[proxies->list.count++] = proxy;
    return NULL;
}

const struct trusted_proxy *config_find_proxy(const struct config *config, struct address address)
{
    const struct trusted_proxy *found = NULL;
    for (uint32_t i = 0; i < config->trusted_proxies.list.count; i++) {
        const struct trusted_proxy *proxy = &config->trusted_proxies.items[i];
        bool is_better = found == NULL || (proxy->introduces && !found->introduces);
        if (is_better && address_range_contains(&proxy->range, address))
            found = proxy;
    }
    return found;
}

/* Adds the items of `text`, which commas separate. */
static bool add_to_list(const struct option *option, void *field, const char *name,
                        const char *text, struct complaint complaint)
{
    for (const char *at = text;;) {
        size_t length = strcspn(at, ",");
        struct bytes item = bytes_of(at, length);
        const char *wanted =
            option->kind == VALUE_ORIGINS ? add_origin(field, item) : add_proxy(field, item);
        if (wanted != NULL)
            return complain(complaint, name, wanted, text);
        if (at[length] == '\0')
            return true;
        at += length + 1;
    }
}

/*
 * `name` is the option's name or the variable's, for the user. A list of one source replaces those
 * of sources before it.
 */
static bool set_option(struct config *config, enum config_source source,
                       const struct option *option, const char *name, const char *text,
                       struct complaint complaint)
{
    void *field = (char *)config + option->offset;
    switch (option->kind) {
    case VALUE_TEXT:
        *(const char **)field = text;
        return true;
    case VALUE_NAME:
        return set_name(field, name, text, complaint);
    case VALUE_PREFIX:
        return set_prefix(field, name, text, complaint);
    case VALUE_ENDPOINT:
        return set_endpoint(field, name, text, complaint);
    case VALUE_URL:
        return set_url(field, name, text, complaint);
    case VALUE_ORIGINS:
    case VALUE_PROXIES: {
        struct config_list *list = field; /* both list structures begin with it */
        if (list->source != source)
            list->count = 0;
        list->source = source;
        return add_to_list(option, field, name, text, complaint);
    }
    default:
        return set_number(option, field, name, text, complaint);
    }
}

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
    for (size_t i = 0; i < ARRAY_LENGTH(options); i++) {
        const struct option *option = &options[i];
        bool is_set = !option->unset.is_value ||
                      set_option(config, FROM_DEFAULTS, option, option->name, option->unset.text,
                                 (struct complaint){why, sizeof why});
        assert(is_set);
    }
}

static bool read_environment(struct config *config, struct complaint complaint)
{
    for (size_t i = 0; i < ARRAY_LENGTH(options); i++) {
        const char *name = options[i].environment;
        const char *text = variable(name);
        if (text == NULL && options[i].fallback != NULL) {
            name = options[i].fallback;
            text = variable(name);
        }
        if (text != NULL &&
            !set_option(config, FROM_ENVIRONMENT, &options[i], name, text, complaint))
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

/* Reads `--name value` or `--name=value`. Advances `*at` past what it read. */
static bool read_argument(struct config *config, enum config_source source, int argument_count,
                          char **arguments, int *at, struct complaint complaint)
{
    const char *argument = arguments[(*at)++];
    size_t name_length = strcspn(argument, "=");
    const struct option *option = find_option(argument, name_length);
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
    return set_option(config, source, option, option->name, value, complaint);
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
    const struct option *option = find_option(arguments[0], name_length);
    if (option != NULL && option->offset == FIELD(options_file)) {
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
static bool is_consistent(const struct config *config, enum config_result use,
                          struct complaint complaint)
{
    const char *why = NULL;
    if ((config->tls_certificate == NULL) != (config->tls_key == NULL))
        why = "--tls-cert and --tls-key go together";
    if (config->idle_timeout_ms <= config->ping_interval_ms)
        why = "--idle-timeout must be longer than --ping-interval";
    if (config->on_stop == ON_STOP_KEEP && config->state_directory == NULL)
        why = "--on-stop keep needs a --state-dir";
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
        ret_config->on_stop = ret_config->state_directory != NULL ? ON_STOP_KEEP : ON_STOP_DRAIN;
    return result;
}

struct instance config_instance(const struct config *config)
{
    return (struct instance){
        .id = bytes_of_string(config->instance_id != NULL ? config->instance_id : ""),
        .region = bytes_of_string(config->region != NULL ? config->region : ""),
    };
}

void config_print_help(void)
{
    printf("party-sockets: a WebSocket relay for party games\n\n"
           "usage: party-sockets [option value]...\n\n");
    for (size_t i = 0; i < ARRAY_LENGTH(options); i++)
        printf("  %-31s %s (%s); environment: %s%s%s\n", options[i].name, options[i].help,
               options[i].unset.text, options[i].environment,
               options[i].fallback != NULL ? " or " : "",
               options[i].fallback != NULL ? options[i].fallback : "");
    printf("  %-31s ask the server with these options for /health and exit, with 0 if it is well\n"
           "  %-31s have the process with this id replace itself by the program at its path now,\n"
           "  %-31s and go on with all rooms and connections\n"
           "  %-31s print the rooms in this directory, without secrets, and exit\n"
           "  %-31s print this and exit\n  %-31s print the version and exit\n",
           CHECK_HEALTH, UPGRADE " PID", "", SHOW_STATE " DIR", "--help", "--version");
}
