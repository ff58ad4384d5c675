/* The main thread sleeps most of the time, so that it takes nothing from the workers' core. */
#include "crew.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "clock_ns.h"
#include "give_up.h"
#include "net/machine.h"
#include "scenario.h"

#define DESCRIPTORS_RESERVED 64
#define DESCRIPTORS_WANTED 4000000u
#define HEAD_START_NS 10000000 /* so long do workers have to see the order and prepare */
#define LOOK_NS 250000000      /* between two looks at the workers for the live line */
#define LOOK_SOON_NS 2000000
#define CLEAR_LINE "\r\033[K"

static void sleep_until(uint64_t time_ns)
{
    struct timespec time = {
        .tv_sec = (time_t)(time_ns / NANOSECONDS),
        .tv_nsec = (long)(time_ns % NANOSECONDS),
    };
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &time, NULL) == EINTR)
        ;
}

uint32_t crew_rooms_max(uint32_t clients_per_room)
{
    uint32_t descriptors = machine_raise_descriptor_limit(DESCRIPTORS_WANTED);
    return descriptors > DESCRIPTORS_RESERVED
               ? (descriptors - DESCRIPTORS_RESERVED) / clients_per_room
               : 0;
}

static void choose_greeting(struct crew *crew)
{
    struct setting *setting = &crew->setting;
    setting->greeting.is_floor = setting->options->protocol == PROTOCOL_FLOOR;
    static const char *const subprotocols[] = {[PROTOCOL_2] = "party-sockets.v2",
                                               [PROTOCOL_3] = "party-sockets.v3",
                                               [PROTOCOL_FLOOR] = NULL};
    const char *subprotocol = subprotocols[setting->options->protocol];
    setting->greeting.subprotocol = subprotocol;
    greeting_init(&setting->greeting);
    for (uint64_t i = 0; i < setting->options->url_count; i++)
        entrance_init(&setting->entrances[i],
                      subprotocol != NULL ? subprotocol : "party-sockets.v1");
}

static void prepare_tls(struct crew *crew)
{
    struct setting *setting = &crew->setting;
    const struct options *options = setting->options;
    const struct target *first = &setting->entrances[0].target;
    setting->tls = (struct client_tls_settings){
        .host = first->host,
        .authority_path = options->authorities,
        .checks_certificate =
            !options->is_insecure && (!first->is_loopback || options->authorities != NULL),
        .keeps_tickets = !options->keeps_no_tickets,
    };
    if (first->is_secure)
        setting->tls_context = client_tls_context_new(&setting->tls);
}

struct crew *crew_new(const struct options *options, const struct plan *plan)
{
    char why[512];
    struct crew *crew = allocate_or_give_up(1, sizeof *crew);
    crew->setting.options = options;
    crew->setting.scenario = scenario_of(options);
    crew->setting.plan = *plan;
    for (uint64_t i = 0; i < options->url_count; i++) {
        if (!target_parse(options->urls[i], &crew->setting.entrances[i].target, why, sizeof why))
            give_up("%s", why);
    }
    if (plan->clients > crew_rooms_max(1))
        give_up("%u clients need more descriptors than the limit (ulimit -n) allows",
                plan->clients);
    choose_greeting(crew);
    prepare_tls(crew);
    crew->worker_count = (uint32_t)options->threads;
    for (uint32_t i = 0; i < crew->worker_count; i++) {
        struct worker *worker = worker_new(&crew->setting, i);
        crew->workers[i] = worker;
        if (pthread_create(&worker->thread, NULL, worker_work, worker) != 0)
            give_up("no thread for worker %u", i);
    }
    return crew;
}

static void order(struct crew *crew, enum order_kind kind, uint32_t rooms)
{
    crew->setting.orders.kind = kind;
    crew->setting.orders.rooms = rooms;
    atomic_fetch_add_explicit(&crew->setting.orders.count, 1, memory_order_release);
}

static bool is_done(const struct crew *crew)
{
    for (uint32_t i = 0; i < crew->worker_count; i++) {
        if (atomic_load_explicit(&crew->workers[i]->orders_done, memory_order_acquire) !=
            atomic_load_explicit(&crew->setting.orders.count, memory_order_relaxed))
            return false;
    }
    return true;
}

static void await(const struct crew *crew)
{
    while (!is_done(crew))
        sleep_until(clock_now_ns() + LOOK_SOON_NS);
}

