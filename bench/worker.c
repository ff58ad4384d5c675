/*
 * The turns of a worker, and the course of a run. seating.c has how members enter a room. The
 * scenario decides what they send once they are in.
 */
#include "worker.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "clock_ns.h"
#include "confirming.h"
#include "give_up.h"
#include "proto/ws_frame.h"
#include "scenario.h"
#include "seating.h"

#define SEATING_PATIENCE_S 10 /* without any sign of the server */
#define DRAIN_PATIENCE_S 2    /* without any delivery, before what is under way is lost */
#define IDLE_TURN_NS_MAX 5000 /* a turn without work that takes longer had no core to run on */
#define FLUSH_NS 2000000      /* a longer turn sends meanwhile: handshakes take long */
#define WAIT_MS 10            /* for what comes from outside the poller: an order, the end */

static struct poller *open_poller(enum poller_choice choice)
{
    struct poller *poller = NULL;
    if (choice != POLLER_CHOICE_EPOLL)
        poller = poller_new(POLLER_IO_URING);
    if (poller == NULL && choice != POLLER_CHOICE_IO_URING)
        poller = poller_new(POLLER_EPOLL);
    if (poller == NULL)
        give_up("the kernel gives us no poller: %s", strerror(errno));
    return poller;
}

uint32_t worker_share(const struct worker *worker, uint32_t total)
{
    uint32_t threads = (uint32_t)worker->setting->options->threads;
    return (total + threads - 1 - worker->index) / threads;
}

static void lay_out_rooms(struct worker *worker)
{
    const struct plan *plan = &worker->setting->plan;
    uint32_t threads = (uint32_t)worker->setting->options->threads;
    worker->room_count = worker_share(worker, plan->rooms);
    worker->rooms = allocate_or_give_up(worker->room_count, sizeof *worker->rooms);
    worker->clients = allocate_or_give_up((size_t)worker->room_count * plan->clients_per_room,
                                          sizeof *worker->clients);
    for (uint32_t i = 0; i < worker->room_count; i++) {
        struct room *room = &worker->rooms[i];
        list_init(&room->waiting);
        room->index = i;
        room->number = i * threads + worker->index;
        room->clients = worker->clients + (size_t)i * plan->clients_per_room;
        uint32_t left = plan->clients - room->number * plan->clients_per_room;
        room->size = left < plan->clients_per_room ? left : plan->clients_per_room;
        for (uint32_t member = 0; member < room->size; member++) {
            room->clients[member].room = room;
            room->clients[member].member = member;
        }
    }
}

struct worker *worker_new(const struct setting *setting, uint32_t index)
{
    struct worker *worker = allocate_or_give_up(1, sizeof *worker);
    worker->setting = setting;
    worker->index = index;
    hub_init(&worker->hub, open_poller((enum poller_choice)setting->options->poller),
             setting->entrances, (uint32_t)setting->options->url_count, &setting->greeting);
    worker->hub.tls_context = setting->tls_context;
    list_init(&worker->waiting);
    lay_out_rooms(worker);
    return worker;
}

static uint32_t client_count(const struct worker *worker)
{
    return worker->room_count * worker->setting->plan.clients_per_room;
}

void worker_free(struct worker *worker)
{
    for (uint32_t i = 0; i < client_count(worker); i++)
        client_release(&worker->clients[i]);
    hub_release(&worker->hub);
    poller_free(worker->hub.poller);
    free(worker->rooms);
    free(worker->clients);
    free(worker);
}

static void take_text(struct worker *worker, struct client *client, struct bytes text)
{
    struct message message = {MESSAGE_BROADCAST, 0, client->next};
    const struct setting *setting = worker->setting;
    /* The floor sends the same bytes over and over, so its messages are counted, not read. */
    bool is_message = client->is_seated && (setting->greeting.is_floor ||
                                            message_read(text, &worker->mark_place, &message));
    if (!is_message) {
        seating_take_event(worker, client, text);
        return;
    }
    confirming_note(client);
    if (worker->state != NULL) /* else the run is over, and has counted the message as lost */
        setting->scenario->receive(worker, client, &message);
}

static void tell_left(struct worker *worker, struct client *client)
{
    if (worker->state != NULL && worker->setting->scenario->left != NULL)
        worker->setting->scenario->left(worker, client);
}

void worker_end(struct worker *worker, struct client *client)
{
    if (client_close(&worker->hub, client))
        tell_left(worker, client);
}

/* The server has ended the connection, for the reason that the text gives. */
PRINTF_LIKE(3, 4)
static void lose(struct worker *worker, struct client *client, const char *format, ...)
{
    const struct scenario *scenario = worker->setting->scenario;
    if (worker->state == NULL || scenario->lost == NULL) {
        char why[256];
        va_list arguments;
        va_start(arguments, format);
        vsnprintf(why, sizeof why, format, arguments);
        va_end(arguments);
        give_up("%s", why);
    }
    scenario->lost(worker, client);
    worker_end(worker, client);
}

