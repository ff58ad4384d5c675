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

/*
 * As conn_out_close() with 1013 and the reason, but what is queued is dropped, the frame that was
 * begun excepted. Who does not read sees no close frame.
 */
void conn_out_close_for_queue(struct loop *loop, struct conn *conn, struct bytes reason);

/* The time of a DELAYED connection is over: the answer, then 1008. */
void conn_out_answer_delayed(struct loop *loop, struct conn *conn);

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
