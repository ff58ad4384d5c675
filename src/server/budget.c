/* Leases of the budget, and the choice of victims when it is spent. */
#include "server/budget.h"

#include "server/conn_out.h"

/* Shedding frees this part of the budget, so that one round of weighing closes many victims. */
#define RELIEF_DIVISOR 16

/*
 * Bytes that move at this rate do not age: they will soon be complete, or read. (64 KB a second is
 * what a phone on a poor network has.) Bytes that move more slowly age.
 */
#define FAIR_BYTES_PER_MS 64
#define YOUTH_DIVISOR 1024 /* bytes that move weigh this small part of their time all the same */

/*
 * Weighs bytes by time: the time that they have been buffered beyond what is fair for their number,
 * and the time in which nothing has moved.
 */
static uint64_t weigh_bytes(uint64_t bytes, uint64_t elapsed_ms, uint64_t quiet_ms)
{
    uint64_t fair_ms = bytes / FAIR_BYTES_PER_MS;
    uint64_t age_ms = elapsed_ms > fair_ms ? elapsed_ms - fair_ms : 0;
    return bytes * (age_ms + quiet_ms + elapsed_ms / YOUTH_DIVISOR + 1);
}

static size_t bytes_in_use(const struct conn *conn)
{
    return conn_charge(conn) + conn_waiting(conn);
}

/* The weight of a connection: how many bytes closing it frees, times how long it has held them. */
static uint64_t weigh(const struct loop *loop, const struct conn *conn)
{
    uint64_t weight = 0;
    const struct conn_input *input = conn->input;
    if (input != NULL)
        weight += weigh_bytes(input->reader.message.length + input->unread.length,
                              loop->now_ms - input->since_ms, loop->now_ms - conn->last_alive_ms);
    /* A client that sends more than it may has no claim to fair time. */
    uint64_t behind_ms = conn->is_paused ? loop->now_ms - conn->behind_ms : 0;
    if (conn->is_paused)
        weight += weigh_bytes(RECEIVE_BACKLOG_BYTES, behind_ms, behind_ms);
    if (conn->tls != NULL && !tls_session_is_open(conn->tls)) {
        uint32_t quiet_ms = loop->now_ms - conn->last_alive_ms;
        weight += weigh_bytes(TLS_HANDSHAKE_BYTES, quiet_ms, quiet_ms);
    }
    size_t waiting = conn_waiting(conn);
    if (conn->is_blocked)
        weight += weigh_bytes(waiting + SEND_BACKLOG_BYTES, loop->now_ms - conn->out.since_ms,
                              loop->now_ms - conn->progress_ms);
    else
        weight += waiting;
    return weight;
}

/*
 * The class of a weight: four classes for each doubling. Connections that hold nothing are in class
 * 0.
 */
static unsigned class_of(uint64_t weight)
{
    if (weight < 4)
        return (unsigned)weight;
    unsigned exponent = 63 - (unsigned)__builtin_clzll(weight);
    return exponent * 4 + (unsigned)(weight >> (exponent - 2) & 3);
}

/* Posts a mail to every loop. The last loop that handles its mail goes on; see end_round(). */
static void begin_round(struct server *server, size_t mail_offset)
{
    atomic_store_explicit(&server->shedding.loops_left, server->loop_count, memory_order_relaxed);
    for (uint32_t i = 0; i < server->loop_count; i++) {
        char *loop = (char *)server->loops[i];
        mailbox_post(&server->loops[i]->mailbox, (struct mail *)(loop + mail_offset));
    }
}

/* True for the last loop of the round; it sees all that the others wrote before. */
static bool end_round(struct server *server)
{
    return atomic_fetch_sub(&server->shedding.loops_left, 1) == 1;
}

/*
 * Chooses the lightest class whose connections must be closed to free enough, and how many bytes of
 * that class.
 */
