#include "server/hold.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "server/conn_life.h"
#include "server/conn_out.h"
#include "server/handover.h"
#include "server/handover_output.h"
#include "server/messages.h"
#include "server/settle.h"
#include "server/turn.h"

/* Handles the long messages that are complete and partly parsed. */
static void end_parsing(struct loop *loop)
{
    uint32_t at = 0;
    struct conn *conn;
    while ((conn = loop_next_connection(loop, &at)) != NULL) {
        while (conn->state == CONN_OPEN && conn->input != NULL && conn->input->parser != NULL) {
            size_t charge = conn_charge(conn);
            (void)messages_parse_on(loop, conn);
            loop->charged += conn_charge(conn) - charge;
        }
        if (conn->state == CONN_MOVING)
            conn_life_send(loop, conn);
        settle_all(loop);
    }
}

/* What arrives from now on is kept unread; detaching ends the receiving itself. */
static void stop_reading(struct conn *conn)
{
    bool reads = conn->state == CONN_HTTP || conn->state == CONN_OPEN;
    if (reads)
        conn->is_paused = true;
}

/* Whether the poller has let go of all sockets and of the listener. */
static bool detach_all(struct loop *loop)
{
    bool is_done = !poller_is_accepting(loop->poller);
    uint32_t at = 0;
    struct conn *conn;
    while ((conn = loop_next_connection(loop, &at)) != NULL) {
        size_t charge = conn_charge(conn);
        stop_reading(conn); /* those, too, that the poller had accepted meanwhile */
        is_done = poller_detach(loop->poller, &conn->socket) && is_done;
        loop->charged += conn_charge(conn) - charge;
    }
    return is_done;
}

/* Connections that are on their way to another loop, or dead, are in no iteration. */
static bool is_any_leaving(const struct loop *loop)
{
    uint32_t at = 0;
    const struct conn *conn;
    while ((conn = handles_next(&loop->connections, &at)) != NULL) {
        if (conn->is_detaching)
            return true;
    }
    return false;
}

/* The kernel may still read what their peers send, and the next program would miss that. */
static void abandon_attached(struct loop *loop)
{
    uint32_t at = 0;
    struct conn *conn;
    while ((conn = loop_next_connection(loop, &at)) != NULL) {
        if (!poller_detach(loop->poller, &conn->socket))
            conn_out_abandon(loop, conn);
    }
    settle_all(loop);
}

static void detach(struct loop *loop)
{
    poller_retire(loop->poller);
    for (int turns = 0; turns < DETACHING_TURNS_MAX; turns++) {
        bool is_done = detach_all(loop) && !is_any_leaving(loop);
        if (is_done)
            return;
        poller_wait(loop->poller, DETACHING_WAIT_MS);
        turn_handle_all_outcomes(loop);
        settle_all(loop);
    }
    abandon_attached(loop);
}

/* A connection whose join made it move: it gets its seat here, and its answer waits to be sent. */
static void take_connection(struct loop *loop, struct conn *conn)
{
    if (!conn_life_receive(loop, conn) || conn->state != CONN_OPEN || conn->input == NULL)
        return;
    struct join *join = conn->input->join;
    size_t charge = conn_charge(conn);
    conn->input->join = NULL;
    if (join != NULL)
        messages_carry_out(loop, conn, join);
    free(join);
    loop->charged += conn_charge(conn) - charge;
    settle_all(loop);
}

/* Nobody misses other mail, which stays unread: the process ends, or asks again. */
static void take_mail(struct loop *loop, struct mail *mail)
{
    while (mail != NULL) {
        struct mail *next = mail->next;
        if (mail->kind == MAIL_CONNECTION) {
            take_connection(loop, CONTAINER_OF(mail, struct conn, mail));
        } else {
            mail->next = loop->unread_mail;
            loop->unread_mail = mail;
        }
        mail = next;
    }
}

static void end_one(struct loop *loop, struct conn *conn)
{
    if (conn->state == CONN_LINGERING)
        conn_out_end(loop, conn);
    else if (conn->state != CONN_DEAD)
        conn_out_abandon(loop, conn);
    if (conn->is_awaited)
        loop_mark_ending(loop, conn); /* it is kept no longer for what other loops answer */
    conn->is_awaited = false;
}

/* Ends what can't be handed over; the members leave their rooms, and the others hear of it. */
static void end_rest(struct loop *loop)
{
    bool has_ended;
    do {
        uint32_t at = 0;
        struct output_allowance allowance = output_allow(loop);
        struct conn *conn;
        has_ended = false;
        while ((conn = loop_next_connection(loop, &at)) != NULL) {
            bool is_able = handover_may_take(conn);
            if (is_able && output_take(&allowance, conn))
                continue;
            has_ended = true;
            loop->cut_off += is_able;
            end_one(loop, conn);
        }
        settle_all(loop);
    } while (has_ended); /* what members are told of others may be too much for their queues */
}

void hold_still(struct loop *loop)
{
    end_parsing(loop);
    detach(loop);
    loop->is_resting = true;
}

void hold_write(struct loop *loop)
{
    struct mail *mail = loop->unread_mail;
    loop->unread_mail = NULL;
    take_mail(loop, mail);
    take_mail(loop, mailbox_take_all(&loop->mailbox));
    end_rest(loop);
    handover_empty_part(&loop->part); /* and has the memory of the rehearsal's */
    loop->part_failed = !handover_write(loop, false, &loop->part);
}

/*
 * Most are kept already; see resting.c. Execution closes all other descriptors, also those that the
 * poller has not let go of in time.
 */
static void keep_connections(const struct loop *loop)
{
    uint32_t at = 0;
    const struct conn *conn;
    while ((conn = handles_next(&loop->connections, &at)) != NULL) {
        assert(conn->is_detaching || conn->socket.state == 0); /* the poller has let go of it */
        if (conn->socket.is_kept == conn->is_detaching)
            loop->kernel->keep(conn->socket.fd, !conn->is_detaching);
    }
}

/* What the first loop says for all of them. */
static void tell_of_cut_off(const struct server *server)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < server->loop_count; i++)
        count += server->loops[i]->cut_off;
    if (count > 0)
        fprintf(stderr,
                "party-sockets: %" PRIu32 " connection%s with output that was not read %s closed "
                "for the upgrade\n",
                count, count == 1 ? "" : "s", count == 1 ? "was" : "were");
}

void hold(struct loop *loop)
{
    pthread_barrier_t *resting_loops = &loop->server->resting_loops;
    hold_still(loop);
    pthread_barrier_wait(resting_loops);
    hold_write(loop);
    pthread_barrier_wait(resting_loops);
    if (loop->index == 0)
        tell_of_cut_off(loop->server);
    keep_connections(loop);
    /* By each thread its own: with io_uring it takes some milliseconds. */
    poller_free(loop->poller);
    loop->poller = NULL;
}
