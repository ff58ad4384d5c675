/* Options, threads and signals. Everything else happens in the loops. */
#include <errno.h>
#include <limits.h>
#include <malloc.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "net/clock.h"
#include "net/listener.h"
#include "net/machine.h"
#include "net/sandbox.h"
#include "net/token_key.h"
#include "server/config.h"
#include "server/conn_life.h"
#include "server/drain.h"
#include "server/health_check.h"
#include "server/loop_thread.h"
#include "server/server.h"
#include "server/version.h"

#define EXIT_USAGE 2
#define LAN_ADDRESSES_MAX 8
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

static void reload_certificate(struct tls_context *tls)
{
    char why[512];
    if (tls_context_reload(tls, why, sizeof why)) {
        complain("SIGHUP: the certificate was reloaded");
    } else {
        complain(why);
        complain("SIGHUP: the certificate in use stays");
    }
}

static void reload_token_key(struct token_keys *keys)
{
    char why[512];
    if (token_keys_reload(keys, why, sizeof why)) {
        complain("SIGHUP: the token key was reloaded");
    } else {
        complain(why);
        complain("SIGHUP: the token key in use stays");
    }
}

/* Loads certificate and token key again. If one fails, the old one stays in use. */
static void reload(struct server *server)
{
    if (server->tls != NULL)
        reload_certificate(server->tls);
    if (server->token_keys != NULL)
        reload_token_key(server->token_keys);
    if (server->tls == NULL && server->token_keys == NULL)
        complain("SIGHUP: there is no certificate or token key to reload");
}

/* What the main thread must do, and when. */
struct schedule {
    bool is_draining;
    bool is_trimming;      /* a loop has freed memory, which the heap must give back */
    bool is_measuring;     /* a loop wants to know how much memory is allocated */
    bool admin_is_paused;  /* descriptors are short, so --admin-listen is not polled */
    uint32_t admin_due_ms; /* when it is polled again */
    uint32_t drain_due_ms; /* when the drain ends at the latest */
    uint32_t trimmed_ms;   /* when the heap was trimmed last */
    uint32_t measured_ms;  /* when the heap was measured last */
};

static int milliseconds_until(uint32_t due_ms)
{
    int32_t left_ms = (int32_t)(due_ms - clock_now_ms());
    return left_ms < 0 ? 0 : left_ms;
}

/* Milliseconds until the main thread must act; -1: it need not. */
static int time_to_wait(const struct schedule *schedule)
{
    int drain_ms = schedule->is_draining ? milliseconds_until(schedule->drain_due_ms) : INT_MAX;
    int trim_ms = schedule->is_trimming
                      ? milliseconds_until(schedule->trimmed_ms + HEAP_TRIM_INTERVAL_MS)
                      : INT_MAX;
    int measure_ms = schedule->is_measuring
                         ? milliseconds_until(schedule->measured_ms + HEAP_LOOK_INTERVAL_MS)
                         : INT_MAX;
    int admin_ms = schedule->admin_is_paused ? milliseconds_until(schedule->admin_due_ms) : INT_MAX;
    int first_ms = drain_ms < trim_ms ? drain_ms : trim_ms;
    if (measure_ms < first_ms)
        first_ms = measure_ms;
    if (admin_ms < first_ms)
        first_ms = admin_ms;
    return first_ms == INT_MAX ? -1 : first_ms;
}

/*
 * Waits for a signal, for a loop that wakes the main thread, or until the main thread must act.
 * Returns the signal, or 0.
 */
static int wait_for_signal(struct server *server, int signal_fd, struct schedule *schedule)
{
    int timeout_ms = time_to_wait(schedule);
    schedule->admin_is_paused = schedule->admin_is_paused && timeout_ms > 0;
    struct pollfd sources[] = {
        {.fd = signal_fd, .events = POLLIN},
        {.fd = server->news_fd, .events = POLLIN},
        {.fd = schedule->admin_is_paused ? -1 : server->admin_fd, .events = POLLIN}};
    struct signalfd_siginfo info;
    uint64_t news;
    if (poll(sources, 3, timeout_ms) <= 0)
        return 0;
    if ((sources[2].revents & POLLIN) != 0 && !conn_life_accept_admin(server)) {
        schedule->admin_is_paused = true;
        schedule->admin_due_ms = clock_now_ms() + ACCEPT_RETRY_MS;
    }
    if ((sources[1].revents & POLLIN) != 0)
        (void)!read(server->news_fd, &news, sizeof news);
    if ((sources[0].revents & POLLIN) == 0 || read(signal_fd, &info, sizeof info) != sizeof info)
        return 0;
    return (int)info.ssi_signo;
}

static void begin_draining(struct server *server, struct schedule *schedule)
{
    schedule->is_draining = true;
    schedule->drain_due_ms = clock_now_ms() + (uint32_t)server->config->drain_timeout_ms;
    for (uint32_t i = 0; i < server->loop_count; i++)
        mailbox_post(&server->loops[i]->mailbox, &server->loops[i]->drain_mail);
}

/*
 * After a peak most pages of the heap are free but resident, since used memory lies between them.
 * malloc_trim() gives them back. It takes some milliseconds, in which a loop that allocates may
 * have to wait. So the main thread does it, and seldom.
 */
static void trim_heap(struct server *server, struct schedule *schedule)
{
    if (atomic_exchange(&server->has_freed, false))
        schedule->is_trimming = true;
    bool is_due = clock_now_ms() - schedule->trimmed_ms >= HEAP_TRIM_INTERVAL_MS;
    if (!schedule->is_trimming || !is_due)
        return;
    malloc_trim(0);
    schedule->is_trimming = false;
    schedule->trimmed_ms = clock_now_ms();
}