static void choose_victims(struct server *server)
{
    struct shedding *shedding = &server->shedding;
    size_t wanted = server->buffered_bytes_max - server->buffered_bytes_max / RELIEF_DIVISOR;
    size_t total = atomic_load_explicit(&server->leased, memory_order_relaxed);
    size_t left = total > wanted ? total - wanted : 0;
    unsigned lightest = SHED_CLASSES - 1;
    while (lightest > 1 && atomic_load(&shedding->bytes_of_class[lightest]) < left) {
        left -= atomic_load(&shedding->bytes_of_class[lightest]);
        lightest--;
    }
    shedding->lightest = lightest;
    atomic_store(&shedding->lightest_left, left);
}

void budget_weigh(struct loop *loop)
{
    struct shedding *shedding = &loop->server->shedding;
    uint32_t at = 0;
    const struct conn *conn;
    while ((conn = loop_next_connection(loop, &at)) != NULL) {
        size_t bytes = bytes_in_use(conn);
        if (bytes > 0)
            atomic_fetch_add_explicit(&shedding->bytes_of_class[class_of(weigh(loop, conn))], bytes,
                                      memory_order_relaxed);
    }
    if (end_round(loop->server)) {
        choose_victims(loop->server);
        begin_round(loop->server, offsetof(struct loop, shed_mail));
    }
}

/*
 * Whether the connection must be closed. The lightest class loses only as many bytes as are needed.
 */
static bool is_victim(struct loop *loop, const struct conn *conn)
{
    struct shedding *shedding = &loop->server->shedding;
    unsigned class = class_of(weigh(loop, conn));
    if (conn->is_ending || class < shedding->lightest || class == 0)
        return false;
    if (class > shedding->lightest)
        return true;
    size_t bytes = bytes_in_use(conn);
    size_t left = atomic_load_explicit(&shedding->lightest_left, memory_order_relaxed);
    size_t rest;
    do {
        if (left == 0)
            return false;
        rest = left > bytes ? left - bytes : 0;
    } while (!atomic_compare_exchange_weak(&shedding->lightest_left, &left, rest));
    return true;
}

void budget_shed(struct loop *loop)
{
    struct shedding *shedding = &loop->server->shedding;
    uint32_t at = 0;
    struct conn *conn;
    while ((conn = loop_next_connection(loop, &at)) != NULL) {
        if (!is_victim(loop, conn))
            continue;
        loop->stats.counters[COUNTER_SHED]++;
        conn_out_close_for_queue(loop, conn, BYTES("out of memory"));
    }
    if (end_round(loop->server)) {
        for (unsigned class = 0; class < SHED_CLASSES; class ++)
            atomic_store(&shedding->bytes_of_class[class], 0);
        atomic_store(&shedding->is_under_way, false);
    }
}

/*
 * Keeps the peak of what the loop has in use. After a large fall the main thread trims the heap,
 * since free() does not give back pages from its middle.
 */
static void note_peak(struct loop *loop)
{
    if (loop->charged > loop->charged_at_most)
        loop->charged_at_most = loop->charged;
    if (loop->charged_at_most < HEAP_TRIM_BYTES || loop->charged > loop->charged_at_most / 4)
        return;
    loop->charged_at_most = loop->charged;
    atomic_store(&loop->server->has_freed, true);
    loop_tell_main(loop);
}

void budget_settle(struct loop *loop)
{
    size_t leased = atomic_load_explicit(&loop->leased, memory_order_relaxed);
    if (loop->charged <= leased && leased - loop->charged < 4 * LEASE_BYTES)
        return;
    struct server *server = loop->server;
    note_peak(loop);
    size_t wanted = (loop->charged / LEASE_BYTES + 1) * LEASE_BYTES;
    atomic_store_explicit(&loop->leased, wanted, memory_order_relaxed);
    /* Unsigned arithmetic wraps around: a difference below 0 is subtracted. */
    size_t difference = wanted - leased;
    size_t before = atomic_fetch_add_explicit(&server->leased, difference, memory_order_relaxed);
    bool is_spent = wanted > leased && before + difference > server->buffered_bytes_max;
    if (is_spent && !atomic_exchange(&server->shedding.is_under_way, true))
        begin_round(server, offsetof(struct loop, weigh_mail));
}
