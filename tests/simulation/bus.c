/* Each way from a server to a server is a queue; what is before a message holds it up. */
#include "bus.h"

#include <stdlib.h>

#include "network.h"
#include "refusals.h"
#include "server/remote.h"
#include "world.h"

#define SERVERS_MAX WORLD_NODES_MAX
#define LATENCY_LEAST_NS (NETWORK_MS / 10)
#define LATENCY_MORE_NS (2 * NETWORK_MS) /* or so many times that: */
#define FAR_TIMES 25
#define FAULT_ONCE_IN 400 /* messages; for each kind of fault */
#define CUT_ONCE_IN 4000
#define CUT_NS (12 * NETWORK_S)
#define HELD_NS (4 * NETWORK_S)
/* Until both ends have noticed, and their clients: who reads nothing hears of it late. */
#define NOTICED_NS (40 * NETWORK_S)

struct letter {
    struct letter *next;
    uint64_t at_ns;
    uint32_t loop;
    struct remote_mail *mail;
};

struct way {
    struct letter *first;
    struct letter *last;
    uint64_t cut_until_ns; /* what is sent before is lost */
};

static struct {
    struct server *servers[SERVERS_MAX];
    uint32_t count;
    struct way ways[SERVERS_MAX][SERVERS_MAX]; /* from, to */
    uint64_t latency_more_ns;
    uint64_t incarnations[SERVERS_MAX];
    bool are_dead[SERVERS_MAX];
    uint64_t messages;
    uint64_t bytes;
    bool has_faults;
    uint64_t faulty_ns; /* the end of the last fault; 0: there was none */
} bus;

void bus_begin(void)
{
    memset(&bus, 0, sizeof bus);
    bus.latency_more_ns = LATENCY_MORE_NS * (network_once_in(3) ? FAR_TIMES : 1);
}

void bus_begin_faults(void)
{
    bus.has_faults = true;
}

void bus_end_faults(void)
{
    bus.has_faults = false;
}

bool bus_may_void(void)
{
    return bus.faulty_ns > 0 && network_now_ns() < bus.faulty_ns + NOTICED_NS;
}

/* Now and then nothing gets through from one server to another for a while. */
static bool is_cut(struct way *way)
{
    if (bus.has_faults && network_once_in(CUT_ONCE_IN))
        way->cut_until_ns = network_now_ns() + network_random() % CUT_NS;
    return way->cut_until_ns > network_now_ns();
}

static void note_fault(uint64_t until_ns)
{
    if (until_ns > bus.faulty_ns)
        bus.faulty_ns = until_ns;
}

static bool has_fault(void)
{
    return bus.has_faults && network_once_in(FAULT_ONCE_IN);
}

void bus_add(struct server *server)
{
    bus.incarnations[bus.count] = server->peers == NULL ? 0 : server->peers->incarnation;
    bus.servers[bus.count++] = server;
}

static uint32_t index_of(const struct server *server)
{
    uint32_t index = 0;
    while (bus.servers[index] != server)
        index++;
    return index;
}

/* The server of this incarnation; `bus.count`: there is none. */
static uint32_t find(uint64_t incarnation)
{
    uint32_t index = 0;
    while (index < bus.count && bus.incarnations[index] != incarnation)
        index++;
    return index;
}

/* Behind all that was sent before on this way. */
static void send(struct way *way, uint64_t at_ns, uint32_t loop, struct bytes message)
{
    struct letter *letter = certain_malloc(sizeof *letter);
    struct remote_mail *mail = certain_malloc(sizeof *mail + message.length);
    mail->mail.kind = MAIL_REMOTE;
    mail->length = message.length;
    memcpy(mail->message, message.data, message.length);
    if (way->last != NULL && way->last->at_ns > at_ns)
        at_ns = way->last->at_ns;
    *letter = (struct letter){.at_ns = at_ns, .loop = loop, .mail = mail};
    if (way->last != NULL)
        way->last->next = letter;
    else
        way->first = letter;
    way->last = letter;
}

static struct letter *take_first(struct way *way)
{
    struct letter *letter = way->first;
    way->first = letter->next;
    if (way->first == NULL)
        way->last = NULL;
    return letter;
}

void bus_remove(const struct server *server)
{
    uint32_t index = index_of(server);
    bus.are_dead[index] = true;
    for (uint32_t from = 0; from < bus.count; from++) {
        while (bus.ways[from][index].first != NULL) {
            struct letter *letter = take_first(&bus.ways[from][index]);
            free(letter->mail);
            free(letter);
        }
    }
}

bool bus_publish(void *context, uint64_t incarnation, uint32_t loop, struct bytes message)
{
    uint32_t from = index_of(context);
    uint32_t to = find(incarnation);
    if (to == from || to == bus.count)
        world_fail("a message for nobody who was ever there", incarnation);
    if (bus.are_dead[to])
        return true;
    if (loop >= bus.servers[to]->loop_count)
        world_fail("a message for a loop that is not there", loop);
    bus.messages++;
    bus.bytes += message.length;
    struct way *way = &bus.ways[from][to];
    uint64_t at_ns = network_now_ns() + LATENCY_LEAST_NS + network_random() % bus.latency_more_ns;
    if (is_cut(way)) {
        note_fault(way->cut_until_ns);
        return network_once_in(2); /* it may be known at once that there is no connection */
    }
    if (has_fault())
        at_ns += network_random() % HELD_NS;
    note_fault(at_ns > network_now_ns() + 2 * bus.latency_more_ns ? at_ns : 0);
    if (has_fault()) {
        note_fault(network_now_ns());
        return true; /* it is lost */
    }
    send(way, at_ns, loop, message);
    if (has_fault())
        send(way, at_ns, loop, message);
    return true;
}

uint64_t bus_next_ns(void)
{
    uint64_t next_ns = UINT64_MAX;
    for (uint32_t i = 0; i < bus.count * SERVERS_MAX; i++) {
        const struct letter *first = bus.ways[i / SERVERS_MAX][i % SERVERS_MAX].first;
        if (first != NULL && first->at_ns < next_ns)
            next_ns = first->at_ns;
    }
    return next_ns;
}

static void deliver_on(struct way *way, const struct server *to)
{
    while (way->first != NULL && way->first->at_ns <= network_now_ns()) {
        struct letter *letter = take_first(way);
        mailbox_post(&to->loops[letter->loop]->mailbox, &letter->mail->mail);
        free(letter);
    }
}

void bus_deliver(void)
{
    for (uint32_t from = 0; from < bus.count; from++) {
        for (uint32_t to = 0; to < bus.count; to++)
            deliver_on(&bus.ways[from][to], bus.servers[to]);
    }
}

void bus_count(uint64_t *ret_messages, uint64_t *ret_bytes)
{
    *ret_messages = bus.messages;
    *ret_bytes = bus.bytes;
}

void bus_end(void)
{
    for (uint32_t i = 0; i < SERVERS_MAX * SERVERS_MAX; i++) {
        struct way *way = &bus.ways[i / SERVERS_MAX][i % SERVERS_MAX];
        while (way->first != NULL) {
            struct letter *letter = take_first(way);
            free(letter->mail);
            free(letter);
        }
    }
    memset(&bus, 0, sizeof bus);
}
