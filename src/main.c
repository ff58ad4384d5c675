/* Options, the start, and threads. Everything else happens in the loops and in server/watch. */
#include <errno.h>
#include <malloc.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "net/clock.h"
#include "net/listener.h"
#include "net/machine.h"
#include "net/sandbox.h"
#include "net/token_key.h"
#include "server/config.h"
#include "server/health_check.h"
#include "server/loop_thread.h"
#include "server/node.h"
#include "server/records.h"
#include "server/server.h"
#include "server/show_state.h"
#include "server/ticket_file.h"
#include "server/upgrade.h"
#include "server/version.h"
#include "server/watch.h"

#define EXIT_USAGE 2
#define LAN_ADDRESSES_MAX 8
#define CLUSTER_WAIT_MS 10000 /* for NATS, at the start */
#define CLUSTER_RETRY_MS 500
/* Longer allocations get pages of their own from the kernel, and free() gives these back. */
#define SEPARATE_ALLOCATION_BYTES (64 * 1024)

static void complain(const char *sentence)
{
    fprintf(stderr, "party-sockets: %s\n", sentence);
}

/* Prints a URL; an IPv6 host gets brackets. */
static void print_address(const char *before, const char *scheme, const char *host, uint16_t port)
{
    bool needs_brackets = strchr(host, ':') != NULL;
    printf("%s%s://%s%s%s:%u\n", before, scheme, needs_brackets ? "[" : "", host,
           needs_brackets ? "]" : "", port);
}

static void print_addresses(const struct server *server)
{
    const struct config *config = server->config;
    const char *scheme = config->tls_certificate != NULL ? "https" : "http";
    uint16_t port = listener_port(server->listener_fd);
    print_address("party-sockets " PARTY_SOCKETS_VERSION " listening on ", scheme,
                  config->host != NULL ? config->host : "localhost", port);
    if (config->host == NULL) {
        char addresses[LAN_ADDRESSES_MAX][ADDRESS_TEXT_MAX];
        int count = listener_lan_addresses(addresses, LAN_ADDRESSES_MAX);
        for (int i = 0; i < count; i++)
            print_address("  on your network: ", scheme, addresses[i], port);
    }
    if (server->admin_fd >= 0) {
        struct endpoint endpoint = config_admin_endpoint(config);
        print_address("  metrics and status: ", "http", endpoint.host,
                      listener_port(server->admin_fd));
    }
    fflush(stdout);
}

/* From now on connections are refused at once, and the loops close those that they have. */
static void stop_all(struct server *server, uint32_t loops)
{
    listener_end(server->listener_fd);
    if (server->admin_fd >= 0)
        listener_end(server->admin_fd);
    for (uint32_t i = 0; i < loops; i++)
        mailbox_post(&server->loops[i]->mailbox, &server->loops[i]->stop_mail);
}

enum run {
    RUN_FAILED, /* a thread could not be created */
    RUN_STOPPED,
    RUN_HELD, /* the loops have written what the next program needs */
};

/* Runs the loops until they end. */
static enum run run(struct server *server, int signal_fd)
{
    pthread_t threads[LOOPS_MAX];
    uint32_t started = 0;
    while (started < server->loop_count &&
           pthread_create(&threads[started], NULL, loop_thread_run, server->loops[started]) == 0)
        started++;
    enum run run = started == server->loop_count ? RUN_STOPPED : RUN_FAILED;
    if (run == RUN_STOPPED && server->executions == 0)
        print_addresses(server);
    if (run == RUN_STOPPED && watch(server, signal_fd) == WATCH_UPGRADE)
        run = RUN_HELD;
    if (run == RUN_HELD) {
        upgrade_hold(server);
    } else {
        stop_all(server, started);
    }
    for (uint32_t i = 0; i < started; i++)
        pthread_join(threads[i], NULL);
    if (run != RUN_HELD)
        node_end(server->node);
    return run;
}

/* Only the main thread gets signals, through a descriptor; the loops inherit the mask. */
static int open_signals(void)
{
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGHUP);
    sigaddset(&signals, SIGUSR2);
    pthread_sigmask(SIG_BLOCK, &signals, NULL);
    signal(SIGPIPE, SIG_IGN);
    return signalfd(-1, &signals, SFD_CLOEXEC);
}

