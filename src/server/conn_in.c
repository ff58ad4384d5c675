/*
 * The way in. Bytes come in the loop's shared receive buffer and are read there; a connection keeps
 * a copy only of what is incomplete when they end, or of what it may not have read yet.
 */
#include "server/conn_in.h"

#include <assert.h>
#include <stdlib.h>

#include "server/admission.h"
#include "server/conn_out.h"
#include "server/drain.h"
#include "server/handover.h"
#include "server/handshakes.h"
#include "server/http/routes.h"
#include "server/transport.h"

#define FRAME_TOKENS 1000 /* tokens are thousandths of a frame */
#define FRAME_BURST_SECONDS 2
#define BYTE_BURST_SECONDS 8

/* Why a connection reads no more for now, though there is input. */
enum pause {
    PAUSE_NONE,
    PAUSE_RATE,      /* its allowance of frames or bytes is used up: wait for more */
    PAUSE_SHARE,     /* its share of the turn is: go on in the next one */
    PAUSE_HANDSHAKE, /* its TLS hello is to be answered: wait for the time */
    PAUSE_BACKLOG,   /* its responses are not read: go on when they are */
};

static size_t message_limit(const struct loop *loop)
{
    return loop->server->config->message_bytes_max;
}

static struct conn_input *need_input(struct loop *loop, struct conn *conn)
{
    return conn_need_input(conn, message_limit(loop), loop->now_ms);
}

static bool reads(const struct conn *conn)
{
    return (conn->state == CONN_HTTP || conn->state == CONN_OPEN) && !conn->is_held;
}

/*
 * The join that makes the connection move is said again on the loop that it moves to, without what
 * else the message had. The relay has judged the id and the code, so both are short.
 */
static void take_along(struct loop *loop, struct conn *conn, const struct envelope *join)
{
    const struct bytes parts[] = {
        BYTES("{\"type\":\"join\",\"clientId\":"),
        join->client_id.raw,
        BYTES(",\"room\":"),
        join->room.raw,
        BYTES("}"),
    };
    struct conn_input *input = need_input(loop, conn);
    for (size_t i = 0; i < ARRAY_LENGTH(parts); i++) {
        if (input == NULL || buf_append(&input->message, parts[i]) != BUF_OK) {
            conn_out_lose_for_memory(loop, conn);
            return;
        }
    }
}

/* The connection has come into a room, and was told so much; or it has lost its seat. */
static void note_entry(struct loop *loop, struct conn *conn, size_t told)
{
    admission_seat_changed(loop, conn);
    if (conn->seat != NULL)
        admission_spend(loop, conn->place, told / 1024 * JOIN_COST_PER_KIB);
}

/* A message that has been parsed, or can't be text (`envelope` NULL). */
static void handle_envelope(struct loop *loop, struct conn *conn, enum envelope_result result,
                            const struct envelope *envelope)
{
    struct effects effects;
    struct speaker speaker = {
        .client = conn_index(conn),
        .protocol = conn_protocol(conn),
        .origin = conn->origin,
        .seat = &conn->seat,
    };
    const struct member *seat = conn->seat;
    size_t waiting = seat == NULL ? conn_waiting(conn) : 0;
    if (conn->input != NULL)
        conn->input->since_ms = loop->now_ms;
    if (envelope != NULL)
        relay_receive_envelope(&loop->relay, speaker, result, envelope, &effects);
    else
        relay_receive_garbage(speaker, &effects);
    conn_out_perform(loop, conn, &effects);
    if (conn->seat != NULL)
        drain_note_life(loop, conn->seat->room);
    if (conn->seat != seat)
        note_entry(loop, conn, conn_waiting(conn) - waiting);
    if (conn->state == CONN_MOVING)
        take_along(loop, conn, envelope);
}

static void handle_text(struct loop *loop, struct conn *conn, struct bytes text)
{
    struct envelope envelope;
    enum envelope_result result = envelope_parse(text, &envelope);
    handle_envelope(loop, conn, result, &envelope);
}

