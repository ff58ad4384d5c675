/*
 * Serves files with validators. A browser asks each time whether its copy is still fresh, so pages
 * and the library that they import always fit the relay that serves them.
 */
#include "server/http/assets.h"

#include <assert.h>

#include "base/attributes.h"
#include "base/scratch.h"
#include "base/writer.h"
#include "proto/http_etag.h"
#include "server/conn_out.h"
#include "server/http/response.h"

#define FRONT BYTES("/")
#define LIBRARY BYTES("/party-") /* pages of any origin may import what begins so */
#define HOST_BYTES_MAX 255       /* of a host that the policy names; a domain name is no longer */

struct asset {
    struct bytes path;
    const char *content_type;
    struct bytes etag;
    const char *script_sources; /* for the Content-Security-Policy */
    const char *style_sources;
    struct payload *body;
};

/* Payloads can't be constant, but nobody writes to a lasting one. */
#define PAYLOAD(name, size, ...)                 \
    __extension__ static struct payload name = { \
        .references = PAYLOAD_LASTING,           \
        .length = (size),                        \
        .data = {__VA_ARGS__},                   \
    };

#define VIEW(literal)                                   \
    {                                                   \
        (const uint8_t *)(literal), sizeof(literal) - 1 \
    }
#define ASSET(content, path, type, etag, scripts, styles)       \
    {                                                           \
        VIEW(path), type, VIEW(etag), scripts, styles, &content \
    }

#include "assets_table.h" /* `assets`, which tools/embed.py generates */

static const struct asset *find(struct bytes path)
{
    for (size_t i = 0; i < ARRAY_LENGTH(assets); i++) {
        if (bytes_equal(assets[i].path, path))
            return &assets[i];
    }
    return NULL;
}

/*
 * Allows only files of this server; a page that has an inline script or style loads no other.
 * 'self' includes WebSockets to the same host (CSP 3). Older browsers need the host's name for
 * that.
 */
static void write_policy(struct writer *writer, const struct asset *asset, struct bytes host)
{
    WRITER_PUT(writer, "Content-Security-Policy: default-src 'none'; script-src ");
    writer_put_string(writer, asset->script_sources);
    WRITER_PUT(writer, "; style-src ");
    writer_put_string(writer, asset->style_sources);
    WRITER_PUT(writer, "; img-src 'self' data:; connect-src 'self'");
    if (host.length <= HOST_BYTES_MAX && http_host_is_plain(host)) {
        WRITER_PUT(writer, " ws://");
        writer_put(writer, host);
        WRITER_PUT(writer, " wss://");
        writer_put(writer, host);
    }
    WRITER_PUT(writer, "; base-uri 'none'; form-action 'none'; frame-ancestors 'none'\r\n");
}

static void send_asset(struct loop *loop, struct conn *conn, const struct http_request *request,
                       const struct asset *asset)
{
    uint8_t headers[1024 + 2 * HOST_BYTES_MAX];
    struct writer writer = writer_over(headers, sizeof headers);
    WRITER_PUT(&writer, "ETag: ");
    writer_put(&writer, asset->etag);
    WRITER_PUT(&writer, "\r\n");
    write_policy(&writer, asset, request->host);
    bool is_known = http_etag_is_listed(request->if_none_match, asset->etag);
    struct response response = {
        .status = is_known ? 304 : 200,
        .is_head = request->method == HTTP_METHOD_HEAD,
        .closes = response_closes(conn, request),
        .is_shared = bytes_have_prefix(asset->path, LIBRARY),
        .content_type = asset->content_type,
        .cache_control = "no-cache",
        .extra_headers = writer_view(&writer),
    };
    response_send_payload(loop, conn, &response, asset->body);
}

/*
 * Redirects to the page's folder, since the page's references are relative. The query may be meant
 * for the page, so it is kept. The location is relative, too, since a proxy may have the server
 * below a path.
 */
static void send_to_folder(struct loop *loop, struct conn *conn, const struct http_request *request)
{
    const struct bytes folder = BYTES("play/");
    struct scratch scratch;
    size_t length_max = folder.length + 1 + request->query.length;
    uint8_t *location = scratch_take(&scratch, length_max);
    if (location == NULL) {
        conn_out_lose_for_memory(loop, conn);
        return;
    }
    struct writer writer = writer_over(location, length_max);
    writer_put(&writer, folder);
    if (request->query.data != NULL) {
        writer_put_byte(&writer, '?');
        writer_put(&writer, request->query);
    }
    response_redirect(loop, conn, request, writer_view(&writer));
    scratch_release(&scratch);
}

/* Whether the path is one of a script, types, a style or a package. */
static bool names_code(struct bytes path)
{
    static const struct bytes endings[] = {VIEW(".js"),  VIEW(".mjs"), VIEW(".ts"),
                                           VIEW(".map"), VIEW(".css"), VIEW(".tgz")};
    for (size_t i = 0; i < ARRAY_LENGTH(endings); i++) {
        if (bytes_have_suffix(path, endings[i]))
            return true;
    }
    return false;
}

bool assets_route(struct loop *loop, struct conn *conn, const struct http_request *request)
{
    const struct asset *asset = find(request->path);
    if (bytes_equal(request->path, FRONT))
        return false; /* options decide what `/` shows */
    if (asset != NULL)
        send_asset(loop, conn, request, asset);
    else if (bytes_equal(request->path, BYTES("/play")))
        send_to_folder(loop, conn, request);
    else if (names_code(request->path)) /* a page in its place would be a riddle to the importer */
        response_send_error(loop, conn, 404, request->method == HTTP_METHOD_HEAD);
    else
        return false;
    return true;
}

void assets_send_front(struct loop *loop, struct conn *conn, const struct http_request *request)
{
    const struct asset *asset = find(FRONT);
    assert(asset != NULL);
    send_asset(loop, conn, request, asset);
}
