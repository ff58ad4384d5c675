/*
 * The way out: an event is written once, framed once, and appended to each recipient's queue.
 * Nothing is sent here but by conn_out_flush(), once a turn.
 */
#include "server/conn_out.h"

#include <assert.h>
#include <sys/socket.h>

#include "relay/dialect_1.h"

/* An encoded frame: in the loop's scratch memory, or shared. */
struct frame {
    struct bytes bytes;
    struct payload *payload; /* NULL: copy `bytes` */
};

void conn_out_abandon(struct loop *loop, struct conn *conn)
{
    if (conn->state == CONN_DEAD || conn->state == CONN_FREE)
        return;
    conn_set_state(conn, CONN_DEAD);
    loop_mark_ending(loop, conn);
}

/* Whether the connection still takes output of its own making, and has room for it. */
static bool may_queue(struct loop *loop, struct conn *conn, size_t length)
{
    bool takes_output =
        conn->state == CONN_OPEN || conn->state == CONN_HTTP || conn->state == CONN_WAITING;
    if (!takes_output)
        return false;
    /* One message is always admitted to an empty queue. */
    if (conn->out.length > 0 && conn->out.length + length > QUEUE_BYTES_MAX) {
        conn_out_abandon(loop, conn);
        return false;
    }
    return true;
}

void conn_out_bytes(struct loop *loop, struct conn *conn, struct bytes bytes)
{
    if (!may_queue(loop, conn, bytes.length))
        return;
    if (outbox_append(&conn->out, &loop->pool, bytes))
        loop_mark_dirty(loop, conn);
    else
        conn_out_abandon(loop, conn);
}

void conn_out_payload(struct loop *loop, struct conn *conn, struct payload *payload)
{
    if (!may_queue(loop, conn, payload->length))
        return;
    if (outbox_append_payload(&conn->out, &loop->pool, payload))
        loop_mark_dirty(loop, conn);
    else
        conn_out_abandon(loop, conn);
}

void conn_out_control(struct loop *loop, struct conn *conn, enum ws_opcode opcode,
                      struct bytes payload)
{
    uint8_t frame[WS_FRAME_HEADER_OUT_MAX + WS_CONTROL_PAYLOAD_MAX];
    assert(payload.length <= WS_CONTROL_PAYLOAD_MAX);
    size_t header_length = ws_frame_write_header(frame, opcode, payload.length);
    if (payload.length > 0)
        memcpy(frame + header_length, payload.data, payload.length);
    conn_out_bytes(loop, conn, bytes_of(frame, header_length + payload.length));
}

/* The event's frame in memory of its own. False: memory is short. */
static bool encode_shared(const struct event *event, size_t text_length, struct frame *ret_frame)
{
    uint8_t header[WS_FRAME_HEADER_OUT_MAX];
    size_t header_length = ws_frame_write_header(header, WS_OPCODE_TEXT, text_length);
    if (text_length > UINT32_MAX - sizeof header)
        return false;
    ret_frame->payload = payload_new((uint32_t)(header_length + text_length));
    if (ret_frame->payload == NULL)
        return false;
    memcpy(ret_frame->payload->data, header, header_length);
    struct writer writer = writer_over(ret_frame->payload->data + header_length, text_length);
    dialect_1_write(&writer, event);
    assert(writer.length == text_length);
    ret_frame->bytes = bytes_of(ret_frame->payload->data, ret_frame->payload->length);
    return true;
}

/*
 * Writes the event and its frame header, once for all recipients. Small frames go to scratch
 * memory, the header right before the text; large ones are measured first and then written where
 * all their recipients will share them.
 */
static bool encode(struct loop *loop, const struct event *event, struct frame *ret_frame)
{
    uint8_t *text = loop->scratch + WS_FRAME_HEADER_OUT_MAX;
    bool is_small = event->data.length < SHARED_FRAME_BYTES_MIN;
    struct writer writer =
        writer_over(text, is_small ? sizeof loop->scratch - WS_FRAME_HEADER_OUT_MAX : 0);
    dialect_1_write(&writer, event);
    if (!writer_fits(&writer))
        return encode_shared(event, writer.length, ret_frame);

    uint8_t header[WS_FRAME_HEADER_OUT_MAX];
    size_t header_length = ws_frame_write_header(header, WS_OPCODE_TEXT, writer.length);
    uint8_t *first = text - header_length;
    memcpy(first, header, header_length);
    *ret_frame = (struct frame){.bytes = bytes_of(first, header_length + writer.length)};
    return true;
}

static void queue_frame(struct loop *loop, uint32_t client, const struct frame *frame)
{
    struct conn *conn = conn_table_at(&loop->server->connections, client);
    if (conn->state != CONN_OPEN)
        return;
    if (frame->payload != NULL)
        conn_out_payload(loop, conn, frame->payload);
    else
        conn_out_bytes(loop, conn, frame->bytes);
}

/* A message that can't be encoded can't be delivered: who was to get it is closed, never skipped.
 */
