/*
 * Input. Bytes arrive in the loop's shared receive buffer and are read there. A connection keeps a
 * copy only of an incomplete rest, or of input that it may not read yet.
 */
#include "server/conn_in.h"

#include <assert.h>
#include <stdlib.h>

#include "server/admission.h"
#include "server/allowance.h"
#include "server/conn_life.h"
#include "server/conn_out.h"
#include "server/http/routes.h"
#include "server/messages.h"
#include "server/transport.h"

static bool reads(const struct conn *conn)
{
    return (conn->state == CONN_HTTP || conn->state == CONN_OPEN) && !conn->is_paused;
}

/* Reads and handles a request. False: its head is incomplete. */
static bool read_request(struct loop *loop, struct conn *conn, struct bytes_mut *in)
{
    struct http_request request;
    size_t length;
    int status;
    struct bytes arrived = bytes_of(in->data, in->length);
    size_t head_bytes_max = loop->server->config->request_bytes_max;
    switch (http_request_parse(arrived, head_bytes_max, &request, &length, &status)) {
    case HTTP_PARSE_NEED_MORE:
        return false;
    case HTTP_PARSE_INVALID:
        routes_refuse(loop, conn, status);
        break;
    case HTTP_PARSE_DONE:
        loop->share_left--;
        admission_handshake_done(loop, conn);
        routes_handle(loop, conn, &request);
        bytes_mut_skip(in, length);
        break;
    }
    return true;
}

static void keep_unread(struct loop *loop, struct conn *conn, struct bytes_mut in)
{
    struct conn_input *input = loop_need_input(loop, conn);
    if (input == NULL || buf_append(&input->unread, bytes_of(in.data, in.length)) != BUF_OK)
        conn_out_lose_for_memory(loop, conn);
}

/*
 * Puts the connection, whose hello is complete, into the queue for its address: many handshakes
 * lately, or few.
 */
static void await_handshake(struct loop *loop, struct conn *conn)
{
    bool were_few =
        subnets_ask_handshake(&loop->server->subnets, conn->subnet, loop_clock_ms(loop));
    loop_set_deadline(loop, conn, were_few ? DEADLINE_HANDSHAKE : DEADLINE_MORE_HANDSHAKES);
}

/*
 * Pauses the connection: the loop does not read the socket until the connection may go on, so TCP
 * slows the sender down.
 */
static void pause_reading(struct loop *loop, struct conn *conn, enum pause pause)
{
    conn->is_paused = true;
    if (!conn->is_behind)
        conn->behind_ms = loop->now_ms;
    conn->is_behind = true;
    conn->is_pinged = false; /* the connection was read just now */
    poller_pause(loop->poller, &conn->socket);
    if (pause == PAUSE_RATE) {
        loop->stats.counters[COUNTER_THROTTLED]++;
        loop_set_deadline(loop, conn, DEADLINE_THROTTLE);
    } else if (pause == PAUSE_SHARE) {
        loop->stats.counters[COUNTER_TURN_USED_UP]++;
        loop_set_deadline(loop, conn, DEADLINE_NEXT_TURN);
    } else if (pause == PAUSE_ENTRANCE) {
        loop_set_deadline(loop, conn, DEADLINE_ENTRANCE);
    } else if (pause == PAUSE_ANSWER) {
        loop_set_deadline(loop, conn, DEADLINE_LIVENESS);
    } else if (pause == PAUSE_HANDSHAKE) {
        await_handshake(loop, conn);
    }
}

/* Reads the input, in each state that it leads to, until it is used up or must wait. */
static void read_input(struct loop *loop, struct conn *conn, struct bytes_mut in)
{
    enum pause pause = PAUSE_NONE;
    while (in.length > 0 && pause == PAUSE_NONE) {
        if (conn->state == CONN_HTTP) {
            if (conn_waiting(conn) > HTTP_BACKLOG_BYTES)
                pause = PAUSE_BACKLOG;
            else if (allowance_share_is_used_up(loop))
                pause = PAUSE_SHARE;
            else if (!read_request(loop, conn, &in))
                break;
        } else if (conn->state == CONN_OPEN) {
            pause = messages_read(loop, conn, &in);
        } else {
            break;
        }
    }
    bool must_wait = conn->state == CONN_HTTP || conn->state == CONN_WAITING ||
                     conn->state == CONN_MOVING || (conn->state == CONN_OPEN && pause);
    if (in.length > 0 && must_wait)
        keep_unread(loop, conn, in);
    if (pause != PAUSE_NONE && reads(conn))
        pause_reading(loop, conn, pause);
}

/* Takes the unread bytes away from the connection; the caller releases them. */
static struct buf take_unread(struct conn *conn)
{
    struct buf unread = {0};
    if (conn->input != NULL) {
        unread = conn->input->unread;
        buf_init(&conn->input->unread, unread.maximum);
        messages_drop_input_when_idle(conn);
    }
    return unread;
}

