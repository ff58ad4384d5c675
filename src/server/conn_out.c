/* Queues output, closes connections, and sends. Only conn_out_flush() sends, once a turn. */
#include "server/conn_out.h"

#include <assert.h>

#include "server/admission.h"
#include "server/egress.h"
#include "server/links.h"

void conn_out_forget_remote(struct loop *loop, struct conn *conn)
{
    conn->remote.end->clients--;
    conn_set_state(conn, CONN_DEAD);
    loop_mark_ending(loop, conn);
}

/* Has the edge close the connection; 0: cut it off. */
static void close_remote(struct loop *loop, struct conn *conn, uint16_t code, struct bytes reason)
{
    links_put_close(conn->remote.end, conn->remote.client, code, reason);
    conn_out_forget_remote(loop, conn);
}

void conn_out_end(struct loop *loop, struct conn *conn)
{
    if (conn->state == CONN_DEAD || conn->state == CONN_FREE)
        return;
    if (conn->state == CONN_REMOTE) {
        close_remote(loop, conn, 0, (struct bytes){0});
        return;
    }
    admission_stop_waiting(loop, conn);
    conn_set_state(conn, CONN_DEAD);
    loop_mark_ending(loop, conn);
}

void conn_out_abandon(struct loop *loop, struct conn *conn)
{
    conn->is_lost = true;
    conn_out_end(loop, conn);
}

void conn_out_lose_peer(struct loop *loop, struct conn *conn)
{
    if (conn->state == CONN_OPEN)
        loop->stats.counters[COUNTER_PEER_LOST]++;
    conn_out_abandon(loop, conn);
}

/*
 * Bytes at the front of the queue that the socket is sending. Under TLS the socket sends records,
 * whose bytes have left this queue.
 */
static size_t begun_bytes(const struct conn *conn)
{
    return conn->tls == NULL ? conn->socket.sending : 0;
}

/* Whether the queue has room for `length` bytes more; closes the connection if not. */
static bool has_room(struct loop *loop, struct conn *conn, size_t length)
{
    size_t waiting = conn->out.length - begun_bytes(conn);
    if (waiting == 0) {
        conn->out.since_ms = loop->now_ms;
        return true; /* an empty queue admits one message of any length */
    }
    if (waiting + length <= loop->server->config->queue_bytes_max)
        return true;
    loop->stats.counters[COUNTER_QUEUE_FULL]++;
    conn_out_close_for_queue(loop, conn, BYTES("too slow"));
    return false;
}

/*
 * Whether the connection's state allows output that is no WebSocket message, and its queue has
 * room.
 */
static bool may_queue(struct loop *loop, struct conn *conn, size_t length)
{
    bool takes_output =
        conn->state == CONN_OPEN || conn->state == CONN_HTTP || conn->state == CONN_WAITING;
    return takes_output && has_room(loop, conn, length);
}

void conn_out_lose_for_memory(struct loop *loop, struct conn *conn)
{
    loop->stats.counters[COUNTER_NO_MEMORY]++;
    conn_out_abandon(loop, conn);
}

static inline void append(struct loop *loop, struct conn *conn, struct bytes bytes)
{
    if (outbox_append(&conn->out, &loop->pool, bytes))
        loop_mark_dirty(loop, conn);
    else
        conn_out_lose_for_memory(loop, conn);
}

void conn_out_bytes(struct loop *loop, struct conn *conn, struct bytes bytes)
{
    if (may_queue(loop, conn, bytes.length))
        append(loop, conn, bytes);
}

static void append_payload(struct loop *loop, struct conn *conn, struct payload *payload)
{
    if (outbox_append_payload(&conn->out, &loop->pool, payload))
        loop_mark_dirty(loop, conn);
    else
        conn_out_lose_for_memory(loop, conn);
}

void conn_out_payload(struct loop *loop, struct conn *conn, struct payload *payload)
{
    if (may_queue(loop, conn, payload->length))
        append_payload(loop, conn, payload);
}

/* A frame for a client that is at another node, or is closing. */
static COLD void frame_elsewhere(const struct conn *conn, const struct frame *frame)
{
    if (conn->state == CONN_REMOTE)
        links_put_frame(conn->remote.end, conn->remote.client, frame->bytes, frame->counts,
                        frame->payload);
}

