/*
 * Parses request heads. It is strict where leniency has allowed attacks: line ends, folded lines,
 * spaces before colons.
 */
#include "proto/http_request.h"

#include "base/attributes.h"

struct cursor {
    const uint8_t *at;      /* the beginning of the current line */
    const uint8_t *scanned; /* the current line does not end before this */
    const uint8_t *end;
    int status; /* the answer if parsing fails */
};

static bool is_token_byte(uint8_t c)
{
    if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'))
        return true;
    return c != 0 && strchr("!#$%&'*+-.^_`|~", c) != NULL;
}

bool http_host_is_plain(struct bytes host)
{
    for (size_t i = 0; i < host.length; i++) {
        uint8_t c = host.data[i];
        bool is_plain = (c >= '0' && c <= '9') || (ascii_lower(c) >= 'a' && ascii_lower(c) <= 'z');
        if (!is_plain && memchr("-._:[]", c, 6) == NULL)
            return false;
    }
    return host.length > 0;
}

bool http_is_token(struct bytes text)
{
    for (size_t i = 0; i < text.length; i++) {
        if (!is_token_byte(text.data[i]))
            return false;
    }
    return text.length > 0;
}

static bool is_white(uint8_t c)
{
    return c == ' ' || c == '\t';
}

static struct bytes trim(struct bytes text)
{
    while (text.length > 0 && is_white(text.data[0])) {
        text.data++;
        text.length--;
    }
    while (text.length > 0 && is_white(text.data[text.length - 1]))
        text.length--;
    return text;
}

bool http_list_next(struct bytes *list, struct bytes *ret_element)
{
    while (list->length > 0) {
        const uint8_t *comma = memchr(list->data, ',', list->length);
        size_t length = comma != NULL ? (size_t)(comma - list->data) : list->length;
        *ret_element = trim(bytes_of(list->data, length));
        size_t taken = comma != NULL ? length + 1 : length;
        list->data += taken;
        list->length -= taken;
        if (ret_element->length > 0)
            return true;
    }
    return false;
}

static bool list_has(struct bytes list, struct bytes token)
{
    struct bytes element;
    while (http_list_next(&list, &element)) {
        if (bytes_equal_ignore_case(element, token))
            return true;
    }
    return false;
}

static enum http_parse_result invalid(struct cursor *cursor, int status)
{
    cursor->status = status;
    return HTTP_PARSE_INVALID;
}

/* Field content is visible ASCII, obs-text, spaces and tabs (RFC 9110 5.5). */
static bool is_field_byte(uint8_t c)
{
    return c >= 0x20 ? c != 0x7F : c == '\t';
}

/* Reads a line up to its CRLF. A bare LF or another control byte is invalid at once. */
static enum http_parse_result read_line(struct cursor *cursor, struct bytes *ret_line)
{
    const uint8_t *at = cursor->scanned > cursor->at ? cursor->scanned : cursor->at;
    for (; at < cursor->end; at++) {
        if (is_field_byte(*at))
            continue;
        if (*at != '\r')
            return invalid(cursor, 400);
        if (at + 1 == cursor->end)
            break;
        if (at[1] != '\n')
            return invalid(cursor, 400);
        *ret_line = bytes_of(cursor->at, (size_t)(at - cursor->at));
        cursor->at = at + 2;
        return HTTP_PARSE_DONE;
    }
    cursor->scanned = at;
    return HTTP_PARSE_NEED_MORE;
}

/* Takes the part before the first space off `line`. False: there is no space. */
static bool split_at_space(struct bytes *line, struct bytes *ret_word)
{
    const uint8_t *space = memchr(line->data, ' ', line->length);
    if (space == NULL)
        return false;
    *ret_word = bytes_of(line->data, (size_t)(space - line->data));
    line->data = space + 1;
    line->length -= ret_word->length + 1;
    return true;
}

/* The length of `http://` or the like, in any case; 0: the target begins with none. */
static size_t scheme_length(struct bytes target)
{
    static const char *const schemes[] = {"http://", "https://", "ws://", "wss://"};
    for (size_t i = 0; i < ARRAY_LENGTH(schemes); i++) {
        struct bytes scheme = bytes_of_string(schemes[i]);
        if (target.length >= scheme.length &&
            bytes_equal_ignore_case(bytes_of(target.data, scheme.length), scheme))
            return scheme.length;
    }
    return 0;
}

/*
 * The path of a target in origin form (/a?b) or absolute form (http://host/a?b), RFC 9112 3.2.
 * Clients behind proxies send ws:// as well. Empty: a form that neither GET nor HEAD may have.
 */
