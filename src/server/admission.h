/*
 * Who may enter: limits on connections in all and by address, origins, and patience with joins that
 * name no room. Behind a proxy that is trusted, the address is the one that the proxy tells.
 */
#ifndef PARTY_SERVER_ADMISSION_H
#define PARTY_SERVER_ADMISSION_H

#include "proto/http_request.h"
#include "server/loop.h"

/*
 * A new connection is counted, and judged as far as it can be. False: it is one too many even for a
 * refusal to be waited for; the caller closes it, after admission_left().
 */
MUST_CHECK bool admission_accepted(struct loop *loop, struct conn *conn);

/* The same for one that came by --admin-listen, from the main thread: it is counted, and may stay.
 */
MUST_CHECK bool admission_accepted_admin(struct server *server, struct conn *conn);

/* The connection ends: nothing counts it any more. */
void admission_left(struct loop *loop, struct conn *conn);

/*
 * Whether the connection must begin with a PROXY header, and has not had it yet. That is said by
 * the operator, not guessed from the bytes (PROXY protocol, section 2).
 */
bool admission_awaits_introduction(const struct loop *loop, const struct conn *conn);

/* The connection has said what it wants: TLS is open, or the first request is there. */
void admission_handshake_done(struct loop *loop, struct conn *conn);

/* The connection may have come into a room or out of one. */
void admission_seat_changed(struct loop *loop, struct conn *conn);

/* A trusted proxy has told the client's address. False: as in admission_accepted(). */
MUST_CHECK bool admission_learn_address(struct loop *loop, struct conn *conn,
                                        struct address address);

/*
 * Judges a request that wants a WebSocket and asks for it rightly: 101, or the status of the
 * refusal (403, 429, 503).
 */
int admission_judge_upgrade(struct loop *loop, struct conn *conn,
                            const struct http_request *request);

/* Where the client is, as far as that is known. False: it is not. */
MUST_CHECK bool admission_address_of(const struct loop *loop, const struct conn *conn,
                                     struct address *ret_address);

/*
 * Who has sent the request: its peer, or whom a trusted proxy tells of. False: that is not known,
 * as of who says that it forwards and is no trusted proxy.
 */
MUST_CHECK bool admission_requester(const struct loop *loop, const struct conn *conn,
                                    const struct http_request *request,
                                    struct address *ret_address);

/* Whether the numbers of the relay may be told: to this machine and its private networks. */
bool admission_is_inside(const struct loop *loop, const struct conn *conn,
                         const struct http_request *request);

/*
 * An X-Forwarded-For from a peer in our own network that is no trusted proxy is said on stderr,
 * once: all who come through that peer share one address then.
 */
void admission_look_at_forwarding(struct loop *loop, const struct conn *conn,
                                  const struct http_request *request);

/*
 * Whose question this is, in `conn->asker`: the subnet of the client that a trusted proxy tells of,
 * else of that proxy, or the connection's own; held until admission_release_asker() or
 * admission_stop_waiting(). False: memory is short.
 */
MUST_CHECK bool admission_hold_asker(struct loop *loop, struct conn *conn,
                                     const struct http_request *request);
void admission_release_asker(struct loop *loop, struct conn *conn);

/*
 * Whether the asker may ask for a room, and then, whether it may be told: see subnets_may_ask() and
 * subnets_may_tell(), which counts a miss.
 */
bool admission_may_ask(struct loop *loop, const struct conn *conn);
bool admission_may_tell(struct loop *loop, const struct conn *conn, bool is_found);

/*
 * Whether the asker, or the client of a connection, may ask for what costs work; and what it has
 * cost, in the units of `loop->work`.
 */
bool admission_may_spend(struct loop *loop, uint32_t subnet);
void admission_spend(struct loop *loop, uint32_t subnet, uint64_t cost);

/* admission_may_tell() for a connection that joins; a miss is counted for it as well. */
bool admission_may_tell_joiner(struct loop *loop, struct conn *conn, bool is_found);

/* Whether the connection itself had more misses than one may have. */
bool admission_is_guesser(const struct loop *loop, const struct conn *conn);

/*
 * A connection that is WAITING or DELAYED is about to be something else: it gives back what it
 * holds for that, its place among those who wait for a refusal and the subnet of its asker.
 */
void admission_stop_waiting(struct loop *loop, struct conn *conn);

#endif
