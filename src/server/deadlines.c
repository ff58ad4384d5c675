/* What happens when a deadline is due: silence, stalls, requests, penalties and closing. */
#include "server/deadlines.h"

#include "server/allowance.h"
#include "server/conn_in.h"
#include "server/conn_out.h"
#include "server/http/lookup.h"
#include "server/perform.h"

/* The interval of liveness checks: an eighth of the shortest timeout that they check. */
static uint32_t check_interval_ms(const struct config *config)
{
    uint64_t shortest = config->ping_interval_ms;
    if (config->idle_timeout_ms < shortest)
        shortest = config->idle_timeout_ms;
    if (config->stall_timeout_ms < shortest)
        shortest = config->stall_timeout_ms;
    shortest /= CHECKS_PER_TIMEOUT;
    return shortest < 1 ? 1 : (uint32_t)shortest;
}

/* The client has done its part, so --request-timeout does not limit how long the loop may take. */
static uint32_t handshake_wait_ms(const struct config *config)
{
    uint64_t request_ms = config->request_timeout_ms;
    return request_ms > HANDSHAKE_WAIT_MS ? (uint32_t)request_ms : HANDSHAKE_WAIT_MS;
}

void deadlines_init(struct loop *loop)
{
    const struct config *config = loop->server->config;
    const uint32_t lengths_ms[DEADLINE_KINDS] = {
        [DEADLINE_NEXT_TURN] = 0,
        [DEADLINE_REQUEST] = (uint32_t)config->request_timeout_ms,
        [DEADLINE_LIVENESS] = check_interval_ms(config),
        [DEADLINE_THROTTLE] = THROTTLE_MS,
        [DEADLINE_ENTRANCE] = ENTRANCE_RETRY_MS,
        [DEADLINE_HANDSHAKE] = handshake_wait_ms(config),
        [DEADLINE_MORE_HANDSHAKES] = handshake_wait_ms(config),
        [DEADLINE_PENALTY] = JOIN_PENALTY_MS,
        [DEADLINE_FLUSH] = (uint32_t)config->stall_timeout_ms,
        [DEADLINE_LINGER] = LINGER_TIMEOUT_MS,
    };
    for (int kind = 0; kind < DEADLINE_KINDS; kind++) {
        loop->deadline_length_ms[kind] = lengths_ms[kind];
        list_init(&loop->deadlines[kind]);
    }
}

/*
 * Asks the kernel how far output has got. The peer's kernel acknowledges even for a phone that
 * sleeps, so an acknowledgement alone is no sign of life. It is one in two cases. When output has
 * waited since the last check, the peer's kernel is full, and only a client that reads makes room
 * there. And while a ping is still behind older output, the client can't have answered it; as long
 * as that output advances, silence proves nothing.
 *
 * In both cases each acknowledged byte makes up for some silence, at a rate that even a poor
 * network has. A fixed rate is needed, since a full kernel takes a little now and then without any
 * reader.
 */
static void look_at_delivery(struct loop *loop, struct conn *conn)
{
    struct socket_delivery delivery;
    if (!loop->kernel->delivery(conn->socket.fd, &delivery) ||
        delivery.acknowledged == conn->acknowledged)
        return;
    bool is_backlogged = conn->is_blocked && loop->now_ms - conn->out.since_ms >=
                                                 loop->deadline_length_ms[DEADLINE_LIVENESS];
    bool ping_is_behind = conn->is_pinged && (int32_t)(conn->ping_end - delivery.acknowledged) > 0;
    uint32_t taken_ms = (delivery.acknowledged - conn->acknowledged) / SLOWEST_READER_BYTES_PER_MS;
    uint32_t silence_ms = loop->now_ms - conn->last_alive_ms;
    conn->acknowledged = delivery.acknowledged;
    conn->progress_ms = loop->now_ms;
    if (is_backlogged || ping_is_behind)
        conn->last_alive_ms += taken_ms < silence_ms ? taken_ms : silence_ms;
}

/*
 * When a busy loop sends a ping late, the client gets as much time to answer as after one that was
 * sent in time.
 */