/* False: the poller that the operator has chosen does not work here. */
static bool choose_poller(const struct config *config, enum poller_kind *ret_kind)
{
    *ret_kind = (enum poller_kind)config->poller;
    if (config->poller != POLLER_AUTO)
        return *ret_kind == POLLER_EPOLL || poller_works(*ret_kind);
    for (*ret_kind = POLLER_KINDS - 1; *ret_kind > POLLER_EPOLL; --*ret_kind) {
        if (poller_works(*ret_kind))
            return true;
    }
    return true;
}

/*
 * Opens the listener for all clients, and the one of --admin-listen if it is set. Both are bound
 * before either listens, so no client can connect before both ports are ours. If the result is not
 * READY, no descriptor is left open.
 */
static enum listener_result open_listeners(struct server *server, char *ret_why,
                                           size_t why_capacity)
{
    const struct config *config = server->config;
    server->listener_fd = -1;
    server->admin_fd = -1;
    enum listener_result result = listener_bind(config->host, (uint16_t)config->port,
                                                &server->listener_fd, ret_why, why_capacity);
    if (result == LISTENER_READY && config->admin_listen != NULL) {
        struct endpoint endpoint = config_admin_endpoint(config);
        result =
            listener_bind(endpoint.host, endpoint.port, &server->admin_fd, ret_why, why_capacity);
    }
    if (result == LISTENER_READY)
        result = listener_begin(server->listener_fd, ret_why, why_capacity);
    if (result == LISTENER_READY && server->admin_fd >= 0)
        result = listener_begin(server->admin_fd, ret_why, why_capacity);
    if (result == LISTENER_READY)
        return result;
    if (server->listener_fd >= 0)
        close(server->listener_fd);
    if (server->admin_fd >= 0)
        close(server->admin_fd);
    return result;
}

/* Whether a signal to stop comes within this time. Others have no effect before the start. */
static bool is_stopped_within(int signal_fd, int wait_ms)
{
    struct pollfd signals = {.fd = signal_fd, .events = POLLIN};
    struct signalfd_siginfo info;
    return poll(&signals, 1, wait_ms) > 0 && read(signal_fd, &info, sizeof info) == sizeof info &&
           info.ssi_signo != SIGHUP && info.ssi_signo != SIGUSR2;
}

enum opening {
    OPENING_DONE,
    OPENING_FAILED, /* `ret_why` says why */
    OPENING_STOPPED,
};

/*
 * The port may still belong to a process that is about to end, or was killed: the kernel takes some
 * milliseconds to end accepts of an io_uring.
 */
static enum opening wait_for_listeners(struct server *server, int signal_fd, char *ret_why,
                                       size_t why_capacity)
{
    uint32_t began_ms = clock_now_ms();
    for (;;) {
        enum listener_result result = open_listeners(server, ret_why, why_capacity);
        if (result == LISTENER_READY)
            return OPENING_DONE;
        if (result == LISTENER_FAILED || clock_now_ms() - began_ms >= PORT_WAIT_MS)
            return OPENING_FAILED;
        if (is_stopped_within(signal_fd, PORT_RETRY_MS))
            return OPENING_STOPPED;
    }
}

/* Joins the cluster, if there is one. Its engine may be about to start, as this process is. */
static enum opening join_cluster(struct server *server, int signal_fd, char *ret_why)
{
    uint32_t began_ms = clock_now_ms();
    if (server->config->cluster == NULL)
        return OPENING_DONE;
    for (;;) {
        switch (node_open(server->config, &server->node, ret_why)) {
        case NODE_OPEN:
            server->peers = node_peers(server->node);
            return OPENING_DONE;
        case NODE_WRONG:
            return OPENING_FAILED;
        case NODE_RETRY:
            break;
        }
        if (clock_now_ms() - began_ms >= CLUSTER_WAIT_MS)
            return OPENING_FAILED;
        if (is_stopped_within(signal_fd, CLUSTER_RETRY_MS))
            return OPENING_STOPPED;
    }
}

/* Loads the certificate and the token key that the operator names. False: `ret_why` says why. */
static bool load(struct server *server, char *ret_why, size_t why_capacity)
{
    const struct config *config = server->config;
    if (config->tls_certificate != NULL) {
        server->tls =
            tls_context_new(config->tls_certificate, config->tls_key, ret_why, why_capacity);
        if (server->tls == NULL)
            return false;
    }
    if (config->token_key != NULL)
        server->token_keys = token_keys_new(config->token_key, ret_why, why_capacity);
    return config->token_key == NULL || server->token_keys != NULL;
}

