/* Everything that goes out on a connection, and how it is closed. */
#ifndef PARTY_SERVER_CONN_OUT_H
#define PARTY_SERVER_CONN_OUT_H

#include "server/loop.h"

/* An encoded frame: in the loop's scratch memory, or shared. */
struct frame {
    struct bytes bytes;
    struct payload *payload; /* NULL: copy `bytes` */
};

/* Queues a frame with a message, if the connection is an open WebSocket; else it is forgotten. */
void conn_out_frame(struct loop *loop, struct conn *conn, const struct frame *frame);

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

/*
 * As conn_out_close() with 1013 and the reason, but what is queued is dropped, the frame that was
 * begun excepted. Who does not read sees no close frame.
 */
void conn_out_close_for_queue(struct loop *loop, struct conn *conn, struct bytes reason);

/* The connection is over, and nothing is left to be sent. */
void conn_out_end(struct loop *loop, struct conn *conn);

/* The connection is lost: nothing more goes out, and the kernel is to forget what it has. */
void conn_out_abandon(struct loop *loop, struct conn *conn);

/* The same, for the peer's connection has failed. */
void conn_out_lose_peer(struct loop *loop, struct conn *conn);

/* The same for want of memory: a connection that would miss something is lost, never a silent gap.
 */
void conn_out_lose_for_memory(struct loop *loop, struct conn *conn);

/* Sends what is queued, as far as the socket and the share of a turn go. */
void conn_out_flush(struct loop *loop, struct conn *conn);

/* The poller's news about a send, and about a socket that was full; what is left is flushed with
 * everything else. */
void conn_out_sent(struct loop *loop, struct conn *conn, size_t sent, bool is_full);
void conn_out_writable(struct loop *loop, struct conn *conn);

#endif
