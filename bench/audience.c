/*
 * audience: one large room, whose host broadcasts at a steady rate. The first histogram has the
 * time from when a broadcast was due to when each member has it. The second histogram has the time
 * until the last member has it.
 */
#include <stdlib.h>

#include "give_up.h"
#include "scenario.h"
#include "schedule.h"

/* Broadcasts under way that are told apart. For older ones, no last member is noted. */
#define FLIGHTS 4096

struct audience {
    struct send_frame frame;
    struct schedule schedule;
    uint32_t awaited[FLIGHTS]; /* members without the broadcast, by number modulo FLIGHTS */
};

static struct plan audience_plan(const struct options *options)
{
    return (struct plan){
        .rooms = 1,
        .clients_per_room = (uint32_t)options->clients,
        .clients = (uint32_t)options->clients,
    };
}

static void audience_begin(struct worker *worker)
{
    const struct options *options = worker->setting->options;
    struct audience *audience = allocate_or_give_up(1, sizeof *audience);
    struct send_shape shape = {.kind = MESSAGE_BROADCAST, .data_bytes = options->payload};
    send_frame_init(&audience->frame, &shape);
    schedule_init_even(&audience->schedule, worker->setting->orders.start_ns, 1 / options->rate,
                       worker->active_rooms, 0, 1);
    worker->state = audience;
}

static void audience_end(struct worker *worker)
{
    struct audience *audience = worker->state;
    send_frame_release(&audience->frame);
    schedule_release(&audience->schedule);
    free(audience);
}

static uint64_t audience_tick(struct worker *worker)
{
    struct audience *audience = worker->state;
    uint64_t due_ns = schedule_next_time(&audience->schedule);
    while (due_ns <= worker->now_ns && due_ns < worker->end_ns) {
        uint32_t number;
        struct room *room = &worker->rooms[schedule_take(&audience->schedule, &number)];
        audience->awaited[number % FLIGHTS] = room->size - 1;
        client_queue(&worker->hub, &room->clients[0],
                     send_frame_numbered(&audience->frame, number));
        worker_count_sent(worker, due_ns, room->size - 1);
        worker_time(worker, &worker->lateness, due_ns);
        due_ns = schedule_next_time(&audience->schedule);
    }
    return due_ns;
}

static void audience_receive(struct worker *worker, struct client *client,
                             const struct message *message)
{
    struct audience *audience = worker->state;
    if (message->kind != MESSAGE_BROADCAST || client->member == 0 ||
        message->number < client->next) {
        worker->tally.misordered++;
        return;
    }
    client->next = message->number + 1;
    uint64_t due_ns = schedule_time(&audience->schedule, client->room->index, message->number);
    worker_count_delivery(worker, due_ns);
    worker_time(worker, &worker->latency, due_ns);
    bool is_told_apart = audience->schedule.round - message->number <= FLIGHTS;
    if (is_told_apart && --audience->awaited[message->number % FLIGHTS] == 0)
        worker_time(worker, &worker->second, due_ns);
}

const struct scenario scenario_audience = {
    .plan = audience_plan,
    .begin = audience_begin,
    .end = audience_end,
    .tick = audience_tick,
    .receive = audience_receive,
    .second = "last_us",
};
