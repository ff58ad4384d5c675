/*
 * The keys that TLS session tickets are encrypted with (RFC 5077, RFC 8446 4.6.1). Whoever gets
 * hold of one reads what was said in sessions that it resumed, so that it is used for 12 hours
 * only; then there is a new one, and the one before is still accepted for as long.
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
    pthread_mutex_t lock; /* guards what follows */
    struct ticket_key newest;
    struct ticket_key previous;
    uint64_t since_s; /* the newest is in use; of the monotonic clock */
    bool has_newest;
    bool has_previous;
};

void ticket_keys_init(struct ticket_keys *keys);

/* Forgets all keys. */
void ticket_keys_release(struct ticket_keys *keys);

/*
 * The key to encrypt with, made when there is none or the last one is too old. False: there is no
 * randomness. Here and below: copies, which the caller wipes; `now_s` is of the monotonic clock.
 */
MUST_CHECK bool ticket_keys_newest(struct ticket_keys *keys, uint64_t now_s,
                                   struct ticket_key *ret_key);

/* The key of this name, if it may still be accepted. */
MUST_CHECK bool ticket_keys_find(struct ticket_keys *keys, const uint8_t name[TICKET_NAME_BYTES],
                                 uint64_t now_s, struct ticket_key *ret_key);

#endif