/* Goes on to free a long message that has been handled: all of it at once would take long. */
static enum pause free_on(struct loop *loop, struct conn *conn)
{
    bool is_open = conn->state == CONN_OPEN && conn->input != NULL;
    if (!is_open || !ws_reader_free_some(&conn->input->reader, FREED_BYTES_PER_TURN))
        return PAUSE_NONE;
    loop->work += FREED_BYTES_PER_TURN / 1024;
    return PAUSE_SHARE;
}

/*
 * Parses the next part of a long message; when that was the last, the message is handled, and freed
 * in the turns that follow.
 */
static enum pause parse_on(struct loop *loop, struct conn *conn)
{
    struct envelope_parser *parser = conn->input->parser;
    if (parser == NULL)
        return free_on(loop, conn);
    enum envelope_result result = envelope_continue(parser, PARSED_BYTES_PER_TURN);
    loop->work += PARSED_BYTES_PER_TURN / 1024;
    if (result == ENVELOPE_PAUSED)
        return PAUSE_SHARE;
    conn->input->parser = NULL;
    handle_envelope(loop, conn, result, &parser->envelope);
    free(parser);
    return free_on(loop, conn);
}

/* A message that the reader keeps stays where it is until the next is read: so parsing may pause.
 */
static bool is_kept(const struct conn *conn, struct bytes text)
{
    return conn->input != NULL && text.data == conn->input->reader.message.data;
}

/*
 * A long message is parsed from the next turn on, and freed there: when many are complete at once,
 * whoever says something short meanwhile is heard before them.
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

static enum pause handle_message(struct loop *loop, struct conn *conn, const struct ws_read *read)
{
    struct bytes text = read->payload;
    bool is_long = text.length > PARSED_BYTES_PER_TURN && is_kept(conn, text);
    loop->stats.counters[COUNTER_MESSAGES_IN]++;
    /* Binary frames that contain JSON are treated like text; what is none is parsed as nothing. */
    if (is_long)
        return begin_parsing(loop, conn, read->is_utf8 ? text : bytes_of(text.data, 0));
    if (read->is_utf8)
        handle_text(loop, conn, text);
    else
        handle_envelope(loop, conn, ENVELOPE_INVALID_JSON, NULL);
    return PAUSE_NONE;
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
        conn->said_farewell =
            read->close_code == WS_CLOSE_NORMAL || read->close_code == WS_CLOSE_NO_STATUS;
        conn_out_close(loop, conn, read->close_code, read->payload);
        break;
    case WS_READ_ERROR:
        loop->stats.counters[read->close_code == WS_CLOSE_TOO_BIG ? COUNTER_TOO_LARGE
                                                                  : COUNTER_PROTOCOL_ERROR]++;
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

/* A reader that was on the stack is kept only when it holds something unfinished. */
static void keep_reader(struct loop *loop, struct conn *conn, struct ws_reader *reader)
{
    if (conn->state != CONN_OPEN || ws_reader_is_idle(reader)) {
        ws_reader_release(reader);
        return;
    }
    struct conn_input *input = need_input(loop, conn);
    if (input == NULL) {
        ws_reader_release(reader);
        conn_out_lose_for_memory(loop, conn);
        return;
    }
    input->reader = *reader;
}

static void drop_input_when_idle(struct conn *conn)
{
    const struct conn_input *input = conn->input;
    if (input != NULL && ws_reader_is_idle(&input->reader) && input->unread.length == 0 &&
        input->message.length == 0 && input->parser == NULL)
        conn_drop_input(conn);
}

/* What a connection may have at once of bytes. */
static int32_t byte_burst(const struct loop *loop)
{
    return (int32_t)(loop->server->config->byte_rate_max * BYTE_BURST_SECONDS);
}

void conn_in_fill_allowance(struct loop *loop, struct conn *conn)
{
    conn->rate_tokens =
        (uint32_t)loop->server->config->message_rate_max * FRAME_BURST_SECONDS * FRAME_TOKENS;
    conn->byte_tokens = byte_burst(loop);
    conn->rate_filled_ms = loop->now_ms;
}

