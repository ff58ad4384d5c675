/* A proxy's word counts where its word about addresses does. */
#include "server/http/page_origin.h"

#include "base/writer.h"
#include "net/machine.h"

/* Takes the port off, with its colon; of `[::1]:3000` as of `localhost:3000`. */
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

static bool is_this_machine_alone(struct bytes name)
{
    static const struct address_range ipv4 = {
        .base.octets = {[10] = 0xFF, [11] = 0xFF, [12] = 127},
        .prefix_length = 96 + 8,
    };
    struct address address;
    if (bytes_equal_ignore_case(name, BYTES("localhost")) || bytes_equal(name, BYTES("[::1]")) ||
        bytes_equal(name, BYTES("::1")))
        return true;
    return address_parse(name, &address) && address_range_contains(&ipv4, address);
}

/* Whether others reach the server at the machine's addresses. */
static bool listens_to_others(const struct loop *loop)
{
    const char *host = loop->server->config->host;
    return host == NULL || !is_this_machine_alone(bytes_of_string(host));
}

bool page_origin_of(const struct loop *loop, const struct conn *conn,
                    const struct http_request *request, struct page_origin *ret_origin)
{
    bool has_word = conn->is_proxied && request->forwarded_host.length > 0;
    struct bytes name = has_word ? request->forwarded_host : request->host;
    bool is_secure = conn->tls != NULL || (conn->is_proxied && request->forwarded_https);
    char own[MACHINE_ADDRESS_BYTES_MAX];
    if (!http_host_is_plain(name))
        return false;
    struct bytes port = take_port(&name);
    if (is_this_machine_alone(name) && listens_to_others(loop) && machine_address(own))
        name = bytes_of_string(own);

    struct writer writer = writer_over(ret_origin->text, sizeof ret_origin->text);
    writer_put_string(&writer, is_secure ? "https://" : "http://");
    writer_put(&writer, name);
    writer_put(&writer, port);
    ret_origin->length = (uint16_t)writer.length;
    return writer_fits(&writer);
}
