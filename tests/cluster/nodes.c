/*
 * Nodes. A node goes on step by step, and may be stopped between any two: what it does then comes
 * much later, by a clock that it read before.
 */
#include <stdio.h>
#include <stdlib.h>

#include "cluster/world.h"

#define YIELDS_ONCE_IN 12
#define YIELDS_WITH_EVENTS_ONCE_IN 300 /* of which there may be one for each slice */
#define HINTS_ONCE_IN 6
#define SLOW_TURN_MS 500
#define HANDING_OVER_MS 1500 /* at most; the rooms of a slice */

const char *name_of(const struct node *node)
{
    static char text[NODE_ID_TEXT_MAX + 16];
    snprintf(text, sizeof text, "%s%llu", node->id.name, (unsigned long long)node->id.incarnation);
    return text;
}

void node_start(const char *name)
{
    if (world.node_count == NODES_MAX)
        return;
    struct node *node = &world.nodes[world.node_count++];
    *node = (struct node){.is_alive = true, .good_ms = world.now_ms};
    /* Incarnations are random, but those of a seed are always the same. */
    if (!node_id_set(&node->id, bytes_of_string(name), world.node_count))
        broken("no name of a node: %s", name);
    ownership_init(&node->ownership, &node->id, 1, seeds_seed() * NODES_MAX + world.node_count);
    tell("%s starts", name_of(node));
}

static void send_request(struct node *node, const struct ownership_request *request)
{
    struct letter letter = {.kind = request->kind,
                            .node = (uint32_t)(node - world.nodes),
                            .serial = request->serial,
                            .revision = request->revision,
                            .length = request->text.length,
                            .stream = node->stream,
                            .based_on_ms = node->clock_ms};
    letter.text = malloc(letter.length + 1);
    if (letter.text == NULL)
        abort();
    if (letter.length > 0)
        memcpy(letter.text, request->text.data, letter.length);
    letter.text[letter.length] = '\0';
    if (request->kind == OWNERSHIP_READ_MAP) {
        node->map_serial = request->serial;
        node->map_sent_ms = world.now_ms;
    }
    engine_send(letter);
}

static void receive_map(struct node *node, const struct letter *letter)
{
    struct map_entry entries[MAP_HISTORY_MAX];
    const struct stream *stream = &world.streams[letter->stream];
    uint32_t count = letter->count < MAP_HISTORY_MAX ? letter->count : MAP_HISTORY_MAX;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t at = letter->count - count + i;
        entries[i] = (struct map_entry){at + 1, stream->entries[at].text};
    }
    const struct map_history history = {letter->count, count, entries};
    if (letter->serial == node->map_serial) {
        node->tried_ms = node->map_sent_ms;
        node->read_ms = node->map_sent_ms;
        node->stream = letter->stream;
    }
    ownership_map_was_read(&node->ownership, letter->serial, &history);
}

static void receive_leases(struct node *node, const struct letter *letter)
{
    struct ownership_lease leases[NODES_MAX];
    uint8_t keys[NODES_MAX][NODE_ID_TEXT_MAX];
    uint32_t count = 0;
    for (uint32_t i = 0; i < world.node_count; i++) {
        const struct true_lease *lease = &letter->leases->of[i];
        struct writer writer = writer_over(keys[count], NODE_ID_TEXT_MAX);
        if (lease->sequence == 0)
            continue;
        node_id_write(&writer, &world.nodes[i].id);
        leases[count++] = (struct ownership_lease){
            writer_view(&writer), bytes_of(lease->text, lease->length), lease->sequence};
    }
    ownership_leases_were_read(&node->ownership, letter->serial, leases, count);
}

static void receive(struct node *node, const struct letter *letter)
{
    struct ownership *ownership = &node->ownership;
    switch (letter->kind) {
    case OWNERSHIP_WRITE_LEASE:
        ownership_lease_was_written(ownership, letter->serial, letter->sequence);
        break;
    case OWNERSHIP_READ_MAP:
        receive_map(node, letter);
        break;
    case OWNERSHIP_READ_LEASES:
        receive_leases(node, letter);
        break;
    case OWNERSHIP_WRITE_MAP:
        ownership_map_was_written(ownership, letter->serial,
                                  letter->is_acknowledged ? OWNERSHIP_ACKNOWLEDGED
                                                          : OWNERSHIP_REFUSED);
        break;
    case OWNERSHIP_REQUESTS:
        break;
    }
}