/* Tokens that were earned since the last time. */
static void earn_tokens(struct loop *loop, struct conn *conn)
{
    const struct config *config = loop->server->config;
    uint64_t elapsed_ms = loop->now_ms - conn->rate_filled_ms;
    /* A thousandth of a frame a millisecond for each frame a second. */
    uint64_t burst = config->message_rate_max * FRAME_BURST_SECONDS * FRAME_TOKENS;
    uint64_t tokens = conn->rate_tokens + elapsed_ms * config->message_rate_max;
    conn->rate_tokens = (uint32_t)(tokens < burst ? tokens : burst);
    uint64_t bytes_missing = (uint64_t)((int64_t)byte_burst(loop) - conn->byte_tokens);
    uint64_t bytes = elapsed_ms * ((config->byte_rate_max + 999) / 1000); /* whole ones a ms */
    conn->byte_tokens += (int32_t)(bytes < bytes_missing ? bytes : bytes_missing);
    conn->rate_filled_ms = loop->now_ms;
}

/* Frames that may be read now: what the rate allows, and at most what is left of the share. */
static uint32_t count_allowed_frames(const struct loop *loop, const struct conn *conn)
{
    if (loop->server->config->message_rate_max == 0)
        return loop->share_left;
    uint32_t frames = conn->rate_tokens / FRAME_TOKENS;
    return frames < loop->share_left ? frames : loop->share_left;
}

/*
 * Entering a room may cost much for few bytes. Whose address has spent too much is not read for a
 * while, unless it is in a room already.
 */
static bool may_join(struct loop *loop, const struct conn *conn)
{
    return conn->seat != NULL || admission_may_spend(loop, conn->place);
}

bool conn_in_may_resume(struct loop *loop, struct conn *conn)
{
    const struct config *config = loop->server->config;
    if (conn->input == NULL)
        return true;
    earn_tokens(loop, conn);
    if (!may_join(loop, conn))
        return false;
    bool has_frames = config->message_rate_max == 0 || conn->rate_tokens >= FRAME_TOKENS;
    bool has_bytes = config->byte_rate_max == 0 ||
                     !ws_reader_waits_for_bytes(&conn->input->reader, conn->byte_tokens);
    return has_frames && has_bytes;
}

/* What is read of a connection in one turn is one share, in however many pieces it comes. */
static void begin_share(struct loop *loop, const struct conn *conn)
{
    if (loop->share_owner == conn)
        return;
    loop->share_owner = conn;
    loop->share_left = FRAMES_PER_TURN;
    loop->share_bytes_left = READ_BYTES_PER_TURN;
    loop->share_end = loop->work + WORK_PER_TURN;
}

static bool share_is_used_up(const struct loop *loop)
{
    return loop->share_left == 0 || loop->share_bytes_left == 0 || loop->work >= loop->share_end;
}

/* What may be read of the input in this turn. */
static struct bytes_mut share_of(const struct loop *loop, struct bytes_mut in)
{
    if (in.length > loop->share_bytes_left)
        in.length = loop->share_bytes_left;
    return in;
}

static void pay_for_bytes(struct loop *loop, struct bytes_mut *in, const struct bytes_mut *rest)
{
    size_t length = (size_t)(rest->data - in->data);
    loop->share_bytes_left -= (uint32_t)length;
    loop->work += 1 + length / 1024;
    bytes_mut_skip(in, length);
}

/* What the reader may begin to read now. */
static void set_allowance(const struct loop *loop, const struct conn *conn,
                          struct ws_reader *reader)
{
    bool is_bounded = loop->server->config->byte_rate_max > 0;
    reader->frames_left = count_allowed_frames(loop, conn);
    reader->bytes_at_once = is_bounded ? (uint32_t)byte_burst(loop) : 0;
    reader->bytes_left = is_bounded ? conn->byte_tokens : INT64_MAX;
}

/* The reader was allowed so many frames. */
static void pay(struct loop *loop, struct conn *conn, uint32_t allowed,
                const struct ws_reader *reader)
{
    uint32_t frames = allowed - reader->frames_left;
    loop->share_left -= frames;
    if (loop->server->config->message_rate_max > 0)
        conn->rate_tokens -= frames * FRAME_TOKENS;
    if (loop->server->config->byte_rate_max > 0)
        conn->byte_tokens = (int32_t)reader->bytes_left;
}