static struct bytes path_of_target(struct bytes target, struct bytes *ret_query)
{
    struct bytes path = target;
    *ret_query = (struct bytes){0};
    if (path.data[0] != '/') {
        size_t skipped = scheme_length(path);
        if (skipped == 0)
            return (struct bytes){0};
        path = bytes_of(path.data + skipped, path.length - skipped);
        if (path.length == 0 || memchr("/?#", path.data[0], 3) != NULL)
            return (struct bytes){0}; /* the target names no host (RFC 9110 4.2.1) */
        while (path.length > 0 && memchr("/?#", path.data[0], 3) == NULL)
            path = bytes_of(path.data + 1, path.length - 1);
    }
    const uint8_t *fragment = path.length > 0 ? memchr(path.data, '#', path.length) : NULL;
    if (fragment != NULL)
        path.length = (size_t)(fragment - path.data);
    const uint8_t *mark = path.length > 0 ? memchr(path.data, '?', path.length) : NULL;
    if (mark != NULL) {
        *ret_query = bytes_of(mark + 1, path.length - (size_t)(mark + 1 - path.data));
        path.length = (size_t)(mark - path.data);
    }
    return path.length > 0 ? path : BYTES("/"); /* http://host is http://host/ */
}

static enum http_method method_of(struct bytes word)
{
    if (bytes_equal(word, BYTES("GET")))
        return HTTP_METHOD_GET;
    return bytes_equal(word, BYTES("HEAD")) ? HTTP_METHOD_HEAD : HTTP_METHOD_OTHER;
}

static bool target_is_valid(struct bytes target)
{
    for (size_t i = 0; i < target.length; i++) {
        if (target.data[i] <= ' ')
            return false;
    }
    return target.length > 0;
}

static enum http_parse_result parse_request_line(struct cursor *cursor,
                                                 struct http_request *ret_request)
{
    struct bytes line;
    enum http_parse_result result = read_line(cursor, &line);
    if (result != HTTP_PARSE_DONE)
        return result;

    struct bytes method;
    if (!split_at_space(&line, &method) || !http_is_token(method))
        return invalid(cursor, 400);
    if (!split_at_space(&line, &ret_request->target) || !target_is_valid(ret_request->target))
        return invalid(cursor, 400);
    if (line.length != 8 || memcmp(line.data, "HTTP/", 5) != 0 || line.data[6] != '.')
        return invalid(cursor, 400);
    if (line.data[5] < '0' || line.data[5] > '9' || line.data[7] < '0' || line.data[7] > '9')
        return invalid(cursor, 400);
    if (line.data[5] != '1')
        return invalid(cursor, 505);

    ret_request->method = method_of(method);
    ret_request->path = path_of_target(ret_request->target, &ret_request->query);
    if (ret_request->path.length == 0 && ret_request->method != HTTP_METHOD_OTHER)
        return invalid(cursor, 400);
    ret_request->minor_version = line.data[7] - '0';
    ret_request->keeps_alive = ret_request->minor_version >= 1;
    return HTTP_PARSE_DONE;
}

static bool take_host(struct http_request *request, struct bytes value)
{
    for (size_t i = 0; i < value.length; i++) {
        if (is_white(value.data[i]))
            return false;
    }
    bool is_first = !request->has_host; /* RFC 9112 3.2: a second Host is invalid */
    request->has_host = true;
    request->host = value;
    return is_first;
}

static bool take_connection(struct http_request *request, struct bytes value)
{
    if (list_has(value, BYTES("upgrade")))
        request->connection_has_upgrade = true;
    if (list_has(value, BYTES("close"))) {
        request->asks_to_close = true; /* it overrides keep-alive (RFC 9112 9.3) */
        request->keeps_alive = false;
    } else if (request->minor_version == 0 && !request->asks_to_close &&
               list_has(value, BYTES("keep-alive")))
        request->keeps_alive = true;
    return true;
}

static bool take_upgrade(struct http_request *request, struct bytes value)
{
    if (list_has(value, BYTES("websocket")))
        request->upgrades_to_websocket = true;
    return true;
}

static bool take_content_length(struct http_request *request, struct bytes value)
{
    bool is_zero = true;
    for (size_t i = 0; i < value.length; i++) {
        if (value.data[i] < '0' || value.data[i] > '9')
            return false;
        if (value.data[i] != '0')
            is_zero = false;
    }
    if (!is_zero)
        request->has_body = true;
    return value.length > 0;
}

static bool take_transfer_encoding(struct http_request *request, struct bytes value)
{
    (void)value;
    request->has_body = true;
    return true;
}

static bool take_origin(struct http_request *request, struct bytes value)
{
    bool is_first = !request->has_origin; /* with two, it would be unclear which one is checked */
    request->origin = value;
    request->has_origin = true;
    return is_first;
}

