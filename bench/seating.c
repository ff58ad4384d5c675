/*
 * The order in which clients enter: hosts create rooms and guests join them, in many rooms at the
 * same time.
 *
 * Members of a small room enter one after the other, so that in protocol 2 each member's index is
 * its place in the room. Members of a large room enter many at a time, since nobody addresses them.
 */
#include "seating.h"

#include <stdio.h>

#include "confirming.h"
#include "give_up.h"
#include "message.h"
#include "scenario.h"

#define ARRIVING_MAX 128u /* clients that connect and enter at the same time */
#define AUDIENCE_FIELD ",\"maxAudience\":10000"
#define ROLE_FIELD ",\"role\":\"audience\""
#define CROWD 64u /* larger rooms are entered by many at the same time */

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

void seating_connect(struct worker *worker, struct client *client)
{
    uint64_t number = worker->connections++ * worker->setting->options->threads + worker->index;
    client_open(&worker->hub, client, number, client->room->number);
}

void seating_leave(struct worker *worker, struct client *client)
{
    struct room *room = client->room;
    if (!client->is_seated) {
        worker->arriving--;
        return;
    }
    if (room->seated == room->size)
        worker->rooms_full--;
    room->seated--;
}

void seating_return(struct worker *worker, struct client *client)
{
    worker->arriving++;
    client->returns = true;
    seating_connect(worker, client);
}

void seating_go_on(struct worker *worker)
{
    while (worker->arriving < ARRIVING_MAX && !list_is_empty(&worker->waiting)) {
        struct room *room = CONTAINER_OF(worker->waiting.next, struct room, waiting);
        if (!may_open(worker, room)) {
            list_remove(&room->waiting);
            continue;
        }
        seating_connect(worker, &room->clients[room->opened++]);
        worker->arriving++;
    }
}

void seating_open_room(struct worker *worker, struct room *room)
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
    if (client->returns) {
        worker->setting->scenario->returned(worker, client);
        return;
    }
    if (room->seated < room->size) {
        let_wait(worker, room);
        return;
    }
    worker->rooms_full++;
    if (!worker->setting->options->is_watching)
        worker->announcements_owed += (uint64_t)room->size * (room->size - 1) / 2;
    const struct scenario *scenario = worker->setting->scenario;
    if (worker->state != NULL && scenario->room_ready != NULL)
        scenario->room_ready(worker, room);
}

/* Who comes back says what it has seen, and the relay tells it what came behind that. */
static void write_session(const struct client *client, char *out, size_t capacity)
{
    if (client->returns)
        snprintf(out, capacity,
                 ",\"session\":\"benchmark\",\"attempt\":2,\"epoch\":\"%s\",\"seen\":%llu",
                 client->epoch, (unsigned long long)client->seen);
    else
        snprintf(out, capacity, ",\"session\":\"benchmark\",\"attempt\":1");
}

void seating_enter(struct worker *worker, struct client *client)
{
    char text[256];
    char more[128] = "";
    const struct room *room = client->room;
    struct client_id id = client_id_of(client->member);
    bool is_watching = worker->setting->options->is_watching;
    if (worker->setting->options->protocol == PROTOCOL_3) {
        /* Protocol 3 wants longer ids, and a session. */
        id = long_client_id_of(client->member);
        write_session(client, more, sizeof more);
    }
    if (worker->setting->greeting.is_floor) {
        seat(worker, client);
        return;
    }
    if (client->member == 0 && !client->returns)
        snprintf(text, sizeof text, "{\"type\":\"create\",\"clientId\":%s,\"maxClients\":%u%s%s}",
                 id.json, room->size, more, is_watching ? AUDIENCE_FIELD : "");
    else
        snprintf(text, sizeof text, "{\"type\":\"join\",\"clientId\":%s,\"room\":\"%s\"%s%s}",
                 id.json, room->code, more, is_watching ? ROLE_FIELD : "");
    client_queue_text(&worker->hub, client, bytes_of_string(text));
}