/* Reads until the input is used up, the connection is no longer open, or it has had its share. */
static enum pause read_messages(struct loop *loop, struct conn *conn, struct bytes_mut *in)
{
    struct ws_reader on_stack;
    struct ws_reader *reader = &on_stack;
    struct bytes_mut share = share_of(loop, *in);
    enum pause pause = PAUSE_NONE;
    if (!may_join(loop, conn))
        return PAUSE_RATE;
    if (conn->input != NULL)
        reader = &conn->input->reader;
    else
        ws_reader_init(&on_stack, message_limit(loop));

    earn_tokens(loop, conn);
    set_allowance(loop, conn, reader);
    uint32_t allowed = reader->frames_left;
    while (conn->state == CONN_OPEN && pause == PAUSE_NONE) {
        struct ws_read read;
        enum ws_read_kind kind = ws_reader_next(reader, &share, &read);
        if (kind == WS_READ_NEED_MORE)
            break;
        if (kind == WS_READ_OUT_OF_FRAMES)
            pause = allowed < loop->share_left ? PAUSE_RATE : PAUSE_SHARE;
        else if (kind == WS_READ_OUT_OF_BYTES)
            pause = PAUSE_RATE;
        else
            pause = handle_read(loop, conn, &read);
        if (loop->work >= loop->share_end && share.length > 0 && pause == PAUSE_NONE)
            pause = PAUSE_SHARE;
    }
    pay(loop, conn, allowed, reader);
    pay_for_bytes(loop, in, &share);
    if (share.length == 0 && in->length > 0 && pause == PAUSE_NONE)
        pause = PAUSE_SHARE;
    if (reader == &on_stack)
        keep_reader(loop, conn, reader);
    else
        drop_input_when_idle(conn);
    return pause;
}

/* False: the head is incomplete. */
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
    struct conn_input *input = need_input(loop, conn);
    if (input == NULL || buf_append(&input->unread, bytes_of(in.data, in.length)) != BUF_OK)
        conn_out_lose_for_memory(loop, conn);
}

/* The socket is not read until it is the connection's turn again: TCP slows the sender down. */
static void hold(struct loop *loop, struct conn *conn, enum pause pause)
{
    conn->is_held = true;
    if (!conn->is_behind)
        conn->behind_ms = loop->now_ms;
    conn->is_behind = true;
    conn->is_pinged = false; /* it was read just now */
    poller_pause(loop->poller, &conn->socket);
    if (pause == PAUSE_RATE) {
        loop->stats.counters[COUNTER_THROTTLED]++;
        loop_set_deadline(loop, conn, DEADLINE_THROTTLE);
    } else if (pause == PAUSE_SHARE) {
        loop->stats.counters[COUNTER_TURN_USED_UP]++;
        loop_set_deadline(loop, conn, DEADLINE_NEXT_TURN);
    } else if (pause == PAUSE_HANDSHAKE) {
        handshakes_await(loop, conn);
    }
}

/* Reads on, state by state, until the input is used up or has to wait. */
static void read_input(struct loop *loop, struct conn *conn, struct bytes_mut in)
{
    enum pause pause = PAUSE_NONE;
    while (in.length > 0 && pause == PAUSE_NONE) {
        if (conn->state == CONN_HTTP) {
            if (conn_waiting(conn) > HTTP_BACKLOG_BYTES)
                pause = PAUSE_BACKLOG;
            else if (share_is_used_up(loop))
                pause = PAUSE_SHARE;
            else if (!read_request(loop, conn, &in))
                break;
        } else if (conn->state == CONN_OPEN) {
            pause = read_messages(loop, conn, &in);
        } else {
            break;
        }
    }
    bool must_wait = conn->state == CONN_HTTP || conn->state == CONN_WAITING ||
                     conn->state == CONN_MOVING || (conn->state == CONN_OPEN && pause);
    if (in.length > 0 && must_wait)
        keep_unread(loop, conn, in);
    if (pause != PAUSE_NONE && reads(conn))
        hold(loop, conn, pause);
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

/* Whether the head that waits is still not whole. It goes on where it was, however small its pieces
 * are. */
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

/* Plain text: what is unread of earlier, then this. */
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

/* A hello is kept; when it is whole, the connection waits, unread, for its turn to be answered. */
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
    hold(loop, conn, PAUSE_HANDSHAKE);
}

