/*
 * Pulses: how long a message takes to each other node and back, for the list of nodes. See
 * cluster/pulse.h. A thread of its own hears and sends them, and the loops know nothing of it: a
 * loop's turn is not part of the figure. It also hears hints, which spare the keeper a wait: what
 * is true is what it reads then.
 */
#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#include "server/node_parts.h"

static uint64_t now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_BOOTTIME, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static void write_subject(char subject[NODE_SUBJECT_MAX], uint64_t incarnation)
{
    snprintf(subject, NODE_SUBJECT_MAX, "node.%016" PRIx64, incarnation);
}

bool node_pulse_open(struct node *node)
{
    char subject[NODE_SUBJECT_MAX];
    write_subject(subject, node->id.incarnation);
    node->pulses = node->bus->functions->subscribe(node->bus, subject, NODE_PULSES_IN_MAX,
                                                   NODE_PULSES_IN_MAX * PULSE_BYTES);
    return node->pulses != NULL;
}

void node_pulse_close(struct node *node)
{
    if (node->pulses != NULL)
        node->bus->functions->unsubscribe(node->pulses);
    node->pulses = NULL;
}

static void hear(struct node *node, struct bytes message)
{
    struct pulse pulse;
    if (bytes_equal(message, BYTES(NODE_HINT)) && !atomic_exchange(&node->is_hinted, true))
        node_wake_keeper(&node->desk);
    if (bytes_equal(message, BYTES(NODE_OPENED)) && !atomic_exchange(&node->heir_is_done, true))
        node_wake_keeper(&node->desk);
    if (!pulse_read(message, &pulse))
        return;
    uint8_t place = peers_find(&node->peers, pulse.from);
    if (place != PEER_NOBODY)
        pulse_take(&node->pulse_ends[place], &pulse, now_us());
}

static void say(struct node *node, uint32_t place)
{
    uint8_t text[PULSE_BYTES];
    char subject[NODE_SUBJECT_MAX];
    struct writer writer = writer_over(text, sizeof text);
    struct pulse pulse = pulse_next(&node->pulse_ends[place], now_us());
    pulse.from = node->id.incarnation;
    pulse_write(&writer, &pulse);
    write_subject(subject, atomic_load(&node->peers.peers[place].incarnation));
    node_post(node, subject, writer_view(&writer));
}

/* Whether somebody is there who could answer. */
static bool is_there(const struct peers *peers, uint32_t place)
{
    struct peer_view view;
    return peers_look(peers, place, &view) && view.state != PEER_SILENT;
}

static void tell_all(struct node *node, struct bytes message)
{
    char subject[NODE_SUBJECT_MAX];
    for (uint32_t place = 0; place < PEERS_MAX; place++) {
        if (!is_there(&node->peers, place))
            continue;
        write_subject(subject, atomic_load(&node->peers.peers[place].incarnation));
        node_post(node, subject, message);
    }
}

void node_hint(struct node *node)
{
    tell_all(node, BYTES(NODE_HINT));
}

void node_tell_opened(struct node *node)
{
    tell_all(node, BYTES(NODE_OPENED));
}

/* In a large cluster one after the other has its turn. */
static void say_to_some(struct node *node)
{
    uint32_t said = 0;
    for (uint32_t i = 0; i < PEERS_MAX && said < NODE_PULSES_OUT_MAX; i++) {
        uint32_t place = node->next_pulse;
        node->next_pulse = (place + 1) % PEERS_MAX;
        if (!is_there(&node->peers, place))
            continue;
        say(node, place);
        said++;
    }
}

static void show_round_trips(struct node *node)
{
    for (uint32_t place = 0; place < PEERS_MAX; place++) {
        uint64_t us = PEER_NO_ROUND_TRIP;
        bool is_known = is_there(&node->peers, place) &&
                        pulse_round_trip(&node->pulse_ends[place], now_us(), &us);
        peers_set_round_trip(&node->peers, (uint8_t)place, is_known ? us : PEER_NO_ROUND_TRIP);
    }
}

void *node_run_pulse(void *argument)
{
    struct node *node = argument;
    const struct bus_functions *bus = node->bus->functions;
    enum bus_reading reading = BUS_NOTHING;
    uint64_t said_ms = 0;
    struct bytes text;
    while (reading != BUS_CLOSED && !atomic_load(&node->is_stopping)) {
        reading = bus->read(node->pulses, NODE_READ_MS, &text);
        if (reading == BUS_MESSAGE)
            hear(node, text);
        if (clock_boot_ms() - said_ms < NODE_PULSE_MS)
            continue;
        said_ms = clock_boot_ms();
        say_to_some(node);
        show_round_trips(node);
    }
    for (uint32_t place = 0; place < PEERS_MAX; place++)
        peers_set_round_trip(&node->peers, (uint8_t)place, PEER_NO_ROUND_TRIP);
    return NULL;
}
