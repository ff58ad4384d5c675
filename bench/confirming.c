/*
 * No client has a timer. The worker looks at its clients in turn, at so many in each of its turns
 * that it comes to each client once a second.
 */
#include "confirming.h"

#include <stdio.h>

#include "clock_ns.h"
#include "message.h"

#define LOOKS_OF_SENDER 2 /* from one confirmation to the next, both looks included */
#define LOOKS_OF_LISTENER 6

static uint64_t read_number(struct bytes value)
{
    uint64_t number = 0;
    for (size_t i = 0; i < value.length && value.data[i] >= '0' && value.data[i] <= '9'; i++)
        number = number * 10 + value.data[i] - '0';
    return number;
}

void confirming_begin(struct client *client, struct bytes text)
{
    client->seen = read_number(event_field(text, BYTES("seen")));
    client->told_seen = client->seen;
    client->looks = 0;
    client->has_sent = false;
}

void confirming_note_skipped(struct client *client, struct bytes text)
{
    client->seen += read_number(event_field(text, BYTES("count")));
}

void confirming_tell(struct worker *worker, struct client *client)
{
    char text[64];
    snprintf(text, sizeof text, "{\"type\":\"ping\",\"seen\":%llu}",
             (unsigned long long)client->seen);
    client_queue_text(&worker->hub, client, bytes_of_string(text));
    client->told_seen = client->seen;
    client->looks = 1;
    client->has_sent = false;
}

static void look(struct worker *worker, struct client *client)
{
    bool is_watcher = worker->setting->options->is_watching && client->member > 0;
    if (!client->is_seated || client->state != CLIENT_OPEN || is_watcher)
        return;
    if (client->looks < LOOKS_OF_LISTENER)
        client->looks++;
    if (client->seen > client->told_seen &&
        client->looks >= (client->has_sent ? LOOKS_OF_SENDER : LOOKS_OF_LISTENER))
        confirming_tell(worker, client);
}

void confirming_go_on(struct worker *worker)
{
    uint32_t count = worker->room_count * worker->setting->plan.clients_per_room;
    if (worker->setting->options->protocol != PROTOCOL_3 || count == 0)
        return;
    if (worker->now_ns > worker->looked_ns + NANOSECONDS)
        worker->looked_ns = worker->now_ns - NANOSECONDS;
    uint64_t due = (worker->now_ns - worker->looked_ns) * count / NANOSECONDS;
    worker->looked_ns += due * NANOSECONDS / count;
    for (; due > 0; due--) {
        look(worker, &worker->clients[worker->look_at]);
        worker->look_at = worker->look_at + 1 == count ? 0 : worker->look_at + 1;
    }
}
