/*
 * Request heads, and the WebSocket handshake on what they say.
 *
 * - The head is fed as it would arrive, more and more of it: a verdict, once it is final, never
 *   changes, and it comes with the same status, length and views.
 * - DONE: the head ends with its first empty line, holds no byte that no line may hold, and is at
 *   most 8192 bytes long. Views lie within it.
 * - The handshake's verdict is one of its four. A response is as long as was measured, and whatever
 *   the request says it is one head with the lines that it should have.
 */
#include "base/attributes.h"
#include "fuzz/fuzz_input.h"
#include "proto/ws_handshake.h"

#define CUTS_MAX 40 /* of a long input only so many prefixes are tried */

/* What a parse said, its views as offsets so that parses of different copies can be compared. */
#define HEAD_MAX 8192

struct verdict {
    enum http_parse_result result;
    int status;
    size_t length;
    struct http_request request; /* data of its views: offset + 1 in the head, 0 outside of it */
};

static void make_relative(struct bytes *view, struct bytes in)
{
    bool is_within = view->data >= in.data && view->data + view->length <= in.data + in.length;
    if (view->length == 0) {
        view->data = NULL;
        return;
    }
    if (!is_within) {
        /* A target without a path stands for this one. */
        assert(bytes_equal(*view, BYTES("/")));
        view->data = NULL;
        return;
    }
    view->data = (const uint8_t *)(uintptr_t)(view->data - in.data + 1);
}

static void make_all_relative(struct http_request *request, struct bytes in)
{
    struct bytes *views[] = {&request->target,           &request->path,   &request->host,
                             &request->if_none_match,    &request->origin, &request->websocket_key,
                             &request->websocket_version};
    for (size_t i = 0; i < ARRAY_LENGTH(views); i++)
        make_relative(views[i], in);
    for (size_t i = 0; i < ARRAY_LENGTH(request->forwarded_for); i++)
        make_relative(&request->forwarded_for[i], in);
    for (size_t i = 0; i < ARRAY_LENGTH(request->websocket_protocols); i++)
        make_relative(&request->websocket_protocols[i], in);
}

static struct verdict judge(struct bytes head)
{
    struct bytes_mut copy = fuzz_copy(head);
    struct bytes in = bytes_of(copy.data, copy.length);
    struct verdict verdict;
    /* So that padding is equal as well, and the verdicts can be compared as bytes. */
    memset(&verdict, 0, sizeof verdict);
    struct http_request request;
    verdict.result = http_request_parse(in, HEAD_MAX, &request, &verdict.length, &verdict.status);
    if (verdict.result == HTTP_PARSE_DONE) {
        memcpy(&verdict.request, &request, sizeof request);
        make_all_relative(&verdict.request, bytes_of(in.data, verdict.length));
    } else {
        verdict.length = 0;
    }
    if (verdict.result != HTTP_PARSE_INVALID)
        verdict.status = 0;
    free(copy.data);
    return verdict;
}

/* However a head is cut, what is found in it is the same. */
static void check_pieces(struct bytes in, const struct verdict *whole)
{
    struct http_progress progress = {0};
    struct http_request request;
    size_t length = 0;
    int status = 0;
    enum http_parse_result result = HTTP_PARSE_NEED_MORE;
    size_t step = in.length > 0 ? 1 + in.data[0] % 7 : 1;
    for (size_t end = 0; result == HTTP_PARSE_NEED_MORE && end < in.length;) {
        end = end + step < in.length ? end + step : in.length;
        struct bytes_mut copy = fuzz_copy(bytes_of(in.data, end));
        result = http_request_continue(bytes_of(copy.data, copy.length), HEAD_MAX, &progress,
                                       &request, &length, &status);
        free(copy.data);
    }
    assert(result == whole->result);
    if (result == HTTP_PARSE_DONE)
        assert(length == whole->length);
    if (result == HTTP_PARSE_INVALID)
        assert(status == whole->status);
    if (result != HTTP_PARSE_NEED_MORE)
        assert(progress.line == 0 && progress.scanned == 0);
}

