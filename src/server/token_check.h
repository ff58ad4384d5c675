/* The check of a token for `create`: signature, times, claims. */
#ifndef PARTY_SERVER_TOKEN_CHECK_H
#define PARTY_SERVER_TOKEN_CHECK_H

#include "net/token_key.h"
#include "proto/token.h"

/*
 * Checks a token with the key. `now_s`: seconds since 1970, UTC. `ret_claims` means something only
 * if the result is OK; NOT_ASKED is never the result. It reads no claim before the signature is
 * known to be good. Safe from any thread.
 */
MUST_CHECK enum token_verdict token_check(struct token_key key, struct bytes token, int64_t now_s,
                                          struct token_claims *ret_claims);

#endif
