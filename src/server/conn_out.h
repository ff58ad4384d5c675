/* The output of a connection, and the ways to close it. */
#ifndef PARTY_SERVER_CONN_OUT_H
#define PARTY_SERVER_CONN_OUT_H

#include "server/loop.h"

/* An encoded frame, in the loop's scratch memory or in a shared payload. */
struct frame {
    struct bytes bytes;
    struct payload *payload; /* NULL: copy `bytes` */
    uint64_t counts;         /* of the numbered events of protocol 3; see LINK_FRAME */
};

/* Queues a frame with a message if the connection is an open WebSocket; else drops it. */
void conn_out_frame(struct loop *loop, struct conn *conn, const struct frame *frame);

/* Queues bytes that are no frame (HTTP). */
void conn_out_bytes(struct loop *loop, struct conn *conn, struct bytes bytes);

/* As conn_out_bytes(), for a shared payload; the caller keeps its reference. */
void conn_out_payload(struct loop *loop, struct conn *conn, struct payload *payload);

/* Queues a control frame with at most 125 bytes. */
void conn_out_control(struct loop *loop, struct conn *conn, enum ws_opcode opcode,
                      struct bytes payload);

/* Queues a text message with at most 125 bytes. */
void conn_out_text(struct loop *loop, struct conn *conn, struct bytes text);

/*
 * Closes a WebSocket: it sends what is queued, then a close frame with the code (1005: none) and
 * reason; then the connection lingers. The client leaves its room after the current outcome.
 */
void conn_out_close(struct loop *loop, struct conn *conn, uint16_t code, struct bytes reason);

/* Closes it with 1012, for a client that is to come again: this node or another one has its room.
 */
void conn_out_close_for_restart(struct loop *loop, struct conn *conn);

/*
 * Ends a REMOTE connection of which its edge knows already that it ends, or whose link is void.
 * Others that end tell the edge.
 */
void conn_out_forget_remote(struct loop *loop, struct conn *conn);

/* Closes without a close frame once all that is queued is sent. */
void conn_out_finish(struct loop *loop, struct conn *conn);

/*
 * As conn_out_close() with 1013 and the reason, but drops what is queued, except the frame that the
 * socket has begun to send. A peer that does not read sees no close frame.
 */
void conn_out_close_for_queue(struct loop *loop, struct conn *conn, struct bytes reason);

/* Ends the connection; nothing is left to send. */
void conn_out_end(struct loop *loop, struct conn *conn);

/* Ends the connection and drops what is queued, here and in the kernel. */
void conn_out_abandon(struct loop *loop, struct conn *conn);

/* As conn_out_abandon(), for a connection that failed on the peer's side or in the network. */
void conn_out_lose_peer(struct loop *loop, struct conn *conn);

/*
 * As conn_out_abandon(), when memory is short: the client would miss an event, and must never do so
 * unnoticed.
 */
void conn_out_lose_for_memory(struct loop *loop, struct conn *conn);

/* Sends what is queued, as far as the socket and the connection's share of the turn allow. */
void conn_out_flush(struct loop *loop, struct conn *conn);

/*
 * Handle a send that the poller reports as over, and a socket that has room again. The turn's flush
 * sends what is left.
 */
void conn_out_sent(struct loop *loop, struct conn *conn, size_t sent, bool is_full);
void conn_out_writable(struct loop *loop, struct conn *conn);

#endif
