/* Reads the messages of a WebSocket. */
#ifndef PARTY_SERVER_MESSAGES_H
#define PARTY_SERVER_MESSAGES_H

#include "server/loop.h"

/* The reason to pause a connection, though it has input. */
enum pause {
    PAUSE_NONE,
    PAUSE_RATE,  /* its tokens for frames or bytes are used up: read on when it has earned more */
    PAUSE_SHARE, /* its share of the turn is used up: read on in the next turn */
    PAUSE_HANDSHAKE, /* its TLS hello must be answered: read on when the loop has time */
    PAUSE_ANSWER,    /* another node has to answer: read on when it has */
    PAUSE_ENTRANCE,  /* no node can be asked yet: handle the message once more a little later */
    PAUSE_BACKLOG,   /* its responses are not read: read on when they are sent */
};

/*
 * Reads and handles messages, in place, until the input is used up, the connection is no longer
 * open, or its share is used up. Skips in `in` what was read.
 */
enum pause messages_read(struct loop *loop, struct conn *conn, struct bytes_mut *in);

/*
 * Parses the next part of a long message that is complete. After the last part, handles the
 * message, and frees it in the turns that follow. The connection must have an input record.
 */
enum pause messages_parse_on(struct loop *loop, struct conn *conn);

/*
 * Handles once more what the client entered with, if no node could be asked, and closes the client
 * when it has waited for long. Forgets what was answered meanwhile. The connection's input record
 * must have an entrance.
 */
enum pause messages_enter_again(struct loop *loop, struct conn *conn);

/* Carries out a join that the connection sent on another loop; this loop owns the room's code. */
void messages_carry_out(struct loop *loop, struct conn *conn, const struct join *join);

/*
 * Receives a whole message of a client of another node, as if it had sent it to this one. Nothing
 * of it is known but its length.
 */
void messages_receive(struct loop *loop, struct conn *conn, bool is_binary, struct bytes message);

/* Frees the input record if it holds nothing incomplete and no input waits. */
void messages_drop_input_when_idle(struct conn *conn);

#endif