/* Feeds what came (perhaps nothing) and reads on. */
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
        if (share_is_used_up(loop) && reads(conn))
            hold(loop, conn, PAUSE_SHARE);
    }
    if (!tls_session_settle(conn->tls))
        result = TLS_FAILED;
    if (tls_session_output(conn->tls)->length > 0)
        loop_mark_dirty(loop, conn);
    if (result == TLS_ENDED) {
        conn_in_ended(loop, conn);
    } else if (result == TLS_FAILED) {
        outbox_clear(&conn->out, &loop->pool); /* can't be encrypted any more */
        conn_out_finish(loop, conn);           /* OpenSSL has queued what is to be said */
    }
}

static void read_any(struct loop *loop, struct conn *conn, struct bytes_mut in)
{
    if (conn->tls != NULL)
        read_tls(loop, conn, in);
    else if (in.length > 0)
        read_text(loop, conn, in);
}

/* The very first bytes: they tell what the connection is. */
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
    if (transport_begin(loop, conn, &in))
        read_any(loop, conn, in);
    else if (conn->state == CONN_HTTP && in.length > 0)
        keep_unread(loop, conn, in);
    buf_release(&unread);
}

/* Settles what the connection is charged. One that is to move goes now, and is not touched again.
 */
static void finish(struct loop *loop, struct conn *conn, size_t charge_before)
{
    loop->held += conn_charge(conn) - charge_before;
    if (conn->state == CONN_MOVING)
        handover_send(loop, conn);
}

/* The kernel had it before the socket was paused. */
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
        return; /* discarded */
    size_t charge = conn_charge(conn);
    if (!reads(conn)) {
        keep_for_later(loop, conn, in);
        loop->held += conn_charge(conn) - charge;
        return;
    }
    begin_share(loop, conn);
    if (conn->is_begun)
        read_any(loop, conn, in);
    else
        read_first(loop, conn, in);
    if (!conn->is_held)
        conn->is_behind = false; /* all that came at once was within its rate and share */
    finish(loop, conn, charge);
}

/* A long message that is parsed, the message that made it move, and what waited behind them. */
static void read_on(struct loop *loop, struct conn *conn)
{
    if (conn->input != NULL) {
        enum pause pause = parse_on(loop, conn);
        if (pause != PAUSE_NONE)
            hold(loop, conn, pause);
        if (!reads(conn))
            return;
    }
    struct buf message = {0};
    if (conn->input != NULL) {
        message = conn->input->message;
        buf_init(&conn->input->message, message.maximum);
    }
    struct buf unread = take_unread(conn);
    if (message.length > 0) /* this loop owns the room's code, so it moves nowhere from here */
        handle_text(loop, conn, buf_view(&message));
    if (!conn->is_begun && unread.length > 0)
        read_first(loop, conn, (struct bytes_mut){unread.data, unread.length});
    else if (unread.length > 0)
        read_input(loop, conn, (struct bytes_mut){unread.data, unread.length});
    buf_release(&message);
    buf_release(&unread);
    if (conn->tls != NULL && reads(conn))
        read_tls(loop, conn, (struct bytes_mut){0});
}

void conn_in_resume(struct loop *loop, struct conn *conn)
{
    if (conn->state != CONN_HTTP && conn->state != CONN_OPEN)
        return; /* it died meanwhile, and is about to be freed */
    size_t charge = conn_charge(conn);
    conn->is_held = false;
    conn->last_alive_ms = loop->now_ms;
    loop->share_owner = NULL; /* its turn has come again */
    begin_share(loop, conn);
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
    /* It may have been held, or have waited for other loops. Its end is to be heard. */
    if (conn->state != CONN_DEAD && !conn->peer_has_ended)
        poller_resume(loop->poller, &conn->socket);
    conn->is_held = false;
    loop->held += conn_charge(conn) - charge;
}

void conn_in_ended(struct loop *loop, struct conn *conn)
{
    if (conn->state == CONN_MOVING)
        return; /* the new loop hears of it as well */
    if (conn->state == CONN_OPEN)
        loop->stats.counters[COUNTER_PEER_ENDED]++;
    conn->peer_has_ended = true;
    poller_pause(loop->poller, &conn->socket);
    if (conn->state == CONN_LINGERING)
        conn_out_end(loop, conn);
    else if (conn->state != CONN_WAITING)
        conn_out_finish(loop, conn);
}