void crew_free(struct crew *crew)
{
    order(crew, ORDER_END, 0);
    for (uint32_t i = 0; i < crew->worker_count; i++) {
        pthread_join(crew->workers[i]->thread, NULL);
        worker_free(crew->workers[i]);
    }
    client_tls_context_free(crew->setting.tls_context);
    free(crew);
}

/* Shows the live line, in place of the last one. */
PRINTF_LIKE(2, 3)
static void show(const struct crew *crew, const char *format, ...)
{
    if (crew->setting.options->is_quiet || !isatty(STDERR_FILENO))
        return;
    va_list arguments;
    va_start(arguments, format);
    fputs(CLEAR_LINE, stderr);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fflush(stderr);
}

double crew_seat(struct crew *crew, uint32_t rooms)
{
    uint64_t begin_ns = clock_now_ns();
    show(crew, "seating %u rooms", rooms);
    order(crew, ORDER_SEAT, rooms);
    await(crew);
    show(crew, "%s", "");
    return (double)(clock_now_ns() - begin_ns) / (double)NANOSECONDS;
}

static uint64_t thread_cpu_ns(pthread_t thread)
{
    clockid_t clock;
    struct timespec time;
    if (pthread_getcpuclockid(thread, &clock) != 0 || clock_gettime(clock, &time) != 0)
        return 0;
    return (uint64_t)time.tv_sec * NANOSECONDS + (uint64_t)time.tv_nsec;
}

/* The workers' CPU time, and how much of it they spent on polls that gave nothing. */
struct work_note {
    uint64_t at_ns;
    uint64_t cpu_ns[THREADS_MAX];
    uint64_t idle_ns[THREADS_MAX];
};

static void note_work(const struct crew *crew, struct work_note *ret_note)
{
    ret_note->at_ns = clock_now_ns();
    for (uint32_t i = 0; i < crew->worker_count; i++) {
        const struct worker *worker = crew->workers[i];
        ret_note->cpu_ns[i] = thread_cpu_ns(worker->thread);
        ret_note->idle_ns[i] = atomic_load_explicit(&worker->idle_ns, memory_order_relaxed);
    }
}

static double busiest_share(const struct work_note *before, const struct work_note *after,
                            uint32_t worker_count)
{
    uint64_t most_ns = 0;
    for (uint32_t i = 0; i < worker_count; i++) {
        uint64_t cpu_ns = after->cpu_ns[i] - before->cpu_ns[i];
        uint64_t idle_ns = after->idle_ns[i] - before->idle_ns[i];
        if (cpu_ns > idle_ns + most_ns)
            most_ns = cpu_ns - idle_ns;
    }
    return (double)most_ns / (double)(after->at_ns - before->at_ns);
}

bool crew_read_server(const struct crew *crew, struct process_usage *ret_usage)
{
    uint64_t pid = crew->setting.options->pid;
    if (pid == 0)
        return false;
    if (!process_read((pid_t)pid, ret_usage))
        give_up("there is no process %llu that may be read", (unsigned long long)pid);
    return true;
}

/* Sleeps until the end of the measured time, and updates the live line from time to time. */
static void watch(const struct crew *crew)
{
    const struct orders *orders = &crew->setting.orders;
    uint64_t before = 0;
    for (uint64_t now_ns = clock_now_ns(); now_ns < orders->end_ns && !is_done(crew);
         now_ns = clock_now_ns()) {
        uint64_t look_ns = now_ns + LOOK_NS;
        sleep_until(look_ns < orders->end_ns ? look_ns : orders->end_ns);
        uint64_t deliveries = 0;
        for (uint32_t i = 0; i < crew->worker_count; i++)
            deliveries +=
                atomic_load_explicit(&crew->workers[i]->deliveries_told, memory_order_relaxed);
        double rate = (double)(deliveries - before) * ((double)NANOSECONDS / LOOK_NS);
        show(crew, "%s  %u rooms  %.1f s of %.1f s  %.0f deliveries/s",
             scenario_name((enum scenario_kind)crew->setting.options->scenario), orders->rooms,
             (double)(now_ns + LOOK_NS - orders->begin_ns) / (double)NANOSECONDS,
             (double)(orders->end_ns - orders->begin_ns) / (double)NANOSECONDS, rate);
        before = deliveries;
    }
    show(crew, "%s", "");
}

