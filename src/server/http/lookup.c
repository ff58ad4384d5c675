/*
 * A look-up that finds no room is a miss, as a failed join is: it would serve guessing as well. So
 * the asker's budget is checked twice: before the room is looked for, and when the result is there.
 * Only the second check counts a miss, and holds when many ask at once.
 */
#include "server/http/lookup.h"

#include "net/machine.h"
#include "server/admission.h"
#include "server/http/qr.h"
#include "server/http/response.h"

#define PREFIX BYTES("/room/")
#define PICTURE_SUFFIX BYTES("/qr.svg")
/* JSON may escape each byte of an origin. */
#define BODY_BYTES_MAX (256 + 6 * ORIGIN_BYTES_MAX + URL_FILLED_BYTES_MAX)

bool lookup_is_wanted(const struct http_request *request)
{
    struct bytes path = request->path;
    return path.length >= PREFIX.length && bytes_equal(bytes_of(path.data, PREFIX.length), PREFIX);
}

/* Answers an asker whose address has had too many misses with 429, after a delay if it may wait. */
static void refuse_guesser(struct loop *loop, struct conn *conn)
{
    loop->stats.counters[COUNTER_JOINS_PENALIZED]++;
    if (subnets_begin_waiting(&loop->server->subnets, conn->asker)) {
        poller_pause(loop->poller, &conn->socket);
        loop_set_deadline(loop, conn, DEADLINE_PENALTY);
        return;
    }
    admission_release_asker(loop, conn);
    conn_set_state(conn, CONN_HTTP);
    response_send_shared_error(loop, conn, 429, conn->response_is_head);
}

void lookup_begin(struct loop *loop, struct conn *conn, const struct http_request *request)
{
    struct question question = {.kind = QUESTION_ROOM};
    struct bytes code =
        bytes_of(request->path.data + PREFIX.length, request->path.length - PREFIX.length);
    question.wants_picture = bytes_have_suffix(code, PICTURE_SUFFIX);
    if (question.wants_picture)
        code.length -= PICTURE_SUFFIX.length;
    if (question.wants_picture && !page_origin_of(loop, conn, request, &question.page_origin)) {
        response_send_shared_error(loop, conn, 400, request->method == HTTP_METHOD_HEAD);
        return;
    }
    conn->response_is_head = request->method == HTTP_METHOD_HEAD;
    conn->response_closes = response_closes(conn, request);
    if (!admission_hold_asker(loop, conn, request)) {
        response_send_shared_error(loop, conn, 503, conn->response_is_head);
    } else if (!admission_may_ask(loop, conn)) {
        conn_set_state(conn, CONN_WAITING);
        refuse_guesser(loop, conn);
    } else if (!code_read_escaped(code, &question.code)) {
        conn_set_state(conn, CONN_WAITING);
        lookup_answer(loop, conn, &question, &(struct room_answer){0});
    } else if (!gather_begin(loop, conn, question)) {
        admission_release_asker(loop, conn);
        response_send_shared_error(loop, conn, 503, conn->response_is_head);
    }
}

static void write_flag(struct writer *writer, const char *name, bool value)
{
    writer_put_string(writer, name);
    writer_put_string(writer, value ? "true" : "false");
}

static void write_count(struct writer *writer, const char *name, uint32_t count)
{
    writer_put_string(writer, name);
    writer_put_decimal(writer, count);
}

static void write_room(struct writer *writer, const struct room_answer *room)
{
    bool is_third = room->protocol == PROTOCOL_3;
    writer_put_byte(writer, '{');
    if (is_third)
        WRITER_PUT(writer, "\"protocol\":3,");
    write_count(writer, "\"clients\":", room->clients);
    if (is_third)
        write_count(writer, ",\"away\":", room->away);
    write_count(writer, ",\"maxClients\":", room->members_max);
    if (is_third) {
        write_count(writer, ",\"audience\":", room->audience);
        write_flag(writer, ",\"locked\":", room->is_locked);
        write_flag(writer, ",\"password\":", room->has_password);
    }
    WRITER_PUT(writer, ",\"origin\":\"");
    writer_put_json_text(writer, bytes_of(room->origin, room->origin_length));
    writer_put_byte(writer, '"');
    if (room->url_length > 0) {
        WRITER_PUT(writer, ",\"url\":\"");
        writer_put(writer, bytes_of(room->url, room->url_length));
        writer_put_byte(writer, '"');
    }
    writer_put_byte(writer, '}');
}

