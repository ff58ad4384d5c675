/* Reads frames as messages, gives messages to the relay, and has its effects performed. */
#include "server/messages.h"

#include <assert.h>
#include <stdlib.h>

#include "server/admission.h"
#include "server/allowance.h"
#include "server/conn_out.h"
#include "server/drain.h"
#include "server/edge.h"
#include "server/perform.h"

/* The connection has got a seat, for which `told` bytes were queued, or has lost its seat. */
static void note_seat_change(struct loop *loop, struct conn *conn, size_t told)
{
    admission_seat_changed(loop, conn);
    if (conn->seat != NULL)
        admission_spend(loop, conn->subnet, told / 1024 * JOIN_COST_PER_KIB);
}

static struct speaker speaker_of(struct conn *conn)
{
    return (struct speaker){
        .client = conn->handle,
        .protocol = conn_protocol(conn),
        .origin_number = conn->origin_number,
        .seat = &conn->seat,
    };
}

/* Performs the effects of what this connection sent. */
static void perform_for_speaker(struct loop *loop, struct conn *conn,
                                const struct member *seat_before, const struct effects *effects)
{
    size_t waiting = seat_before == NULL ? conn_waiting(conn) : 0;
    perform_effects(loop, effects);
    if (conn->seat != NULL)
        drain_note_life(loop, conn->seat->room);
    if (conn->seat != seat_before)
        note_seat_change(loop, conn, conn_waiting(conn) - waiting);
}

/* Gives the relay a message that was parsed. `envelope` is NULL for one that is not text. */
static void tell_relay(struct loop *loop, struct conn *conn, enum envelope_result result,
                       const struct envelope *envelope)
{
    struct effects effects;
    struct speaker speaker = speaker_of(conn);
    const struct member *seat = conn->seat;
    if (envelope != NULL)
        relay_receive_envelope(&loop->relay, speaker, result, envelope, &effects);
    else
        relay_receive_garbage(&loop->relay, speaker, &effects);
    perform_for_speaker(loop, conn, seat, &effects);
}

static enum pause pause_for(enum edge_answer answer)
{
    if (answer == EDGE_WAITS)
        return PAUSE_ENTRANCE;
    return answer == EDGE_SENT ? PAUSE_ANSWER : PAUSE_NONE;
}

/* Handles a message that was parsed, and is `text` if another node has to have it. */
static enum pause handle_envelope(struct loop *loop, struct conn *conn, enum envelope_result result,
                                  const struct envelope *envelope, struct bytes text)
{
    if (conn->input != NULL)
        conn->input->since_ms = loop->now_ms;
    bool may_go = loop->links != NULL && conn->seat == NULL && result == ENVELOPE_OK;
    enum edge_answer answer = may_go ? edge_enter(loop, conn, envelope, text, NULL) : EDGE_NONE;
    if (answer == EDGE_NONE)
        tell_relay(loop, conn, result, envelope);
    return pause_for(answer);
}

static void handle_binary(struct loop *loop, struct conn *conn, struct bytes message)
{
    struct effects effects;
    const struct member *seat = conn->seat;
    if (conn->input != NULL)
        conn->input->since_ms = loop->now_ms;
    relay_receive_binary(&loop->relay, speaker_of(conn), message, &effects);
    perform_for_speaker(loop, conn, seat, &effects);
}

void messages_carry_out(struct loop *loop, struct conn *conn, const struct join *join)
{
    struct effects effects;
    uint32_t slice = peers_slice_of(join->code);
    /* Another node may have the room by now, or this loop has not heard yet that it is here. */
    if (loop->links != NULL && peers_place(loop->links->owners[slice]) != PEER_HERE) {
        conn_out_close_for_restart(loop, conn);
        return;
    }
    relay_carry_out(&loop->relay, speaker_of(conn), join, &effects);
    perform_for_speaker(loop, conn, NULL, &effects);
    /* Its seat is not there any more. What has become of it the client hears when it joins. */
    if (join->unasked != 0 && conn->seat == NULL && conn->state == CONN_OPEN)
        conn_out_close_for_restart(loop, conn);
    if (conn->input != NULL)
        conn->input->unasked_ms = loop->now_ms;
}

