/*
 * The way in. Bytes come in the loop's shared receive buffer and are read there; a connection keeps
 * a copy only of what is incomplete when they end.
 */
#include "server/conn_in.h"

#include "proto/utf8.h"
#include "server/conn_out.h"
#include "server/routes.h"

static size_t message_limit(const struct loop *loop)
{
    return loop->server->config->message_bytes_max;
}

/* Hands the connection to the loop that `effects` name, with the message it is to hear there. */
static void take_along(struct loop *loop, struct conn *conn, struct bytes message)
{
    struct conn_input *input = conn_need_input(conn, message_limit(loop));
    if (input == NULL || buf_append(&input->message, message) != BUF_OK)
        conn_out_abandon(loop, conn);
}

static uint32_t move_target(const struct effects *effects)
{
    for (uint32_t i = 0; i < effects->count; i++) {
        if (effects->items[i].kind == EFFECT_MOVE)
            return effects->items[i].loop;
    }
    return UINT32_MAX;
}

/* Returns the loop to go to when the message makes the connection move, else UINT32_MAX. */
static uint32_t handle_message(struct loop *loop, struct conn *conn, struct bytes text,
                               bool is_valid_text)
{
    struct effects effects;
    struct speaker speaker = {
        .client = conn_index(conn), .origin = conn->origin, .seat = &conn->seat};
    loop->stats.messages_in++;
    if (is_valid_text)
        relay_receive(&loop->relay, speaker, text, &effects);
    else
        relay_receive_garbage(speaker, &effects);
    conn_out_perform(loop, conn, &effects);
    if (conn->state != CONN_MOVING)
        return UINT32_MAX;
    take_along(loop, conn, text);
    return move_target(&effects);
}

static uint32_t handle_read(struct loop *loop, struct conn *conn, const struct ws_read *read)
{
    switch (read->kind) {
    case WS_READ_MESSAGE:
        /* Binary frames that contain JSON are treated like text. */
        return handle_message(loop, conn, read->payload,
                              !read->is_binary || utf8_is_valid(read->payload));
    case WS_READ_PING:
        conn_out_control(loop, conn, WS_OPCODE_PONG, read->payload);
        break;
    case WS_READ_CLOSE:
        conn_out_close(loop, conn, read->close_code, read->payload);
        break;
    case WS_READ_ERROR:
        conn_out_close(loop, conn, read->close_code, (struct bytes){0});
        break;
    case WS_READ_PONG:
    case WS_READ_NEED_MORE:
    case WS_READ_OUT_OF_FRAMES:
        break;
    }
    return UINT32_MAX;
}

/* A reader that was on the stack is kept only when it holds something unfinished. */
static void keep_reader(struct loop *loop, struct conn *conn, struct ws_reader *reader)
{
    if (conn->state != CONN_OPEN || ws_reader_is_idle(reader)) {
        ws_reader_release(reader);
        return;
    }
    struct conn_input *input = conn_need_input(conn, message_limit(loop));
    if (input == NULL) {
        ws_reader_release(reader);
        conn_out_abandon(loop, conn);
        return;
    }
    input->reader = *reader;
}

static void drop_input_when_idle(struct conn *conn)
{
    const struct conn_input *input = conn->input;
    if (input != NULL && ws_reader_is_idle(&input->reader) && input->unread.length == 0 &&
        input->message.length == 0)
        conn_drop_input(conn);
}

/* Returns the loop to move to, else UINT32_MAX. */
static uint32_t read_messages(struct loop *loop, struct conn *conn, struct bytes_mut *in)
{
    struct ws_reader on_stack;
    struct ws_reader *reader = &on_stack;
    uint32_t target = UINT32_MAX;
    if (conn->input != NULL)
        reader = &conn->input->reader;
    else
        ws_reader_init(&on_stack, message_limit(loop));

    while (conn->state == CONN_OPEN) {
        struct ws_read read;
        if (ws_reader_next(reader, in, &read) == WS_READ_NEED_MORE)
            break;
        target = handle_read(loop, conn, &read);
    }
    if (reader == &on_stack)
        keep_reader(loop, conn, reader);
    else
        drop_input_when_idle(conn);
    return target;
}

