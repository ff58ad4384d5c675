/* Closes all connections of a loop, ends those that are left, then waits for the poller. */
#include "server/stopping.h"

#include "server/admission.h"
#include "server/conn_life.h"
#include "server/conn_out.h"
#include "server/edge.h"
#include "server/home.h"
#include "server/records.h"
#include "server/settle.h"

void stopping_say_goodbye(struct loop *loop, struct conn *conn)
{
    if (conn->state == CONN_DELAYED) {
        admission_stop_waiting(loop, conn);
        conn_set_state(conn, CONN_OPEN);
    }
    if (conn->state == CONN_OPEN) {
        /* Whoever comes again finds its room, or another node to play at. */
        bool may_return = loop->server->keeps_rooms || loop->server->peers != NULL;
        loop->stats.counters[may_return ? COUNTER_RESTARTING : COUNTER_GOING_AWAY]++;
        if (conn->is_away)
            edge_send_elsewhere(loop, conn);
        if (may_return)
            conn_out_close_for_restart(loop, conn);
        else
            conn_out_close(loop, conn, WS_CLOSE_GOING_AWAY, BYTES("server is stopping"));
    } else {
        conn_out_finish(loop, conn);
    }
}

void stopping_begin(struct loop *loop)
{
    loop->is_stopping = true;
    if (loop->server->keeps_rooms)
        records_write_last(loop);
    loop->stop_due_ms = loop->now_ms + loop->server->stop_timeout_ms;
    if (loop->is_listening)
        poller_stop_listening(loop->poller, loop->server->listener_fd);
    loop->is_listening = false;
    uint32_t at = 0;
    struct conn *conn;
    while ((conn = loop_next_connection(loop, &at)) != NULL)
        stopping_say_goodbye(loop, conn);
    if (loop->links != NULL)
        home_say_goodbye(loop);
}

void stopping_abandon_all(struct loop *loop)
{
    uint32_t at = 0;
    struct conn *conn;
    while ((conn = loop_next_connection(loop, &at)) != NULL) {
        if (conn->state == CONN_LINGERING)
            conn_out_end(loop, conn); /* the kernel goes on sending what is queued there */
        else
            conn_out_abandon(loop, conn);
        if (conn->is_awaited)
            loop_mark_ending(loop, conn); /* it was dead already, and kept only for a snapshot */
        conn->is_awaited = false;
    }
    settle_all(loop);
}

static bool kernel_is_done(struct loop *loop)
{
    return loop->stats.connections == 0 && !poller_is_accepting(loop->poller);
}

void stopping_wait_for_kernel(struct loop *loop)
{
    struct outcome outcome;
    for (int turns = 0; !kernel_is_done(loop) && turns < DETACHING_TURNS_MAX; turns++) {
        poller_wait(loop->poller, DETACHING_WAIT_MS);
        while (poller_next(loop->poller, &outcome)) {
            if (outcome.kind == OUTCOME_DETACHED)
                conn_life_detached(loop, conn_of_socket(outcome.socket));
            else if (outcome.kind == OUTCOME_ACCEPTED || outcome.kind == OUTCOME_OVERFLOWED)
                conn_life_refuse(loop, outcome.fd);
        }
    }
}
