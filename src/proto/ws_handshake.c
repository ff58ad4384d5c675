/* The opening handshake. Admission decides who may connect. */
#include "proto/ws_handshake.h"

#include <nettle/base64.h>
#include <nettle/sha1.h>

#include "base/attributes.h"

#define WS_KEY_LENGTH 24
#define WS_KEY_DIGITS 22
#define WS_GUID "258EAFA5-E914-47DA-95CA-C5AB0DC85B11" /* RFC 6455 1.3 */

bool ws_handshake_is_wanted(const struct http_request *request)
{
    return request->upgrades_to_websocket || request->websocket_key_count > 0;
}

/* A key is 16 bytes in base64 (RFC 6455 4.1): 22 digits and two signs of padding. */
static bool key_is_valid(struct bytes key)
{
    if (key.length != WS_KEY_LENGTH || memcmp(key.data + WS_KEY_DIGITS, "==", 2) != 0)
        return false;
    for (size_t i = 0; i < WS_KEY_DIGITS; i++) {
        uint8_t c = ascii_lower(key.data[i]);
        bool is_digit = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '+' || c == '/';
        if (!is_digit)
            return false;
    }
    return true;
}

static bool protocols_are_valid(const struct http_request *request)
{
    for (uint8_t i = 0; i < request->websocket_protocol_count; i++) {
        struct bytes list = request->websocket_protocols[i];
        struct bytes element;
        while (http_list_next(&list, &element)) {
            if (!http_is_token(element))
                return false;
        }
    }
    return true;
}

int ws_handshake_check(const struct http_request *request)
{
    if (request->method != HTTP_METHOD_GET)
        return 405;
    if (request->minor_version < 1 || !request->has_host || request->has_body)
        return 400;
    if (!request->upgrades_to_websocket || !request->connection_has_upgrade)
        return 400;
    if (!bytes_equal(request->websocket_version, BYTES("13")))
        return 426;
    if (request->websocket_key_count != 1 || !key_is_valid(request->websocket_key))
        return 400;
    return protocols_are_valid(request) ? 101 : 400;
}

void ws_handshake_write_lack(struct writer *writer, const struct http_request *request)
{
    const struct {
        bool is_there;
        const char *name;
    } needs[] = {
        {request->minor_version >= 1, "HTTP/1.1"},
        {request->upgrades_to_websocket, "the header Upgrade: websocket"},
        {request->connection_has_upgrade, "the header Connection: Upgrade"},
    };
    const char *between = "This WebSocket handshake lacks ";
    for (size_t i = 0; i < ARRAY_LENGTH(needs); i++) {
        if (needs[i].is_there)
            continue;
        writer_put_string(writer, between);
        writer_put_string(writer, needs[i].name);
        between = " and ";
    }
    if (writer->length > 0)
        WRITER_PUT(writer, ". A proxy on its way must pass that on\n");
}

void ws_handshake_accept(struct bytes key, uint8_t ret_accept[WS_ACCEPT_LENGTH])
{
    struct sha1_ctx context;
    uint8_t digest[SHA1_DIGEST_SIZE];

    sha1_init(&context);
    sha1_update(&context, key.length, key.data);
    sha1_update(&context, sizeof WS_GUID - 1, (const uint8_t *)WS_GUID);
    sha1_digest(&context, sizeof digest, digest);
    base64_encode_raw((char *)ret_accept, sizeof digest, digest);
}

static bool is_known(struct bytes protocol, const struct ws_subprotocols *subprotocols)
{
    for (size_t i = 0; i < subprotocols->known_count; i++) {
        if (bytes_equal(protocol, subprotocols->known[i]))
            return true;
    }
    return false;
}

static bool is_own(struct bytes protocol, const struct ws_subprotocols *subprotocols)
{
    struct bytes own = subprotocols->own;
    return protocol.length >= own.length && bytes_equal(bytes_of(protocol.data, own.length), own);
}

struct bytes ws_handshake_choose_protocol(const struct http_request *request,
                                          const struct ws_subprotocols *subprotocols)
{
    struct bytes first = {0};
    struct bytes first_known = {0};
    for (uint8_t i = 0; i < request->websocket_protocol_count; i++) {
        struct bytes list = request->websocket_protocols[i];
        struct bytes element;
        while (http_list_next(&list, &element)) {
            if (bytes_equal(element, subprotocols->preferred))
                return element;
            if (first_known.length == 0 && is_known(element, subprotocols))
                first_known = element;
            if (first.length == 0 && !is_own(element, subprotocols))
                first = element;
        }
    }
    return first_known.length > 0 ? first_known : first;
}

void ws_handshake_write_response(struct writer *writer, const struct http_request *request,
                                 struct bytes protocol)
{
    uint8_t accept[WS_ACCEPT_LENGTH];
    ws_handshake_accept(request->websocket_key, accept);

    WRITER_PUT(writer, "HTTP/1.1 101 Switching Protocols\r\n"
                       "Upgrade: websocket\r\n"
                       "Connection: Upgrade\r\n"
                       "Sec-WebSocket-Accept: ");
    writer_put(writer, bytes_of(accept, sizeof accept));
    if (protocol.length > 0) {
        WRITER_PUT(writer, "\r\nSec-WebSocket-Protocol: ");
        writer_put(writer, protocol);
    }
    WRITER_PUT(writer, "\r\n\r\n");
}