static bool take_accept(struct http_request *request, struct bytes value)
{
    struct bytes range;
    while (http_list_next(&value, &range)) {
        const uint8_t *parameters = memchr(range.data, ';', range.length);
        if (parameters != NULL)
            range.length = (size_t)(parameters - range.data);
        if (bytes_equal_ignore_case(trim(range), BYTES("text/html")))
            request->accepts_html = true;
    }
    return true;
}

static bool take_if_none_match(struct http_request *request, struct bytes value)
{
    if (request->if_none_match.length == 0)
        request->if_none_match = value;
    return true;
}

static bool take_replay_source(struct http_request *request, struct bytes value)
{
    (void)value;
    request->is_replayed = true;
    return true;
}

static bool take_forwarded(struct http_request *request, struct bytes value)
{
    (void)value;
    request->is_forwarded = true;
    return true;
}

/* Each proxy appends its peer's address, so the last headers are kept. */
static bool take_forwarded_for(struct http_request *request, struct bytes value)
{
    const uint8_t count_max = ARRAY_LENGTH(request->forwarded_for);
    if (request->forwarded_for_count == count_max) {
        memmove(request->forwarded_for, request->forwarded_for + 1,
                (count_max - 1u) * sizeof request->forwarded_for[0]);
        request->forwarded_for_count--;
    }
    request->forwarded_for[request->forwarded_for_count++] = value;
    return take_forwarded(request, value);
}

/* The client has sent its request to the first proxy, so that one's value counts. */
static bool take_forwarded_host(struct http_request *request, struct bytes value)
{
    struct bytes host;
    if (request->forwarded_host.length == 0 && http_list_next(&value, &host))
        request->forwarded_host = host;
    return take_forwarded(request, value);
}

/* As for the host, the first proxy's value counts. */
static bool take_forwarded_prefix(struct http_request *request, struct bytes value)
{
    struct bytes prefix;
    if (request->forwarded_prefix.length == 0 && http_list_next(&value, &prefix))
        request->forwarded_prefix = prefix;
    return take_forwarded(request, value);
}

/* Some proxies report the scheme of the WebSocket: `wss` is https, `ws` is http. */
static bool take_forwarded_proto(struct http_request *request, struct bytes value)
{
    struct bytes scheme;
    if (!request->has_forwarded_proto && http_list_next(&value, &scheme)) {
        request->has_forwarded_proto = true;
        request->forwarded_https = bytes_equal_ignore_case(scheme, BYTES("https")) ||
                                   bytes_equal_ignore_case(scheme, BYTES("wss"));
    }
    return take_forwarded(request, value);
}

static bool take_websocket_key(struct http_request *request, struct bytes value)
{
    if (request->websocket_key_count < UINT8_MAX)
        request->websocket_key_count++;
    request->websocket_key = value;
    return true;
}

static bool take_websocket_version(struct http_request *request, struct bytes value)
{
    request->websocket_version = value;
    return true;
}

static bool take_websocket_protocol(struct http_request *request, struct bytes value)
{
    if (request->websocket_protocol_count < ARRAY_LENGTH(request->websocket_protocols))
        request->websocket_protocols[request->websocket_protocol_count++] = value;
    return true;
}

static const struct {
    const char *name;
    bool (*take)(struct http_request *request, struct bytes value); /* false: answer 400 */
} header_takers[] = {
    {"Host", take_host},
    {"Connection", take_connection},
    {"Upgrade", take_upgrade},
    {"Origin", take_origin},
    {"Accept", take_accept},
    {"If-None-Match", take_if_none_match},
    {"Fly-Replay-Src", take_replay_source},
    {"Forwarded", take_forwarded},
    {"Via", take_forwarded},
    {"X-Real-IP", take_forwarded},
    {"X-Client-IP", take_forwarded},
    {"X-Cluster-Client-IP", take_forwarded},
    {"X-Original-Forwarded-For", take_forwarded},
    {"X-Forwarded", take_forwarded},
    {"X-Forwarded-By", take_forwarded},
    {"X-Forwarded-Port", take_forwarded},
    {"X-Forwarded-Server", take_forwarded},
    {"CF-Connecting-IP", take_forwarded},
    {"Fastly-Client-IP", take_forwarded},
    {"Fly-Client-IP", take_forwarded},
    {"True-Client-IP", take_forwarded},
    {"X-Forwarded-For", take_forwarded_for},
    {"X-Forwarded-Host", take_forwarded_host},
    {"X-Forwarded-Prefix", take_forwarded_prefix},
    {"X-Forwarded-Proto", take_forwarded_proto},
    {"Content-Length", take_content_length},
    {"Transfer-Encoding", take_transfer_encoding},
    {"Sec-WebSocket-Key", take_websocket_key},
    {"Sec-WebSocket-Version", take_websocket_version},
    {"Sec-WebSocket-Protocol", take_websocket_protocol},
};

