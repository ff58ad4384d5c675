/* The table of options, which serves the command line, files, the environment and --help. */
#include "server/config_options.h"

#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "proto/http_request.h"
#include "relay/relay.h"
#include "relay/url_template.h"

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

#define FIELD(name) offsetof(struct config, name)

const struct option config_options[] = {
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

    {"--cluster", "CLUSTER", FIELD(cluster), VALUE_SERVERS, 0, 0,
     "NATS' servers that join this node to others, such as nats://a:4222,nats://b:4222, with user "
     "and password before an @ if need be",
     OTHERWISE("none: the server is alone"), NULL},
    {"--cluster-name", "CLUSTER_NAME", FIELD(cluster_name), VALUE_CLUSTER, 0, 0,
     "which cluster of those at the same servers", STANDARD("party-sockets"), NULL},
    {"--node-name", "NODE_NAME", FIELD(node_name), VALUE_NODE, 0, 0,
     "what this node is called in the cluster", OTHERWISE("the host's name"), NULL},
    {"--edge-only", "EDGE_ONLY", FIELD(is_edge_only), VALUE_FLAG, 0, 1,
     "this node has no rooms of its own: its clients play in those of the other nodes",
     OTHERWISE("it gets its share of the rooms"), NULL},
    {"--log-slices", "LOG_SLICES", FIELD(tells_slices), VALUE_FLAG, 0, 1,
     "standard error tells of each slice when this node begins and ends to serve it",
     OTHERWISE("it tells how many there are"), NULL},
    {"--nats-creds", "NATS_CREDS", FIELD(nats_credentials), VALUE_TEXT, 0, 0,
     "file with the credentials for NATS", OTHERWISE("none"), NULL},
    {"--nats-ca", "NATS_CA", FIELD(nats_authority), VALUE_TEXT, 0, 0,
     "file with the certificate that vouches for NATS' servers, PEM: they must speak TLS",
     OTHERWISE("none"), NULL},
    {"--nats-replicas", "NATS_REPLICAS", FIELD(nats_replicas), VALUE_NUMBER, 1, 3,
     "copies that NATS keeps of what the nodes agree on, 1 or 3, when the first node begins",
     STANDARD("1"), NULL},

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
     OTHERWISE("keep with --state-dir or --cluster, else drain"), NULL},
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

const size_t config_option_count = ARRAY_LENGTH(config_options);

const struct option *config_option_find(const char *name, size_t name_length)
{
    for (size_t i = 0; i < config_option_count; i++) {
        if (strlen(config_options[i].name) == name_length &&
            strncmp(config_options[i].name, name, name_length) == 0)
            return &config_options[i];
    }
    return NULL;
}

void config_print_help(void)
{
    printf("party-sockets: a WebSocket relay for party games\n\n"
           "usage: party-sockets [option value]...\n\n");
    for (size_t i = 0; i < config_option_count; i++)
        printf("  %-31s %s (%s); environment: %s%s%s\n", config_options[i].name,
               config_options[i].help, config_options[i].unset.text, config_options[i].environment,
               config_options[i].fallback != NULL ? " or " : "",
               config_options[i].fallback != NULL ? config_options[i].fallback : "");
    printf("  %-31s ask the server with these options for /health and exit, with 0 if it is well\n"
           "  %-31s have the process with this id replace itself by the program at its path now,\n"
           "  %-31s and go on with all rooms and connections\n"
           "  %-31s print the rooms in this directory, without secrets, and exit\n"
           "  %-31s print this and exit\n  %-31s print the version and exit\n",
           CHECK_HEALTH, UPGRADE " PID", "", SHOW_STATE " DIR", "--help", "--version");
}