/*
 * Whether the request head that waits is still incomplete. Parsing continues where it stopped, so
 * many small pieces cost no more than one.
 */
static bool head_goes_on(const struct loop *loop, struct conn *conn)
{
    struct http_request request;
    size_t length;
    int status;
    struct bytes head = buf_view(&conn->input->unread);
    return conn->state == CONN_HTTP &&
           http_request_continue(head, loop->server->config->request_bytes_max, &conn->input->head,
                                 &request, &length, &status) == HTTP_PARSE_NEED_MORE;
}

/* Reads plain text: first the unread bytes, then `in`. */
static void read_text(struct loop *loop, struct conn *conn, struct bytes_mut in)
{
    if (conn->input == NULL || conn->input->unread.length == 0) {
        read_input(loop, conn, in);
        return;
    }
    if (buf_append(&conn->input->unread, bytes_of(in.data, in.length)) != BUF_OK) {
        conn_out_lose_for_memory(loop, conn);
        return;
    }
    if (head_goes_on(loop, conn))
        return;
    struct buf unread = take_unread(conn);
    read_input(loop, conn, (struct bytes_mut){unread.data, unread.length});
    buf_release(&unread);
}

/*
 * Keeps the bytes of a TLS hello. When the hello is complete, pauses the connection until the loop
 * serves its handshake.
 */
static void keep_hello(struct loop *loop, struct conn *conn, struct bytes_mut in)
{
    struct tls_session *tls = conn->tls;
    if (!tls_session_feed(tls, bytes_of(in.data, in.length)) || !tls_session_settle(tls)) {
        conn_out_lose_for_memory(loop, conn);
        return;
    }
    loop->work += HANDSHAKE_WORK;
    if (!tls_session_may_answer(tls))
        return;
    if (tls_session_age_ms(tls) >= loop->server->config->request_timeout_ms) {
        loop->stats.counters[COUNTER_UNREQUESTED]++;
        conn_out_abandon(loop, conn);
        return;
    }
    pause_reading(loop, conn, PAUSE_HANDSHAKE);
}

/* Feeds the TLS session with `in`, which may be empty, and reads the plain text. */
static void read_tls(struct loop *loop, struct conn *conn, struct bytes_mut in)
{
    struct bytes_mut text;
    if (!tls_session_has_answered(conn->tls) && loop->handshakes.served != conn) {
        keep_hello(loop, conn, in);
        return;
    }
    bool is_good = tls_session_feed(conn->tls, bytes_of(in.data, in.length));
    enum tls_result result = is_good ? TLS_DATA : TLS_FAILED;
    while (result == TLS_DATA && reads(conn)) {
        result = transport_decrypt(loop, conn, &text);
        if (result == TLS_DATA)
            read_text(loop, conn, text);
        if (allowance_share_is_used_up(loop) && reads(conn))
            pause_reading(loop, conn, PAUSE_SHARE);
    }
    if (!tls_session_settle(conn->tls))
        result = TLS_FAILED;
    if (tls_session_output(conn->tls)->length > 0)
        loop_mark_dirty(loop, conn);
    if (result == TLS_ENDED) {
        conn_in_ended(loop, conn);
    } else if (result == TLS_FAILED) {
        outbox_clear(&conn->out, &loop->pool); /* it can't be encrypted any more */
        conn_out_finish(loop, conn);           /* OpenSSL has queued an alert, which is sent */
    }
}

static void read_any(struct loop *loop, struct conn *conn, struct bytes_mut in)
{
    if (conn->tls != NULL)
        read_tls(loop, conn, in);
    else if (in.length > 0)
        read_text(loop, conn, in);
}

/* Reads the first bytes of a connection, which tell what it speaks. */
static void read_first(struct loop *loop, struct conn *conn, struct bytes_mut in)
{
    struct buf unread = take_unread(conn);
    if (unread.length > 0) {
        if (buf_append(&unread, bytes_of(in.data, in.length)) != BUF_OK) {
            conn_out_lose_for_memory(loop, conn);
            buf_release(&unread);
            return;
        }
        in = (struct bytes_mut){unread.data, unread.length};
    }
    enum transport_beginning beginning = transport_begin(loop, conn, &in);
    switch (beginning) {
    case TRANSPORT_READY:
        read_any(loop, conn, in);
        break;
    case TRANSPORT_UNDECIDED:
        if (conn->state == CONN_HTTP && in.length > 0)
            keep_unread(loop, conn, in);
        break;
    case TRANSPORT_TLS_UNKNOWN:
    case TRANSPORT_TLS_MISSING:
        routes_refuse_transport(loop, conn, beginning == TRANSPORT_TLS_UNKNOWN);
        break;
    }
    buf_release(&unread);
}