static bool views_are_equal(const struct bytes *a, const struct bytes *b, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (a[i].data != b[i].data || a[i].length != b[i].length)
            return false;
    }
    return true;
}

static bool requests_are_equal(const struct http_request *a, const struct http_request *b)
{
    return a->method == b->method && a->minor_version == b->minor_version &&
           a->keeps_alive == b->keeps_alive && a->asks_to_close == b->asks_to_close &&
           a->has_body == b->has_body && a->has_host == b->has_host &&
           a->upgrades_to_websocket == b->upgrades_to_websocket &&
           a->connection_has_upgrade == b->connection_has_upgrade &&
           a->websocket_key_count == b->websocket_key_count &&
           a->forwarded_for_count == b->forwarded_for_count &&
           a->websocket_protocol_count == b->websocket_protocol_count &&
           views_are_equal(&a->target, &b->target, 1) && views_are_equal(&a->path, &b->path, 1) &&
           views_are_equal(&a->host, &b->host, 1) &&
           views_are_equal(&a->if_none_match, &b->if_none_match, 1) &&
           views_are_equal(&a->origin, &b->origin, 1) &&
           views_are_equal(&a->websocket_key, &b->websocket_key, 1) &&
           views_are_equal(&a->websocket_version, &b->websocket_version, 1) &&
           views_are_equal(a->forwarded_for, b->forwarded_for, a->forwarded_for_count) &&
           views_are_equal(a->websocket_protocols, b->websocket_protocols,
                           a->websocket_protocol_count);
}

static bool verdicts_are_equal(const struct verdict *a, const struct verdict *b)
{
    if (a->result != b->result || a->status != b->status || a->length != b->length)
        return false;
    return a->result != HTTP_PARSE_DONE || requests_are_equal(&a->request, &b->request);
}

/* More bytes never change a verdict that was final. */
static void check_prefixes(struct bytes head, const struct verdict *whole)
{
    size_t stride = 1 + head.length / CUTS_MAX;
    struct verdict before = {.result = HTTP_PARSE_NEED_MORE};
    for (size_t cut = head.length % stride; cut < head.length; cut += stride) {
        struct verdict verdict = judge(bytes_of(head.data, cut));
        if (before.result != HTTP_PARSE_NEED_MORE)
            assert(verdicts_are_equal(&verdict, &before));
        before = verdict;
    }
    if (before.result != HTTP_PARSE_NEED_MORE)
        assert(verdicts_are_equal(&before, whole));
    if (whole->result != HTTP_PARSE_DONE)
        return;
    /* The head is all that was looked at, and nothing less of it is a head. */
    struct verdict exact = judge(bytes_of(head.data, whole->length));
    struct verdict short_by_one = judge(bytes_of(head.data, whole->length - 1));
    assert(verdicts_are_equal(&exact, whole));
    assert(short_by_one.result == HTTP_PARSE_NEED_MORE);
}

static void check_lines(struct bytes head)
{
    assert(head.length >= 4 && head.length <= HEAD_MAX);
    size_t first = head.data[0] == '\r' ? 2 : 0; /* one empty line in front is forgiven */
    const uint8_t *line = head.data + first;
    const uint8_t *empty = memmem(line, head.length - first, "\r\n\r\n", 4);
    assert(empty != NULL && empty + 4 == head.data + head.length);
    for (size_t i = 0; i < head.length; i++) {
        uint8_t byte = head.data[i];
        bool ends_line = byte == '\r' && head.data[i + 1] == '\n';
        bool is_line_feed = byte == '\n' && i > 0 && head.data[i - 1] == '\r';
        assert((byte >= ' ' && byte != 0x7F) || byte == '\t' || ends_line || is_line_feed);
    }
}