static void take_close(struct worker *worker, struct client *client, struct bytes payload)
{
    if (client->state == CLIENT_LEAVING) {
        worker_end(worker, client);
        return;
    }
    unsigned code =
        payload.length < 2 ? WS_CLOSE_NO_STATUS : (unsigned)payload.data[0] << 8 | payload.data[1];
    size_t reason_length = payload.length < 2 ? 0 : payload.length - 2;
    lose(worker, client, "the server closed a client's connection with %u %.*s", code,
         (int)reason_length, reason_length > 0 ? (const char *)payload.data + 2 : "");
}

static void take_opened(struct worker *worker, struct client *client)
{
    if (worker->state != NULL && worker->setting->scenario->opened != NULL)
        worker->setting->scenario->opened(worker, client);
    else
        seating_enter(worker, client);
}

static bool has_connection(const struct client *client)
{
    return client->state != CLIENT_CLOSED && client->state != CLIENT_ENDING;
}

static void take_plain(struct worker *worker, struct client *client, struct bytes_mut input)
{
    struct client_event event;
    while (has_connection(client) &&
           client_next(&worker->hub, client, &input, &event) != CLIENT_NEEDS_MORE) {
        if (event.kind == CLIENT_TEXT)
            take_text(worker, client, event.text);
        else if (event.kind == CLIENT_OPENED)
            take_opened(worker, client);
        else
            take_close(worker, client, event.text);
    }
}

static void take_end(struct worker *worker, struct client *client)
{
    if (client->state == CLIENT_LEAVING)
        worker_end(worker, client);
    else if (has_connection(client))
        lose(worker, client, "the server ended a client's connection");
}

static void take_input(struct worker *worker, struct client *client, struct bytes_mut input)
{
    char why[256];
    struct bytes_mut text;
    enum client_tls_result result = CLIENT_TLS_TEXT;
    worker->now_ns = clock_now_ns();
    while (result == CLIENT_TLS_TEXT && has_connection(client)) {
        result = client_decrypt(&worker->hub, client, &input, &text);
        if (result == CLIENT_TLS_TEXT)
            take_plain(worker, client, text);
    }
    if (result == CLIENT_TLS_FAILED) {
        client_tls_complaint(client->tls, why, sizeof why);
        give_up("TLS failed: %s", why);
    }
    if (result == CLIENT_TLS_ENDED)
        take_end(worker, client);
}

static void take_outcome(struct worker *worker, const struct outcome *outcome)
{
    struct client *client = CONTAINER_OF(outcome->socket, struct client, socket);
    switch (outcome->kind) {
    case OUTCOME_RECEIVED:
        if (has_connection(client))
            take_input(worker, client, outcome->data);
        break;
    case OUTCOME_SENT:
    case OUTCOME_WRITABLE:
        client_sent(&worker->hub, client, outcome);
        break;
    case OUTCOME_DETACHED:
        client_ended(&worker->hub, client);
        tell_left(worker, client);
        break;
    default: /* ENDED, FAILED */
        take_end(worker, client);
    }
}

/* Waits, handles outcomes, and sends queued output. False: there was nothing to do. */
static bool turn(struct worker *worker, int timeout_ms)
{
    struct outcome outcome;
    seating_go_on(worker);
    confirming_go_on(worker);
    bool has_happened = !list_is_empty(&worker->hub.unsent);
    hub_flush(&worker->hub);
    poller_wait(worker->hub.poller, timeout_ms);
    uint64_t flushed_ns = worker->now_ns = clock_now_ns();
    while (poller_next(worker->hub.poller, &outcome)) {
        take_outcome(worker, &outcome);
        has_happened = true;
        if (worker->now_ns > flushed_ns + FLUSH_NS) {
            hub_flush(&worker->hub);
            flushed_ns = worker->now_ns;
        }
    }
    has_happened = has_happened || !list_is_empty(&worker->hub.unsent);
    hub_flush(&worker->hub);
    worker->now_ns = clock_now_ns();
    return has_happened;
}

static void seat_rooms(struct worker *worker, uint32_t wanted)
{
    uint64_t heard_ns = clock_now_ns();
    for (uint32_t i = worker->rooms_full; i < wanted; i++)
        seating_open_room(worker, &worker->rooms[i]);
    while (!seating_is_done(worker, wanted)) {
        if (turn(worker, WAIT_MS))
            heard_ns = worker->now_ns;
        if (worker->now_ns - heard_ns > SEATING_PATIENCE_S * NANOSECONDS)
            give_up("the server stopped answering when %u of %u rooms were full",
                    worker->rooms_full, wanted);
    }
}

/* The milliseconds that a worker may sleep before `time_ns`. It polls through the rest: a poller
 * sleeps in milliseconds, and a benchmark must not be late. */
