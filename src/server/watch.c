#include "server/watch.h"

#include <limits.h>
#include <malloc.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "net/clock.h"
#include "net/machine.h"
#include "net/token_key.h"
#include "server/conn_life.h"
#include "server/drain.h"
#include "server/node.h"
#include "server/records.h"
#include "server/upgrade.h"

static void complain(const char *sentence)
{
    fprintf(stderr, "party-sockets: %s\n", sentence);
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
    bool is_leaving;       /* the other nodes get the rooms before the server stops */
    bool is_told;          /* what the drain waits for */
    bool is_interactive;   /* the drain began by Ctrl-C */
    bool is_trimming;      /* a loop has freed memory, which the heap must give back */
    bool is_measuring;     /* a loop wants to know how much memory is allocated */
    bool admin_is_paused;  /* descriptors are short, so --admin-listen is not polled */
    uint32_t admin_due_ms; /* when it is polled again */
    uint32_t drain_due_ms; /* when the drain, or leaving, ends at the latest */
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
    int drain_ms = schedule->is_draining || schedule->is_leaving
                       ? milliseconds_until(schedule->drain_due_ms)
                       : INT_MAX;
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

/* The loops make no more rooms. */
static void have_loops_drain(struct server *server)
{
    for (uint32_t i = 0; i < server->loop_count; i++)
        mailbox_post(&server->loops[i]->mailbox, &server->loops[i]->drain_mail);
}

static void drain_for_a_while(const struct server *server, struct schedule *schedule)
{
    schedule->is_draining = true;
    schedule->drain_due_ms = clock_now_ms() + (uint32_t)server->config->drain_timeout_ms;
}

static void begin_draining(struct server *server, struct schedule *schedule)
{
    drain_for_a_while(server, schedule);
    node_drain(server->node);
    have_loops_drain(server);
}

/* Clients stay until the other nodes have the rooms, or LEAVE_MS: so nobody waits for its room. */
static void begin_leaving(struct server *server, struct schedule *schedule)
{
    schedule->is_leaving = true;
    node_leave(server->node);
    schedule->drain_due_ms = clock_now_ms() + LEAVE_MS;
    have_loops_drain(server);
}

/*
 * Returns whether the others have all rooms, or had their time. Where the last records can't be
 * written, the rooms that are left are played to their end instead.
 */
static bool end_leaving(struct server *server, struct schedule *schedule)
{
    bool is_due = milliseconds_until(schedule->drain_due_ms) == 0;
    if (node_has_left(server->node) || (is_due && records_can_be_kept(server)))
        return true;
    if (is_due) {
        schedule->is_leaving = false;
        drain_for_a_while(server, schedule);
    }
    return false;
}

/* Tells the operator what the drain waits for, as soon as that is known, and how to end it. */
static void tell_of_drain(struct server *server, struct schedule *schedule)
{
    uint32_t rooms = atomic_load(&server->busy_rooms);
    if (schedule->is_told || !drain_has_begun(server))
        return;
    schedule->is_told = true;
    if (rooms == 0)
        return;
    fprintf(stderr, "party-sockets: %u room%s being played: waiting up to %g s; %s stops now\n",
            rooms, rooms == 1 ? " is" : "s are", (double)server->config->drain_timeout_ms / 1000,
            schedule->is_interactive ? "Ctrl-C again" : "a second signal");
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

/* After the first signal, and whatever woke the main thread: whether the server is to stop now. */
static bool stops_now(struct server *server, struct schedule *schedule, bool is_stop)
{
    if (schedule->is_leaving)
        return is_stop || end_leaving(server, schedule);
    if (is_stop || milliseconds_until(schedule->drain_due_ms) == 0 || drain_is_over(server))
        return true;
    tell_of_drain(server, schedule);
    return false;
}

/* Handles the first signal to stop. Returns whether the server stops at once. */
static bool begin_to_stop(struct server *server, struct schedule *schedule, int number)
{
    if (server->config->on_stop != ON_STOP_KEEP || !records_can_be_kept(server)) {
        schedule->is_interactive = number == SIGINT;
        begin_draining(server, schedule);
        return false;
    }
    if (server->node != NULL) {
        begin_leaving(server, schedule);
        return false;
    }
    server->keeps_rooms = true;
    return true;
}

static bool must_stop(struct server *server, struct schedule *schedule, int number)
{
    bool is_stop = number == SIGTERM || number == SIGINT;
    if (!schedule->is_draining && !schedule->is_leaving)
        return is_stop && begin_to_stop(server, schedule, number);
    if (number == SIGINT)
        server->stop_timeout_ms = STOP_NOW_TIMEOUT_MS;
    if (!stops_now(server, schedule, is_stop))
        return false;
    server->keeps_rooms = server->node != NULL; /* others will have them */
    return true;
}

enum watch_end watch(struct server *server, int signal_fd)
{
    struct schedule schedule = {.trimmed_ms = clock_now_ms(), .measured_ms = clock_now_ms()};
    atomic_store(&server->heap_bytes, machine_heap_bytes());
    for (;;) {
        int number = wait_for_signal(server, signal_fd, &schedule);
        if (number == SIGHUP)
            reload(server);
        if (number == SIGUSR2 && (schedule.is_draining || schedule.is_leaving))
            complain("SIGUSR2: there is no upgrade: the server is stopping");
        else if (number == SIGUSR2 && server->node != NULL)
            complain("SIGUSR2: there is no upgrade yet of a node of a cluster: start it anew");
        else if (number == SIGUSR2 && upgrade_prepare(server, signal_fd))
            return WATCH_UPGRADE;
        notices_say(&server->notices);
        trim_heap(server, &schedule);
        measure_heap(server, &schedule);
        if (must_stop(server, &schedule, number))
            return WATCH_STOP;
    }
}