static void unload(struct server *server)
{
    node_free(server->node);
    tls_context_free(server->tls);
    token_keys_free(server->token_keys);
}

/*
 * A successor keeps the listeners of the process, whatever its options are, and tells so if they
 * are others than those that the listeners were made with.
 */
static void note_what_listens(struct server *server, const struct upgrade *upgrade)
{
    const struct config *config = server->config;
    bool is_successor = upgrade->start.role == PROCESS_SUCCESSOR;
    const char *before = upgrade->header.listens_on;
    snprintf(server->listens_on, sizeof server->listens_on, "%s %u %s",
             config->host == NULL ? "" : config->host, (unsigned)config->port,
             config->admin_listen == NULL ? "" : config->admin_listen);
    if (!is_successor || before[0] == '\0' || strcmp(server->listens_on, before) == 0)
        return;
    complain("--host, --port and --admin-listen have changed, which an upgrade does not do: they "
             "stay what they were until the process is started anew");
    memcpy(server->listens_on, before, sizeof server->listens_on);
}

/* A successor has its listeners from the program before, and a rehearsal has none. */
static enum opening get_listeners(struct server *server, const struct upgrade *upgrade,
                                  int signal_fd, char *ret_why, size_t why_capacity)
{
    server->listener_fd = -1;
    server->admin_fd = -1;
    server->started_s = (uint64_t)time(NULL);
    note_what_listens(server, upgrade);
    if (upgrade->start.role == PROCESS_ORDINARY)
        return wait_for_listeners(server, signal_fd, ret_why, why_capacity);
    if (upgrade->start.role == PROCESS_SUCCESSOR) {
        server->listener_fd = upgrade->header.listener_fd;
        server->admin_fd = upgrade->header.admin_fd;
        server->started_ns = upgrade->header.started_ns;
        server->executions = upgrade->start.count;
        bool is_back = upgrade->start.former_fd < 0;
        server->upgrades = upgrade->header.upgrades + (is_back ? 0 : 1);
        server->started_s = upgrade->header.started_s;
    }
    return OPENING_DONE;
}

static void close_listeners(const struct server *server)
{
    if (server->listener_fd >= 0)
        close(server->listener_fd);
    if (server->admin_fd >= 0)
        close(server->admin_fd);
}

static void tell_of_upgrade(const struct server *server, const struct upgrade *upgrade,
                            const struct handover_counts *counts)
{
    double ms = (double)(server->kernel->now_ns() - upgrade->header.rested_ns) / 1000000;
    fprintf(stderr,
            "party-sockets: now " PARTY_SOCKETS_VERSION ", with %u room%s and %u connection%s of "
            "before, which waited %.0f ms\n",
            counts->rooms, counts->rooms == 1 ? "" : "s", counts->connections,
            counts->connections == 1 ? "" : "s", ms);
}

/* Takes over what the process had before, and opens the store. False: a line on stderr said why. */
static bool take_over(struct server *server, struct upgrade *upgrade)
{
    struct handover_counts counts;
    bool is_successor = upgrade->start.role == PROCESS_SUCCESSOR;
    if (is_successor && !upgrade_restore(server, upgrade, &counts))
        return false;
    process_guard(&upgrade->start, UPGRADE_STORE_S);
    if (!records_begin(server, is_successor))
        return false;
    ticket_file_read(server);
    upgrade_settle(server, upgrade);
    if (is_successor)
        tell_of_upgrade(server, upgrade, &counts);
    return true;
}