static int sleep_before(const struct worker *worker, uint64_t time_ns)
{
    const uint64_t ns_per_ms = NANOSECONDS / 1000;
    if (time_ns <= worker->now_ns + ns_per_ms)
        return 0;
    uint64_t ms = (time_ns - worker->now_ns) / ns_per_ms - 1;
    return ms < WAIT_MS ? (int)ms : WAIT_MS;
}

static void tell(struct worker *worker, uint64_t idle_ns)
{
    uint64_t told = atomic_load_explicit(&worker->idle_ns, memory_order_relaxed);
    atomic_store_explicit(&worker->idle_ns, told + idle_ns, memory_order_relaxed);
    atomic_store_explicit(&worker->deliveries_told, worker->tally.delivered, memory_order_relaxed);
}

static void prepare(struct worker *worker, const struct orders *orders)
{
    worker->begin_ns = orders->begin_ns;
    worker->end_ns = orders->end_ns;
    worker->active_rooms = worker_share(worker, orders->rooms);
    worker->under_way = 0;
    worker->tally = (struct tally){0};
    histogram_clear(&worker->latency);
    histogram_clear(&worker->second);
    histogram_clear(&worker->lateness);
    worker->is_finished = false;
    for (uint32_t i = 0; i < client_count(worker); i++)
        worker->clients[i].next = 0;
    worker->setting->scenario->begin(worker);
}

static bool paces(const struct worker *worker)
{
    return worker->setting->options->poll_every > 0;
}

/*
 * With --poll-every: lets the interval pass, or the time until the next message is due, without a
 * system call. Returns the nanoseconds that passed.
 */
static uint64_t pass_time(struct worker *worker, uint64_t due_ns)
{
    uint64_t began_ns = worker->now_ns;
    uint64_t end_ns = began_ns + (uint64_t)(worker->setting->options->poll_every * NANOSECONDS);
    if (!paces(worker))
        return 0;
    if (end_ns > due_ns)
        end_ns = due_ns;
    while (worker->now_ns < end_ns)
        worker->now_ns = clock_now_ns();
    return worker->now_ns - began_ns;
}

/* Plays until the end, and until all messages that were due before the end have been sent. */
static void let_flow(struct worker *worker)
{
    for (;;) {
        uint64_t began_ns = worker->now_ns;
        uint64_t next_ns = worker->setting->scenario->tick(worker);
        bool is_over = worker->now_ns >= worker->end_ns && next_ns >= worker->end_ns;
        if (is_over || worker->is_finished)
            return;
        uint64_t wake_ns = next_ns < worker->end_ns ? next_ns : worker->end_ns;
        uint64_t paced_ns = pass_time(worker, wake_ns);
        int timeout_ms = paces(worker) ? 0 : sleep_before(worker, wake_ns);
        bool has_happened = turn(worker, timeout_ms);
        uint64_t spent_ns = worker->now_ns - began_ns;
        bool is_idle = !has_happened && timeout_ms == 0;
        tell(worker, is_idle && spent_ns < IDLE_TURN_NS_MAX ? spent_ns : paced_ns);
    }
}

static void drain(struct worker *worker)
{
    worker->heard_ns = worker->now_ns;
    while (worker->under_way > 0 &&
           worker->now_ns < worker->heard_ns + DRAIN_PATIENCE_S * NANOSECONDS)
        turn(worker, WAIT_MS);
}

static void run(struct worker *worker, const struct orders *orders)
{
    prepare(worker, orders);
    while (worker->now_ns < orders->start_ns)
        turn(worker, sleep_before(worker, orders->start_ns));
    worker->is_sending = true;
    let_flow(worker);
    worker->is_sending = false;
    drain(worker);
    worker->tally.lost = worker->under_way;
    worker->setting->scenario->end(worker);
    worker->state = NULL;
}

static bool has_ended(const struct worker *worker)
{
    for (uint32_t i = 0; i < client_count(worker); i++) {
        if (worker->clients[i].state != CLIENT_CLOSED)
            return false;
    }
    return true;
}

static void end_all(struct worker *worker)
{
    for (uint32_t i = 0; i < client_count(worker); i++) {
        if (worker->clients[i].state != CLIENT_CLOSED)
            (void)client_close(&worker->hub, &worker->clients[i]);
    }
    while (!has_ended(worker))
        turn(worker, WAIT_MS);
}

void *worker_work(void *argument)
{
    struct worker *worker = argument;
    const struct orders *orders = &worker->setting->orders;
    poller_start(worker->hub.poller);
    worker->now_ns = clock_now_ns();
    for (uint32_t done = 0;;) {
        uint32_t given = atomic_load_explicit(&orders->count, memory_order_acquire);
        if (given == done) {
            turn(worker, WAIT_MS);
            continue;
        }
        if (orders->kind == ORDER_END) {
            end_all(worker);
            return NULL;
        }
        if (orders->kind == ORDER_SEAT)
            seat_rooms(worker, worker_share(worker, orders->rooms));
        else
            run(worker, orders);
        done = given;
        atomic_store_explicit(&worker->orders_done, done, memory_order_release);
    }
}
