/*
 * JSON Web Tokens (RFC 7519) that allow a client to create a room: their compact form (RFC 7515
 * 7.1), their header and their claims. Whoever calls this checks the signature in between.
 *
 * A token is a hostile text until its signature has been checked. So its header says only whether
 * it is a token of the algorithm that the caller wants, and it never chooses algorithm or key (RFC
 * 8725 3.1).
 */
#ifndef PARTY_PROTO_TOKEN_H
#define PARTY_PROTO_TOKEN_H

#include "base/attributes.h"
#include "base/bytes.h"

#define TOKEN_BYTES_MAX 4096       /* of a whole token */
#define TOKEN_SIGNATURE_BYTES 64   /* of the longest signature, EdDSA's */
#define TOKEN_ORIGIN_BYTES_MAX 256 /* of the claim `origin` */

enum token_verdict {
    TOKEN_VERDICT_OK,
    TOKEN_VERDICT_MALFORMED, /* not a token, or its header or claims are none that we understand */
    TOKEN_VERDICT_BAD_SIGNATURE, /* of another key or algorithm, or the text was changed */
    TOKEN_VERDICT_EXPIRED,       /* `exp` is over, or `nbf` is still to come */
    TOKEN_VERDICT_NO_MEMORY,     /* memory is short; the token may be good */
    TOKEN_VERDICT_NOT_ASKED,     /* the operator has set no key, so nobody needs a token */
};

/* What a token allows. */
struct token_claims {
    uint32_t max_clients;   /* the most members that the room may have; 0: the token does not say */
    uint16_t origin_length; /* 0: the token does not say */
    uint8_t origin[TOKEN_ORIGIN_BYTES_MAX]; /* a pattern, see proto/origin.h */
};

/* The parts of a token. The views point into the token. */
struct token_parts {
    struct bytes signed_text; /* header and payload as the token has them, and the dot between */
    struct bytes payload;     /* in base64url */
    size_t signature_length;
    uint8_t signature[TOKEN_SIGNATURE_BYTES];
};

/*
 * Splits a token and reads its header, which must have this `alg` (RFC 7515 4.1.1) and no `crit`
 * (4.1.11: we understand no extension). Returns OK, MALFORMED or BAD_SIGNATURE.
 */
MUST_CHECK enum token_verdict token_open(struct bytes token, struct bytes algorithm,
                                         struct token_parts *ret_parts);

/*
 * Reads the claims, of a token whose signature is good. `now_s`: seconds since 1970, UTC. Returns
 * OK, MALFORMED or EXPIRED.
 *
 * `exp` is a must, `nbf` may be there, and no leeway is given (RFC 7519 4.1.4, 4.1.5). `maxClients`
 * is a number from 1 on, which is rounded up as that of `create` is. `origin` is a string, and a
 * pattern as in --allow-origin. A token with `aud` is for somebody else, since the relay has no
 * name to be called by (4.1.3). Other claims are ignored. Of a claim that is there twice the last
 * one counts (section 4).
 */
MUST_CHECK enum token_verdict token_read_claims(struct bytes payload, int64_t now_s,
                                                struct token_claims *ret_claims);

#endif
