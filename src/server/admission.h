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

/* The connection ends: nothing counts it any more. */
void admission_left(struct loop *loop, struct conn *conn);

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

/* Counts a join that named no room. True: too many, the answer is to be delayed. */
bool admission_join_failed(struct loop *loop, struct conn *conn);

/* Whose request this is. False: a proxy does not tell, or nobody counts by address. */
bool admission_asker(const struct loop *loop, const struct conn *conn,
                     const struct http_request *request, struct address *ret_address);

/*
 * Counts a look-up from this address that named no room, as a failed join there; how many
 * connections it has does not matter. True: too many, as in admission_join_failed().
 */
bool admission_lookup_failed(struct loop *loop, struct address address);

#endif
