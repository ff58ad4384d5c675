/* How the values of options are read. */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "bus/bus_names.h"
#include "cluster/node_id.h"
#include "proto/http_request.h"
#include "proto/origin.h"
#include "proto/url.h"
#include "relay/url_template.h"
#include "server/config_options.h"

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

/* The sentence has no URL, which may have a password. */
static bool set_servers(const char **field, const char *name, const char *text,
                        struct complaint complaint)
{
    *field = text;
    for (const char *at = text; at != NULL;) {
        if (strncmp(at, "nats://", strlen("nats://")) != 0 &&
            strncmp(at, "tls://", strlen("tls://")) != 0) {
            snprintf(complaint.text, complaint.capacity,
                     "%s wants URLs such as nats://HOST:4222, with commas between them", name);
            return false;
        }
        const char *comma = strchr(at, ',');
        at = comma == NULL ? NULL : comma + 1;
    }
    return true;
}

static bool set_cluster(const char **field, const char *name, const char *text,
                        struct complaint complaint)
{
    *field = text;
    return bus_cluster_is_valid(text) ||
           complain(complaint, name, "at most 32 letters, digits or '-'", text);
}

static bool set_node(const char **field, const char *name, const char *text,
                     struct complaint complaint)
{
    struct node_id id;
    *field = text;
    return node_id_set(&id, bytes_of_string(text), 1) ||
           complain(complaint, name, "at most 32 letters, digits, '-' or '_'", text);
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

bool config_option_set(struct config *config, enum config_source source,
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
    case VALUE_SERVERS:
        return set_servers(field, name, text, complaint);
    case VALUE_CLUSTER:
        return set_cluster(field, name, text, complaint);
    case VALUE_NODE:
        return set_node(field, name, text, complaint);
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