static void forgive_lateness(struct loop *loop, struct conn *conn)
{
    uint32_t latest_ms = (uint32_t)loop->server->config->ping_interval_ms +
                         2 * loop->deadline_length_ms[DEADLINE_LIVENESS];
    uint32_t silence_ms = loop->now_ms - conn->last_alive_ms;
    if (silence_ms > latest_ms)
        conn->last_alive_ms += silence_ms - latest_ms;
}

static void ping(struct loop *loop, struct conn *conn)
{
    struct socket_delivery delivery = {0};
    forgive_lateness(loop, conn);
    conn->is_behind = false; /* all that the client had sent was read long ago */
    conn_out_control(loop, conn, WS_OPCODE_PING, (struct bytes){0});
    loop->stats.counters[COUNTER_PINGED]++;
    conn->is_pinged = true;
    if (!loop->kernel->delivery(conn->socket.fd, &delivery))
        return;
    conn->acknowledged = delivery.acknowledged;
    conn->ping_end = delivery.acknowledged + delivery.in_flight + (uint32_t)conn_waiting(conn);
}

static bool is_stalled(const struct loop *loop, const struct conn *conn)
{
    return conn->is_blocked &&
           loop->now_ms - conn->progress_ms >= loop->server->config->stall_timeout_ms;
}

/*
 * Pings the client after --ping-interval of silence, and ends the connection after --idle-timeout.
 * Closes it when output has waited for --stall-timeout without advancing. False: the connection is
 * closed.
 */
static bool check_liveness(struct loop *loop, struct conn *conn)
{
    const struct config *config = loop->server->config;
    if (conn->is_blocked || conn->is_pinged)
        look_at_delivery(loop, conn);
    if (is_stalled(loop, conn)) {
        loop->stats.counters[COUNTER_STALLED]++;
        conn_out_close_for_queue(loop, conn, BYTES("too slow"));
        return false;
    }
    uint32_t silence_ms = loop->now_ms - conn->last_alive_ms;
    bool is_over = silence_ms >= config->idle_timeout_ms && conn->is_pinged;
    if (is_over && !conn->is_paused) {
        /* When the loop is busy, the pong may have arrived without having been read. */
        if (poller_may_have_input(loop->poller, &conn->socket))
            return true;
        loop->stats.counters[COUNTER_SILENT]++;
        conn_out_abandon(loop, conn);
        return false;
    }
    if (silence_ms >= config->ping_interval_ms && !conn->is_pinged && !conn->is_paused)
        ping(loop, conn);
    return conn->state == CONN_OPEN;
}

/*
 * The peer has not closed after us. While it still acknowledges output, the connection goes on
 * lingering, for a bounded time. False: the output that is left is lost.
 */
static bool linger_on(struct loop *loop, struct conn *conn)
{
    struct socket_delivery delivery;
    uint32_t lingering_ms = loop->now_ms - conn->out.since_ms;
    if (!loop->kernel->delivery(conn->socket.fd, &delivery))
        return false;
    if (delivery.in_flight == 0) {
        conn_out_end(loop, conn); /* the peer has acknowledged all output */
        return true;
    }
    bool advances = delivery.acknowledged != conn->acknowledged;
    conn->acknowledged = delivery.acknowledged;
    if (!advances || lingering_ms > LINGER_STALLS * loop->server->config->stall_timeout_ms)
        return false;
    loop_set_deadline(loop, conn, DEADLINE_LINGER);
    return true;
}

static void expire_liveness(struct loop *loop, struct conn *conn)
{
    if (check_liveness(loop, conn))
        loop_set_deadline(loop, conn, DEADLINE_LIVENESS);
}

/*
 * No other deadline checks a connection that is paused for its rate again and again, and the poller
 * does not report that its socket is broken.
 */
static void expire_throttle(struct loop *loop, struct conn *conn)
{
    if (loop->kernel->is_broken(conn->socket.fd))
        conn_out_lose_peer(loop, conn);
    else if (check_liveness(loop, conn) && allowance_lets_resume(loop, conn))
        conn_in_resume(loop, conn);
    else if (conn->state == CONN_OPEN)
        loop_set_deadline(loop, conn, DEADLINE_THROTTLE);
}

static void expire_penalty(struct loop *loop, struct conn *conn)
{
    if (conn->state == CONN_WAITING)
        lookup_answer_delayed(loop, conn);
    else
        perform_delayed_answer(loop, conn);
}