/*
 * Measures the heap. That locks one arena after the other, so the main thread does it, and seldom.
 */
static void measure_heap(struct server *server, struct schedule *schedule)
{
    if (atomic_exchange(&server->heap_is_asked, false))
        schedule->is_measuring = true;
    bool is_due = clock_now_ms() - schedule->measured_ms >= HEAP_LOOK_INTERVAL_MS;
    if (!schedule->is_measuring || !is_due)
        return;
    atomic_store(&server->heap_bytes, machine_heap_bytes());
    schedule->is_measuring = false;
    schedule->measured_ms = clock_now_ms();
}

/*
 * Serves until the first signal to stop; then drains until no room is left to wait for, a second
 * signal comes, or the time is over.
 */
static void wait_for_end(struct server *server, int signal_fd)
{
    struct schedule schedule = {.trimmed_ms = clock_now_ms(), .measured_ms = clock_now_ms()};
    atomic_store(&server->heap_bytes, machine_heap_bytes());
    for (;;) {
        int number = wait_for_signal(server, signal_fd, &schedule);
        bool is_stop = number == SIGTERM || number == SIGINT;
        if (number == SIGHUP)
            reload(server);
        notices_say(&server->notices);
        trim_heap(server, &schedule);
        measure_heap(server, &schedule);
        if (schedule.is_draining) {
            bool is_over = milliseconds_until(schedule.drain_due_ms) == 0;
            if (is_stop || is_over || drain_is_over(server))
                return;
        } else if (is_stop) {
            begin_draining(server, &schedule);
        }
    }
}

/* Runs the loops until they stop. False: a thread could not be created. */
static bool run(struct server *server, int signal_fd)
{
    pthread_t threads[LOOPS_MAX];
    uint32_t started = 0;
    while (started < server->loop_count &&
           pthread_create(&threads[started], NULL, loop_thread_run, server->loops[started]) == 0)
        started++;
    bool is_running = started == server->loop_count;
    if (is_running) {
        print_addresses(server);
        wait_for_end(server, signal_fd);
        listener_end(server->listener_fd); /* from now on connections are refused at once */
        if (server->admin_fd >= 0)
            listener_end(server->admin_fd);
    }
    for (uint32_t i = 0; i < started; i++)
        mailbox_post(&server->loops[i]->mailbox, &server->loops[i]->stop_mail);
    for (uint32_t i = 0; i < started; i++)
        pthread_join(threads[i], NULL);
    return is_running;
}

/* Only the main thread gets signals, through a descriptor; the loops inherit the mask. */
static int open_signals(void)
{
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGHUP);
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

/* Whether a signal to stop comes within this time. SIGHUP has no effect before the start. */
static bool is_stopped_within(int signal_fd, int wait_ms)
{
    struct pollfd signals = {.fd = signal_fd, .events = POLLIN};
    struct signalfd_siginfo info;
    return poll(&signals, 1, wait_ms) > 0 && read(signal_fd, &info, sizeof info) == sizeof info &&
           info.ssi_signo != SIGHUP;
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
    tls_context_free(server->tls);
    token_keys_free(server->token_keys);
}

static int serve(const struct config *config)
{
    char why[512];
    struct server server = {
        .config = config,
        .kernel = &kernel_linux,
    };
    /* NOLINTNEXTLINE(concurrency-mt-unsafe): there is one thread yet */
    mallopt(M_MMAP_THRESHOLD, SEPARATE_ALLOCATION_BYTES);
    if (!choose_poller(config, &server.poller)) {
        complain("--poller io_uring: the kernel does not have it (Linux 6.1) or does not allow it");
        return EXIT_USAGE;
    }
    int signal_fd = open_signals();
    sandbox_init();
    if (!load(&server, why, sizeof why)) {
        complain(why);
        unload(&server);
        return EXIT_USAGE;
    }
    enum opening opening = wait_for_listeners(&server, signal_fd, why, sizeof why);
    if (opening != OPENING_DONE) {
        if (opening == OPENING_FAILED)
            complain(why);
        unload(&server);
        return opening == OPENING_FAILED ? EXIT_FAILURE : EXIT_SUCCESS;
    }
    server.news_fd = kernel_linux.wake_new();
    bool is_ready = signal_fd >= 0 && server.news_fd >= 0 &&
                    server_init(&server, machine_raise_descriptor_limit(CONNECTIONS_MAX));
    bool has_run = is_ready && run(&server, signal_fd);
    if (!has_run)
        complain("not enough memory, descriptors or threads to start");
    server_release(&server);
    unload(&server);
    close(server.listener_fd);
    if (server.admin_fd >= 0)
        close(server.admin_fd);
    return has_run ? EXIT_SUCCESS : EXIT_FAILURE;
}

int main(int argument_count, char **arguments)
{
    struct config config;
    char why[512];
    switch (config_read(argument_count, arguments, &config, why, sizeof why)) {
    case CONFIG_HELP:
        config_print_help();
        return EXIT_SUCCESS;
    case CONFIG_VERSION:
        printf("party-sockets %s\n", PARTY_SOCKETS_VERSION);
        return EXIT_SUCCESS;
    case CONFIG_INVALID:
        complain(why);
        return EXIT_USAGE;
    case CONFIG_CHECK_HEALTH:
        if (health_check(&config, why, sizeof why))
            return EXIT_SUCCESS;
        complain(why);
        return EXIT_FAILURE;
    case CONFIG_RUN:
        break;
    }
    return serve(&config);
}
