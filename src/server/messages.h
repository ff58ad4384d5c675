/* What is said on a WebSocket. */
#ifndef PARTY_SERVER_MESSAGES_H
#define PARTY_SERVER_MESSAGES_H

#include "server/loop.h"

/* Why a connection reads no more for now, though there is input. */
enum pause {
    PAUSE_NONE,
    PAUSE_RATE,      /* its allowance of frames or bytes is used up: wait for more */
    PAUSE_SHARE,     /* its share of the turn is: go on in the next one */
    PAUSE_HANDSHAKE, /* its TLS hello is to be answered: wait for the time */
    PAUSE_BACKLOG,   /* its responses are not read: go on when they are */
};

/*
 * Reads and handles messages, in place, until the input is used up, the connection is no longer
 * open, or it has had its share; takes from `in` what was read.
 */
enum pause messages_read(struct loop *loop, struct conn *conn, struct bytes_mut *in);

/*
 * Parses the next part of a long message that is whole; when that was the last, the message is
 * handled, and freed in the turns that follow. The connection has an input record.
 */
enum pause messages_parse_on(struct loop *loop, struct conn *conn);

/* A join that the connection made on another loop; this one has its code. */
void messages_carry_out(struct loop *loop, struct conn *conn, const struct join *join);

/* Frees the input record when nothing in it is incomplete or waits. */
void messages_drop_input_when_idle(struct conn *conn);

#endif
