/* Leases, and the choice of victims. */
#include "server/budget.h"

#include "server/conn_out.h"

/* Shed until this part of the budget is free again, so that a choice of victims is not for one. */
#define RELIEF_DIVISOR 16

/* Weights are sorted into classes, four for each doubling. */
#define CLASSES 256

/*
 * An upload that brings this many bytes a millisecond does not age: it is on its way to be
 * complete. (64 KB a second: what a phone on a poor network has.) Who sends slower, ages.
 */
#define FAIR_BYTES_PER_MS 64
#define YOUTH_DIVISOR 1024 /* the little that the time of such an upload counts all the same */

/* Unfinished input times its age. */
static uint64_t weigh_input(const struct loop *loop, const struct conn *conn)
{
    const struct conn_input *input = conn->input;
    if (input == NULL)
        return 0;
    uint64_t arrived = input->reader.message.length + input->unread.length;
    uint64_t elapsed_ms = loop->now_ms - input->since_ms;
    uint64_t fair_ms = arrived / FAIR_BYTES_PER_MS;
    uint64_t age_ms = elapsed_ms > fair_ms ? elapsed_ms - fair_ms : 0;
    return arrived * (age_ms + elapsed_ms / YOUTH_DIVISOR + 1);
}

static size_t bytes_held(const struct conn *conn)
{
    return conn_charge(conn) + conn_waiting(conn);
}

/* How much it helps, and how much it is deserved, that this connection goes: bytes times time. */
static uint64_t weigh(const struct loop *loop, const struct conn *conn)
{
    uint64_t waiting = conn_waiting(conn);
    if (conn->is_send_pending)
        waiting += SEND_BACKLOG_BYTES;
    uint64_t output = waiting == 0 ? 0 : waiting * (loop->now_ms - conn->drained_ms + 1);
    return output + weigh_input(loop, conn);
}

static unsigned class_of(uint64_t weight)
{
    if (weight < 4)
        return (unsigned)weight;
    unsigned exponent = 63 - (unsigned)__builtin_clzll(weight);
    return exponent * 4 + (unsigned)(weight >> (exponent - 2) & 3);
}

/* The lightest class that must go so that `excess` bytes do; 0 stays out of it. */
static unsigned choose_class(const struct loop *loop, size_t excess)
{
    size_t bytes_of_class[CLASSES] = {0};
    for (int kind = 0; kind < DEADLINE_KINDS; kind++) {
        LIST_FOR_EACH(link, &loop->deadlines[kind])
        {
            const struct conn *conn = conn_of_deadline(link);
            bytes_of_class[class_of(weigh(loop, conn))] += bytes_held(conn);
        }
    }
    size_t freed = 0;
    unsigned lightest = CLASSES - 1;
    while (lightest > 1) {
        freed += bytes_of_class[lightest];
        if (freed >= excess)
            break;
        lightest--;
    }
    return lightest;
}

static void shed_bytes(struct loop *loop, size_t excess)
{
    unsigned lightest = choose_class(loop, excess);
    size_t freed = 0;
    for (int kind = 0; kind < DEADLINE_KINDS; kind++) {
        struct list *link = loop->deadlines[kind].next;
        while (link != &loop->deadlines[kind] && freed < excess) {
            struct conn *conn = conn_of_deadline(link);
            link = link->next;
            /* One that was closed just now is in a later queue, and counted. */
            if (conn->is_ending || class_of(weigh(loop, conn)) < lightest)
                continue;
            freed += bytes_held(conn);
            loop->stats.counters[COUNTER_SHED]++;
            conn_out_close_for_queue(loop, conn, BYTES("out of memory"));
        }
    }
}

void budget_shed(struct loop *loop)
{
    struct server *server = loop->server;
    size_t total = atomic_load_explicit(&server->leased, memory_order_relaxed);
    size_t wanted = server->buffered_bytes_max - server->buffered_bytes_max / RELIEF_DIVISOR;
    atomic_store(&loop->is_shedding_asked, false);
    if (total > server->buffered_bytes_max)
        shed_bytes(loop, total - wanted);
}

static struct loop *largest_loop(const struct loop *loop)
{
    struct server *server = loop->server;
    struct loop *largest = server->loops[loop->index];
    for (uint32_t i = 0; i < server->loop_count; i++) {
        struct loop *other = server->loops[i];
        if (atomic_load_explicit(&other->leased, memory_order_relaxed) >
            atomic_load_explicit(&largest->leased, memory_order_relaxed))
            largest = other;
    }
    return largest;
}

/* The budget is spent. */
static void relieve(struct loop *loop)
{
    struct loop *largest = largest_loop(loop);
    if (largest == loop)
        budget_shed(loop);
    else if (!atomic_exchange(&largest->is_shedding_asked, true))
        mailbox_post(&largest->mailbox, &largest->shed_mail);
}

void budget_settle(struct loop *loop)
{
    size_t leased = atomic_load_explicit(&loop->leased, memory_order_relaxed);
    if (loop->held <= leased && leased - loop->held < 4 * LEASE_BYTES)
        return;
    struct server *server = loop->server;
    size_t wanted = (loop->held / LEASE_BYTES + 1) * LEASE_BYTES;
    atomic_store_explicit(&loop->leased, wanted, memory_order_relaxed);
    /* Unsigned arithmetic: adding the difference takes away what is given back. */
    size_t difference = wanted - leased;
    size_t before = atomic_fetch_add_explicit(&server->leased, difference, memory_order_relaxed);
    if (wanted > leased && before + difference > server->buffered_bytes_max)
        relieve(loop);
}
