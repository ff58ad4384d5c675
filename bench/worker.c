/*
 * Turns, seating, and the course of a run. It knows how members enter a room; what they say once
 * they are in is the scenario's business.
 */
#include "worker.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "clock_ns.h"
#include "give_up.h"
#include "message.h"
#include "proto/ws_frame.h"
#include "scenario.h"

#define ARRIVING_MAX 128u      /* clients that connect and enter at the same time */
#define CROWD 64u              /* larger rooms are entered by many at the same time */
#define SEATING_PATIENCE_S 10  /* without any sign of the server */
#define DRAIN_PATIENCE_S 2     /* without any delivery, before what is under way is lost */
#define IDLE_TURN_NS_MAX 50000 /* a turn without work that takes longer had no core to run on */
#define WAIT_MS 10             /* for what comes from outside the poller: an order, the end */

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

static void *allocate(size_t count, size_t size)
{
    void *memory = calloc(count + 1, size);
    if (memory == NULL)
        give_up("not enough memory");
    return memory;
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
    worker->rooms = allocate(worker->room_count, sizeof *worker->rooms);
    worker->clients =
        allocate((size_t)worker->room_count * plan->clients_per_room, sizeof *worker->clients);
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
    struct worker *worker = allocate(1, sizeof *worker);
    worker->setting = setting;
    worker->index = index;
    hub_init(&worker->hub, open_poller((enum poller_choice)setting->options->poller),
             &setting->target, &setting->greeting);
    list_init(&worker->waiting);
    lay_out_rooms(worker);
    return worker;
}

void worker_free(struct worker *worker)
{
    hub_release(&worker->hub);
    poller_free(worker->hub.poller);
    free(worker->rooms);
    free(worker->clients);
    free(worker);
}

/* How many may be on their way into a room. Members of a small room enter one after the other, so
 * that each has the index in protocol 2 that its place says. */
static uint32_t arriving_max(const struct worker *worker, const struct room *room)
{
    bool is_crowd = room->size > CROWD || worker->setting->greeting.is_floor;
    return is_crowd ? ARRIVING_MAX : 1;
}

static bool may_open(const struct worker *worker, const struct room *room)
{
    if (room->opened == room->size)
        return false;
    bool has_host = room->code[0] != '\0' || worker->setting->greeting.is_floor;
    return room->opened == 0 ||
           (has_host && room->opened - room->seated < arriving_max(worker, room));
}

static void let_wait(struct worker *worker, struct room *room)
{
    if (list_is_empty(&room->waiting))
        list_append(&worker->waiting, &room->waiting);
}

/* Connects as many as may be on their way. */
static void open_clients(struct worker *worker)
{
    while (worker->arriving < ARRIVING_MAX && !list_is_empty(&worker->waiting)) {
        struct room *room = CONTAINER_OF(worker->waiting.next, struct room, waiting);
        if (!may_open(worker, room)) {
            list_remove(&room->waiting);
            continue;
        }
        uint64_t number = worker->connections++ * worker->setting->options->threads + worker->index;
        client_open(&worker->hub, &room->clients[room->opened++], number, room->number);
        worker->arriving++;
    }
}

void worker_open_room(struct worker *worker, struct room *room)
{
    room->opened = 0;
    room->seated = 0;
    room->code[0] = '\0';
    let_wait(worker, room);
}

static void seat(struct worker *worker, struct client *client)
{
    struct room *room = client->room;
    client->is_seated = true;
    client->next = 0;
    worker->arriving--;
    room->seated++;
    if (room->seated < room->size) {
        let_wait(worker, room);
        return;
    }
    worker->rooms_full++;
    worker->announcements_owed += (uint64_t)room->size * (room->size - 1) / 2;
    const struct scenario *scenario = worker->setting->scenario;
    if (worker->state != NULL && scenario->room_ready != NULL)
        scenario->room_ready(worker, room);
}