static void abandon_recipient(struct loop *loop, uint32_t client)
{
    conn_out_abandon(loop, conn_table_at(&loop->server->connections, client));
}

static void tell_client(struct loop *loop, const struct effect *effect)
{
    struct frame frame = {0};
    if (!encode(loop, &effect->event, &frame)) {
        abandon_recipient(loop, effect->client);
        return;
    }
    queue_frame(loop, effect->client, &frame);
    loop->stats.deliveries++;
    payload_release(frame.payload);
}

static void tell_room(struct loop *loop, const struct effect *effect)
{
    struct frame frame = {0};
    bool is_encoded = encode(loop, &effect->event, &frame);
    LIST_FOR_EACH(link, &effect->room->members)
    {
        uint32_t client = member_of_link(link)->client;
        if (client == effect->client)
            continue;
        if (is_encoded)
            queue_frame(loop, client, &frame);
        else
            abandon_recipient(loop, client);
        loop->stats.deliveries++;
    }
    payload_release(frame.payload);
}

static void close_replaced(struct loop *loop, uint32_t client)
{
    struct conn *conn = conn_table_at(&loop->server->connections, client);
    conn->seat = NULL;
    conn_out_close(loop, conn, WS_CLOSE_REPLACED, BYTES("replaced"));
}

void conn_out_perform(struct loop *loop, struct conn *speaker, const struct effects *effects)
{
    for (uint32_t i = 0; i < effects->count; i++) {
        const struct effect *effect = &effects->items[i];
        switch (effect->kind) {
        case EFFECT_TO_CLIENT:
        case EFFECT_NOT_FOUND:
            tell_client(loop, effect);
            break;
        case EFFECT_TO_ROOM:
            tell_room(loop, effect);
            break;
        case EFFECT_REPLACED:
            close_replaced(loop, effect->client);
            break;
        case EFFECT_MOVE:
            /* conn_in keeps the message and its rest, then sends the connection away. */
            conn_set_state(speaker, CONN_MOVING);
            break;
        case EFFECT_ROOM_ADDED:
            origins_add_room(&loop->server->origins, effect->origin);
            break;
        case EFFECT_ROOM_GONE:
            origins_remove_room(&loop->server->origins, effect->origin);
            break;
        case EFFECT_NO_MEMORY:
            conn_out_close(loop, speaker, WS_CLOSE_TRY_AGAIN_LATER, BYTES("out of memory"));
            break;
        }
    }
}

void conn_out_finish(struct loop *loop, struct conn *conn)
{
    if (conn->state != CONN_OPEN && conn->state != CONN_HTTP && conn->state != CONN_WAITING)
        return;
    conn_set_state(conn, CONN_CLOSING);
    loop_set_deadline(loop, conn, DEADLINE_FLUSH);
    loop_mark_dirty(loop, conn);
    loop_mark_ending(loop, conn);
}

void conn_out_close(struct loop *loop, struct conn *conn, uint16_t code, struct bytes reason)
{
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
    conn_out_control(loop, conn, WS_OPCODE_CLOSE, bytes_of(payload, length));
    conn_out_finish(loop, conn);
}

/* Everything is out. A closing connection shuts its side and waits for the peer's end. */
static void finish_closing(struct loop *loop, struct conn *conn)
{
    if (conn->peer_has_ended || shutdown(conn->socket.fd, SHUT_WR) != 0) {
        conn_out_abandon(loop, conn);
        return;
    }
    conn_set_state(conn, CONN_LINGERING);
    loop_set_deadline(loop, conn, DEADLINE_LINGER);
}

void conn_out_flush(struct loop *loop, struct conn *conn)
{
    while (conn->out.length > 0 && !conn->is_send_pending) {
        struct iovec parts[SEND_PARTS_MAX];
        int part_count = outbox_parts(&conn->out, parts, SEND_PARTS_MAX);
        size_t wanted = 0;
        for (int i = 0; i < part_count; i++)
            wanted += parts[i].iov_len;
        ssize_t sent =
            poller_send(loop->poller, &conn->socket, conn_token(conn), parts, part_count);
        if (sent == POLLER_SEND_FAILED) {
            conn_out_abandon(loop, conn);
            return;
        }
        if (sent > 0) {
            loop->stats.bytes_out += (uint64_t)sent;
            outbox_consume(&conn->out, &loop->pool, (size_t)sent);
        }
        conn->is_send_pending = sent < 0 || (size_t)sent < wanted;
    }
    if (conn->out.length == 0 && conn->state == CONN_CLOSING)
        finish_closing(loop, conn);
}

void conn_out_sent(struct loop *loop, struct conn *conn, size_t sent)
{
    conn->is_send_pending = false;
    /* Output that advances shows that the peer lives. */
    conn->last_alive_ms = loop->now_ms;
    conn->is_pinged = false;
    outbox_consume(&conn->out, &loop->pool, sent);
    conn_out_flush(loop, conn);
}
