/* The settings of the operator: options, and environment variables where an option is not given. */
#ifndef PARTY_SERVER_CONFIG_H
#define PARTY_SERVER_CONFIG_H

#include <stddef.h>
#include <stdint.h>

#include "base/address.h"
#include "base/attributes.h"
#include "net/poller.h"
#include "relay/event.h"
#include "server/limits.h"

/* The state of a repeatable option. Items of the command line replace those of the environment. */
/* Where options come from. Later ones win. */
enum config_source { FROM_DEFAULTS, FROM_ENVIRONMENT, FROM_FILE, FROM_COMMAND_LINE };

struct config_list {
    uint32_t count;
    enum config_source source;
};

struct origin_list {
    struct config_list list;
    struct bytes items[ALLOWED_ORIGINS_MAX]; /* patterns, see proto/origin.h */
};

/* Proxies that the server trusts to report the addresses of their clients. */
struct trusted_proxy {
    struct address_range range;
    bool introduces; /* each connection of this proxy begins with a PROXY header */
};

struct proxy_list {
    struct config_list list;
    struct trusted_proxy items[TRUSTED_PROXIES_MAX];
};

/* An operator who sets no limit gets one for public addresses only. */
#define CONNECTIONS_PER_ADDRESS_UNSET UINT64_MAX

#define POLLER_AUTO POLLER_KINDS /* the last poller of `enum poller_kind` that works */

/* What happens to rooms when the process is told to stop. */
enum on_stop {
    ON_STOP_DRAIN, /* they are played to their end */
    ON_STOP_KEEP,  /* the next process has them */
    ON_STOP_KINDS, /* unset: KEEP with a state directory */
};

/* A limit of connections or failed joins that is 0 means no limit. */
struct config {
    const char *host; /* NULL: every address */
    uint64_t port;
    uint64_t loops;
    uint64_t poller; /* enum poller_kind, or POLLER_AUTO */
    const char
        *admin_listen; /* ADDRESS:PORT, see config_admin_endpoint(); NULL: no listener of its own */
    const char *tls_certificate; /* files, PEM; both NULL: no TLS */
    const char *tls_key;
    const char *token_key;       /* file, see net/token_key.h; NULL: nobody needs a token */
    const char *state_directory; /* NULL: rooms end with the process */
    const char *cluster;         /* URLs of NATS' servers; NULL: the process is alone */
    const char *cluster_name;
    const char *node_name;        /* NULL: the host's */
    const char *nats_credentials; /* file; NULL: none */
    const char *nats_authority;   /* file, PEM; NULL: none */
    uint64_t nats_replicas;
    uint64_t is_edge_only;
    uint64_t tells_slices;
    const char *options_file;  /* NULL: none */
    struct bytes options_text; /* what is in it */
    char *options_lines;       /* the same in parts, to which strings above may point */

    uint64_t protocol;         /* enum protocol of clients that name none */
    const char *instance_id;   /* letters, digits, `.`, `-` and `_`; NULL: unset */
    const char *region;        /* as instance_id */
    const char *path_prefix;   /* path below which a proxy has the server; NULL: none */
    uint64_t asks_for_replays; /* 0 or 1: the platform's proxy understands `fly-replay` */
    const char *dashboard_url; /* NULL: the server shows a page of its own */

    uint64_t ping_interval_ms;
    uint64_t idle_timeout_ms;
    uint64_t request_timeout_ms;
    uint64_t stall_timeout_ms;
    uint64_t drain_timeout_ms;
    uint64_t on_stop; /* enum on_stop */
    uint64_t host_grace_ms;
    uint64_t origin_proof_ms;     /* 0: an origin is listed with its first connection */
    uint64_t empty_room_grace_ms; /* 0: a room ends when its last member leaves */
    uint64_t hold_ms;             /* of seats, at most */
    uint64_t migrate_ms;          /* a host may be away so long */

    uint64_t request_bytes_max; /* of a request head */
    uint64_t message_bytes_max;
    uint64_t message_rate_max; /* frames a second; 0: no limit */
    uint64_t byte_rate_max;    /* bytes a second of frames; 0: no limit */
    uint64_t log_bytes_max;    /* of a room of protocol 3 */
    uint64_t queue_bytes_max;
    uint64_t buffered_bytes_max; /* 0: a quarter of the machine's memory */

    uint64_t connections_max; /* 0: as many as descriptors and memory allow */
    uint64_t connections_per_address_max;
    uint64_t rooms_max;
    uint64_t clients_per_room_max;
    uint64_t client_id_bytes_max;
    uint64_t failed_joins_max;
    uint64_t failed_joins_per_address_max; /* misses in SUBNET_BUDGET_MS */

    uint64_t requires_origin; /* 0 or 1 */
    uint64_t is_free;         /* 0 or 1: loops enter no sandbox */
    uint64_t upgrade_pid;     /* of CONFIG_UPGRADE */
    struct origin_list allowed_origins;
    struct proxy_list trusted_proxies;
};

enum config_result {
    CONFIG_RUN,
    CONFIG_HELP,
    CONFIG_VERSION,
    CONFIG_CHECK_HEALTH, /* ask the server that has this configuration */
    CONFIG_UPGRADE,      /* ask the process `upgrade_pid` to replace itself */
    CONFIG_SHOW_STATE,   /* print what is in `state_directory` */
    CONFIG_INVALID,      /* `ret_why` says what is wrong */
};

/*
 * Strings in the result point into `arguments`, the environment, or what was read of the options
 * file, which is in static memory. `options_text`: what the options file has, or NULL to read it.
 */
MUST_CHECK enum config_result config_read(int argument_count, char **arguments,
                                          const struct bytes *options_text,
                                          struct config *ret_config, char *ret_why,
                                          size_t why_capacity);

/*
 * Returns the trusted proxy at this address, or NULL. If several entries match, one that introduces
 * its connections is preferred.
 */
const struct trusted_proxy *config_find_proxy(const struct config *config, struct address address);

/* The address for /metrics and /stats when `admin_listen` is set; the host is without brackets. */
#define ENDPOINT_HOST_BYTES_MAX 256
struct endpoint {
    char host[ENDPOINT_HOST_BYTES_MAX];
    uint16_t port;
};
struct endpoint config_admin_endpoint(const struct config *config);

/* The relay's name among several servers: instance id and region. */
struct instance config_instance(const struct config *config);

/* Whether a text is a valid instance id or region: 1 to 64 letters, digits, `.`, `-` or `_`. */
bool config_is_name(struct bytes text);

/* Prints the text of --help, which the table of options yields. */
void config_print_help(void);

#endif
