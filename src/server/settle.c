/* Connections leave their rooms only here, one after the other, never while one is handled. */
#include "server/settle.h"

#include "server/admission.h"
#include "server/budget.h"
#include "server/conn_in.h"
#include "server/conn_life.h"
#include "server/edge.h"
#include "server/perform.h"

static enum departure departure_of(const struct conn *conn)
{
    if (conn->said_farewell)
        return DEPARTURE_FAREWELL;
    if (conn_is_remote(conn) && conn->remote.is_handed_over)
        return DEPARTURE_HANDED_OVER;
    return conn->closed_without_code ? DEPARTURE_CODELESS : DEPARTURE_CUT_OFF;
}

void settle_leave_rooms(struct loop *loop)
{
    while (loop->first_ending != CLIENT_NONE && !loop_phase_is_over(loop)) {
        struct conn *conn = loop_client(loop, loop->first_ending);
        loop->first_ending = conn->next_ending;
        conn->is_ending = false;
        struct effects effects;
        relay_leave(&loop->relay, &conn->seat, departure_of(conn), &effects);
        perform_effects(loop, &effects);
        edge_leave(loop, conn, departure_of(conn));
        admission_seat_changed(loop, conn);
        conn_in_discard(loop, conn);
        if (conn->state == CONN_DEAD && !conn->is_awaited) {
            conn->is_ending = true; /* so that loop_mark_ending() does not list it again */
            conn->next_ending = loop->first_dead;
            loop->first_dead = conn->handle;
        }
    }
}

void settle_reap(struct loop *loop, size_t bytes_most)
{
    size_t freed = 0;
    while (loop->first_dead != CLIENT_NONE && freed < bytes_most) {
        struct conn *conn = loop_client(loop, loop->first_dead);
        loop->first_dead = conn->next_ending;
        conn->is_ending = false;
        freed += conn_waiting(conn);
        loop_forget_dirty(loop, conn);
        conn_life_reap(loop, conn);
    }
}

void settle_all(struct loop *loop)
{
    while (loop->first_ending != CLIENT_NONE) {
        loop_begin_phase(loop);
        settle_leave_rooms(loop);
    }
    settle_reap(loop, SIZE_MAX);
}

void settle_outcome(struct loop *loop)
{
    settle_leave_rooms(loop);
    if (loop->charged <= atomic_load_explicit(&loop->leased, memory_order_relaxed))
        return;
    budget_settle(loop);
    settle_leave_rooms(loop); /* connections that budget_settle() closed to free memory */
}
