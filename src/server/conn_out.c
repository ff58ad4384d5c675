/*
 * The way out: an event is written once, framed once, and appended to each recipient's queue.
 * Nothing is sent here but by conn_out_flush(), once a turn.
 */
#include "server/conn_out.h"

#include <assert.h>
#include <sys/socket.h>

#include "relay/dialect.h"
#include "server/admission.h"
#include "server/transport.h"

/* An encoded frame: in the loop's scratch memory, or shared. */
struct frame {
    struct bytes bytes;
    struct payload *payload; /* NULL: copy `bytes` */
};

void conn_out_end(struct loop *loop, struct conn *conn)
{
    if (conn->state == CONN_DEAD || conn->state == CONN_FREE)
        return;
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

/* Bytes at the front of the queue that are being sent. Of TLS, it is records: they have left it. */
static size_t begun_bytes(const struct conn *conn)
{
    return conn->tls == NULL ? conn->socket.sending : 0;
}

/* Whether there is room for so much more. */
static bool has_room(struct loop *loop, struct conn *conn, size_t length)
{
    size_t waiting = conn->out.length - begun_bytes(conn);
    if (waiting == 0) {
        conn->out.since_ms = loop->now_ms;
        return true; /* one message is always admitted to an empty queue */
    }
    if (waiting + length <= loop->server->config->queue_bytes_max)
        return true;
    loop->stats.counters[COUNTER_QUEUE_FULL]++;
    conn_out_close_for_queue(loop, conn, BYTES("too slow"));
    return false;
}

/* Whether the connection still takes output of its own making, and has room for it. */
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

struct control_frame {
    size_t length;
    uint8_t data[WS_FRAME_HEADER_OUT_MAX + WS_CONTROL_PAYLOAD_MAX];
};

static struct control_frame encode_control(enum ws_opcode opcode, struct bytes payload)
{
    struct control_frame frame;
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
    struct control_frame frame = encode_control(opcode, payload);
    conn_out_bytes(loop, conn, bytes_of(frame.data, frame.length));
}

/* The event's frame in memory of its own. False: memory is short. */
static bool encode_shared(struct loop *loop, const struct event *event, size_t text_length,
                          struct frame *ret_frame)
{
    uint8_t header[WS_FRAME_HEADER_OUT_MAX];
    size_t header_length = ws_frame_write_header(header, WS_OPCODE_TEXT, text_length);
    if (text_length > UINT32_MAX - sizeof header)
        return false;
    ret_frame->payload = payload_new((uint32_t)(header_length + text_length), &loop->held);
    if (ret_frame->payload == NULL)
        return false;
    memcpy(ret_frame->payload->data, header, header_length);
    struct writer writer = writer_over(ret_frame->payload->data + header_length, text_length);
    dialect_write(&writer, event);
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
    dialect_write(&writer, event);
    loop->work += writer.length / 1024;
    if (!writer_fits(&writer))
        return encode_shared(loop, event, writer.length, ret_frame);

    uint8_t header[WS_FRAME_HEADER_OUT_MAX];
    size_t header_length = ws_frame_write_header(header, WS_OPCODE_TEXT, writer.length);
    uint8_t *first = text - header_length;
    memcpy(first, header, header_length);
    *ret_frame = (struct frame){.bytes = bytes_of(first, header_length + writer.length)};
    return true;
}

/* The event's frame in memory of its own, however short it is. False: memory is short. */
static bool encode_to_keep(struct loop *loop, const struct event *event, struct frame *ret_frame)
{
    struct writer measure = writer_over(NULL, 0);
    dialect_write(&measure, event);
    loop->work += measure.length / 1024;
    return encode_shared(loop, event, measure.length, ret_frame);
}

/* What is done most: once for each delivery. */
static inline void queue_frame(struct loop *loop, uint32_t client, const struct frame *frame)
{
    struct conn *conn = conn_table_at(&loop->server->connections, client);
    if (conn->state != CONN_OPEN || !has_room(loop, conn, frame->bytes.length))
        return;
    if (frame->payload != NULL)
        append_payload(loop, conn, frame->payload);
    else
        append(loop, conn, frame->bytes);
}

/* A message that can't be encoded can't be delivered: who was to get it is closed, never skipped.
 */
static void abandon_recipient(struct loop *loop, uint32_t client)
{
    conn_out_lose_for_memory(loop, conn_table_at(&loop->server->connections, client));
}

static void count_deliveries(struct loop *loop, uint32_t count)
{
    loop->stats.counters[COUNTER_DELIVERIES] += count;
    loop->work += count;
}

static void tell_client(struct loop *loop, const struct effect *effect)
{
    struct frame frame = {0};
    if (effect->event.type == EVENT_ERROR)
        loop->stats.errors[effect->event.error]++;
    if (!encode(loop, &effect->event, &frame)) {
        abandon_recipient(loop, effect->client);
        return;
    }
    queue_frame(loop, effect->client, &frame);
    count_deliveries(loop, 1);
    payload_release(frame.payload);
}

static void tell_error(struct loop *loop, uint32_t client, enum relay_error error)
{
    const struct effect answer = {
        .client = client,
        .event = {.type = EVENT_ERROR, .error = error},
    };
    tell_client(loop, &answer);
}

/* The frame to all members of the room but one; without a frame, they are lost. */
static void queue_for_room(struct loop *loop, const struct room *room, uint32_t except,
                           const struct frame *frame)
{
    uint32_t told = 0;
    for (uint32_t i = 0; i < room->member_count; i++) {
        uint32_t client = room->members[i]->client;
        if (client == except)
            continue;
        if (frame != NULL)
            queue_frame(loop, client, frame);
        else
            abandon_recipient(loop, client);
        told++;
    }
    count_deliveries(loop, told);
}

static void tell_room(struct loop *loop, const struct effect *effect)
{
    struct frame frame = {0};
    bool is_encoded = encode(loop, &effect->event, &frame);
    queue_for_room(loop, effect->room, effect->client, is_encoded ? &frame : NULL);
    payload_release(frame.payload);
}

static void refuse_for_memory(struct loop *loop, struct conn *speaker)
{
    loop->stats.counters[COUNTER_NO_MEMORY]++;
    conn_out_close(loop, speaker, WS_CLOSE_TRY_AGAIN_LATER, BYTES("out of memory"));
}

/* The frame that the others get is the one that is kept, and all who join later get it, too. */
static void keep_state(struct loop *loop, struct conn *speaker, const struct effect *effect)
{
    struct frame frame = {0};
    if (!encode_to_keep(loop, &effect->event, &frame)) {
        refuse_for_memory(loop, speaker);
        return;
    }
    if (relay_keep_state(&loop->relay, effect->room, frame.payload))
        queue_for_room(loop, effect->room, effect->client, &frame);
    else
        tell_error(loop, effect->client, ERROR_STATE_NO_MEMORY);
    payload_release(frame.payload);
}

static void tell_state(struct loop *loop, const struct effect *effect)
{
    struct payload *state = room_state(effect->room);
    const struct frame frame = {bytes_of(state->data, state->length), state};
    queue_frame(loop, effect->client, &frame);
    count_deliveries(loop, 1);
}

/*
 * The last that a guesser hears. When its own misses are too many, the last of them is told; when
 * its address has had too many, nothing is that would depend on a room, and it may try later.
 */
static void turn_away(struct loop *loop, struct conn *conn)
{
    if (!admission_is_guesser(loop, conn)) {
        conn_out_close(loop, conn, WS_CLOSE_TRY_AGAIN_LATER, BYTES("too many attempts"));
        return;
    }
    tell_error(loop, conn_index(conn), ERROR_ROOM_NOT_FOUND);
    conn_out_close(loop, conn, WS_CLOSE_POLICY, BYTES("too many failed joins"));
}

/* Who guesses codes waits for the last answer, unread, and is then closed. */
static void delay_answer(struct loop *loop, struct conn *conn)
{
    loop->stats.counters[COUNTER_JOINS_PENALIZED]++;
    if (!places_begin_waiting(&loop->server->places, conn->place)) {
        turn_away(loop, conn);
        return;
    }
    conn_set_state(conn, CONN_DELAYED);
    poller_pause(loop->poller, &conn->socket);
    loop_set_deadline(loop, conn, DEADLINE_PENALTY);
}

void conn_out_answer_delayed(struct loop *loop, struct conn *conn)
{
    admission_stop_waiting(loop, conn);
    conn_set_state(conn, CONN_OPEN);
    poller_resume(loop->poller, &conn->socket);
    turn_away(loop, conn);
}

/* Who has lost its seat hears why. */
static void unseat(struct loop *loop, uint32_t client, enum counter counter, uint16_t code,
                   struct bytes reason)
{
    struct conn *conn = conn_table_at(&loop->server->connections, client);
    conn->seat = NULL;
    admission_seat_changed(loop, conn);
    if (conn->state == CONN_OPEN) /* else it is closing for a reason of its own */
        loop->stats.counters[counter]++;
    conn_out_close(loop, conn, code, reason);
}

static void close_replaced(struct loop *loop, uint32_t client)
{
    unseat(loop, client, COUNTER_REPLACED, WS_CLOSE_REPLACED, BYTES("replaced"));
}

static void close_members(struct loop *loop, const struct room *room)
{
    for (uint32_t i = 0; i < room->member_count; i++)
        unseat(loop, room->members[i]->client, COUNTER_ROOM_CLOSED, WS_CLOSE_ROOM_CLOSED,
               BYTES("room closed"));
    loop->work += room->member_count;
}

void conn_out_perform(struct loop *loop, struct conn *speaker, const struct effects *effects)
{
    for (uint32_t i = 0; i < effects->count; i++) {
        const struct effect *effect = &effects->items[i];
        switch (effect->kind) {
        case EFFECT_TO_CLIENT:
            tell_client(loop, effect);
            break;
        case EFFECT_NOT_FOUND:
            if (admission_is_guesser(loop, speaker))
                delay_answer(loop, speaker);
            else
                tell_client(loop, effect);
            break;
        case EFFECT_UNTOLD:
            delay_answer(loop, speaker);
            break;
        case EFFECT_TO_ROOM:
            tell_room(loop, effect);
            break;
        case EFFECT_KEEP_STATE:
            keep_state(loop, speaker, effect);
            break;
        case EFFECT_TELL_STATE:
            tell_state(loop, effect);
            break;
        case EFFECT_ROOM_CLOSED:
            close_members(loop, effect->room);
            break;
        case EFFECT_REPLACED:
            close_replaced(loop, effect->client);
            break;
        case EFFECT_MOVE:
            /* conn_in keeps the message and its rest, then sends the connection away. */
            conn_set_state(speaker, CONN_MOVING);
            speaker->move_target = effect->loop;
            break;
        case EFFECT_ROOM_ADDED:
            origins_add_room(&loop->server->origins, effect->origin);
            break;
        case EFFECT_ROOM_GONE:
            origins_remove_room(&loop->server->origins, effect->origin);
            break;
        case EFFECT_ROOM_PROVEN:
            origins_prove(&loop->server->origins, effect->origin, loop->clock_ms);
            break;
        case EFFECT_NO_MEMORY:
            refuse_for_memory(loop, speaker);
            break;
        }
    }
}

void conn_out_finish(struct loop *loop, struct conn *conn)
{
    if (conn->state != CONN_OPEN && conn->state != CONN_HTTP && conn->state != CONN_WAITING)
        return;
    /* A response that nobody reads has the time of a request. */
    enum deadline_kind kind = conn->state == CONN_OPEN ? DEADLINE_FLUSH : DEADLINE_REQUEST;
    admission_stop_waiting(loop, conn);
    conn_set_state(conn, CONN_CLOSING);
    loop_set_deadline(loop, conn, kind);
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
    /* However full the queue is: the last frame always has a place. */
    struct control_frame frame = encode_control(WS_OPCODE_CLOSE, bytes_of(payload, length));
    append(loop, conn, bytes_of(frame.data, frame.length));
    conn_out_finish(loop, conn);
}

void conn_out_close_for_queue(struct loop *loop, struct conn *conn, struct bytes reason)
{
    outbox_drop_unbegun(&conn->out, &loop->pool, begun_bytes(conn));
    /* The close frame can only follow what was begun; when that is long, it is not worth waiting.
     */
    if (conn->state != CONN_OPEN || conn_waiting(conn) > LAST_WORDS_BYTES_MAX)
        conn_out_abandon(loop, conn);
    else
        conn_out_close(loop, conn, WS_CLOSE_TRY_AGAIN_LATER, reason);
}

/* Everything is out. A closing connection shuts its side and waits for the peer's end. */
static void finish_closing(struct loop *loop, struct conn *conn)
{
    if (conn->peer_has_ended || shutdown(conn->socket.fd, SHUT_WR) != 0) {
        conn_out_end(loop, conn);
        return;
    }
    conn_set_state(conn, CONN_LINGERING);
    conn->out.since_ms = loop->now_ms;
    loop_set_deadline(loop, conn, DEADLINE_LINGER);
}

/* What went out leaves its queue; a full socket blocks the connection. */
static void note_sent(struct loop *loop, struct conn *conn, struct outbox *output, size_t sent,
                      bool is_full)
{
    conn->is_blocked = is_full;
    conn->progress_ms = loop->now_ms;
    loop->stats.counters[COUNTER_BYTES_OUT] += sent;
    outbox_consume(output, &loop->pool, sent);
}

/*
 * One send. Returns the bytes that went out; 0 when no more can now, when that will be told later,
 * or when the connection is lost.
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

/* Sends until the socket takes no more, or the connection has had its share of the turn. */
static void send_share(struct loop *loop, struct conn *conn)
{
    size_t share = SEND_BYTES_PER_TURN;
    while (may_send(conn)) {
        struct outbox *output = transport_output(loop, conn);
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
    loop->held += conn_charge(conn) - charge;
    if (conn_waiting(conn) > 0)
        return;
    if (conn->state == CONN_CLOSING)
        finish_closing(loop, conn);
    else if (conn->state == CONN_HTTP && conn->is_held)
        loop_set_deadline(loop, conn, DEADLINE_NEXT_TURN); /* its requests may be read again */
}

void conn_out_sent(struct loop *loop, struct conn *conn, size_t sent, bool is_full)
{
    size_t charge = conn_charge(conn);
    struct outbox *output = conn->tls != NULL ? tls_session_output(conn->tls) : &conn->out;
    note_sent(loop, conn, output, sent, is_full);
    if (!is_full)
        conn->out.since_ms = loop->now_ms; /* all that had been queued was taken */
    loop->held += conn_charge(conn) - charge;
    bool has_more_to_do = conn_waiting(conn) > 0 || conn->state != CONN_OPEN;
    if (has_more_to_do && conn->state != CONN_MOVING)
        loop_mark_dirty(loop, conn);
}

void conn_out_writable(struct loop *loop, struct conn *conn)
{
    size_t charge = conn_charge(conn);
    conn->is_blocked = false;
    conn->progress_ms = loop->now_ms;
    loop->held += conn_charge(conn) - charge;
    if (conn->state != CONN_MOVING)
        loop_mark_dirty(loop, conn);
}