static enum pause handle_text(struct loop *loop, struct conn *conn, struct bytes text)
{
    struct envelope envelope;
    enum envelope_result result = envelope_parse(text, &envelope);
    return handle_envelope(loop, conn, result, &envelope, text);
}

/* Frees the entrance, unless the connection waits on with it. */
static enum pause handle_again(struct loop *loop, struct conn *conn, struct entrance *entrance)
{
    struct envelope envelope;
    struct bytes text = bytes_of(entrance->text, entrance->length);
    enum envelope_result result = envelope_parse(text, &envelope);
    loop->work += 1 + text.length / 1024;
    enum edge_answer answer = edge_enter(loop, conn, &envelope, text, entrance);
    assert(answer != EDGE_LOST); /* which is for what can't be kept */
    if (answer == EDGE_NONE) {
        tell_relay(loop, conn, result, &envelope);
        free(entrance);
    }
    return pause_for(answer);
}

/*
 * Whether the client closes its connection: the next frame shows, since the reader has stopped
 * between two. What has not been read over TLS shows nothing.
 */
static bool is_closing(const struct loop *loop, const struct conn *conn)
{
    const struct buf *unread = &conn->input->unread;
    uint8_t head;
    if (unread->length > 0)
        return ws_frame_is_close(unread->data[0]);
    return conn->tls == NULL && loop->kernel->peek(conn->socket.fd, &head) &&
           ws_frame_is_close(head);
}

/*
 * The connection is paused, so nothing else shows that its client has gone. Such a client may be
 * back over another connection, and must not be seated over this one: it is read on, to its end, or
 * is lost with what it has said behind.
 */
static enum pause wait_on(struct loop *loop, struct conn *conn, struct entrance *entrance)
{
    bool is_over = loop->now_ms - entrance->since_ms >= ENTRANCE_WAIT_MS;
    bool is_patient = loop->now_ms - entrance->refused_ms < entrance->patience_ms;
    loop->work++;
    if (loop->kernel->has_ended(conn->socket.fd)) {
        free(entrance);
        conn_out_lose_peer(loop, conn);
    } else if (is_closing(loop, conn)) {
        free(entrance);
    } else if (is_over) {
        free(entrance);
        conn_out_close_for_restart(loop, conn);
    } else if (is_patient) {
        conn->input->entrance = entrance;
        return PAUSE_ENTRANCE;
    } else {
        return handle_again(loop, conn, entrance);
    }
    return PAUSE_NONE;
}

enum pause messages_enter_again(struct loop *loop, struct conn *conn)
{
    struct entrance *entrance = conn->input->entrance;
    conn->input->entrance = NULL;
    if (entrance->is_waiting)
        return wait_on(loop, conn, entrance);
    free(entrance);
    return PAUSE_NONE;
}

void messages_receive(struct loop *loop, struct conn *conn, bool is_binary, struct bytes message)
{
    struct envelope envelope;
    if (is_binary && conn_protocol(conn) == PROTOCOL_3)
        handle_binary(loop, conn, message);
    else if (utf8_is_valid(message))
        tell_relay(loop, conn, envelope_parse(message, &envelope), &envelope);
    else
        tell_relay(loop, conn, ENVELOPE_INVALID_JSON, NULL);
}

/* Frees the next part of a long message that was handled, since freeing all of it takes long. */
static enum pause free_next_part(struct loop *loop, struct conn *conn)
{
    bool is_open = conn->state == CONN_OPEN && conn->input != NULL;
    if (!is_open || !ws_reader_free_some(&conn->input->reader, FREED_BYTES_PER_TURN))
        return PAUSE_NONE;
    loop->work += FREED_BYTES_PER_TURN / 1024;
    return PAUSE_SHARE;
}

enum pause messages_parse_on(struct loop *loop, struct conn *conn)
{
    struct envelope_parser *parser = conn->input->parser;
    if (parser == NULL)
        return free_next_part(loop, conn);
    enum envelope_result result = envelope_continue(parser, PARSED_BYTES_PER_TURN);
    loop->work += PARSED_BYTES_PER_TURN / 1024;
    if (result == ENVELOPE_PAUSED)
        return PAUSE_SHARE;
    conn->input->parser = NULL;
    if (conn->input->unasked != 0) { /* its room was lost meanwhile: it says this again */
        free(parser);
        return free_next_part(loop, conn);
    }
    enum pause pause = handle_envelope(loop, conn, result, &parser->envelope,
                                       buf_view(&conn->input->reader.message));
    free(parser);
    return pause == PAUSE_NONE ? free_next_part(loop, conn) : pause;
}