/* The handshake is done: the client asks for its room. */
static void enter(struct worker *worker, struct client *client)
{
    char text[256];
    const struct room *room = client->room;
    struct client_id id = client_id_of(client->member);
    if (worker->setting->greeting.is_floor) {
        seat(worker, client);
        return;
    }
    if (client->member == 0)
        snprintf(text, sizeof text, "{\"type\":\"create\",\"clientId\":%s,\"maxClients\":%u}",
                 id.json, room->size);
    else
        snprintf(text, sizeof text, "{\"type\":\"join\",\"clientId\":%s,\"room\":\"%s\"}", id.json,
                 room->code);
    client_queue_text(&worker->hub, client, bytes_of_string(text));
}

static void learn_code(struct room *room, struct bytes text)
{
    struct bytes value = event_field(text, BYTES("room"));
    const uint8_t *end = value.length < 2 ? NULL : memchr(value.data + 1, '"', value.length - 1);
    size_t length = end == NULL ? 0 : (size_t)(end - value.data) - 1;
    if (length == 0 || length > ROOM_CODE_MAX)
        give_up("the server created a room without a code: %.*s", (int)text.length,
                (const char *)text.data);
    memcpy(room->code, value.data + 1, length);
    room->code[length] = '\0';
}

/* In protocol 2 messages are addressed by index: it must be the one that we take it for. */
static void check_index(const struct worker *worker, const struct client *client, struct bytes text)
{
    if (worker->setting->options->protocol != PROTOCOL_2 || client->room->size > CROWD)
        return;
    uint32_t index = 0;
    struct bytes value = event_field(text, BYTES("index"));
    for (size_t i = 0; i < value.length && value.data[i] >= '0' && value.data[i] <= '9'; i++)
        index = index * 10 + value.data[i] - '0';
    if (value.length == 0 || index != client->member)
        give_up("member %u of a room got another index: %.*s", client->member, (int)text.length,
                (const char *)text.data);
}

/* All that isn't a message of the scenario's. */
static void take_event(struct worker *worker, struct client *client, struct bytes text)
{
    enum event_type type = event_type(text);
    bool is_expected = !client->is_seated && client->state == CLIENT_OPEN;
    if (type == EVENT_PEER_JOINED) {
        worker->announcements++;
    } else if (type == EVENT_CREATED && is_expected && client->member == 0) {
        learn_code(client->room, text);
        check_index(worker, client, text);
        seat(worker, client);
    } else if (type == EVENT_JOINED && is_expected && client->member > 0) {
        check_index(worker, client, text);
        seat(worker, client);
    } else if (type != EVENT_PEER_LEFT && type != EVENT_STATE) {
        give_up("the server said what wasn't expected: %.*s",
                (int)(text.length < 200 ? text.length : 200), (const char *)text.data);
    }
}

static void take_text(struct worker *worker, struct client *client, struct bytes text)
{
    struct message message = {MESSAGE_BROADCAST, 0, client->next};
    const struct setting *setting = worker->setting;
    /* The floor says the same bytes over and over: its messages are counted, not read. */
    bool is_message = client->is_seated && (setting->greeting.is_floor ||
                                            message_read(text, &worker->mark_place, &message));
    if (!is_message)
        take_event(worker, client, text);
    else if (worker->state != NULL) /* else it comes after its run was over, and counted as lost */
        setting->scenario->receive(worker, client, &message);
}

static void tell_left(struct worker *worker, struct client *client)
{
    if (worker->state != NULL && worker->setting->scenario->left != NULL)
        worker->setting->scenario->left(worker, client);
}

static void end_client(struct worker *worker, struct client *client)
{
    if (client_close(&worker->hub, client))
        tell_left(worker, client);
}

static void take_close(struct worker *worker, struct client *client, struct bytes payload)
{
    if (client->state == CLIENT_LEAVING) {
        end_client(worker, client);
        return;
    }
    unsigned code =
        payload.length < 2 ? WS_CLOSE_NO_STATUS : (unsigned)payload.data[0] << 8 | payload.data[1];
    size_t reason_length = payload.length < 2 ? 0 : payload.length - 2;
    give_up("the server closed a client's connection with %u %.*s", code, (int)reason_length,
            reason_length > 0 ? (const char *)payload.data + 2 : "");
}

