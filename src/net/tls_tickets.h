/*
 * The keys that encrypt TLS session tickets (RFC 5077, RFC 8446 4.6.1). Whoever gets a key can read
 * sessions that it resumed. So each key is used for 12 hours only; then there is a new one, and the
 * one before is accepted for as long again.
 */
#ifndef PARTY_NET_TLS_TICKETS_H
#define PARTY_NET_TLS_TICKETS_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/attributes.h"

#define TICKET_KEY_SECONDS (12 * 60 * 60)
#define TICKET_NAME_BYTES 16

struct ticket_key {
    uint8_t name[TICKET_NAME_BYTES];
    uint8_t cipher[32]; /* AES-256 */
    uint8_t mac[32];    /* HMAC-SHA-256 */
};

/* Safe from any thread. */
struct ticket_keys {
    pthread_mutex_t lock; /* guards the fields below */
    struct ticket_key newest;
    struct ticket_key previous;
    uint64_t since_s; /* begin of the newest key's period, on the monotonic clock */
    bool has_newest;
    bool has_previous;
};

void ticket_keys_init(struct ticket_keys *keys);

/* Wipes all keys. */
void ticket_keys_release(struct ticket_keys *keys);

/*
 * Returns the key to encrypt with, and creates it if there is none or the last one is too old.
 * False: there are no random bytes. Here and below, keys are copies, which the caller must wipe,
 * and `now_s` is of the monotonic clock.
 */
MUST_CHECK bool ticket_keys_newest(struct ticket_keys *keys, uint64_t now_s,
                                   struct ticket_key *ret_key);

/* Finds the key with this name, if tickets of it may still be accepted. */
MUST_CHECK bool ticket_keys_find(struct ticket_keys *keys, const uint8_t name[TICKET_NAME_BYTES],
                                 uint64_t now_s, struct ticket_key *ret_key);

/* All keys, for the program that replaces this one. Only bytes, so nothing lies between them. */
struct ticket_keys_copy {
    struct ticket_key newest;
    struct ticket_key previous;
    uint8_t since_s[sizeof(uint64_t)];
    uint8_t has_newest;
    uint8_t has_previous;
};

/* Copies all keys; the caller must wipe the copy. */
void ticket_keys_save(struct ticket_keys *keys, struct ticket_keys_copy *ret_copy);

/* Takes over what was copied. The monotonic clock must still be the same. */
void ticket_keys_restore(struct ticket_keys *keys, const struct ticket_keys_copy *copy);

#endif
