/*
 * lockstep: in each room one member broadcasts to the others.
 *
 * Closed loop: W broadcasts are in flight in each room. When all other members have one of them,
 * the next one goes out. This shows the most that a server can do. But a slow server gets fewer
 * messages, so only --rate, the open loop, compares the cost of a delivery fairly: broadcasts are
 * due at fixed times, evenly spread over the rooms, and each is timed from when it was due.
 */
#include "lockstep.h"

#include <stdio.h>
#include <stdlib.h>

#include "give_up.h"
#include "schedule.h"

#define SENDS_PER_TICK 256 /* then what has arrived gets its turn */

/* A broadcast in flight. The broadcasts of a room are in a ring. */
struct flight {
    uint64_t sent_ns;
    uint32_t awaited; /* members that don't have the broadcast yet */
};

struct lockstep {
    struct send_frame frame; /* the same for all rooms */
    bool is_open_loop;
    struct schedule schedule; /* of the open loop */
    uint32_t in_flight;       /* of the closed loop: */
    bool has_begun;
    uint32_t *next;         /* number of each room's next broadcast */
    struct flight *flights; /* `in_flight` for each room */
};

static struct plan lockstep_plan(const struct options *options)
{
    return (struct plan){
        .rooms = (uint32_t)options->rooms,
        .clients_per_room = (uint32_t)options->clients,
        .clients = (uint32_t)(options->rooms * options->clients),
    };
}

void lockstep_begin(struct worker *worker)
{
    const struct options *options = worker->setting->options;
    const struct orders *orders = &worker->setting->orders;
    struct lockstep *lockstep = allocate_or_give_up(1, sizeof *lockstep);
    struct send_shape shape = {.kind = MESSAGE_BROADCAST, .data_bytes = options->payload};
    send_frame_init(&lockstep->frame, &shape);
    lockstep->is_open_loop = options->rate > 0;
    if (lockstep->is_open_loop) {
        schedule_init_even(&lockstep->schedule, orders->start_ns, orders->rooms / options->rate,
                           worker->active_rooms, worker->index, (uint32_t)options->threads);
    } else {
        lockstep->in_flight = (uint32_t)options->in_flight;
        lockstep->next = allocate_or_give_up(worker->active_rooms, sizeof *lockstep->next);
        lockstep->flights = allocate_or_give_up((size_t)worker->active_rooms * lockstep->in_flight,
                                                sizeof *lockstep->flights);
    }
    worker->state = lockstep;
}

void lockstep_end(struct worker *worker)
{
    struct lockstep *lockstep = worker->state;
    send_frame_release(&lockstep->frame);
    schedule_release(&lockstep->schedule);
    free(lockstep->next);
    free(lockstep->flights);
    free(lockstep);
}

static void broadcast(struct worker *worker, const struct room *room, uint32_t number,
                      uint64_t time_ns)
{
    struct lockstep *lockstep = worker->state;
    client_queue(&worker->hub, &room->clients[0], send_frame_numbered(&lockstep->frame, number));
    worker_count_sent(worker, time_ns, room->size - 1);
}

static struct flight *flight_of(struct lockstep *lockstep, const struct room *room, uint32_t number)
{
    return &lockstep->flights[room->index * lockstep->in_flight + number % lockstep->in_flight];
}

static void launch(struct worker *worker, const struct room *room)
{
    struct lockstep *lockstep = worker->state;
    uint32_t number = lockstep->next[room->index]++;
    *flight_of(lockstep, room, number) =
        (struct flight){.sent_ns = worker->now_ns, .awaited = room->size - 1};
    broadcast(worker, room, number, worker->now_ns);
}

static void launch_first(struct worker *worker)
{
    struct lockstep *lockstep = worker->state;
    lockstep->has_begun = true;
    for (uint32_t i = 0; i < worker->active_rooms; i++) {
        for (uint32_t flying = 0; flying < lockstep->in_flight; flying++)
            launch(worker, &worker->rooms[i]);
    }
}

uint64_t lockstep_tick(struct worker *worker)
{
    struct lockstep *lockstep = worker->state;
    if (!lockstep->is_open_loop) {
        if (!lockstep->has_begun)
            launch_first(worker);
        return UINT64_MAX;
    }
    uint64_t due_ns = schedule_next_time(&lockstep->schedule);
    for (int i = 0; i < SENDS_PER_TICK && due_ns <= worker->now_ns && due_ns < worker->end_ns;
         i++) {
        uint32_t number;
        uint32_t room = schedule_take(&lockstep->schedule, &number);
        broadcast(worker, &worker->rooms[room], number, due_ns);
        worker_time(worker, &worker->lateness, due_ns);
        due_ns = schedule_next_time(&lockstep->schedule);
    }
    return due_ns;
}

void lockstep_receive(struct worker *worker, struct client *client, const struct message *message)
{
    struct lockstep *lockstep = worker->state;
    const struct room *room = client->room;
    if (message->kind != MESSAGE_BROADCAST || client->member == 0 ||
        message->number < client->next) {
        worker->tally.misordered++;
        return;
    }
    client->next = message->number + 1;
    if (lockstep->is_open_loop) {
        uint64_t due_ns = schedule_time(&lockstep->schedule, room->index, message->number);
        worker_count_delivery(worker, due_ns);
        worker_time(worker, &worker->latency, due_ns);
        return;
    }
    struct flight *flight = flight_of(lockstep, room, message->number);
    worker_count_delivery(worker, flight->sent_ns);
    worker_time(worker, &worker->latency, flight->sent_ns);
    if (--flight->awaited == 0 && worker->is_sending)
        launch(worker, room);
}

const struct scenario scenario_lockstep = {
    .plan = lockstep_plan,
    .begin = lockstep_begin,
    .end = lockstep_end,
    .tick = lockstep_tick,
    .receive = lockstep_receive,
};
