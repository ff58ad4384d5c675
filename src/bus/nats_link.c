/* A connection to NATS: how it is set, and what its threads tell. */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "bus/nats_parts.h"

#define PING_MS 1000     /* a server that is silent ... */
#define PINGS_MAX 2      /* ... for so many pings is gone */
#define RECONNECT_MS 200 /* between two tries */
/* Of a try, at most. Who publishes may have to wait for it, as for a write: libnats holds a lock.
 */
#define CONNECT_MS BUS_WRITE_MS
#define CLOSE_MS 1000 /* as long libnats may take to tell that a connection has ended */
#define CLOSE_LOOK_MS 1
#define PAYLOAD_LEAST (BUS_RECORD_TEXT_MAX + 4096) /* the longest text, with its headers */

static void note_disconnect(natsConnection *connection, void *closure)
{
    struct nats_link *link = closure;
    (void)connection;
    atomic_store(&link->is_connected, false);
    atomic_fetch_add(&link->disconnects, 1);
}

static void note_reconnect(natsConnection *connection, void *closure)
{
    struct nats_link *link = closure;
    (void)connection;
    atomic_store(&link->is_connected, true);
}

static void note_close(natsConnection *connection, void *closure)
{
    struct nats_link *link = closure;
    (void)connection;
    atomic_store(&link->is_connected, false);
    atomic_store(&link->has_closed, true);
}

static natsStatus set_servers(const struct nats_library *nats, natsOptions *set,
                              const char *servers)
{
    char urls[BUS_SERVERS_MAX][BUS_SERVER_MAX];
    const char *pointers[BUS_SERVERS_MAX];
    int count = 0;
    for (const char *rest = servers; rest != NULL;) {
        size_t length = strcspn(rest, ",");
        if (count == BUS_SERVERS_MAX || length == 0 || length >= BUS_SERVER_MAX)
            return NATS_INVALID_ARG;
        memcpy(urls[count], rest, length);
        urls[count][length] = '\0';
        pointers[count] = urls[count];
        count++;
        rest = rest[length] == ',' ? rest + length + 1 : NULL;
    }
    return nats->natsOptions_SetServers(set, pointers, count);
}

/* Who may connect, and to whom. */
static natsStatus set_secrets(const struct nats_library *nats, natsOptions *set,
                              const struct bus_nats_options *options)
{
    natsStatus status = NATS_OK;
    if (options->user != NULL)
        status = nats->natsOptions_SetUserInfo(set, options->user, options->password);
    if (status == NATS_OK && options->credentials != NULL)
        status = nats->natsOptions_SetUserCredentialsFromFiles(set, options->credentials, NULL);
    if (status == NATS_OK && options->authority != NULL)
        status = nats->natsOptions_SetSecure(set, true);
    if (status == NATS_OK && options->authority != NULL)
        status = nats->natsOptions_LoadCATrustedCertificates(set, options->authority);
    return status;
}

/* How long everything takes at most. */
static natsStatus set_times(const struct nats_library *nats, natsOptions *set, uint64_t end_ms)
{
    int64_t left_ms = nats_left_ms(end_ms);
    natsStatus results[] = {
        nats->natsOptions_SetTimeout(set, left_ms < CONNECT_MS ? left_ms : CONNECT_MS),
        nats->natsOptions_SetPingInterval(set, PING_MS),
        nats->natsOptions_SetMaxPingsOut(set, PINGS_MAX),
        /* Without it a write to a server that reads nothing waits for ever. */
        nats->natsOptions_SetWriteDeadline(set, BUS_WRITE_MS),
        nats->natsOptions_SetMaxReconnect(set, -1), /* never gives up */
        nats->natsOptions_SetReconnectWait(set, RECONNECT_MS),
        /* libnats would wait up to 1 s longer, by chance: for thousands of clients, which nodes are
           not. */
        nats->natsOptions_SetReconnectJitter(set, 0, 0),
    };
    for (size_t i = 0; i < ARRAY_LENGTH(results); i++) {
        if (results[i] != NATS_OK)
            return results[i];
    }
    return NATS_OK;
}