void deadlines_end_penalty(struct loop *loop, struct conn *conn)
{
    bool is_penalty =
        conn->state == CONN_DELAYED || (conn->state == CONN_WAITING && !conn->is_awaited);
    if (!is_penalty)
        return;
    list_remove(&conn->deadline);
    expire_penalty(loop, conn);
}

static void give_up_request(struct loop *loop, struct conn *conn)
{
    loop->stats.counters[COUNTER_UNREQUESTED]++;
    conn_out_abandon(loop, conn);
}

/* When the loop is busy, the request may have arrived without having been read. */
static void expire_request(struct loop *loop, struct conn *conn)
{
    if (!conn->is_paused && poller_may_have_input(loop->poller, &conn->socket))
        loop_set_deadline(loop, conn, DEADLINE_REQUEST);
    else
        give_up_request(loop, conn);
}

/* Queued output may be sent for as long as it advances. */
static void expire_flush(struct loop *loop, struct conn *conn)
{
    look_at_delivery(loop, conn);
    if (loop->now_ms - conn->progress_ms < loop->deadline_length_ms[DEADLINE_FLUSH])
        loop_set_deadline(loop, conn, DEADLINE_FLUSH);
    else
        conn_out_abandon(loop, conn);
}

static void expire_linger(struct loop *loop, struct conn *conn)
{
    if (!linger_on(loop, conn))
        conn_out_abandon(loop, conn);
}

/* What happens to a connection whose deadline is over. It is in no queue of deadlines then. */
static void (*const expire[DEADLINE_KINDS])(struct loop *loop, struct conn *conn) = {
    [DEADLINE_NEXT_TURN] = NULL, /* the turn resumes these connections before it waits */
    [DEADLINE_REQUEST] = expire_request,
    [DEADLINE_LIVENESS] = expire_liveness,
    [DEADLINE_THROTTLE] = expire_throttle,
    [DEADLINE_ENTRANCE] = conn_in_resume,
    [DEADLINE_HANDSHAKE] = give_up_request,
    [DEADLINE_MORE_HANDSHAKES] = give_up_request,
    [DEADLINE_PENALTY] = expire_penalty,
    [DEADLINE_FLUSH] = expire_flush,
    [DEADLINE_LINGER] = expire_linger,
};

bool deadlines_check_paused(struct loop *loop, struct conn *conn)
{
    return !is_stalled(loop, conn) || check_liveness(loop, conn);
}

void deadlines_check(struct loop *loop)
{
    for (enum deadline_kind kind = DEADLINE_REQUEST; kind < DEADLINE_KINDS; kind++) {
        struct list *head = &loop->deadlines[kind];
        int expiries_left = EXPIRIES_PER_TURN;
        while (!list_is_empty(head) && expiries_left-- > 0 && !loop_phase_is_over(loop)) {
            struct conn *conn = conn_of_deadline(head->next);
            if ((int32_t)(loop->now_ms - conn->due_ms) < 0)
                break;
            if (conn->state == CONN_DEAD) {
                loop_set_deadline(loop, conn, kind); /* it will be freed soon: nothing is due */
                continue;
            }
            list_remove(&conn->deadline);
            expire[kind](loop, conn);
        }
    }
}

int deadlines_wait_ms(const struct loop *loop)
{
    int32_t due_left_ms = relay_due_left_ms(&loop->relay);
    int32_t proof_left_ms = relay_proof_left_ms(&loop->relay);
    int32_t wait_ms = due_left_ms < 0 ? INT32_MAX : due_left_ms;
    if (proof_left_ms >= 0 && proof_left_ms < wait_ms)
        wait_ms = proof_left_ms;
    for (int kind = 0; kind < DEADLINE_KINDS; kind++) {
        if (list_is_empty(&loop->deadlines[kind]))
            continue;
        const struct conn *first = conn_of_deadline(loop->deadlines[kind].next);
        int32_t left_ms = (int32_t)(first->due_ms - loop->now_ms);
        if (left_ms < wait_ms)
            wait_ms = left_ms;
    }
    if (wait_ms == INT32_MAX)
        return -1;
    return wait_ms < 0 ? 0 : wait_ms;
}
