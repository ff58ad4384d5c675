/*
 * party: rooms with the traffic of real games. Each room has a host and four guests:
 *
 *     guest -> host    a ping of 67 bytes every 250 ms
 *     host -> guest    the answer to it, 72 bytes, at once
 *     host -> guest    a state of 140 bytes every 600 ms, to one guest in turn or to all
 *
 * So each room sends the server 33.7 messages a second, and the server sends as many when states go
 * to one guest. The bytes are those of the message's text as the sender writes it
 * ({"type":"send",...}), without the frame's header.
 *
 * This is an open loop: each guest and each host has times of its own, whatever the server does.
 * The first histogram has round trips, and the second has the way of states. Both count from when
 * the ping or state was due. So neither a server that stalls nor a generator that is late can hide
 * it.
 */
#include "party.h"

#include <stdlib.h>

#include "give_up.h"
#include "schedule.h"

#define PING_BYTES 67
#define ANSWER_BYTES 72
#define STATE_BYTES 140
#define PING_INTERVAL_S 0.25
#define STATE_INTERVAL_S 0.6
#define SENDS_PER_TICK 256 /* then what has arrived gets its turn */
#define SEED 4             /* of the times within an interval */

/* The positions of the three streams of a guest. Each stream must arrive in order. */
struct guest {
    uint32_t next_ping; /* the number of the next ping that the host must hear */
    uint32_t next_answer;
    uint32_t next_state;
};

struct party {
    struct schedule pings;  /* of each guest */
    struct schedule states; /* of each host */
    struct guest *guests;   /* PARTY_GUESTS for each active room */
    bool state_is_for_all;
    struct send_frame
        ping[PARTY_CLIENTS]; /* by the guest's place in the room; the host has an empty one */
    struct send_frame answer[PARTY_CLIENTS];
    struct send_frame state[PARTY_CLIENTS];
    struct send_frame state_for_all;
};

static struct plan party_plan(const struct options *options)
{
    return (struct plan){
        .rooms = (uint32_t)options->rooms,
        .clients_per_room = PARTY_CLIENTS,
        .clients = (uint32_t)options->rooms * PARTY_CLIENTS,
    };
}

/* A frame whose message's text has so many bytes. `to` is a member, or NULL for all. */
static void make_frame(struct send_frame *frame, const struct options *options,
                       enum message_kind kind, uint16_t from, const uint16_t *to, size_t text_bytes)
{
    uint8_t index = 0;
    struct client_id id;
    struct bytes recipient = {0};
    if (to != NULL && (options->protocol == PROTOCOL_2 || options->protocol == PROTOCOL_3)) {
        index = (uint8_t)('0' + *to);
        recipient = bytes_of(&index, 1);
    } else if (to != NULL) {
        id = client_id_of(*to);
        recipient = bytes_of_string(id.json);
    }
    struct send_shape shape = {
        .kind = kind,
        .member = from,
        .to = recipient,
        .data_bytes = text_bytes - message_bytes_around_data(recipient),
    };
    send_frame_init(frame, &shape);
}

static void make_frames(struct party *party, const struct options *options)
{
    static const uint16_t host = 0;
    for (uint16_t guest = 1; guest < PARTY_CLIENTS; guest++) {
        make_frame(&party->ping[guest], options, MESSAGE_PING, guest, &host, PING_BYTES);
        make_frame(&party->answer[guest], options, MESSAGE_ANSWER, host, &guest, ANSWER_BYTES);
        make_frame(&party->state[guest], options, MESSAGE_STATE, host, &guest, STATE_BYTES);
    }
    make_frame(&party->state_for_all, options, MESSAGE_STATE, host, NULL, STATE_BYTES);
}

static void party_begin(struct worker *worker)
{
    const struct options *options = worker->setting->options;
    uint64_t start_ns = worker->setting->orders.start_ns;
    uint32_t guest_count = worker->active_rooms * PARTY_GUESTS;
    struct party *party = allocate_or_give_up(1, sizeof *party);
    party->guests = allocate_or_give_up(guest_count, sizeof *party->guests);
    party->state_is_for_all = options->state == STATE_TO_ALL;
    schedule_init_random(&party->pings, start_ns, PING_INTERVAL_S / options->speed, guest_count,
                         SEED + worker->index);
    schedule_init_random(&party->states, start_ns, STATE_INTERVAL_S / options->speed,
                         worker->active_rooms, SEED + THREADS_MAX + worker->index);
    make_frames(party, options);
    /* The number of a guest's first state is the guest's place in the turn. */
    for (uint32_t i = 0; i < guest_count && !party->state_is_for_all; i++)
        party->guests[i].next_state = i % PARTY_GUESTS;
    worker->state = party;
}

