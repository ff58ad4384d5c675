/* Reads PROXY headers, and decrypts TLS. This layer does not interpret the plain text. */
#include "server/transport.h"

#include "proto/proxy_header.h"
#include "server/admission.h"
#include "server/conn_out.h"

#define TLS_HANDSHAKE_BYTE 0x16 /* RFC 8446 5.1: a peer that speaks TLS begins with this byte */

/* Reads a PROXY header. False: it is incomplete or invalid, or no input follows it yet. */
static bool read_proxy_header(struct loop *loop, struct conn *conn, struct bytes_mut *in)
{
    struct proxy_header header;
    switch (proxy_header_parse(bytes_of(in->data, in->length), &header)) {
    case PROXY_NEED_MORE:
        return false;
    case PROXY_NONE:
    case PROXY_INVALID:
        loop->stats.counters[COUNTER_PROXY_REFUSED]++;
        conn_out_abandon(loop, conn);
        return false;
    case PROXY_DONE:
        conn->is_introduced = true;
        bytes_mut_skip(in, header.length);
        if (header.has_address && !admission_learn_address(loop, conn, header.from)) {
            conn_out_abandon(loop, conn);
            return false;
        }
        break;
    }
    return in->length > 0;
}

/*
 * Raises a notice about a PROXY header from a peer in a private network. An operator who has
 * trusted that proxy without the prefix `proxy:` would see only refusals.
 */
static void look_at_introduction(struct loop *loop, struct conn *conn, struct bytes in)
{
    struct proxy_header header;
    struct address peer;
    bool is_known = notices_is_raised(&loop->server->notices, NOTICE_UNREAD_INTRODUCTION);
    if (!is_known && proxy_header_parse(in, &header) == PROXY_DONE &&
        loop->kernel->peer_address(conn->socket.fd, &peer) && address_is_private(peer))
        loop_raise_notice(loop, NOTICE_UNREAD_INTRODUCTION, peer);
}

enum transport_beginning transport_begin(struct loop *loop, struct conn *conn, struct bytes_mut *in)
{
    if (!admission_awaits_introduction(loop, conn))
        look_at_introduction(loop, conn, bytes_of(in->data, in->length));
    else if (!read_proxy_header(loop, conn, in))
        return TRANSPORT_UNDECIDED;
    bool speaks_tls = in->data[0] == TLS_HANDSHAKE_BYTE;
    conn->is_begun = true;
    if (speaks_tls != (loop->server->tls != NULL && !conn->is_admin)) {
        loop->stats.counters[COUNTER_TLS_MISMATCHED]++;
        return speaks_tls ? TRANSPORT_TLS_UNKNOWN : TRANSPORT_TLS_MISSING;
    }
    if (!speaks_tls)
        return TRANSPORT_READY;
    conn->tls = tls_session_new(loop->server->tls, &loop->pool);
    if (conn->tls != NULL)
        return TRANSPORT_READY;
    conn_out_lose_for_memory(loop, conn);
    return TRANSPORT_UNDECIDED;
}

static void end_handshake(struct loop *loop, struct conn *conn)
{
    admission_handshake_done(loop, conn);
    loop->stats.counters[COUNTER_TLS_HANDSHAKES]++;
    if (tls_session_is_resumed(conn->tls))
        loop->stats.counters[COUNTER_TLS_RESUMED]++;
}

enum tls_result transport_decrypt(struct loop *loop, struct conn *conn, struct bytes_mut *ret_text)
{
    bool was_open = tls_session_is_open(conn->tls);
    size_t length = 0;
    enum tls_result result =
        tls_session_read(conn->tls, loop->plain_text, sizeof loop->plain_text, &length);
    if (!was_open && tls_session_is_open(conn->tls))
        end_handshake(loop, conn);
    if (result == TLS_FAILED)
        loop->stats.counters[COUNTER_TLS_FAILED]++;
    *ret_text = (struct bytes_mut){loop->plain_text, length};
    return result;
}
