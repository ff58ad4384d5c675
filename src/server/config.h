/* What the operator may set: options, and the environment where an option is not given. */
#ifndef PARTY_SERVER_CONFIG_H
#define PARTY_SERVER_CONFIG_H

#include <stddef.h>
#include <stdint.h>

#include "base/address.h"
#include "base/attributes.h"
#include "net/poller.h"
#include "relay/event.h"
#include "server/limits.h"

/* A repeatable option. What the command line gives replaces what the environment gave. */
struct config_list {
    uint32_t count;
    bool is_from_environment;
};

struct origin_list {
    struct config_list list;
    struct bytes items[ALLOWED_ORIGINS_MAX]; /* patterns, see proto/origin.h */
};

/* Proxies whose word about addresses counts. */
struct trusted_proxy {
    struct address_range range;
    bool introduces; /* each of its connections begins with a PROXY header */
};

struct proxy_list {
    struct config_list list;
    struct trusted_proxy items[TRUSTED_PROXIES_MAX];
};

#define CONNECTIONS_PER_ADDRESS_UNSET UINT64_MAX /* a limit for public addresses alone */

#define POLLER_AUTO POLLER_KINDS /* the last one that works */

/* Numbers that count connections or failed joins may be 0, which means that there is no limit. */
struct config {
    const char *host; /* NULL: every address */
    uint64_t port;
    uint64_t loops;
    uint64_t poller;             /* enum poller_kind, or POLLER_AUTO */
    const char *admin_listen;    /* ADDRESS:PORT, see config_admin_endpoint(); NULL: none */
    const char *tls_certificate; /* files, PEM; both NULL: no TLS */
    const char *tls_key;

    uint64_t protocol;         /* enum protocol, of clients that name none */
    const char *instance_id;   /* letters, digits, `.`, `-` and `_`; NULL: unset */
    const char *region;        /* the same */
    const char *path_prefix;   /* of a proxy, below which the server is; NULL: none */
    uint64_t asks_for_replays; /* 0 or 1: the platform's proxy understands `fly-replay` */
    const char *dashboard_url; /* NULL: the server has a page of its own */

    uint64_t ping_interval_ms;
    uint64_t idle_timeout_ms;
    uint64_t request_timeout_ms;
    uint64_t stall_timeout_ms;
    uint64_t drain_timeout_ms;
    uint64_t host_grace_ms;
    uint64_t origin_proof_ms;     /* 0: an origin is listed as soon as it comes */
    uint64_t empty_room_grace_ms; /* 0: a room ends with its last member */

    uint64_t request_bytes_max; /* of a request's head */
    uint64_t message_bytes_max;
    uint64_t message_rate_max; /* frames a second; 0: no limit */
    uint64_t byte_rate_max;    /* bytes a second of frames; 0: no limit */
    uint64_t queue_bytes_max;
    uint64_t buffered_bytes_max; /* 0: a quarter of the memory there is */

    uint64_t connections_max; /* 0: as many as descriptors and memory allow */
    uint64_t connections_per_address_max;
    uint64_t rooms_max;
    uint64_t clients_per_room_max;
    uint64_t client_id_bytes_max;
    uint64_t failed_joins_max;
    uint64_t failed_joins_per_address_max; /* in SUBNET_BUDGET_MS */

    uint64_t requires_origin; /* 0 or 1 */
    uint64_t is_free;         /* 0 or 1: loops are in no sandbox */
    struct origin_list allowed_origins;
    struct proxy_list trusted_proxies;
};

enum config_result {
    CONFIG_RUN,
    CONFIG_HELP,
    CONFIG_VERSION,
    CONFIG_CHECK_HEALTH, /* of the server that this is the configuration of */
    CONFIG_INVALID,      /* `ret_why` has the sentence */
};

/* Strings in the result point into `arguments` or the environment. */
MUST_CHECK enum config_result config_read(int argument_count, char **arguments,
                                          struct config *ret_config, char *ret_why,
                                          size_t why_capacity);

/* The proxy that is trusted at this address, or NULL. Of several one that introduces is found. */
const struct trusted_proxy *config_find_proxy(const struct config *config, struct address address);

/* Where the numbers are told when `admin_listen` is set: the host without brackets, and the port.
 */
#define ENDPOINT_HOST_BYTES_MAX 256
struct endpoint {
    char host[ENDPOINT_HOST_BYTES_MAX];
    uint16_t port;
};
struct endpoint config_admin_endpoint(const struct config *config);

/* Which of several servers this is, for the relay. */
struct instance config_instance(const struct config *config);

/* Whether a text may be an instance's id, or a region: 1 to 64 letters, digits, `.`, `-` or `_`. */
bool config_is_name(struct bytes text);

/* Prints what --help tells, made from the same table that the options are read by. */
void config_print_help(void);

#endif
