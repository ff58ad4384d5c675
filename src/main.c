/* Options, threads, signals. Everything else happens in the loops. */
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
#include "server/config.h"
#include "server/conn_life.h"
#include "server/drain.h"
#include "server/health_check.h"
#include "server/loop_thread.h"
#include "server/server.h"
#include "server/version.h"

#define EXIT_USAGE 2
#define LAN_ADDRESSES_MAX 8
/* From here on memory comes from the kernel by itself and goes back to it when it is freed. */
#define SEPARATE_ALLOCATION_BYTES (64 * 1024)

static void complain(const char *sentence)
{
    fprintf(stderr, "party-sockets: %s\n", sentence);
}

/* A host as it stands in an address. */
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

/* A broken certificate changes nothing, and is told. */
static void reload_certificate(struct server *server)
{
    char why[512];
    if (server->tls == NULL) {
        complain("SIGHUP: there is no certificate to reload");
    } else if (tls_context_reload(server->tls, why, sizeof why)) {
        complain("SIGHUP: the certificate was reloaded");
    } else {
        complain(why);
        complain("SIGHUP: the certificate in use stays");
    }
}

/* The main thread's own times. */
struct schedule {
    bool is_draining;
    bool is_trimming;    /* the heap is to give back what is free */
    bool is_looking;     /* somebody asks for what is allocated */
    bool is_deaf;        /* --admin-listen is not looked at, since descriptors are short */
    uint32_t hears_ms;   /* when it is again */
    uint32_t drained_ms; /* when the drain is over in any case */
    uint32_t trimmed_ms; /* when the heap gave back memory last */
    uint32_t looked_ms;  /* when it was looked at last */
};

static int milliseconds_until(uint32_t due_ms)
{
    int32_t left_ms = (int32_t)(due_ms - clock_now_ms());
    return left_ms < 0 ? 0 : left_ms;
}

/* Milliseconds until something is due; -1: nothing is. */
static int time_to_wait(const struct schedule *schedule)
{
    int drain_ms = schedule->is_draining ? milliseconds_until(schedule->drained_ms) : INT_MAX;
    int trim_ms = schedule->is_trimming
                      ? milliseconds_until(schedule->trimmed_ms + HEAP_TRIM_INTERVAL_MS)
                      : INT_MAX;
    int look_ms = schedule->is_looking
                      ? milliseconds_until(schedule->looked_ms + HEAP_LOOK_INTERVAL_MS)
                      : INT_MAX;
    int hear_ms = schedule->is_deaf ? milliseconds_until(schedule->hears_ms) : INT_MAX;
    int least_ms = drain_ms < trim_ms ? drain_ms : trim_ms;
    if (look_ms < least_ms)
        least_ms = look_ms;
    if (hear_ms < least_ms)
        least_ms = hear_ms;
    return least_ms == INT_MAX ? -1 : least_ms;
}