/* Copies a field whose value is a string. False: the event has no such field of fitting length. */
static bool copy_field(struct bytes text, struct bytes name, char *out, size_t capacity)
{
    struct bytes value = event_field(text, name);
    const uint8_t *end = value.length < 2 ? NULL : memchr(value.data + 1, '"', value.length - 1);
    size_t length = end == NULL ? 0 : (size_t)(end - value.data) - 1;
    if (length == 0 || length >= capacity)
        return false;
    memcpy(out, value.data + 1, length);
    out[length] = '\0';
    return true;
}

static void learn_code(struct room *room, struct bytes text)
{
    if (!copy_field(text, BYTES("room"), room->code, sizeof room->code))
        give_up("the server created a room without a code: %.*s", (int)text.length,
                (const char *)text.data);
}

static void learn_epoch(const struct worker *worker, struct client *client, struct bytes text)
{
    bool is_needed = worker->setting->options->protocol == PROTOCOL_3 &&
                     worker->setting->scenario->returned != NULL;
    if (is_needed && !copy_field(text, BYTES("epoch"), client->epoch, sizeof client->epoch))
        give_up("the server gave a seat without an epoch: %.*s", (int)text.length,
                (const char *)text.data);
}

/* Protocols 2 and 3 address messages by index, so a member must have the index that we expect. */
static void check_index(const struct worker *worker, const struct client *client, struct bytes text)
{
    uint64_t protocol = worker->setting->options->protocol;
    bool has_indices = protocol == PROTOCOL_2 || protocol == PROTOCOL_3;
    if (!has_indices || client->room->size > CROWD || worker->setting->options->is_watching)
        return;
    uint32_t index = 0;
    struct bytes value = event_field(text, BYTES("index"));
    for (size_t i = 0; i < value.length && value.data[i] >= '0' && value.data[i] <= '9'; i++)
        index = index * 10 + value.data[i] - '0';
    if (value.length == 0 || index != client->member)
        give_up("member %u of a room got another index: %.*s", client->member, (int)text.length,
                (const char *)text.data);
}

/* Once the last member of a small room has come, who came before it has seen all of the seating. */
static void note_joined(struct worker *worker, struct client *client)
{
    const struct room *room = client->room;
    worker->announcements++;
    if (!worker->setting->scenario->confirms_seating || room->size > CROWD ||
        worker->setting->options->protocol != PROTOCOL_3)
        return;
    if (client->member + client->seen + 1 == room->size)
        confirming_tell(worker, client);
}

static bool is_counted(enum event_type type)
{
    return type == EVENT_PEER_JOINED || type == EVENT_PEER_LEFT || type == EVENT_PEER_AWAY ||
           type == EVENT_PEER_BACK || type == EVENT_HOST;
}

void seating_take_event(struct worker *worker, struct client *client, struct bytes text)
{
    enum event_type type = event_type(text);
    bool is_expected = !client->is_seated && client->state == CLIENT_OPEN;
    bool tells_of_returns = worker->setting->scenario->returned != NULL &&
                            (is_counted(type) || type == EVENT_SKIPPED || type == EVENT_UNKNOWN);
    if (is_counted(type))
        confirming_note(client);
    if (type == EVENT_SKIPPED)
        confirming_note_skipped(client, text);
    if (type == EVENT_PEER_JOINED) {
        note_joined(worker, client);
    } else if (type == EVENT_CREATED && is_expected && client->member == 0) {
        learn_code(client->room, text);
        learn_epoch(worker, client, text);
        check_index(worker, client, text);
        confirming_begin(client, text);
        seat(worker, client);
    } else if (type == EVENT_JOINED && is_expected && (client->member > 0 || client->returns)) {
        learn_epoch(worker, client, text);
        check_index(worker, client, text);
        confirming_begin(client, text);
        seat(worker, client);
    } else if (type != EVENT_PEER_LEFT && type != EVENT_STATE && type != EVENT_PONG &&
               type != EVENT_AUDIENCE && !tells_of_returns) {
        give_up("the server said what wasn't expected: %.*s",
                (int)(text.length < 200 ? text.length : 200), (const char *)text.data);
    }
}

bool seating_is_done(const struct worker *worker, uint32_t rooms)
{
    bool has_announcements = !worker->setting->greeting.is_floor;
    return worker->rooms_full >= rooms &&
           (!has_announcements || worker->announcements >= worker->announcements_owed);
}