/*
 * Whether the reader keeps this message. Then its bytes stay where they are until the next one is
 * read, so parsing may pause.
 */
static bool is_in_reader(const struct conn *conn, struct bytes text)
{
    return conn->input != NULL && text.data == conn->input->reader.message.data;
}

/*
 * Begins to parse a long message in the next turn, and pauses the connection. So when many long
 * messages are complete at once, short messages of other clients are handled before them.
 */
static enum pause begin_parsing(struct loop *loop, struct conn *conn, struct bytes text)
{
    conn->input->parser = malloc(sizeof *conn->input->parser);
    if (conn->input->parser == NULL) {
        conn_out_lose_for_memory(loop, conn);
        return PAUSE_NONE;
    }
    envelope_begin(conn->input->parser, text);
    return PAUSE_SHARE;
}

/* Whether the client has its seat again, here or at another node. */
static bool is_seated(const struct loop *loop, const struct conn *conn)
{
    return conn->seat != NULL ||
           (conn->is_away && links_attachment_of(loop, conn)->client != LINK_HANDLE_NONE);
}

static bool is_answer(const struct conn *conn, const struct envelope *envelope)
{
    uint64_t number;
    struct json_value unasked = envelope_field(envelope, FIELD_UNASKED);
    return envelope->type == ENVELOPE_RESUMED && json_member_whole(&unasked, UINT32_MAX, &number) &&
           number == conn->input->unasked;
}

/*
 * Whether the client does not know yet that it is seated again. What it says until it has answered
 * it will say once more, so it is dropped. A `ping` is answered, since the client takes silence for
 * a dead connection, but without `heard`, which is not known here.
 */
static bool is_unheard(struct loop *loop, struct conn *conn, const struct ws_read *read)
{
    struct envelope envelope;
    if (conn->input == NULL || conn->input->unasked == 0)
        return false;
    bool may_answer = is_seated(loop, conn);
    bool is_read = !read->is_binary && read->is_utf8 && read->payload.length <= UNHEARD_BYTES_MAX &&
                   envelope_parse(read->payload, &envelope) == ENVELOPE_OK;
    if (may_answer && is_read && is_answer(conn, &envelope)) {
        conn->input->unasked = 0;
        return false;
    }
    if (may_answer && loop->now_ms - conn->input->unasked_ms >= UNANSWERED_MS)
        conn_out_close_for_restart(loop, conn); /* it knows nothing of such a `joined` */
    else if (is_read && envelope.type == ENVELOPE_PING)
        conn_out_text(loop, conn, BYTES("{\"type\":\"pong\"}"));
    return true;
}

static enum pause handle_message(struct loop *loop, struct conn *conn, const struct ws_read *read)
{
    struct bytes text = read->payload;
    bool is_long = text.length > PARSED_BYTES_PER_TURN && is_in_reader(conn, text);
    loop->stats.counters[COUNTER_MESSAGES_IN]++;
    if (is_unheard(loop, conn, read))
        return PAUSE_NONE;
    if (conn->is_away) {
        edge_say(loop, conn, read->is_binary, text);
        return PAUSE_NONE;
    }
    if (read->is_binary && conn->protocol == PROTOCOL_3) {
        handle_binary(loop, conn, text);
        return PAUSE_NONE;
    }
    /*
     * Binary messages that contain JSON are handled like text in protocols 1 and 2. A long one that
     * is not UTF-8 is parsed as an empty text, which is no JSON.
     */
    if (is_long)
        return begin_parsing(loop, conn, read->is_utf8 ? text : bytes_of(text.data, 0));
    if (read->is_utf8)
        return handle_text(loop, conn, text);
    return handle_envelope(loop, conn, ENVELOPE_INVALID_JSON, NULL, text);
}

