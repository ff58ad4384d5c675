/*
 * Who may come into a room of protocol 3: its password, and whom the host has thrown out. A room
 * has a struct access from when it first has one of these.
 */
#ifndef PARTY_RELAY_ACCESS_H
#define PARTY_RELAY_ACCESS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/attributes.h"
#include "base/bytes.h"

#define PASSWORD_BYTES_MAX 64
#define PASSWORD_SALT_BYTES 16
#define PASSWORD_DIGEST_BYTES 32 /* SHA-256 */
#define BANS_MAX 256             /* clients that a room remembers as banned, and as kicked */

/* Somebody whom the host has thrown out. */
struct outcast {
    uint64_t id_hash; /* of the clientId, for a ban; 0: it may come back in a new epoch */
    uint64_t epoch;   /* of the seat that it had; 0: none */
};

/* The last BANS_MAX of them, the oldest at `first`. */
struct outcasts {
    struct outcast *items;
    uint32_t count;
    uint32_t first;
};

struct access {
    struct outcasts kicked;
    struct outcasts banned;
    bool has_password;
    uint8_t salt[PASSWORD_SALT_BYTES];
    uint8_t digest[PASSWORD_DIGEST_BYTES];
};

/* NULL: memory is short. */
MUST_CHECK struct access *access_new(void);

/* NULL is allowed. */
void access_free(struct access *access);

/* Remembers an outcast, and forgets the oldest of too many. False: memory is short. */
MUST_CHECK bool access_cast_out(struct outcasts *outcasts, struct outcast outcast);

/* In these, NULL is a room without a password, from which nobody was thrown out. */
bool access_was_kicked(const struct access *access, uint64_t epoch);
bool access_is_banned(const struct access *access, uint64_t id_hash);
bool access_has_password(const struct access *access);

/* Sets the password, or none if it is empty; the salt has PASSWORD_SALT_BYTES. */
void access_set_password(struct access *access, struct bytes password, const uint8_t *salt);
bool access_is_password(const struct access *access, struct bytes password);

#endif