/* Writes the room's own link, or a link to the game that comes with the server. */
static void write_link(struct writer *writer, const struct question *question,
                       const struct room_answer *room)
{
    uint8_t code[CODE_LENGTH_MAX];
    if (room->url_length > 0) {
        uint8_t url[URL_FILLED_BYTES_MAX];
        struct writer own = writer_over(url, sizeof url);
        url_template_write_address(&own, bytes_of(room->url, room->url_length));
        page_origin_write_link(writer, &question->page_origin, writer_view(&own));
        return;
    }
    writer_put(writer, bytes_of(question->page_origin.text, question->page_origin.length));
    WRITER_PUT(writer, "/play/?room=");
    writer_put(writer, bytes_of(code, code_write(question->code, code)));
}

/* Returns a picture of the link, perhaps from the cache. NULL: memory is short. */
static struct payload *draw(struct loop *loop, struct conn *conn, struct bytes link)
{
    struct payload *picture = answer_cache_find(&loop->answers, link, loop->now_ms);
    if (picture != NULL)
        return picture;
    loop->work += PICTURE_WORK;
    admission_spend(loop, conn->asker, PICTURE_WORK);
    picture = qr_draw(link, &loop->charged);
    if (picture != NULL)
        answer_cache_add(&loop->answers, link, picture, loop->now_ms);
    return picture;
}

static void send_picture(struct loop *loop, struct conn *conn, const struct question *question,
                         const struct room_answer *room)
{
    uint8_t link[URL_FILLED_BYTES_MAX + MACHINE_ADDRESS_BYTES_MAX];
    struct writer writer = writer_over(link, sizeof link);
    struct payload *picture = NULL;
    write_link(&writer, question, room);
    struct response response = {
        .status = 200,
        .is_shared = true,
        .content_type = "image/svg+xml",
        .extra_headers = BYTES("Content-Security-Policy: default-src 'none'\r\n"),
    };
    response_begin_late(conn, &response);
    if (writer.length > QR_LINK_BYTES_MAX)
        response_send_shared_error(loop, conn, 404, response.is_head);
    else if (!admission_may_spend(loop, conn->asker))
        response_send_shared_error(loop, conn, 429, response.is_head);
    else if (response.is_head)
        response_send_head(loop, conn, &response);
    else if ((picture = draw(loop, conn, writer_view(&writer))) != NULL)
        response_send_payload(loop, conn, &response, picture);
    else
        response_send_shared_error(loop, conn, 503, false);
    payload_release(picture);
}

static void send_json(struct loop *loop, struct conn *conn, int status, struct bytes body)
{
    uint8_t headers[128];
    struct writer writer = writer_over(headers, sizeof headers);
    WRITER_PUT(&writer, "X-Instance-Id: ");
    writer_put(&writer, config_instance(loop->server->config).id);
    WRITER_PUT(&writer, "\r\nAccess-Control-Expose-Headers: X-Instance-Id\r\n");
    struct response response = {
        .status = status,
        .is_shared = true,
        .content_type = CONTENT_TYPE_JSON,
        .extra_headers = writer_view(&writer),
    };
    response_begin_late(conn, &response);
    response_send(loop, conn, &response, body);
}

void lookup_answer(struct loop *loop, struct conn *conn, const struct question *question,
                   const struct room_answer *room)
{
    uint8_t body[BODY_BYTES_MAX];
    struct writer writer = writer_over(body, sizeof body);
    if (!admission_may_tell(loop, conn, room->is_found) || room->is_untold) {
        refuse_guesser(loop, conn);
        return;
    }
    if (room->is_unknown) {
        conn_set_state(conn, CONN_HTTP);
        response_send_shared_error(loop, conn, 503, conn->response_is_head);
    } else if (room->is_found && question->wants_picture) {
        send_picture(loop, conn, question, room);
    } else if (room->is_found) {
        write_room(&writer, room);
        send_json(loop, conn, 200, writer_view(&writer));
    } else {
        send_json(loop, conn, 404, BYTES("{\"error\":\"Room not found\"}"));
    }
    admission_release_asker(loop, conn);
}

void lookup_answer_delayed(struct loop *loop, struct conn *conn)
{
    admission_stop_waiting(loop, conn);
    conn_set_state(conn, CONN_HTTP);
    response_send_shared_error(loop, conn, 429, conn->response_is_head);
}