static enum counter counter_of_read_error(uint16_t close_code)
{
    switch (close_code) {
    case WS_CLOSE_TOO_BIG:
        return COUNTER_TOO_LARGE;
    case WS_CLOSE_INTERNAL_ERROR: /* the reader had no memory for the message */
        return COUNTER_NO_MEMORY;
    default:
        return COUNTER_PROTOCOL_ERROR;
    }
}

static enum pause handle_read(struct loop *loop, struct conn *conn, const struct ws_read *read)
{
    switch (read->kind) {
    case WS_READ_MESSAGE:
        return handle_message(loop, conn, read);
    case WS_READ_PING:
        conn_out_control(loop, conn, WS_OPCODE_PONG, read->payload);
        break;
    case WS_READ_CLOSE:
        loop->stats.counters[COUNTER_PEER_CLOSED]++;
        conn->said_farewell = read->close_code == WS_CLOSE_NORMAL;
        conn->closed_without_code = read->close_code == WS_CLOSE_NO_STATUS;
        conn_out_close(loop, conn, read->close_code, read->payload);
        break;
    case WS_READ_ERROR:
        loop->stats.counters[counter_of_read_error(read->close_code)]++;
        conn_out_close(loop, conn, read->close_code, (struct bytes){0});
        break;
    case WS_READ_PONG:
    case WS_READ_NEED_MORE:
    case WS_READ_OUT_OF_FRAMES:
    case WS_READ_OUT_OF_BYTES:
        break;
    }
    return PAUSE_NONE;
}

/* Keeps a reader that was on the stack, if it holds anything incomplete. */
static void keep_reader(struct loop *loop, struct conn *conn, struct ws_reader *reader)
{
    if (conn->state != CONN_OPEN || ws_reader_is_idle(reader)) {
        ws_reader_release(reader);
        return;
    }
    struct conn_input *input = loop_need_input(loop, conn);
    if (input == NULL) {
        ws_reader_release(reader);
        conn_out_lose_for_memory(loop, conn);
        return;
    }
    input->reader = *reader;
}

void messages_drop_input_when_idle(struct conn *conn)
{
    const struct conn_input *input = conn->input;
    if (input != NULL && ws_reader_is_idle(&input->reader) && input->unread.length == 0 &&
        input->join == NULL && input->entrance == NULL && input->parser == NULL &&
        input->unasked == 0)
        conn_drop_input(conn);
}

enum pause messages_read(struct loop *loop, struct conn *conn, struct bytes_mut *in)
{
    struct ws_reader on_stack;
    struct ws_reader *reader = &on_stack;
    struct bytes_mut share = allowance_share_of(loop, *in);
    enum pause pause = PAUSE_NONE;
    if (!allowance_lets_join(loop, conn))
        return PAUSE_RATE;
    if (conn->input != NULL)
        reader = &conn->input->reader;
    else
        ws_reader_init(&on_stack, loop->server->config->message_bytes_max);

    struct allowance given = allowance_give(loop, conn, reader);
    while (conn->state == CONN_OPEN && pause == PAUSE_NONE) {
        if (conn->is_away && edge_is_behind(loop, conn)) {
            pause = PAUSE_SHARE;
            break;
        }
        if (conn->is_away && edge_holds_back(loop, conn)) {
            pause = PAUSE_ANSWER;
            break;
        }
        struct ws_read read;
        enum ws_read_kind kind = ws_reader_next(reader, &share, &read);
        if (kind == WS_READ_NEED_MORE)
            break;
        if (kind == WS_READ_OUT_OF_FRAMES)
            pause = given.frames < loop->share_left ? PAUSE_RATE : PAUSE_SHARE;
        else if (kind == WS_READ_OUT_OF_BYTES)
            pause = PAUSE_RATE;
        else
            pause = handle_read(loop, conn, &read);
        if (loop->work >= loop->share_end && share.length > 0 && pause == PAUSE_NONE)
            pause = PAUSE_SHARE;
    }
    allowance_pay(loop, conn, given, reader);
    allowance_pay_for_bytes(loop, in, &share);
    if (share.length == 0 && in->length > 0 && pause == PAUSE_NONE)
        pause = PAUSE_SHARE;
    if (reader == &on_stack)
        keep_reader(loop, conn, reader);
    else
        messages_drop_input_when_idle(conn);
    return pause;
}
