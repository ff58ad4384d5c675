/*
 * How much of a connection's input the loop may read: by the client's rates of frames and bytes,
 * and by its share of a turn.
 */
#ifndef PARTY_SERVER_ALLOWANCE_H
#define PARTY_SERVER_ALLOWANCE_H

#include "server/loop.h"

/* Fills the tokens of a WebSocket that begins. */
void allowance_fill(struct loop *loop, struct conn *conn);

/*
 * Lowers the tokens of `heir` to those of `from`, whose seat it takes over. So a client gains no
 * tokens by connecting again.
 */
void allowance_inherit(struct loop *loop, struct conn *heir, struct conn *from);

/*
 * Whether a connection that was paused for its rate can read anything now. If it can't, resuming it
 * would only copy its input back and forth.
 */
bool allowance_lets_resume(struct loop *loop, struct conn *conn);

/*
 * Whether the connection may join a room. A join may cost much for few bytes: if the client's
 * address has spent too much, the connection is paused, unless it has a seat already.
 */
bool allowance_lets_join(struct loop *loop, const struct conn *conn);

/*
 * Begins the connection's share of this turn, unless it has begun: a turn has one for each
 * connection.
 */
void allowance_begin_share(struct loop *loop, const struct conn *conn);
bool allowance_share_is_used_up(const struct loop *loop);

/*
 * allowance_share_of() cuts the input to what may be read in this turn. allowance_pay_for_bytes()
 * subtracts what was read, up to `rest`, from the share, and skips it in `in`.
 */
struct bytes_mut allowance_share_of(const struct loop *loop, struct bytes_mut in);
void allowance_pay_for_bytes(struct loop *loop, struct bytes_mut *in, const struct bytes_mut *rest);

/* What a reader may begin to read. */
struct allowance {
    uint32_t frames;
    int64_t bytes;
};

/*
 * allowance_give() gives the reader what it may begin to read now; allowance_pay() subtracts what
 * it has used.
 */
struct allowance allowance_give(struct loop *loop, struct conn *conn, struct ws_reader *reader);
void allowance_pay(struct loop *loop, struct conn *conn, struct allowance given,
                   const struct ws_reader *reader);

#endif