/* Serves with what was prepared. */
static int serve_with(struct server *server, struct upgrade *upgrade, int signal_fd)
{
    if (!take_over(server, upgrade))
        return EXIT_FAILURE;
    enum run result = RUN_FAILED;
    if (server->node == NULL || node_begin(server->node, server))
        result = run(server, signal_fd);
    node_stop(server->node);
    if (result == RUN_HELD)
        upgrade_execute(server);
    if (server->keeps_rooms)
        ticket_file_write(server);
    records_end(server);
    if (result == RUN_FAILED)
        complain("not enough memory, descriptors or threads to start");
    return result == RUN_STOPPED ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* Ends at once: what was restored is freed with the process. */
static __attribute__((noreturn)) void rehearse(struct server *server, struct upgrade *upgrade)
{
    struct handover_counts counts;
    _exit(upgrade_restore(server, upgrade, &counts) ? PROCESS_REHEARSED : EXIT_FAILURE);
}

static int serve_listening(struct server *server, struct upgrade *upgrade, int signal_fd)
{
    int status = EXIT_FAILURE;
    server->news_fd = kernel_linux.wake_new();
    if (signal_fd < 0 || server->news_fd < 0 ||
        !server_init(server, machine_raise_descriptor_limit(CONNECTIONS_MAX)))
        complain("not enough memory, descriptors or threads to start");
    else if (upgrade->start.role == PROCESS_REHEARSAL)
        rehearse(server, upgrade);
    else
        status = serve_with(server, upgrade, signal_fd);
    server_release(server);
    return status;
}

static int serve(const struct config *config, struct process_start start)
{
    char why[NODE_WHY_MAX];
    struct upgrade upgrade;
    struct server server = {
        .config = config,
        .kernel = &kernel_linux,
        .listener_fd = -1,
        .admin_fd = -1,
    };
    /* NOLINTNEXTLINE(concurrency-mt-unsafe): there is one thread yet */
    mallopt(M_MMAP_THRESHOLD, SEPARATE_ALLOCATION_BYTES);
    if (!upgrade_read(&upgrade, start))
        return EXIT_FAILURE;
    if (!choose_poller(config, &server.poller)) {
        complain("--poller io_uring: the kernel does not have it (Linux 6.1) or does not allow it");
        return EXIT_USAGE;
    }
    if (config->cluster != NULL && start.role != PROCESS_ORDINARY) {
        complain("--cluster needs a start: there is no upgrade yet to or of a node of a cluster");
        return EXIT_USAGE;
    }
    int signal_fd = open_signals();
    sandbox_init();
    if (!load(&server, why, sizeof why)) {
        complain(why);
        unload(&server);
        return EXIT_USAGE;
    }
    upgrade_give_ticket_keys(&upgrade, server.tls);
    int status = EXIT_SUCCESS;
    enum opening opening = join_cluster(&server, signal_fd, why);
    if (opening == OPENING_DONE)
        opening = get_listeners(&server, &upgrade, signal_fd, why, sizeof why);
    if (opening == OPENING_FAILED)
        complain(why);
    if (opening != OPENING_STOPPED)
        status =
            opening == OPENING_DONE ? serve_listening(&server, &upgrade, signal_fd) : EXIT_FAILURE;
    if (status != EXIT_SUCCESS)
        process_go_back(&start); /* the former program needs the listeners */
    unload(&server);
    close_listeners(&server);
    return status;
}

/* A successor that can't serve lets the program before go on. */
static int serve_or_go_back(const struct config *config, struct process_start start)
{
    int status = serve(config, start);
    process_go_back(&start);
    return status;
}

static int ask_for_upgrade(const struct config *config)
{
    char why[PROCESS_WHY_MAX];
    if (process_ask((long)config->upgrade_pid, UPGRADE_ASKED_MS, UPGRADE_IDLE_MS, why))
        return EXIT_SUCCESS;
    complain(why);
    return EXIT_FAILURE;
}

int main(int argument_count, char **arguments)
{
    struct config config;
    char why[512];
    process_note(arguments);
    struct process_start start = process_look_up();
    process_guard(&start, start.restoring_s);
    struct bytes former_options;
    bool is_back = process_former_options(&start, &former_options);
    switch (config_read(argument_count, arguments, is_back ? &former_options : NULL, &config, why,
                        sizeof why)) {
    case CONFIG_HELP:
        config_print_help();
        return EXIT_SUCCESS;
    case CONFIG_VERSION:
        printf("party-sockets %s\n", PARTY_SOCKETS_VERSION);
        return EXIT_SUCCESS;
    case CONFIG_INVALID:
        complain(why);
        process_go_back(&start);
        return EXIT_USAGE;
    case CONFIG_UPGRADE:
        return ask_for_upgrade(&config);
    case CONFIG_CHECK_HEALTH:
        if (health_check(&config, why, sizeof why))
            return EXIT_SUCCESS;
        complain(why);
        return EXIT_FAILURE;
    case CONFIG_SHOW_STATE:
        if (show_state(config.state_directory, why, sizeof why))
            return EXIT_SUCCESS;
        complain(why);
        return EXIT_FAILURE;
    case CONFIG_RUN:
        break;
    }
    process_note_options(config.options_text);
    return serve_or_go_back(&config, start);
}
