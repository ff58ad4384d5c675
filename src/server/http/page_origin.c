/* Forwarded headers count if the peer is a proxy that is trusted about addresses. */
#include "server/http/page_origin.h"

#include "net/machine.h"
#include "proto/url.h"
#include "server/admission.h"

/* Removes the port with its colon, from `[::1]:3000` as from `localhost:3000`. */
static struct bytes take_port(struct bytes *host)
{
    size_t end = host->length;
    while (end > 0 && host->data[end - 1] >= '0' && host->data[end - 1] <= '9')
        end--;
    bool has_port = end > 1 && host->data[end - 1] == ':' &&
                    (host->data[0] != '[' || host->data[end - 2] == ']');
    size_t name_length = has_port ? end - 1 : host->length;
    struct bytes port = bytes_of(host->data + name_length, host->length - name_length);
    host->length = name_length;
    return port;
}

static bool is_among(struct bytes name, const struct address_range *ranges, size_t count)
{
    struct address address;
    if (!address_parse_with_port(name, &address))
        return false;
    for (size_t i = 0; i < count; i++) {
        if (address_range_contains(&ranges[i], address))
            return true;
    }
    return false;
}

/* Whether the host leads a machine to itself. */
static bool is_loopback(struct bytes name)
{
    struct address address;
    return url_domain_is_below(name, BYTES("localhost")) || /* RFC 6761 6.3 */
           (address_parse_with_port(name, &address) && address_is_loopback(address));
}

/*
 * 0.0.0.0 and [::]: a server listens there at every address; some browsers go to their own machine.
 */
static bool is_unspecified(struct bytes name)
{
    static const struct address_range ranges[] = {
        {.base.octets = {[10] = 0xFF, [11] = 0xFF}, .prefix_length = 128},
        {.base.octets = {0}, .prefix_length = 128},
    };
    return is_among(name, ranges, ARRAY_LENGTH(ranges));
}

/* Whether the server listens at addresses that other machines reach. */
static bool listens_to_others(const struct loop *loop)
{
    const char *host = loop->server->config->host;
    return host == NULL || !is_loopback(bytes_of_string(host));
}

/*
 * Whether the request comes from this machine. A client elsewhere that names `localhost` must not
 * learn the machine's address.
 */
static bool is_requester_local(const struct loop *loop, const struct conn *conn,
                               const struct http_request *request)
{
    struct address address;
    return admission_requester(loop, conn, request, &address) && address_is_loopback(address);
}

/*
 * The path below which a proxy has the server, without a slash at its end. A forwarded prefix that
 * is no plain path is ignored.
 */
static struct bytes path_prefix_of(const struct loop *loop, const struct conn *conn,
                                   const struct http_request *request)
{
    const char *configured = loop->server->config->path_prefix;
    struct bytes prefix = request->forwarded_prefix;
    if (prefix.length > 1 && prefix.data[prefix.length - 1] == '/')
        prefix.length--;
    if (conn->is_proxied && http_path_prefix_is_plain(prefix))
        return prefix;
    return configured == NULL ? (struct bytes){0} : bytes_of_string(configured);
}

void page_origin_write_link(struct writer *writer, const struct page_origin *origin,
                            struct bytes link)
{
    struct bytes host = url_host(link);
    char own[MACHINE_ADDRESS_BYTES_MAX];
    if (!origin->is_asked_here || url_classify(link) != URL_HTTP_NEAR || !is_loopback(host) ||
        !machine_address(own)) {
        writer_put(writer, link);
        return;
    }
    size_t before = (size_t)(host.data - link.data);
    size_t behind = before + host.length;
    writer_put(writer, bytes_of(link.data, before));
    writer_put_string(writer, own);
    writer_put(writer, bytes_of(link.data + behind, link.length - behind));
}

bool page_origin_of(const struct loop *loop, const struct conn *conn,
                    const struct http_request *request, struct page_origin *ret_origin)
{
    bool is_forwarded = conn->is_proxied && request->forwarded_host.length > 0;
    struct bytes name = is_forwarded ? request->forwarded_host : request->host;
    bool is_secure = conn->tls != NULL || (conn->is_proxied && request->forwarded_https);
    char own[MACHINE_ADDRESS_BYTES_MAX];
    if (!http_host_is_plain(name))
        return false;
    struct bytes port = take_port(&name);
    bool is_unreachable = is_loopback(name) || is_unspecified(name);
    ret_origin->is_asked_here = is_requester_local(loop, conn, request) && listens_to_others(loop);
    if (is_unreachable && ret_origin->is_asked_here && machine_address(own))
        name = bytes_of_string(own);

    struct writer writer = writer_over(ret_origin->text, sizeof ret_origin->text);
    writer_put_string(&writer, is_secure ? "https://" : "http://");
    writer_put(&writer, name);
    writer_put(&writer, port);
    bool fits = writer.length <= PAGE_HOST_BYTES_MAX;
    writer_put(&writer, path_prefix_of(loop, conn, request));
    ret_origin->length = (uint16_t)writer.length;
    return fits && writer_fits(&writer) && url_classify(writer_view(&writer)) != URL_INVALID;
}
