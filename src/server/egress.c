/* Makes TLS records only when the socket can take them, from all output that waits. */
#include "server/egress.h"

/*
 * Encrypts the next part of the output; or the close_notify when all output is sent and no more
 * follows.
 */
static bool encrypt_next(struct loop *loop, struct conn *conn)
{
    if (conn->out.length == 0) {
        if (conn->state == CONN_CLOSING)
            tls_session_end(conn->tls);
        return true;
    }
    size_t length = outbox_copy(&conn->out, loop->plain_text, TLS_WRITE_BYTES_MAX);
    if (!tls_session_write(conn->tls, bytes_of(loop->plain_text, length)))
        return false;
    outbox_consume(&conn->out, &loop->pool, length);
    return true;
}

struct outbox *egress_output(struct loop *loop, struct conn *conn)
{
    if (conn->tls == NULL)
        return &conn->out;
    struct outbox *output = tls_session_output(conn->tls);
    if (output->length == 0 && !encrypt_next(loop, conn)) {
        loop->stats.counters[COUNTER_TLS_FAILED]++;
        return NULL;
    }
    return output;
}
