/* The phases of a turn; turn_take() has their order. */
#include "server/turn.h"

#include <assert.h>

#include "server/budget.h"
#include "server/codes.h"
#include "server/conn_in.h"
#include "server/conn_life.h"
#include "server/conn_out.h"
#include "server/deadlines.h"
#include "server/drain.h"
#include "server/mail.h"
#include "server/perform.h"
#include "server/records.h"
#include "server/remote.h"
#include "server/resting.h"
#include "server/settle.h"

/*
 * Resumes connections that had more input than their share of the last turn. This precedes the
 * wait, in which a poller would end a receive of a socket that is still paused. Returns the
 * nanoseconds that it took.
 */
static uint64_t resume_paused(struct loop *loop)
{
    struct list *queue = &loop->deadlines[DEADLINE_NEXT_TURN];
    size_t count = 0;
    if (list_is_empty(queue))
        return 0;
    uint64_t began_ns = loop_clock_ns(loop);
    LIST_FOR_EACH(link, queue)
    {
        count++;
    }
    /* Connections that pause again are appended to the queue, for the next turn. */
    while (count-- > 0 && !list_is_empty(queue) && !loop_phase_is_over(loop)) {
        struct conn *conn = conn_of_deadline(queue->next);
        loop_set_deadline(loop, conn,
                          DEADLINE_REQUEST); /* until reading it shows what it waits for */
        if (deadlines_check_paused(loop, conn))
            conn_in_resume(loop, conn);
        settle_outcome(loop);
    }
    return loop_clock_ns(loop) - began_ns;
}

/* Descriptors or kernel memory are short: listening pauses for ACCEPT_RETRY_MS. */
static void stop_accepting(struct loop *loop)
{
    loop->stats.counters[COUNTER_ACCEPT_FAILED]++;
    if (!loop->is_listening)
        return;
    poller_stop_listening(loop->poller, loop->server->listener_fd);
    loop->is_listening = false;
    loop->listen_due_ms = loop->now_ms + ACCEPT_RETRY_MS;
}

static void accept_again(struct loop *loop)
{
    bool is_due = (int32_t)(loop->now_ms - loop->listen_due_ms) >= 0;
    if (loop->is_listening || loop->is_stopping || loop->rest.is_begun || !is_due)
        return;
    loop->is_listening = poller_listen(loop->poller, loop->server->listener_fd);
    loop->listen_due_ms = loop->now_ms + ACCEPT_RETRY_MS;
}

static void handle_connection(struct loop *loop, const struct outcome *outcome)
{
    struct conn *conn = conn_of_socket(outcome->socket);
    assert(conn->loop == loop->index);
    if (conn->state == CONN_DEAD)
        return;
    switch (outcome->kind) {
    case OUTCOME_RECEIVED:
        conn_in_received(loop, conn, outcome->data);
        break;
    case OUTCOME_ENDED:
        conn_in_ended(loop, conn);
        break;
    case OUTCOME_SENT:
        conn_out_sent(loop, conn, outcome->sent, outcome->is_full);
        break;
    case OUTCOME_WRITABLE:
        conn_out_writable(loop, conn);
        break;
    case OUTCOME_FAILED:
        conn_out_lose_peer(loop, conn);
        break;
    case OUTCOME_DETACHED:
    case OUTCOME_ACCEPTED:
    case OUTCOME_OVERFLOWED:
    case OUTCOME_ACCEPT_FAILED:
    case OUTCOME_WOKEN:
        assert(false && "an outcome that is no connection's");
    }
}

/* A new kind of socket needs a case here. */
static void handle_socket(struct loop *loop, const struct outcome *outcome)
{
    switch ((enum socket_owner)outcome->socket->owner) {
    case OWNER_CONNECTION:
        if (outcome->kind == OUTCOME_DETACHED)
            conn_life_detached(loop, conn_of_socket(outcome->socket));
        else
            handle_connection(loop, outcome);
        return;
    case OWNER_NONE:
        break;
    }
    assert(false && "an outcome of a socket that nobody owns");
}

static void handle_outcome(struct loop *loop, const struct outcome *outcome)
{
    switch (outcome->kind) {
    case OUTCOME_ACCEPTED:
        conn_life_accept(loop, outcome->fd);
        break;
    case OUTCOME_OVERFLOWED:
        loop->stats.counters[COUNTER_ACCEPT_FAILED]++;
        conn_life_refuse(loop, outcome->fd);
        break;
    case OUTCOME_ACCEPT_FAILED:
        stop_accepting(loop);
        break;
    case OUTCOME_WOKEN:
        loop->mail_is_due = true;
        break;
    case OUTCOME_RECEIVED:
    case OUTCOME_ENDED:
    case OUTCOME_SENT:
    case OUTCOME_WRITABLE:
    case OUTCOME_FAILED:
    case OUTCOME_DETACHED:
        handle_socket(loop, outcome);
        break;
    }
}