/*
 * Updates the loop's charge for the connection. Sends a MOVING connection to its new loop; the
 * caller must not touch it afterwards.
 */
static void finish(struct loop *loop, struct conn *conn, size_t charge_before)
{
    loop->charged += conn_charge(conn) - charge_before;
    if (conn->state == CONN_MOVING)
        conn_life_send(loop, conn);
}

/* Keeps input that the kernel had received before the socket was paused. */
static void keep_for_later(struct loop *loop, struct conn *conn, struct bytes_mut in)
{
    if (conn->tls == NULL)
        keep_unread(loop, conn, in);
    else if (!tls_session_feed(conn->tls, bytes_of(in.data, in.length)) ||
             !tls_session_settle(conn->tls))
        conn_out_lose_for_memory(loop, conn);
}

void conn_in_received(struct loop *loop, struct conn *conn, struct bytes_mut in)
{
    loop->stats.counters[COUNTER_BYTES_IN] += in.length;
    conn->last_alive_ms = loop->now_ms;
    conn->is_pinged = false;
    if (conn->state == CONN_CLOSING || conn->state == CONN_LINGERING)
        return; /* input is discarded */
    size_t charge = conn_charge(conn);
    if (!reads(conn)) {
        keep_for_later(loop, conn, in);
        loop->charged += conn_charge(conn) - charge;
        return;
    }
    allowance_begin_share(loop, conn);
    if (conn->is_begun)
        read_any(loop, conn, in);
    else
        read_first(loop, conn, in);
    if (!conn->is_paused)
        conn->is_behind = false; /* all that came at once was within the rate and the share */
    finish(loop, conn, charge);
}

/* Pauses the connection if it must. Whether it is read on. */
static bool goes_on(struct loop *loop, struct conn *conn, enum pause pause)
{
    if (pause != PAUSE_NONE && reads(conn))
        pause_reading(loop, conn, pause);
    return reads(conn);
}

/*
 * Lets a client enter that waited, parses on a long message, carries out the join that made the
 * connection move, and reads the input that waited behind them.
 */
static void read_on(struct loop *loop, struct conn *conn)
{
    if (conn->input != NULL && conn->input->entrance != NULL &&
        !goes_on(loop, conn, messages_enter_again(loop, conn)))
        return;
    if (conn->input != NULL && !goes_on(loop, conn, messages_parse_on(loop, conn)))
        return;
    struct join *join = NULL;
    if (conn->input != NULL) {
        join = conn->input->join;
        conn->input->join = NULL;
    }
    struct buf unread = take_unread(conn);
    if (join != NULL)
        messages_carry_out(loop, conn, join);
    if (!conn->is_begun && unread.length > 0)
        read_first(loop, conn, (struct bytes_mut){unread.data, unread.length});
    else if (unread.length > 0)
        read_input(loop, conn, (struct bytes_mut){unread.data, unread.length});
    free(join);
    buf_release(&unread);
    if (conn->tls != NULL && reads(conn))
        read_tls(loop, conn, (struct bytes_mut){0});
}

void conn_in_resume(struct loop *loop, struct conn *conn)
{
    if (conn->state != CONN_HTTP && conn->state != CONN_OPEN)
        return; /* it was closed meanwhile and will be freed soon */
    size_t charge = conn_charge(conn);
    conn->is_paused = false;
    conn->last_alive_ms = loop->now_ms;
    loop->share_owner = NULL; /* the connection has a new share */
    allowance_begin_share(loop, conn);
    read_on(loop, conn);
    if (reads(conn) && !conn->peer_has_ended) {
        poller_resume(loop->poller, &conn->socket);
        loop_set_deadline(loop, conn,
                          conn->state == CONN_OPEN ? DEADLINE_LIVENESS : DEADLINE_REQUEST);
    }
    finish(loop, conn, charge);
}

void conn_in_discard(struct loop *loop, struct conn *conn)
{
    size_t charge = conn_charge(conn);
    conn_drop_input(conn);
    /* The connection may have been paused or WAITING. The loop must hear of the peer's end. */
    if (conn->state != CONN_DEAD && !conn->peer_has_ended && !loop->is_resting)
        poller_resume(loop->poller, &conn->socket);
    conn->is_paused = false;
    loop->charged += conn_charge(conn) - charge;
}

void conn_in_ended(struct loop *loop, struct conn *conn)
{
    if (conn->state == CONN_MOVING)
        return; /* the new loop's poller reports it again */
    if (conn->state == CONN_OPEN)
        loop->stats.counters[COUNTER_PEER_ENDED]++;
    conn->peer_has_ended = true;
    poller_pause(loop->poller, &conn->socket);
    if (conn->state == CONN_LINGERING)
        conn_out_end(loop, conn);
    else if (conn->state != CONN_WAITING)
        conn_out_finish(loop, conn);
}
