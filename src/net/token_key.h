/*
 * The operator's key that signs tokens, and the check of a signature (OpenSSL).
 *
 * The kind of key fixes the algorithm. A file with an Ed25519 public key (PEM) is for EdDSA (RFC
 * 8037 3.1). Any other file is the secret for HS256 (RFC 7518 3.2): a line of at least
 * TOKEN_SECRET_BYTES_MIN visible ASCII characters, whose bytes are the secret as they stand.
 * Whatever looks like a public key of another form is no secret, since everybody may know it.
 */
#ifndef PARTY_NET_TOKEN_KEY_H
#define PARTY_NET_TOKEN_KEY_H

#include <openssl/types.h>

#include "base/attributes.h"
#include "base/bytes.h"

#define TOKEN_SECRET_BYTES_MIN 32     /* RFC 7518 3.2: as long as the hash, or longer */
#define TOKEN_KEY_FILE_BYTES_MAX 4096 /* of the file */

/*
 * One reference to a key, which never changes. It is safe from any thread. Whoever gets one calls
 * token_key_release().
 */
struct token_key {
    EVP_PKEY *key;
    bool is_secret; /* for HS256; else an Ed25519 key for EdDSA */
};

/* Makes an HS256 key of these bytes, whatever they are. False: memory is short. */
MUST_CHECK bool token_key_of_secret(struct bytes secret, struct token_key *ret_key);

/* Reads a key from a file, and tries it. False: `ret_why` says why. */
MUST_CHECK bool token_key_of_file(const char *path, struct token_key *ret_key, char *ret_why,
                                  size_t why_capacity);

void token_key_release(struct token_key key);

/* The key's algorithm, as the member `alg` of tokens has it: `HS256` or `EdDSA`. */
struct bytes token_key_algorithm(struct token_key key);

enum signature_verdict {
    SIGNATURE_GOOD,
    SIGNATURE_BAD,
    SIGNATURE_UNKNOWN, /* OpenSSL failed, since memory is short */
};

/* Checks the signature of a text. Takes some 0.1 ms with EdDSA. */
MUST_CHECK enum signature_verdict token_key_check(struct token_key key, struct bytes text,
                                                  struct bytes signature);

/*
 * The key in use, which can be replaced. It belongs to the process and is safe from any thread;
 * `path` must stay valid. token_keys_new() returns NULL if there is no such key, and `ret_why` says
 * why.
 */
struct token_keys;
MUST_CHECK struct token_keys *token_keys_new(const char *path, char *ret_why, size_t why_capacity);

/* Reads the file again. False: the key in use stays, and `ret_why` says why. */
MUST_CHECK bool token_keys_reload(struct token_keys *keys, char *ret_why, size_t why_capacity);

/* Frees it, or NULL. References to its key stay valid. */
void token_keys_free(struct token_keys *keys);

/* Returns a reference to the key in use. */
MUST_CHECK struct token_key token_keys_hold(struct token_keys *keys);

#endif