static void read_clock(struct node *node)
{
    if (!node->has_clock || world.now_ms - node->clock_ms > OWNERSHIP_PAUSE_MS) {
        node->look_ms = world.now_ms;
        world.outcome.looks++;
    }
    if (world.now_ms - node->clock_ms > SLOW_TURN_MS && node->good_ms < world.now_ms)
        node->good_ms = world.now_ms;
    node->has_clock = true;
    node->clock_ms = world.now_ms;
}

static void end_if_due(struct node *node)
{
    if (!node->is_draining || node->is_ending || world.now_ms < node->ends_ms)
        return;
    node->is_ending = true;
    ownership_end(&node->ownership);
    truth_check_end(node);
}

static void lose(struct node *node, const struct ownership_event *event)
{
    node->told[event->slice] = 0;
    if (event->why != OWNERSHIP_LOST_YIELDED)
        return;
    node->yielded[event->slice] = event->term;
    node->handed_ms[event->slice] = world.now_ms + draw(HANDING_OVER_MS);
}

/* The rooms of some slices that the node has yielded are handed over. */
static void hand_over(struct node *node)
{
    for (uint32_t i = 0; i < MAP_SLICES; i++) {
        if (node->yielded[i] == 0 || node->handed_ms[i] > world.now_ms)
            continue;
        node->handed[i] = node->yielded[i];
        node->yielded[i] = 0;
        ownership_has_handed_over(&node->ownership, i, node->handed[i]);
    }
}

static void take_event(struct node *node, const struct ownership_event *event)
{
    truth_check_event(node, event);
    if (event->kind == OWNERSHIP_OPENED) {
        node->told[event->slice] = event->term;
        ownership_is_serving(&node->ownership, event->slice, event->term);
    }
    if (event->kind == OWNERSHIP_LOST)
        lose(node, event);
    if (event->kind == OWNERSHIP_ENDED)
        node->is_alive = false;
}

static void take_from_inbox(struct node *node)
{
    struct letter letter = node->inbox[0];
    node->inbox_count--;
    memmove(node->inbox, node->inbox + 1, node->inbox_count * sizeof letter);
    receive(node, &letter);
    letter_release(&letter);
}

/* Does one thing. False: the turn is over. */
static bool step(struct node *node)
{
    struct ownership_event event;
    struct ownership_request request;
    switch (node->stage) {
    case STAGE_CLOCK:
        read_clock(node);
        break;
    case STAGE_BEGIN:
        end_if_due(node);
        if (once_in(HINTS_ONCE_IN)) /* of another node, or of a stranger */
            ownership_hint(&node->ownership);
        ownership_begin_turn(&node->ownership, node->clock_ms);
        hand_over(node);
        break;
    case STAGE_INBOX:
        if (node->inbox_count == 0)
            break;
        take_from_inbox(node);
        truth_check_knowledge(node);
        return true;
    case STAGE_EVENTS:
        if (!ownership_next_event(&node->ownership, &event))
            break;
        take_event(node, &event);
        return node->is_alive;
    case STAGE_REQUESTS:
        if (!ownership_next_request(&node->ownership, &request))
            break;
        send_request(node, &request);
        return true;
    case STAGE_SERVE:
        truth_check_service(node);
        node->stage = STAGE_CLOCK;
        return false;
    }
    node->stage++;
    return true;
}

static void check_openings(struct node *node)
{
    for (uint32_t i = 0; i < MAP_SLICES; i++) {
        uint64_t term = ownership_term(&node->ownership, i);
        if (term != 0 && term != node->seen[i])
            truth_check_opening(node, i, term);
        if (term != 0)
            node->seen[i] = term;
    }
}

void node_run(struct node *node)
{
    while (step(node)) {
        if (node->stage == STAGE_INBOX)
            check_openings(node);
        if (world.has_faults &&
            once_in(node->stage == STAGE_EVENTS ? YIELDS_WITH_EVENTS_ONCE_IN : YIELDS_ONCE_IN))
            return;
    }
}