/* The most frequent call: once for each delivery. */
void conn_out_frame(struct loop *loop, struct conn *conn, const struct frame *frame)
{
    if (conn->state != CONN_OPEN) {
        frame_elsewhere(conn, frame);
        return;
    }
    if (!has_room(loop, conn, frame->bytes.length))
        return;
    if (frame->payload != NULL)
        append_payload(loop, conn, frame->payload);
    else
        append(loop, conn, frame->bytes);
}

struct short_frame {
    size_t length;
    uint8_t data[WS_FRAME_HEADER_OUT_MAX + WS_CONTROL_PAYLOAD_MAX];
};

static struct short_frame encode_short(enum ws_opcode opcode, struct bytes payload)
{
    struct short_frame frame;
    assert(payload.length <= WS_CONTROL_PAYLOAD_MAX);
    frame.length = ws_frame_write_header(frame.data, opcode, payload.length);
    if (payload.length > 0)
        memcpy(frame.data + frame.length, payload.data, payload.length);
    frame.length += payload.length;
    return frame;
}

void conn_out_control(struct loop *loop, struct conn *conn, enum ws_opcode opcode,
                      struct bytes payload)
{
    struct short_frame frame = encode_short(opcode, payload);
    conn_out_bytes(loop, conn, bytes_of(frame.data, frame.length));
}

void conn_out_text(struct loop *loop, struct conn *conn, struct bytes text)
{
    conn_out_control(loop, conn, WS_OPCODE_TEXT, text);
}

void conn_out_finish(struct loop *loop, struct conn *conn)
{
    if (conn->state != CONN_OPEN && conn->state != CONN_HTTP && conn->state != CONN_WAITING)
        return;
    /* A response that the client does not read has as much time as a request. */
    enum deadline_kind kind = conn->state == CONN_OPEN ? DEADLINE_FLUSH : DEADLINE_REQUEST;
    admission_stop_waiting(loop, conn);
    conn_set_state(conn, CONN_CLOSING);
    loop_set_deadline(loop, conn, kind);
    loop_mark_dirty(loop, conn);
    loop_mark_ending(loop, conn);
}

void conn_out_close(struct loop *loop, struct conn *conn, uint16_t code, struct bytes reason)
{
    if (conn->state == CONN_REMOTE)
        close_remote(loop, conn, code, reason);
    if (conn->state != CONN_OPEN)
        return;
    uint8_t payload[WS_CONTROL_PAYLOAD_MAX] = {(uint8_t)(code >> 8), (uint8_t)code};
    size_t length = 0;
    if (code != WS_CLOSE_NO_STATUS) {
        assert(reason.length <= WS_CLOSE_REASON_MAX);
        if (reason.length > 0)
            memcpy(payload + 2, reason.data, reason.length);
        length = 2 + reason.length;
    }
    /* The close frame is queued however full the queue is. */
    struct short_frame frame = encode_short(WS_OPCODE_CLOSE, bytes_of(payload, length));
    append(loop, conn, bytes_of(frame.data, frame.length));
    conn_out_finish(loop, conn);
}

void conn_out_close_for_restart(struct loop *loop, struct conn *conn)
{
    conn_out_close(loop, conn, WS_CLOSE_SERVICE_RESTART, BYTES("server is restarting"));
}

void conn_out_close_for_queue(struct loop *loop, struct conn *conn, struct bytes reason)
{
    outbox_drop_unbegun(&conn->out, &loop->pool, begun_bytes(conn));
    /*
     * The close frame must follow the frame that was begun; if that is long, the close frame is not
     * worth the wait.
     */
    if (conn->state != CONN_OPEN || conn_waiting(conn) > BEGUN_BYTES_BEFORE_CLOSE_MAX)
        conn_out_abandon(loop, conn);
    else
        conn_out_close(loop, conn, WS_CLOSE_TRY_AGAIN_LATER, reason);
}

/* All output is sent. A closing connection shuts its side and waits for the peer's end. */
static void finish_closing(struct loop *loop, struct conn *conn)
{
    if (conn->peer_has_ended || !loop->kernel->shut(conn->socket.fd)) {
        conn_out_end(loop, conn);
        return;
    }
    conn_set_state(conn, CONN_LINGERING);
    conn->out.since_ms = loop->now_ms;
    loop_set_deadline(loop, conn, DEADLINE_LINGER);
}