/*
 * Parses a name, a colon right behind it, and a value. A folded line begins with white space, which
 * no name contains, so it is refused.
 */
static bool parse_header(struct http_request *request, struct bytes line)
{
    const uint8_t *colon = memchr(line.data, ':', line.length);
    if (colon == NULL)
        return false;
    struct bytes name = bytes_of(line.data, (size_t)(colon - line.data));
    if (!http_is_token(name))
        return false;
    struct bytes value = trim(bytes_of(colon + 1, line.length - name.length - 1));
    for (size_t i = 0; i < ARRAY_LENGTH(header_takers); i++) {
        if (bytes_equal_ignore_case(name, bytes_of_string(header_takers[i].name)))
            return header_takers[i].take(request, value);
    }
    return true;
}

/* Parses header lines up to the empty line. */
static enum http_parse_result parse_headers(struct cursor *cursor, struct http_request *ret_request)
{
    for (;;) {
        struct bytes line;
        enum http_parse_result result = read_line(cursor, &line);
        if (result != HTTP_PARSE_DONE)
            return result;
        if (line.length == 0)
            return HTTP_PARSE_DONE;
        if (!parse_header(ret_request, line))
            return invalid(cursor, 400);
    }
}

/* Parses a complete head. */
static enum http_parse_result parse_head(struct cursor *cursor, struct http_request *ret_request)
{
    /* RFC 9112 2.2: one empty line before the request is allowed. */
    if (cursor->end - cursor->at >= 2 && cursor->at[0] == '\r' && cursor->at[1] == '\n')
        cursor->at += 2;
    enum http_parse_result result = parse_request_line(cursor, ret_request);
    if (result == HTTP_PARSE_DONE)
        result = parse_headers(cursor, ret_request);
    /* HTTP/1.0 has no Host (load balancers' health checks use it). */
    bool needs_host = ret_request->minor_version >= 1;
    if (result == HTTP_PARSE_DONE && needs_host && !ret_request->has_host)
        return invalid(cursor, 400);
    return result;
}

/* Notes what was checked. A request line that is incomplete is read again from its beginning. */
static struct http_progress progress_of(const struct cursor *cursor, struct bytes in,
                                        const struct http_request *judged)
{
    size_t line = (size_t)(cursor->at - in.data);
    return (struct http_progress){
        .line = line > 2 ? (uint32_t)line : 0,
        .scanned = (uint32_t)(cursor->scanned - in.data),
        .has_host = judged->has_host,
        .has_origin = judged->has_origin,
    };
}

enum http_parse_result http_request_continue(struct bytes in, size_t head_bytes_max,
                                             struct http_progress *progress,
                                             struct http_request *ret_request, size_t *ret_length,
                                             int *ret_status)
{
    size_t length = in.length < head_bytes_max ? in.length : head_bytes_max;
    struct cursor cursor = {
        .at = in.data + progress->line,
        .scanned = in.data + progress->scanned,
        .end = in.data + length,
    };
    enum http_parse_result result = HTTP_PARSE_DONE;
    *ret_request = (struct http_request){
        .has_host = progress->has_host,
        .has_origin = progress->has_origin,
    };
    if (progress->line > 0)
        result = parse_headers(&cursor, ret_request);
    if (result == HTTP_PARSE_DONE) {
        if (progress->line > 0)
            cursor = (struct cursor){.at = in.data, .scanned = in.data, .end = in.data + length};
        *ret_request = (struct http_request){0};
        result = parse_head(&cursor, ret_request);
    }
    if (result == HTTP_PARSE_NEED_MORE && length == head_bytes_max)
        result = invalid(&cursor, 431);
    *progress = result == HTTP_PARSE_NEED_MORE ? progress_of(&cursor, in, ret_request)
                                               : (struct http_progress){0};
    *ret_length = (size_t)(cursor.at - in.data);
    *ret_status = cursor.status;
    return result;
}

enum http_parse_result http_request_parse(struct bytes in, size_t head_bytes_max,
                                          struct http_request *ret_request, size_t *ret_length,
                                          int *ret_status)
{
    struct http_progress progress = {0};
    return http_request_continue(in, head_bytes_max, &progress, ret_request, ret_length,
                                 ret_status);
}

bool http_path_prefix_is_plain(struct bytes text)
{
    for (size_t i = 0; i < text.length; i++) {
        uint8_t c = ascii_lower(text.data[i]);
        bool is_good =
            (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || memchr("/-._~%", c, 6) != NULL;
        if (!is_good)
            return false;
    }
    return text.length > 1 && text.length <= HTTP_PATH_PREFIX_MAX && text.data[0] == '/' &&
           text.data[1] != '/' && text.data[text.length - 1] != '/';
}