static void take_input(struct worker *worker, struct client *client, struct bytes_mut input)
{
    struct client_event event;
    worker->now_ns = clock_now_ns();
    while (client_next(&worker->hub, client, &input, &event) != CLIENT_NEEDS_MORE) {
        if (event.kind == CLIENT_TEXT) {
            take_text(worker, client, event.text);
        } else if (event.kind == CLIENT_OPENED) {
            enter(worker, client);
        } else {
            take_close(worker, client, event.text);
            return;
        }
    }
}

static void take_outcome(struct worker *worker, const struct outcome *outcome)
{
    struct client *client = CONTAINER_OF(outcome->socket, struct client, socket);
    switch (outcome->kind) {
    case OUTCOME_RECEIVED:
        if (client->state != CLIENT_ENDING)
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
        if (client->state == CLIENT_LEAVING)
            end_client(worker, client);
        else if (client->state != CLIENT_ENDING)
            give_up("the server ended a client's connection");
    }
}

/* Waits, handles what happened, sends what has been queued. False: there was nothing of it. */
static bool turn(struct worker *worker, int timeout_ms)
{
    struct outcome outcome;
    open_clients(worker);
    bool has_happened = !list_is_empty(&worker->hub.unsent);
    hub_flush(&worker->hub);
    poller_wait(worker->hub.poller, timeout_ms);
    while (poller_next(worker->hub.poller, &outcome)) {
        take_outcome(worker, &outcome);
        has_happened = true;
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
        worker_open_room(worker, &worker->rooms[i]);
    bool has_announcements = !worker->setting->greeting.is_floor;
    while (worker->rooms_full < wanted ||
           (has_announcements && worker->announcements < worker->announcements_owed)) {
        if (turn(worker, WAIT_MS))
            heard_ns = worker->now_ns;
        if (worker->now_ns - heard_ns > SEATING_PATIENCE_S * NANOSECONDS)
            give_up("the server stopped answering when %u of %u rooms were full",
                    worker->rooms_full, wanted);
    }
}

/* Milliseconds that may be slept before `time_ns`; the rest of it is polled away, since a poller
 * sleeps by the millisecond and a benchmark must not be late. */
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
    uint32_t client_count = worker->room_count * worker->setting->plan.clients_per_room;
    for (uint32_t i = 0; i < client_count; i++)
        worker->clients[i].next = 0;
    worker->setting->scenario->begin(worker);
}

/* Until the end, and until all has been sent that was due before it. */
static void let_flow(struct worker *worker)
{
    for (;;) {
        uint64_t began_ns = worker->now_ns;
        uint64_t next_ns = worker->setting->scenario->tick(worker);
        if (worker->now_ns >= worker->end_ns && next_ns >= worker->end_ns)
            return;
        int timeout_ms = sleep_before(worker, next_ns < worker->end_ns ? next_ns : worker->end_ns);
        bool has_happened = turn(worker, timeout_ms);
        uint64_t spent_ns = worker->now_ns - began_ns;
        bool is_idle = !has_happened && timeout_ms == 0;
        tell(worker, is_idle && spent_ns < IDLE_TURN_NS_MAX ? spent_ns : 0);
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
    worker->setting->scenario->end(worker);
    worker->state = NULL;
}

static bool has_ended(const struct worker *worker)
{
    uint32_t client_count = worker->room_count * worker->setting->plan.clients_per_room;
    for (uint32_t i = 0; i < client_count; i++) {
        if (worker->clients[i].state != CLIENT_CLOSED)
            return false;
    }
    return true;
}

static void end_all(struct worker *worker)
{
    uint32_t client_count = worker->room_count * worker->setting->plan.clients_per_room;
    for (uint32_t i = 0; i < client_count; i++) {
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