/* Waits for a signal, for news from the loops, or for what is due. Returns the signal, or 0. */
static int wait_for_signal(struct server *server, int signal_fd, struct schedule *schedule)
{
    int timeout_ms = time_to_wait(schedule);
    schedule->is_deaf = schedule->is_deaf && timeout_ms > 0;
    struct pollfd sources[] = {{.fd = signal_fd, .events = POLLIN},
                               {.fd = server->news_fd, .events = POLLIN},
                               {.fd = schedule->is_deaf ? -1 : server->admin_fd, .events = POLLIN}};
    struct signalfd_siginfo info;
    uint64_t news;
    if (poll(sources, 3, timeout_ms) <= 0)
        return 0;
    if ((sources[2].revents & POLLIN) != 0 && !conn_life_accept_admin(server)) {
        schedule->is_deaf = true;
        schedule->hears_ms = clock_now_ms() + ACCEPT_RETRY_MS;
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
    schedule->drained_ms = clock_now_ms() + (uint32_t)server->config->drain_timeout_ms;
    for (uint32_t i = 0; i < server->loop_count; i++)
        mailbox_post(&server->loops[i]->mailbox, &server->loops[i]->drain_mail);
}

/*
 * After a peak most pages of the heap are free, and still resident, for something lives in between.
 * Giving them back takes some milliseconds, in which a loop that allocates may have to wait: so it
 * is done here, and seldom.
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

/* Arenas are locked meanwhile, one after the other: so it is done here, and seldom, too. */
static void look_at_heap(struct server *server, struct schedule *schedule)
{
    if (atomic_exchange(&server->heap_is_asked, false))
        schedule->is_looking = true;
    bool is_due = clock_now_ms() - schedule->looked_ms >= HEAP_LOOK_INTERVAL_MS;
    if (!schedule->is_looking || !is_due)
        return;
    atomic_store(&server->heap_bytes, machine_heap_bytes());
    schedule->is_looking = false;
    schedule->looked_ms = clock_now_ms();
}

/*
 * Serves until the first signal to stop; then lets rooms end, until none is left, a second signal
 * comes or the time for it is over.
 */
static void wait_for_end(struct server *server, int signal_fd)
{
    struct schedule schedule = {.trimmed_ms = clock_now_ms(), .looked_ms = clock_now_ms()};
    atomic_store(&server->heap_bytes, machine_heap_bytes());
    for (;;) {
        int number = wait_for_signal(server, signal_fd, &schedule);
        bool is_stop = number == SIGTERM || number == SIGINT;
        if (number == SIGHUP)
            reload_certificate(server);
        notices_say(&server->notices);
        trim_heap(server, &schedule);
        look_at_heap(server, &schedule);
        if (schedule.is_draining) {
            bool is_over = milliseconds_until(schedule.drained_ms) == 0;
            if (is_stop || is_over || drain_is_over(server))
                return;
        } else if (is_stop) {
            begin_draining(server, &schedule);
        }
    }
}

/* Runs the loops until they are to stop. False: threads are short. */
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
        listener_end(server->listener_fd); /* who comes now is refused at once */
        if (server->admin_fd >= 0)
            listener_end(server->admin_fd);
    }
    for (uint32_t i = 0; i < started; i++)
        mailbox_post(&server->loops[i]->mailbox, &server->loops[i]->stop_mail);
    for (uint32_t i = 0; i < started; i++)
        pthread_join(threads[i], NULL);
    return is_running;
}

/* Signals come to the main thread alone, as something to read; the loops inherit the mask. */
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

/* False: the one that was asked for does not work here. */
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
 * The port for all, and that for the numbers if there is one. Both are taken before either listens:
 * whoever can connect finds somebody who serves. Of what is not READY, nothing is left open.
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

/* Whether a signal asks for the end within this time. Others change nothing before the start. */
static bool is_stopped_within(int signal_fd, int wait_ms)
{
    struct pollfd signals = {.fd = signal_fd, .events = POLLIN};
    struct signalfd_siginfo info;
    return poll(&signals, 1, wait_ms) > 0 && read(signal_fd, &info, sizeof info) == sizeof info &&
           info.ssi_signo != SIGHUP;
}

enum opening {
    OPENING_DONE,
    OPENING_FAILED, /* for the reason in `ret_why` */
    OPENING_STOPPED,
};

/*
 * A port may still be that of a process which is about to end, or which was killed: the kernel
 * takes some milliseconds to end an io_uring's accepting.
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
    if (config->tls_certificate != NULL) {
        server.tls = tls_context_new(config->tls_certificate, config->tls_key, why, sizeof why);
        if (server.tls == NULL) {
            complain(why);
            return EXIT_USAGE;
        }
    }
    enum opening opening = wait_for_listeners(&server, signal_fd, why, sizeof why);
    if (opening != OPENING_DONE) {
        if (opening == OPENING_FAILED)
            complain(why);
        tls_context_free(server.tls);
        return opening == OPENING_FAILED ? EXIT_FAILURE : EXIT_SUCCESS;
    }
    server.news_fd = kernel_linux.wake_new();
    bool is_ready = signal_fd >= 0 && server.news_fd >= 0 &&
                    server_init(&server, machine_raise_descriptor_limit(CONNECTIONS_MAX));
    bool has_run = is_ready && run(&server, signal_fd);
    if (!has_run)
        complain("not enough memory, descriptors or threads to start");
    server_release(&server);
    tls_context_free(server.tls);
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