static natsStatus set_rest(const struct nats_library *nats, natsOptions *set, const char *node,
                           struct nats_link *link)
{
    natsStatus results[] = {
        nats->natsOptions_SetName(set, node),
        /* Else a thread of libnats sends what was published, and waits 1 ms for more before. */
        nats->natsOptions_SetSendAsap(set, true),
        /* In the order in which they are written: who operates them knows where a node is. */
        nats->natsOptions_SetNoRandomize(set, true),
        /*
         * What is published while there is no connection must fail, instead of arriving seconds
         * late. So the buffer for it has the least size; 0 would mean 8 MB.
         */
        nats->natsOptions_SetReconnectBufSize(set, 1),
        /* A request that was on its way when the connection broke gets no answer: it must not wait.
         */
        nats->natsOptions_SetFailRequestsOnDisconnect(set, true),
        nats->natsOptions_SetDisconnectedCB(set, note_disconnect, link),
        nats->natsOptions_SetReconnectedCB(set, note_reconnect, link),
        nats->natsOptions_SetClosedCB(set, note_close, link),
    };
    for (size_t i = 0; i < ARRAY_LENGTH(results); i++) {
        if (results[i] != NATS_OK)
            return results[i];
    }
    return NATS_OK;
}

/* libnats' threads inherit that all signals are blocked, so the process' signals do not go to them.
 */
static natsStatus connect_quietly(struct nats_link *link, natsOptions *set)
{
    sigset_t before = nats_block_signals();
    natsStatus status = link->library->natsConnection_Connect(&link->connection, set);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return status;
}

/* A server that refuses what is long would refuse it for ever, and what waits behind it. */
static bool takes_long_messages(const struct nats_link *link, char why[BUS_WHY_MAX])
{
    int64_t most = link->library->natsConnection_GetMaxPayload(link->connection);
    if (most >= PAYLOAD_LEAST)
        return true;
    snprintf(why, BUS_WHY_MAX,
             "NATS takes messages of %lld bytes at most, and %d are needed (max_payload)",
             (long long)most, PAYLOAD_LEAST);
    return false;
}

bool nats_link_open(struct nats_link *link, const struct nats_library *library,
                    const struct bus_nats_options *options, uint64_t end_ms, char why[BUS_WHY_MAX])
{
    natsOptions *set = NULL;
    link->library = library;
    natsStatus status = library->natsOptions_Create(&set);
    const char *what = "NATS takes no such options";
    if (status == NATS_OK)
        status = set_servers(library, set, options->servers);
    if (status == NATS_OK)
        status = set_times(library, set, end_ms);
    if (status == NATS_OK)
        status = set_rest(library, set, options->node, link);
    if (status == NATS_OK) {
        what = "the files or names for NATS do not serve";
        status = set_secrets(library, set, options);
    }
    if (status == NATS_OK) {
        what = "no connection to NATS";
        status = connect_quietly(link, set);
    }
    if (status != NATS_OK)
        nats_note_why(library, what, status, why);
    library->natsOptions_Destroy(set);
    atomic_store(&link->is_connected, status == NATS_OK);
    return status == NATS_OK && takes_long_messages(link, why);
}

bool nats_link_close(struct nats_link *link)
{
    if (link->connection == NULL)
        return true;
    link->library->natsConnection_Close(link->connection);
    uint64_t end_ms = nats_now_ms() + CLOSE_MS;
    /* libnats tells it from a thread of its own, soon. */
    while (!atomic_load(&link->has_closed) && nats_now_ms() < end_ms)
        nanosleep(&(struct timespec){.tv_nsec = CLOSE_LOOK_MS * 1000000L}, NULL);
    link->library->natsConnection_Destroy(link->connection);
    link->connection = NULL;
    return atomic_load(&link->has_closed);
}