/* Handles mail in the order in which it was posted. The rest waits for the next turn. */
static void read_mail(struct loop *loop)
{
    bool is_taken = false; /* the poller reports mail that comes after this */
    while (loop->mail_is_due && !loop_phase_is_over(loop)) {
        if (loop->unread_mail == NULL) {
            loop->mail_is_due = !is_taken;
            is_taken = true;
            loop->unread_mail = loop->mail_is_due ? mailbox_take_all(&loop->mailbox) : NULL;
            continue;
        }
        struct mail *mail = loop->unread_mail;
        loop->unread_mail = mail->next;
        mail_handle(loop, mail);
        settle_outcome(loop);
    }
}

/* Does what is due in rooms: a host has not come back in time, a seat expires. */
static void do_due(struct loop *loop)
{
    struct effects effects;
    while (!loop_phase_is_over(loop) && relay_do_due(&loop->relay, &effects)) {
        perform_effects(loop, &effects);
        settle_outcome(loop);
    }
}

/* Proves the origins of rooms in which clients play. */
static void prove_rooms(struct loop *loop)
{
    struct effects effects;
    while (!loop_phase_is_over(loop) && relay_prove_room(&loop->relay, &effects)) {
        perform_effects(loop, &effects);
        loop->work++;
    }
}

static struct conn *first_handshake(const struct loop *loop)
{
    for (int kind = DEADLINE_HANDSHAKE; kind <= DEADLINE_MORE_HANDSHAKES; kind++) {
        const struct list *queue = &loop->deadlines[kind];
        if (!list_is_empty(queue))
            return conn_of_deadline(queue->next);
    }
    return NULL;
}

/* Milliseconds until the next handshake may be served; -1: none waits. */
static int time_to_handshake(const struct loop *loop)
{
    if (first_handshake(loop) == NULL)
        return -1;
    uint64_t now_ns = loop_clock_ns(loop);
    uint64_t due_ns = loop->handshakes.due_ns;
    return due_ns <= now_ns ? 0 : (int)((due_ns - now_ns) / 1000000 + 1);
}

/*
 * Serves the first handshake of its queue. Who has left meanwhile is not answered: a client that
 * gave up and came again would cost two handshakes, and the queue would never get shorter.
 */
static void serve_handshake(struct loop *loop, struct conn *conn)
{
    uint32_t began_ms = conn->due_ms - loop->deadline_length_ms[DEADLINE_HANDSHAKE];
    loop_set_deadline(loop, conn, DEADLINE_REQUEST); /* until reading it shows what it waits for */
    if (conn->state != CONN_HTTP)
        return; /* it was closed meanwhile and will be freed soon */
    if (loop->kernel->has_ended(conn->socket.fd)) {
        conn_out_lose_peer(loop, conn);
        return;
    }
    tls_session_forgive(conn->tls, loop->now_ms - began_ms); /* it waited for us */
    loop->handshakes.served = conn;
    conn_in_resume(loop, conn);
    loop->handshakes.served = NULL;
}

/* Serves TLS handshakes if they are due. */
static void serve_handshakes(struct loop *loop)
{
    struct conn *conn = first_handshake(loop);
    if (conn == NULL)
        return;
    uint64_t began_ns = loop_clock_ns(loop);
    uint64_t now_ns = began_ns;
    if (now_ns < loop->handshakes.due_ns)
        return;
    while (conn != NULL && now_ns - began_ns < HANDSHAKES_NS_PER_TURN) {
        serve_handshake(loop, conn);
        settle_outcome(loop);
        conn = first_handshake(loop);
        now_ns = loop_clock_ns(loop);
    }
    if (loop->stats.clients > 0)
        loop->handshakes.due_ns = now_ns + HANDSHAKES_REST * (now_ns - began_ns);
}

/* Of two times to wait, of which a negative one means: as long as you like. */
static int sooner_of(int a_ms, int b_ms)
{
    if (a_ms < 0 || b_ms < 0)
        return a_ms < 0 ? b_ms : a_ms;
    return a_ms < b_ms ? a_ms : b_ms;
}

/*
 * Flushes each connection with new output once. A connection that fails leaves its room, which
 * queues new output for the other members.
 */
static void flush_all(struct loop *loop)
{
    do {
        while (loop->first_dirty != NULL) {
            struct conn *conn = loop->first_dirty;
            loop->first_dirty = conn->next_dirty;
            conn->is_dirty = false;
            if (conn->state != CONN_DEAD && conn->state != CONN_MOVING)
                conn_out_flush(loop, conn);
        }
        settle_outcome(loop);
    } while (loop->first_dirty != NULL && !loop_phase_is_over(loop));
    while (loop->first_unfinished != NULL) {
        struct conn *conn = loop->first_unfinished;
        loop->first_unfinished = conn->next_dirty;
        conn->next_dirty = loop->first_dirty;
        loop->first_dirty = conn;
    }
}