/*
 * Notes what the peer has acknowledged when output begins to wait: later acknowledgements are
 * progress of that output.
 */
static void begin_blocking(struct loop *loop, struct conn *conn)
{
    struct socket_delivery delivery;
    if (loop->kernel->delivery(conn->socket.fd, &delivery))
        conn->acknowledged = delivery.acknowledged;
}

/* Takes sent bytes off their queue; a full socket blocks the connection. */
static void note_sent(struct loop *loop, struct conn *conn, struct outbox *output, size_t sent,
                      bool is_full)
{
    if (is_full && !conn->is_blocked)
        begin_blocking(loop, conn);
    conn->is_blocked = is_full;
    conn->progress_ms = loop->now_ms;
    loop->stats.counters[COUNTER_BYTES_OUT] += sent;
    outbox_consume(output, &loop->pool, sent);
}

/*
 * Sends once. Returns the bytes that the socket took; 0: it takes no more now, the poller will
 * report the send later, or the connection is lost.
 */
static size_t send_once(struct loop *loop, struct conn *conn, struct outbox *output)
{
    struct iovec parts[SEND_PARTS_MAX];
    int part_count = outbox_parts(output, parts, SEND_PARTS_MAX);
    size_t wanted = 0;
    for (int i = 0; i < part_count; i++)
        wanted += parts[i].iov_len;
    ssize_t sent = poller_send(loop->poller, &conn->socket, parts, part_count);
    if (sent == POLLER_SEND_FAILED)
        conn_out_lose_peer(loop, conn);
    if (sent < 0)
        return 0;
    note_sent(loop, conn, output, (size_t)sent, (size_t)sent < wanted);
    return (size_t)sent;
}

static bool may_send(const struct conn *conn)
{
    return !conn->is_blocked && conn->socket.sending == 0 && conn->state != CONN_DEAD;
}

/* Sends until the socket takes no more, or the connection has used up its share of the turn. */
static void send_share(struct loop *loop, struct conn *conn)
{
    size_t share = SEND_BYTES_PER_TURN;
    while (may_send(conn)) {
        struct outbox *output = egress_output(loop, conn);
        if (output == NULL)
            conn_out_abandon(loop, conn);
        if (output == NULL || output->length == 0)
            return;
        size_t sent = send_once(loop, conn, output);
        if (sent >= share) {
            loop->stats.counters[COUNTER_TURN_USED_UP]++;
            loop_mark_unfinished(loop, conn);
            return;
        }
        share -= sent;
    }
}

void conn_out_flush(struct loop *loop, struct conn *conn)
{
    size_t charge = conn_charge(conn);
    send_share(loop, conn);
    loop->charged += conn_charge(conn) - charge;
    if (conn_waiting(conn) > 0)
        return;
    if (conn->state == CONN_CLOSING)
        finish_closing(loop, conn);
    else if (conn->state == CONN_HTTP && conn->is_paused)
        loop_set_deadline(loop, conn,
                          DEADLINE_NEXT_TURN); /* so that its further requests are read */
}

void conn_out_sent(struct loop *loop, struct conn *conn, size_t sent, bool is_full)
{
    size_t charge = conn_charge(conn);
    struct outbox *output = conn->tls != NULL ? tls_session_output(conn->tls) : &conn->out;
    note_sent(loop, conn, output, sent, is_full);
    if (!is_full)
        conn->out.since_ms = loop->now_ms; /* the socket took all that was queued */
    loop->charged += conn_charge(conn) - charge;
    bool has_more_to_do = conn_waiting(conn) > 0 || conn->state != CONN_OPEN;
    if (has_more_to_do && conn->state != CONN_MOVING)
        loop_mark_dirty(loop, conn);
}

void conn_out_writable(struct loop *loop, struct conn *conn)
{
    size_t charge = conn_charge(conn);
    conn->is_blocked = false;
    conn->progress_ms = loop->now_ms;
    loop->charged += conn_charge(conn) - charge;
    if (conn->state != CONN_MOVING)
        loop_mark_dirty(loop, conn);
}
