/*
 * Each look ends as many TLS connections as are due by then. Each has execution keep some
 * descriptors, too, with a system call for each: when all are held, everybody would wait for that.
 */
#include "server/resting.h"

#include "server/deadlines.h"
#include "server/stopping.h"

void resting_begin(struct loop *loop)
{
    loop->rest = (struct rest){.is_begun = true, .began_ms = loop->now_ms, .look_ms = loop->now_ms};
    if (loop->is_listening)
        poller_stop_listening(loop->poller, loop->server->listener_fd);
    loop->is_listening = false;
}

void resting_cancel(struct loop *loop)
{
    uint32_t at = 0;
    struct conn *conn;
    while ((conn = loop_next_connection(loop, &at)) != NULL) {
        if (conn->socket.is_kept)
            loop->kernel->keep(conn->socket.fd, false);
        conn->socket.is_kept = false;
    }
    loop->rest = (struct rest){0};
    loop->listen_due_ms = loop->now_ms;
}

static bool is_awaited(const struct conn *conn)
{
    return conn->state == CONN_WAITING || conn->tls != NULL;
}

static bool may_close(const struct conn *conn)
{
    return conn->tls != NULL && (conn->state == CONN_HTTP || conn->state == CONN_OPEN);
}

/* Whether much output waits on connections that are handed over with it. */
static bool has_much_output(const struct loop *loop)
{
    size_t output = 0;
    uint32_t at = 0;
    const struct conn *conn;
    while ((conn = loop_next_connection(loop, &at)) != NULL)
        output += conn->tls == NULL ? conn->out.length : 0;
    return output > RESTING_OUTPUT_MAX;
}

/* Closes the share of the TLS connections that is due. Returns how many are awaited still. */
static uint32_t close_share(struct loop *loop)
{
    struct rest *rest = &loop->rest;
    uint32_t elapsed_ms = loop->now_ms - rest->began_ms;
    uint32_t at = 0;
    uint32_t awaited = 0;
    uint32_t open = 0;
    struct conn *conn;
    while ((conn = loop_next_connection(loop, &at)) != NULL) {
        deadlines_end_penalty(loop, conn); /* who guesses codes must not keep the others waiting */
        awaited += is_awaited(conn);
        open += may_close(conn);
    }
    uint32_t left_ms = elapsed_ms < REST_SPREAD_MS ? REST_SPREAD_MS - elapsed_ms : 0;
    uint32_t looks = left_ms / REST_LOOK_MS + 1;
    uint32_t share = (open + looks - 1) / looks;
    at = 0;
    while (share > 0 && (conn = loop_next_connection(loop, &at)) != NULL) {
        if (!may_close(conn))
            continue;
        stopping_say_goodbye(loop, conn);
        share--;
    }
    return awaited;
}

/* Has execution keep the next descriptors. False: there are more. */
static bool keep_share(struct loop *loop)
{
    uint64_t left = REST_KEPT_LEAST + loop->stats.connections / REST_KEPT_SHARE;
    uint32_t at = 0;
    struct conn *conn;
    while ((conn = loop_next_connection(loop, &at)) != NULL) {
        if (conn->socket.is_kept || conn->tls != NULL || conn_is_remote(conn))
            continue;
        if (left-- == 0)
            return false;
        loop->kernel->keep(conn->socket.fd, true);
        conn->socket.is_kept = true;
    }
    return true;
}

void resting_check(struct loop *loop)
{
    struct rest *rest = &loop->rest;
    if (!rest->is_begun || rest->is_ready || (int32_t)(loop->now_ms - rest->look_ms) < 0)
        return;
    bool is_over = loop->now_ms - rest->began_ms >= REST_MS;
    rest->look_ms = loop->now_ms + REST_LOOK_MS;
    uint32_t awaited = close_share(loop);
    bool are_kept = keep_share(loop);
    if ((awaited > 0 || !are_kept || has_much_output(loop)) && !is_over)
        return;
    rest->is_ready = true;
    atomic_fetch_sub(&loop->server->restless_loops, 1);
    loop_tell_main(loop);
}

int resting_wait_ms(const struct loop *loop)
{
    const struct rest *rest = &loop->rest;
    if (!rest->is_begun || rest->is_ready)
        return -1;
    int32_t left_ms = (int32_t)(rest->look_ms - loop->now_ms);
    return left_ms < 0 ? 0 : left_ms;
}