static void check_request(const struct http_request *request, struct bytes head)
{
    bool is_other = request->method == HTTP_METHOD_OTHER;
    assert(request->target.length > 0);
    if (request->path.length > 0) {
        assert(request->path.data[0] == '/');
        assert(memchr(request->path.data, '?', request->path.length) == NULL);
    } else {
        assert(is_other);
    }
    assert(request->minor_version <= 9);
    assert(request->has_host || request->minor_version == 0);
    assert(!request->asks_to_close || !request->keeps_alive);
    assert(request->forwarded_for_count <= ARRAY_LENGTH(request->forwarded_for));
    assert(request->websocket_protocol_count <= ARRAY_LENGTH(request->websocket_protocols));

    /* What is yielded of a header stands in the head behind a colon. */
    for (uint8_t i = 0; i < request->forwarded_for_count; i++) {
        struct bytes value = request->forwarded_for[i];
        assert(value.data > head.data && memchr(value.data, '\r', value.length) == NULL);
    }
}

/* The response has these lines and no other, whatever the client chose for the protocol. */
static void check_response(struct bytes response, struct bytes protocol)
{
    struct bytes rest = response;
    size_t line_count = 0;
    const uint8_t *end;
    while ((end = memchr(rest.data, '\n', rest.length)) != NULL) {
        assert(end > rest.data && end[-1] == '\r');
        size_t taken = (size_t)(end - rest.data) + 1;
        rest = bytes_of(rest.data + taken, rest.length - taken);
        line_count++;
    }
    assert(rest.length == 0);
    assert(line_count == (protocol.length > 0 ? 6 : 5));
    assert(response.length < 256 + protocol.length);
    assert(bytes_have_prefix(response, BYTES("HTTP/1.1 101 ")));
    assert(memcmp(response.data + response.length - 4, "\r\n\r\n", 4) == 0);
}

static void check_handshake(const struct http_request *request, struct bytes head)
{
    static const struct bytes known[] = {{(const uint8_t *)"party-2", 7},
                                         {(const uint8_t *)"b", 1}};
    static const struct ws_subprotocols subprotocols = {.known = known,
                                                        .known_count = ARRAY_LENGTH(known),
                                                        .preferred = {(const uint8_t *)"b", 1},
                                                        .own = {(const uint8_t *)"party-", 6}};
    int status = ws_handshake_check(request);
    assert(status == 101 || status == 400 || status == 405 || status == 426);
    struct bytes protocol = ws_handshake_choose_protocol(request, &subprotocols);
    assert(!bytes_have_prefix(protocol, subprotocols.own) || bytes_equal(protocol, known[0]));
    if (status != 101)
        return;
    assert(ws_handshake_is_wanted(request));
    if (protocol.length > 0) {
        assert(protocol.data > head.data);
        assert(protocol.data + protocol.length < head.data + head.length);
        assert(http_is_token(protocol));
    }

    struct writer measure = writer_over(NULL, 0);
    ws_handshake_write_response(&measure, request, protocol);
    uint8_t *memory = malloc(measure.length);
    assert(memory != NULL);
    struct writer writer = writer_over(memory, measure.length);
    ws_handshake_write_response(&writer, request, protocol);
    assert(writer.length == measure.length && writer_fits(&writer));
    check_response(writer_view(&writer), protocol);
    /* One byte less must not be overrun. */
    writer = writer_over(memory + 1, measure.length - 1);
    ws_handshake_write_response(&writer, request, protocol);
    assert(!writer_fits(&writer));
    free(memory);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes_mut copy = fuzz_copy(bytes_of(data, size));
    struct bytes in = bytes_of(copy.data, copy.length);
    struct verdict verdict = judge(in);
    if (verdict.result == HTTP_PARSE_INVALID)
        assert(verdict.status == 400 || verdict.status == 431 || verdict.status == 505);
    if (verdict.result == HTTP_PARSE_NEED_MORE)
        assert(size < HEAD_MAX);
    check_prefixes(in, &verdict);
    check_pieces(in, &verdict);

    if (verdict.result == HTTP_PARSE_DONE) {
        struct http_request request;
        size_t length;
        int status;
        (void)http_request_parse(in, HEAD_MAX, &request, &length, &status);
        struct bytes head = bytes_of(in.data, length);
        check_lines(head);
        check_request(&request, head);
        check_handshake(&request, head);
    }
    free(copy.data);
    return 0;
}
