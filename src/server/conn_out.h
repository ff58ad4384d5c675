/* Performs what the relay decided, and everything else that goes out on a connection. */
#ifndef PARTY_SERVER_CONN_OUT_H
#define PARTY_SERVER_CONN_OUT_H

#include "server/loop.h"

/* Performs the relay's effects in order. `speaker` is who caused them (NULL: nobody is left). */
void conn_out_perform(struct loop *loop, struct conn *speaker, const struct effects *effects);

/* Queues bytes that are no frame (HTTP). */
void conn_out_bytes(struct loop *loop, struct conn *conn, struct bytes bytes);

/* As conn_out_bytes(), shared; the caller keeps its reference. */
void conn_out_payload(struct loop *loop, struct conn *conn, struct payload *payload);

/* Queues a control frame with at most 125 bytes. */
void conn_out_control(struct loop *loop, struct conn *conn, enum ws_opcode opcode,
                      struct bytes payload);

/*
 * Closes a WebSocket: what is queued goes out, then a close frame with the code (1005: none) and
 * reason, then the connection lingers. The room is left when the current outcome is done.
 */
void conn_out_close(struct loop *loop, struct conn *conn, uint16_t code, struct bytes reason);

/* Closes without a frame once what is queued is out. */
void conn_out_finish(struct loop *loop, struct conn *conn);

/* The connection is lost: nothing more goes out. */
void conn_out_abandon(struct loop *loop, struct conn *conn);

/* Sends what is queued, as far as the socket takes it. */
void conn_out_flush(struct loop *loop, struct conn *conn);

/* The poller's news about a send. */
void conn_out_sent(struct loop *loop, struct conn *conn, size_t sent);

#endif