static void party_end(struct worker *worker)
{
    struct party *party = worker->state;
    for (uint16_t guest = 1; guest < PARTY_CLIENTS; guest++) {
        send_frame_release(&party->ping[guest]);
        send_frame_release(&party->answer[guest]);
        send_frame_release(&party->state[guest]);
    }
    send_frame_release(&party->state_for_all);
    schedule_release(&party->pings);
    schedule_release(&party->states);
    free(party->guests);
    free(party);
}

static void send_ping(struct worker *worker, uint64_t due_ns)
{
    struct party *party = worker->state;
    uint32_t number;
    uint32_t guest = schedule_take(&party->pings, &number);
    uint32_t member = guest % PARTY_GUESTS + 1;
    struct room *room = &worker->rooms[guest / PARTY_GUESTS];
    client_queue(&worker->hub, &room->clients[member],
                 send_frame_numbered(&party->ping[member], number));
    worker_count_sent(worker, due_ns, 1);
}

static void send_state(struct worker *worker, uint64_t due_ns)
{
    struct party *party = worker->state;
    uint32_t number;
    struct room *room = &worker->rooms[schedule_take(&party->states, &number)];
    struct send_frame *frame =
        party->state_is_for_all ? &party->state_for_all : &party->state[number % PARTY_GUESTS + 1];
    client_queue(&worker->hub, &room->clients[0], send_frame_numbered(frame, number));
    worker_count_sent(worker, due_ns, party->state_is_for_all ? PARTY_GUESTS : 1);
}

static uint64_t party_tick(struct worker *worker)
{
    struct party *party = worker->state;
    for (int i = 0;; i++) {
        uint64_t ping_ns = schedule_next_time(&party->pings);
        uint64_t state_ns = schedule_next_time(&party->states);
        uint64_t due_ns = ping_ns < state_ns ? ping_ns : state_ns;
        if (due_ns > worker->now_ns || due_ns >= worker->end_ns || i == SENDS_PER_TICK)
            return due_ns;
        if (ping_ns < state_ns)
            send_ping(worker, due_ns);
        else
            send_state(worker, due_ns);
        worker_time(worker, &worker->lateness, due_ns);
    }
}

/* Counts a message that arrived. False: it isn't the next of its stream. A gap shows as a loss. */
static bool take_number(struct worker *worker, uint32_t *next, uint32_t step, uint32_t number)
{
    if (number < *next || (number - *next) % step != 0) {
        worker->tally.misordered++;
        return false;
    }
    *next = number + step;
    return true;
}

static void hear_ping(struct worker *worker, struct client *host, const struct message *ping)
{
    struct party *party = worker->state;
    uint32_t guest = host->room->index * PARTY_GUESTS + ping->member - 1u;
    if (!take_number(worker, &party->guests[guest].next_ping, 1, ping->number))
        return;
    uint64_t due_ns = schedule_time(&party->pings, guest, ping->number);
    worker_count_delivery(worker, due_ns);
    client_queue(&worker->hub, host,
                 send_frame_numbered(&party->answer[ping->member], ping->number));
    worker_count_sent(worker, due_ns, 1);
}

static void hear_answer(struct worker *worker, uint32_t guest, uint32_t number)
{
    struct party *party = worker->state;
    if (!take_number(worker, &party->guests[guest].next_answer, 1, number))
        return;
    uint64_t due_ns = schedule_time(&party->pings, guest, number);
    worker_count_delivery(worker, due_ns);
    worker_time(worker, &worker->latency, due_ns);
}

static void hear_state(struct worker *worker, uint32_t guest, uint32_t number)
{
    struct party *party = worker->state;
    uint32_t step = party->state_is_for_all ? 1 : PARTY_GUESTS;
    if (!take_number(worker, &party->guests[guest].next_state, step, number))
        return;
    uint64_t due_ns = schedule_time(&party->states, guest / PARTY_GUESTS, number);
    worker_count_delivery(worker, due_ns);
    worker_time(worker, &worker->second, due_ns);
}

static void party_receive(struct worker *worker, struct client *client,
                          const struct message *message)
{
    bool is_host = client->member == 0;
    uint32_t guest = client->room->index * PARTY_GUESTS + client->member - 1;
    bool is_from_guest = message->member > 0 && message->member < PARTY_CLIENTS;
    if (message->kind == MESSAGE_PING && is_host && is_from_guest)
        hear_ping(worker, client, message);
    else if (message->kind == MESSAGE_ANSWER && !is_host)
        hear_answer(worker, guest, message->number);
    else if (message->kind == MESSAGE_STATE && !is_host)
        hear_state(worker, guest, message->number);
    else
        worker->tally.misordered++;
}

static void party_conduct(const struct options *options, struct report *report)
{
    if (options->finds_rooms)
        party_find_rooms(options, report);
    else
        scenario_measure(options, report);
}

const struct scenario scenario_party = {
    .conduct = party_conduct,
    .plan = party_plan,
    .begin = party_begin,
    .end = party_end,
    .tick = party_tick,
    .receive = party_receive,
    .second = "state_us",
};
