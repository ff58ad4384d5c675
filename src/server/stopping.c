/* Every connection is in one of the queues of deadlines. */
#include "server/stopping.h"

#include "server/admission.h"
#include "server/conn_out.h"
#include "server/handover.h"
#include "server/settle.h"

void stopping_say_goodbye(struct loop *loop, struct conn *conn)
{
    if (conn->state == CONN_DELAYED) {
        admission_stop_waiting(loop, conn);
        conn_set_state(conn, CONN_OPEN);
    }
    if (conn->state == CONN_OPEN) {
        loop->stats.counters[COUNTER_GOING_AWAY]++;
        conn_out_close(loop, conn, WS_CLOSE_GOING_AWAY, BYTES("server is stopping"));
    } else {
        conn_out_finish(loop, conn);
    }
}

void stopping_begin(struct loop *loop)
{
    loop->is_stopping = true;
    loop->stop_due_ms = loop->now_ms + STOP_TIMEOUT_MS;
    if (loop->is_listening)
        poller_stop_listening(loop->poller, loop->server->listener_fd);
    loop->is_listening = false;
    for (int kind = 0; kind < DEADLINE_FLUSH; kind++) {
        struct list *link = loop->deadlines[kind].next;
        while (link != &loop->deadlines[kind]) {
            struct conn *conn = conn_of_deadline(link);
            link = link->next;
            stopping_say_goodbye(loop, conn);
        }
    }
}

void stopping_abandon_all(struct loop *loop)
{
    for (int kind = 0; kind < DEADLINE_KINDS; kind++) {
        struct list *link;
        while ((link = list_pop_first(&loop->deadlines[kind])) != NULL) {
            struct conn *conn = conn_of_deadline(link);
            if (conn->state == CONN_LINGERING)
                conn_out_end(loop, conn); /* the kernel goes on sending what it has */
            else
                conn_out_abandon(loop, conn);
            conn->is_awaited = false;
        }
    }
    while (loop->first_ending != NULL) {
        loop_begin_phase(loop);
        settle_leave_rooms(loop);
    }
    settle_reap(loop, SIZE_MAX);
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
                handover_detached(loop, conn_of_socket(outcome.socket));
            else if (outcome.kind == OUTCOME_ACCEPTED || outcome.kind == OUTCOME_OVERFLOWED)
                handover_refuse(loop, outcome.fd);
        }
    }
}