static void add_up(const struct crew *crew, struct measurement *into)
{
    for (uint32_t i = 0; i < crew->worker_count; i++) {
        const struct worker *worker = crew->workers[i];
        into->tally.sent += worker->tally.sent;
        into->tally.lost += worker->tally.lost;
        into->tally.delivered += worker->tally.delivered;
        into->tally.misordered += worker->tally.misordered;
        into->tally.cycles += worker->tally.cycles;
        into->tally.resumed += worker->tally.resumed;
        histogram_merge(&into->latency, &worker->latency);
        histogram_merge(&into->second, &worker->second);
        histogram_merge(&into->lateness, &worker->lateness);
    }
}

void crew_measure(struct crew *crew, uint32_t rooms, struct measurement *ret_measurement)
{
    const struct options *options = crew->setting.options;
    struct orders *orders = &crew->setting.orders;
    struct work_note before;
    struct work_note after;
    *ret_measurement = (struct measurement){0};
    orders->start_ns = clock_now_ns() + HEAD_START_NS;
    orders->begin_ns = orders->start_ns + (uint64_t)(options->warm_up * (double)NANOSECONDS);
    orders->end_ns = orders->begin_ns + (uint64_t)(options->duration * (double)NANOSECONDS);
    order(crew, ORDER_RUN, rooms);

    sleep_until(orders->begin_ns);
    note_work(crew, &before);
    ret_measurement->has_server = crew_read_server(crew, &ret_measurement->begin);
    watch(crew);
    (void)!crew_read_server(crew, &ret_measurement->end);
    note_work(crew, &after);
    ret_measurement->generator_share = busiest_share(&before, &after, crew->worker_count);
    ret_measurement->seconds = options->duration;
    await(crew);
    add_up(crew, ret_measurement);
}

/* The time between the two readings: the measured time, plus or minus our waits for a core. */
static double seconds_watched(const struct measurement *measurement)
{
    return (double)(measurement->end.at_ns - measurement->begin.at_ns) / (double)NANOSECONDS;
}

double measurement_busiest_share(const struct measurement *measurement)
{
    return process_busiest_thread(&measurement->begin, &measurement->end) /
           seconds_watched(measurement);
}

double measurement_server_share(const struct measurement *measurement)
{
    return (measurement->end.cpu_seconds - measurement->begin.cpu_seconds) /
           seconds_watched(measurement);
}

static void report_server(const struct measurement *measurement, struct report *report)
{
    const struct process_usage *begin = &measurement->begin;
    const struct process_usage *end = &measurement->end;
    double share = measurement_server_share(measurement);
    if (measurement->tally.delivered > 0)
        report_number(report, "server", "cpu_us_per_delivery",
                      share * measurement->seconds * 1e6 / (double)measurement->tally.delivered);
    report_number(report, "server", "cpu_share", share);
    report_number(report, "server", "busiest_thread_share", measurement_busiest_share(measurement));
    report_number(report, "server", "user_seconds", end->user_seconds - begin->user_seconds);
    report_number(report, "server", "system_seconds", end->system_seconds - begin->system_seconds);
    report_count(report, "server", "resident_kib", end->resident_kib);
}

void measurement_report(const struct measurement *measurement, const char *second,
                        struct report *report)
{
    const struct tally *tally = &measurement->tally;
    double seconds = measurement->seconds;
    report_number(report, NULL, "seconds", seconds);
    report_count(report, NULL, "sent", tally->sent);
    report_count(report, NULL, "deliveries", tally->delivered);
    report_count(report, NULL, "lost", tally->lost);
    report_count(report, NULL, "misordered", tally->misordered);
    report_number(report, NULL, "sent_per_second", (double)tally->sent / seconds);
    report_number(report, NULL, "deliveries_per_second", (double)tally->delivered / seconds);
    if (tally->cycles > 0)
        report_number(report, NULL, "cycles_per_second", (double)tally->cycles / seconds);
    report_latency(report, "latency_us", &measurement->latency);
    if (second != NULL)
        report_latency(report, second, &measurement->second);
    report_number(report, "generator", "cpu_share", measurement->generator_share);
    if (measurement->lateness.count > 0) {
        double late_ns = (double)histogram_percentile(&measurement->lateness, 0.99);
        report_number(report, "generator", "late_p99_us", late_ns / 1000);
        report_number(report, "generator", "late_max_us",
                      (double)measurement->lateness.longest_ns / 1000);
    }
    if (measurement->has_server)
        report_server(measurement, report);
}
