/*
 * What may be read of a connection: by the rates of frames and bytes that a client has, and by its
 * share of a turn.
 */
#ifndef PARTY_SERVER_ALLOWANCE_H
#define PARTY_SERVER_ALLOWANCE_H

#include "server/loop.h"

/* A WebSocket begins: what it may send at once is there. */
void allowance_fill(struct loop *loop, struct conn *conn);

/* A WebSocket goes on for another of the same client: whoever begins anew has no more for that. */
void allowance_inherit(struct loop *loop, struct conn *heir, struct conn *from);

/*
 * Whether a connection that was held for its rate can read anything now. If not, resuming it would
 * only move its input to and fro.
 */
bool allowance_lets_resume(struct loop *loop, struct conn *conn);

/*
 * Entering a room may cost much for few bytes. Whose address has spent too much is not read for a
 * while, unless it is in a room already.
 */
bool allowance_lets_join(struct loop *loop, const struct conn *conn);

/* The connection is read. All that is read of it in one turn is one share, in however many pieces.
 */
void allowance_begin_share(struct loop *loop, const struct conn *conn);
bool allowance_share_is_used_up(const struct loop *loop);

/* What may be read of the input in this turn; and what was read of it, up to `rest`, is paid. */
struct bytes_mut allowance_share_of(const struct loop *loop, struct bytes_mut in);
void allowance_pay_for_bytes(struct loop *loop, struct bytes_mut *in, const struct bytes_mut *rest);

/* What a reader may begin to read. */
struct allowance {
    uint32_t frames;
    int64_t bytes;
};

/* Gives the reader what it may begin to read now. What it has used of that is paid then. */
struct allowance allowance_give(struct loop *loop, struct conn *conn, struct ws_reader *reader);
void allowance_pay(struct loop *loop, struct conn *conn, struct allowance given,
                   const struct ws_reader *reader);

#endif
