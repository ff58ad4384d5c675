/* Does nothing unless the options name this instance, and a proxy that understands fly-replay. */
#include "server/http/instances.h"

#include "base/scratch.h"
#include "proto/http_query.h"
#include "server/config.h"
#include "server/conn_out.h"
#include "server/http/response.h"

#define INSTANCE_PARAMETER BYTES("instance")

/* Reads the room code that is the whole path. */
static bool read_code(const struct http_request *request, uint64_t *ret_code)
{
    struct bytes path = request->path;
    return path.length > 1 && code_read_escaped(bytes_of(path.data + 1, path.length - 1), ret_code);
}

/* The instance that the query names; `length` is 0 if no instance can have that name. */
struct named_instance {
    bool is_there;
    size_t length;
    uint8_t name[INSTANCE_BYTES_MAX];
};

static struct named_instance read_named_instance(const struct http_request *request)
{
    struct named_instance named = {0};
    struct bytes value;
    if (!http_query_find(request->query, INSTANCE_PARAMETER, &value) || value.length == 0)
        return named;
    named.is_there = true;
    if (!http_percent_decode(value, named.name, sizeof named.name, &named.length) ||
        !config_is_name(bytes_of(named.name, named.length)))
        named.length = 0;
    return named;
}

static void send_replay(struct loop *loop, struct conn *conn, const struct http_request *request,
                        struct bytes kind, struct bytes name)
{
    uint8_t header[256];
    struct writer writer = writer_over(header, sizeof header);
    WRITER_PUT(&writer, "fly-replay: ");
    writer_put(&writer, kind);
    writer_put(&writer, name);
    WRITER_PUT(&writer, ";timeout=5s;fallback=force_self\r\n");
    struct response response = {
        .status = 409,
        .is_head = request->method == HTTP_METHOD_HEAD,
        .closes = true,
        .is_shared = true,
        .content_type = CONTENT_TYPE_TEXT,
        .extra_headers = writer_view(&writer),
    };
    response_send(loop, conn, &response, BYTES("This is for another instance\n"));
}

/* Whether the query names another instance than this one. */
static bool is_for_other(const struct config *config, const struct named_instance *named)
{
    return config->asks_for_replays && config->instance_id != NULL && named->length > 0 &&
           !bytes_equal(bytes_of(named->name, named->length), bytes_of_string(config->instance_id));
}

/*
 * The part behind the last slash. A relative reference to it is resolved in the same folder as the
 * request.
 */
static struct bytes last_segment(struct bytes path)
{
    size_t begin = path.length;
    while (begin > 0 && path.data[begin - 1] != '/')
        begin--;
    return bytes_of(path.data + begin, path.length - begin);
}

/*
 * Redirects to the same link without the name of an instance that is gone. The location is
 * relative, since a proxy may have the relay below a path. It begins with `./`, so that a colon in
 * it is not taken for the end of a scheme.
 */
bool instances_redirect_stale_link(struct loop *loop, struct conn *conn,
                                   const struct http_request *request)
{
    if (!request->is_replayed || request->upgrades_to_websocket)
        return false;
    struct named_instance named = read_named_instance(request);
    if (!is_for_other(loop->server->config, &named))
        return false;
    struct scratch scratch;
    size_t length_max = request->path.length + request->query.length + 3;
    uint8_t *location = scratch_take(&scratch, length_max);
    if (location == NULL) {
        conn_out_lose_for_memory(loop, conn);
        return true;
    }
    struct writer writer = writer_over(location, length_max);
    WRITER_PUT(&writer, "./");
    writer_put(&writer, last_segment(request->path));
    http_query_write_without(&writer, request->query, INSTANCE_PARAMETER);
    response_redirect(loop, conn, request, writer_view(&writer));
    scratch_release(&scratch);
    return true;
}

/* The region that the code names, if it is another than ours; else empty. */
static struct bytes find_other_region(const struct config *config, uint64_t code)
{
    struct bytes ours = config_instance(config).region;
    struct bytes region = code_region(code);
    bool is_known = code_region_index(ours) != CODE_REGION_NONE;
    return is_known && !bytes_equal_ignore_case(region, ours) ? region : (struct bytes){0};
}

bool instances_route(struct loop *loop, struct conn *conn, const struct http_request *request)
{
    const struct config *config = loop->server->config;
    uint64_t code;
    bool has_code = read_code(request, &code);
    bool is_health = bytes_equal(request->path, BYTES("/health"));
    if (!config->asks_for_replays || request->is_replayed || (!has_code && !is_health))
        return false;
    struct named_instance named = read_named_instance(request);
    struct bytes region = has_code ? find_other_region(config, code) : (struct bytes){0};
    if (is_for_other(config, &named))
        send_replay(loop, conn, request, BYTES("instance="), bytes_of(named.name, named.length));
    else if (!named.is_there && region.length > 0)
        send_replay(loop, conn, request, BYTES("region="), region);
    else
        return false;
    return true;
}
