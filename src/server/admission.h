/*
 * The rules of admission: limits on connections in all and by address, allowed origins, and limits
 * on joins that name no room. Behind a trusted proxy, a connection's address is the one that the
 * proxy reports.
 */
#ifndef PARTY_SERVER_ADMISSION_H
#define PARTY_SERVER_ADMISSION_H

#include "proto/http_request.h"
#include "server/loop.h"
#include "server/token_check.h"

/*
 * Counts a new connection, and judges it as far as its address is known. False: too many
 * connections wait for their refusal already; the caller calls admission_left() and closes it.
 */
MUST_CHECK bool admission_accepted(struct loop *loop, struct conn *conn);

/*
 * As admission_accepted(), for a connection of --admin-listen; the main thread calls it. The
 * connection is counted, and no limit by address applies.
 */
MUST_CHECK bool admission_accepted_admin(struct server *server, struct conn *conn);

/*
 * Counts a connection that was handed over, as it was counted before: `conn->refusal`, `kind` and
 * `is_counted` say how. `address` is NULL if it was not known. False: memory is short.
 */
MUST_CHECK bool admission_restored(struct server *server, struct conn *conn,
                                   const struct address *address);

/* Ends the counting of a connection that ends. */
void admission_left(struct loop *loop, struct conn *conn);

/*
 * Whether the connection must begin with a PROXY header that has not been read yet. The operator
 * decides that; the server does not guess it from the bytes (PROXY protocol, section 2).
 */
bool admission_awaits_introduction(const struct loop *loop, const struct conn *conn);

/* The handshake is over: TLS is open, or the first request has been read. */
void admission_handshake_done(struct loop *loop, struct conn *conn);

/* The connection may have got a seat or lost it. */
void admission_seat_changed(struct loop *loop, struct conn *conn);

/* A trusted proxy has reported the client's address. False: as in admission_accepted(). */
MUST_CHECK bool admission_learn_address(struct loop *loop, struct conn *conn,
                                        struct address address);

/*
 * Judges a valid request for a WebSocket. Returns 101, or the status of the refusal (403, 429,
 * 503).
 */
int admission_judge_upgrade(struct loop *loop, struct conn *conn,
                            const struct http_request *request);

/* The client's address, or one that represents its subnet. False: the address is not known. */
MUST_CHECK bool admission_address_of(const struct loop *loop, const struct conn *conn,
                                     struct address *ret_address);

/*
 * The address of the client that sent the request: the connection's, or the one that a trusted
 * proxy reports. False: it is not known, as when a peer forwards requests and is no trusted proxy.
 */
MUST_CHECK bool admission_requester(const struct loop *loop, const struct conn *conn,
                                    const struct http_request *request,
                                    struct address *ret_address);

/*
 * Whether the client may see the server's numbers: only clients on this machine and in private
 * networks may, or those of --admin-listen.
 */
bool admission_is_inside(const struct loop *loop, const struct conn *conn,
                         const struct http_request *request);

/*
 * Raises a notice when a peer in a private network sends X-Forwarded-For and is no trusted proxy.
 * All clients behind that peer share one address then.
 */
void admission_look_at_forwarding(struct loop *loop, const struct conn *conn,
                                  const struct http_request *request);

/*
 * Holds the subnet of the client that asks, in `conn->asker`: the subnet of the client that a
 * trusted proxy reports, else of that proxy, or the connection's own. admission_release_asker() or
 * admission_stop_waiting() gives it back. False: memory is short.
 */
MUST_CHECK bool admission_hold_asker(struct loop *loop, struct conn *conn,
                                     const struct http_request *request);
void admission_release_asker(struct loop *loop, struct conn *conn);

/*
 * Whether the asker may ask for a room, and whether it may hear the result: see subnets_may_ask()
 * and subnets_may_tell(), which counts a miss.
 */
bool admission_may_ask(struct loop *loop, const struct conn *conn);
bool admission_may_tell(struct loop *loop, const struct conn *conn, bool is_found);

/*
 * Whether a subnet may ask for costly work; and the cost of work that was done, in the units of
 * `loop->work`. SUBNET_NONE has no limit.
 */
bool admission_may_spend(struct loop *loop, uint32_t subnet);
void admission_spend(struct loop *loop, uint32_t subnet, uint64_t cost);

/* As admission_may_tell(), for a connection that joins; counts a miss for the connection, too. */
bool admission_may_tell_joiner(struct loop *loop, struct conn *conn, bool is_found);

/*
 * Checks the token with which a connection wants to create a room, by the clock on the wall, and
 * counts the work for the connection's address. TOKEN_VERDICT_NOT_ASKED: the operator has set no
 * key.
 */
MUST_CHECK enum token_verdict admission_check_token(struct loop *loop, const struct conn *conn,
                                                    struct bytes token,
                                                    struct token_claims *ret_claims);

/* Whether the connection itself has had more failed joins than --max-failed-joins allows. */
bool admission_is_guesser(const struct loop *loop, const struct conn *conn);

/*
 * Gives back what a connection holds that is WAITING or DELAYED and is about to change its state:
 * its place among those that wait for a delayed answer, and the subnet of its asker.
 */
void admission_stop_waiting(struct loop *loop, struct conn *conn);

#endif