int turn_wait_ms(const struct loop *loop)
{
    if (loop->first_dirty != NULL || loop->first_ending != CLIENT_NONE ||
        loop->first_dead != CLIENT_NONE || loop->mail_is_due)
        return 0;
    int wait_ms = sooner_of(deadlines_wait_ms(loop), drain_wait_ms(loop));
    wait_ms = sooner_of(wait_ms, resting_wait_ms(loop));
    wait_ms = sooner_of(wait_ms, time_to_handshake(loop));
    if (loop->links != NULL)
        wait_ms = sooner_of(wait_ms, sooner_of(links_wait_ms(loop), codes_wait_ms(loop)));
    wait_ms = sooner_of(wait_ms, records_wait_ms(loop));
    bool must_trim = outbox_pool_keeps_any(&loop->pool) || answer_cache_has_any(&loop->answers);
    int32_t due_ms = must_trim ? POOL_TRIM_INTERVAL_MS : INT32_MAX;
    if (loop->is_stopping)
        due_ms = (int32_t)(loop->stop_due_ms - loop->now_ms);
    else if (!loop->is_listening && !loop->rest.is_begun)
        due_ms = (int32_t)(loop->listen_due_ms - loop->now_ms);
    if (due_ms == INT32_MAX || (wait_ms >= 0 && wait_ms <= due_ms))
        return wait_ms;
    return due_ms < 0 ? 0 : due_ms;
}

/*
 * Advances the loop's time by the clock's, but not by gaps in which the process stood still
 * (stopped, or its machine asleep): a client is not silent while the process could not read.
 */
static void advance_time(struct loop *loop, uint64_t now_ns, int waited_at_most_ms)
{
    uint32_t clock_ms = (uint32_t)(now_ns / 1000000);
    uint32_t elapsed_ms = clock_ms - loop->clock_ms;
    uint32_t most_ms = (uint32_t)waited_at_most_ms + TURN_LONGEST_MS;
    loop->clock_ms = clock_ms;
    loop->now_ms += waited_at_most_ms >= 0 && elapsed_ms > most_ms ? most_ms : elapsed_ms;
    loop->relay.now_ms = loop->now_ms;
}

static void advance_history(struct loop *loop, uint64_t now_ns)
{
    if (!history_is_due(&loop->history, now_ns))
        return;
    const struct history_state state = {
        .rooms = loop->relay.rooms.room_count,
        .clients = (uint32_t)loop->stats.clients,
        .messages = loop->stats.counters[COUNTER_MESSAGES_IN],
        .deliveries = loop->stats.counters[COUNTER_DELIVERIES],
    };
    history_advance(&loop->history, now_ns, &state);
}

static void trim_memory(struct loop *loop)
{
    if (loop->now_ms - loop->trimmed_ms < POOL_TRIM_INTERVAL_MS)
        return;
    loop->trimmed_ms = loop->now_ms;
    outbox_pool_trim(&loop->pool);
    answer_cache_forget_old(&loop->answers, loop->now_ms);
}

/* As far as the phase allows. */
static void handle_outcomes(struct loop *loop)
{
    struct outcome outcome;
    while (!loop_phase_is_over(loop) && poller_next(loop->poller, &outcome)) {
        handle_outcome(loop, &outcome);
        settle_outcome(loop);
    }
}

void turn_handle_all_outcomes(struct loop *loop)
{
    do {
        loop_begin_phase(loop);
        handle_outcomes(loop);
    } while (loop_phase_is_over(loop));
}

void turn_take(struct loop *loop)
{
    loop->share_owner = NULL;
    loop_begin_phase(loop);
    uint64_t resumed_ns = resume_paused(loop);
    int wait_ms = turn_wait_ms(loop);
    poller_wait(loop->poller, wait_ms);
    remote_look_after_pause(loop);
    uint64_t began_ns = loop_clock_ns(loop);
    advance_time(loop, began_ns, wait_ms);
    advance_history(loop, began_ns);
    loop_begin_phase(loop);
    handle_outcomes(loop);
    if (loop_phase_is_over(loop))
        loop->mail_is_due = true; /* the mailbox may have mail whose wake-up was not handled yet */
    loop_begin_phase(loop);
    remote_check(loop);
    loop_begin_phase(loop);
    read_mail(loop);
    loop_begin_phase(loop);
    do_due(loop);
    prove_rooms(loop);
    deadlines_check(loop);
    drain_check(loop);
    resting_check(loop);
    accept_again(loop);
    settle_outcome(loop);
    serve_handshakes(loop);
    loop_begin_phase(loop);
    flush_all(loop);
    settle_reap(loop, REAPED_BYTES_PER_TURN);
    if (loop->links != NULL) {
        links_flush(loop);
        atomic_store_explicit(&loop->clients, (unsigned)loop->stats.clients, memory_order_relaxed);
    }
    budget_settle(loop);
    records_write(loop);
    trim_memory(loop);
    stats_count_turn(&loop->stats, resumed_ns + loop_clock_ns(loop) - began_ns);
}