/* False: the head is incomplete. */
static bool read_request(struct loop *loop, struct conn *conn, struct bytes_mut *in)
{
    struct http_request request;
    size_t length;
    int status;
    switch (http_request_parse(bytes_of(in->data, in->length), &request, &length, &status)) {
    case HTTP_PARSE_NEED_MORE:
        return false;
    case HTTP_PARSE_INVALID:
        routes_refuse(loop, conn, status);
        break;
    case HTTP_PARSE_DONE:
        routes_handle(loop, conn, &request);
        bytes_mut_skip(in, length);
        break;
    }
    return true;
}

static void keep_unread(struct loop *loop, struct conn *conn, struct bytes_mut in)
{
    struct conn_input *input = conn_need_input(conn, message_limit(loop));
    if (input == NULL || buf_append(&input->unread, bytes_of(in.data, in.length)) != BUF_OK)
        conn_out_abandon(loop, conn);
}

/* Reads on, state by state, until the input is used up or has to wait. */
static void read_input(struct loop *loop, struct conn *conn, struct bytes_mut in)
{
    uint32_t target = UINT32_MAX;
    while (in.length > 0) {
        if (conn->state == CONN_HTTP) {
            if (!read_request(loop, conn, &in))
                break;
        } else if (conn->state == CONN_OPEN) {
            target = read_messages(loop, conn, &in);
        } else {
            break;
        }
    }
    bool must_wait =
        conn->state == CONN_HTTP || conn->state == CONN_WAITING || conn->state == CONN_MOVING;
    if (in.length > 0 && must_wait)
        keep_unread(loop, conn, in);
    if (conn->state == CONN_MOVING && target != UINT32_MAX)
        loop_send_away(loop, conn, target);
}

/* Takes the unread bytes away from the connection; the caller releases them. */
static struct buf take_unread(struct conn *conn)
{
    struct buf unread = {0};
    if (conn->input != NULL) {
        unread = conn->input->unread;
        buf_init(&conn->input->unread, unread.maximum);
        drop_input_when_idle(conn);
    }
    return unread;
}

void conn_in_received(struct loop *loop, struct conn *conn, struct bytes_mut in)
{
    loop->stats.bytes_in += in.length;
    conn->last_alive_ms = loop->now_ms;
    conn->is_pinged = false;
    if (conn->input == NULL || conn->input->unread.length == 0) {
        read_input(loop, conn, in);
        return;
    }
    struct buf unread = take_unread(conn);
    if (buf_append(&unread, bytes_of(in.data, in.length)) != BUF_OK)
        conn_out_abandon(loop, conn);
    else
        read_input(loop, conn, (struct bytes_mut){unread.data, unread.length});
    buf_release(&unread);
}

void conn_in_resume(struct loop *loop, struct conn *conn)
{
    struct buf message = {0};
    if (conn->input != NULL) {
        message = conn->input->message;
        buf_init(&conn->input->message, message.maximum);
    }
    struct buf unread = take_unread(conn);
    uint32_t target = UINT32_MAX;
    if (message.length > 0)
        target = handle_message(loop, conn, buf_view(&message), true);
    (void)target; /* this loop owns the room's code, so the message moves nowhere */
    if (unread.length > 0)
        read_input(loop, conn, (struct bytes_mut){unread.data, unread.length});
    buf_release(&message);
    buf_release(&unread);
}

void conn_in_ended(struct loop *loop, struct conn *conn)
{
    conn->peer_has_ended = true;
    poller_pause(loop->poller, &conn->socket, conn_token(conn));
    if (conn->state == CONN_LINGERING || conn->state == CONN_MOVING)
        conn_out_abandon(loop, conn);
    else if (conn->state != CONN_WAITING)
        conn_out_finish(loop, conn);
}
