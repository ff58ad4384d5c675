/*
 * churn: R rooms, each with the same cycle over and over. A host connects and creates the room, and
 * a guest connects and joins. The host sends one message, the guest answers it, and both leave with
 * a close frame.
 *
 * The latency is the time of the whole cycle, from the host's connect until both clients are gone.
 */
#include <stdlib.h>

#include "give_up.h"
#include "scenario.h"
#include "seating.h"

#define CHURN_CLIENTS 2

struct cycle {
    uint64_t begun_ns;
    uint32_t number;
    uint32_t present; /* clients that have not left yet */
};

struct churn {
    struct send_frame message;
    struct send_frame answer;
    struct cycle *cycles; /* one for each room */
    bool has_begun;
};

static struct plan churn_plan(const struct options *options)
{
    return (struct plan){
        .rooms = (uint32_t)options->rooms,
        .clients_per_room = CHURN_CLIENTS,
        .clients = (uint32_t)options->rooms * CHURN_CLIENTS,
        .opens_rooms_itself = true,
    };
}

static void churn_begin(struct worker *worker)
{
    struct churn *churn = allocate_or_give_up(1, sizeof *churn);
    churn->cycles = allocate_or_give_up(worker->active_rooms, sizeof *churn->cycles);
    struct send_shape message = {.kind = MESSAGE_PING, .data_bytes = DATA_BYTES_LEAST};
    struct send_shape answer = {
        .kind = MESSAGE_ANSWER, .member = 1, .data_bytes = DATA_BYTES_LEAST};
    send_frame_init(&churn->message, &message);
    send_frame_init(&churn->answer, &answer);
    worker->state = churn;
}

static void churn_end(struct worker *worker)
{
    struct churn *churn = worker->state;
    send_frame_release(&churn->message);
    send_frame_release(&churn->answer);
    free(churn->cycles);
    free(churn);
}

static void begin_cycle(struct worker *worker, struct room *room)
{
    struct churn *churn = worker->state;
    struct cycle *cycle = &churn->cycles[room->index];
    cycle->begun_ns = worker->now_ns;
    cycle->number++;
    cycle->present = CHURN_CLIENTS;
    seating_open_room(worker, room);
    worker->under_way++; /* counts the cycle itself, so that the end of the run waits for it */
}

static uint64_t churn_tick(struct worker *worker)
{
    struct churn *churn = worker->state;
    if (!churn->has_begun) {
        churn->has_begun = true;
        for (uint32_t i = 0; i < worker->active_rooms; i++)
            begin_cycle(worker, &worker->rooms[i]);
    }
    return UINT64_MAX;
}

static void churn_room_ready(struct worker *worker, struct room *room)
{
    struct churn *churn = worker->state;
    const struct cycle *cycle = &churn->cycles[room->index];
    client_queue(&worker->hub, &room->clients[0],
                 send_frame_numbered(&churn->message, cycle->number));
    worker_count_sent(worker, cycle->begun_ns, 1);
}

static void churn_receive(struct worker *worker, struct client *client,
                          const struct message *message)
{
    struct churn *churn = worker->state;
    struct room *room = client->room;
    struct cycle *cycle = &churn->cycles[room->index];
    enum message_kind expected = client->member == 0 ? MESSAGE_ANSWER : MESSAGE_PING;
    if (message->kind != expected || message->number != cycle->number) {
        worker->tally.misordered++;
        return;
    }
    worker_count_delivery(worker, cycle->begun_ns);
    if (message->kind == MESSAGE_PING) {
        client_queue(&worker->hub, client, send_frame_numbered(&churn->answer, message->number));
        worker_count_sent(worker, cycle->begun_ns, 1);
        return;
    }
    client_leave(&worker->hub, &room->clients[0]);
    client_leave(&worker->hub, &room->clients[1]);
}

static void churn_left(struct worker *worker, struct client *client)
{
    struct churn *churn = worker->state;
    struct cycle *cycle = &churn->cycles[client->room->index];
    if (--cycle->present > 0)
        return;
    worker->under_way--;
    worker_time(worker, &worker->latency, cycle->begun_ns);
    if (worker->now_ns >= worker->begin_ns && worker->now_ns < worker->end_ns)
        worker->tally.cycles++;
    if (worker->is_sending)
        begin_cycle(worker, client->room);
}

const struct scenario scenario_churn = {
    .plan = churn_plan,
    .begin = churn_begin,
    .end = churn_end,
    .tick = churn_tick,
    .receive = churn_receive,
    .room_ready = churn_room_ready,
    .left = churn_left,
};
