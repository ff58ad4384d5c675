/*
 * A cache of answers that were much work to make. Each loop keeps the last few, and gives them
 * again to requests within ANSWER_CACHED_MS.
 */
#ifndef PARTY_SERVER_HTTP_ANSWER_CACHE_H
#define PARTY_SERVER_HTTP_ANSWER_CACHE_H

#include "base/bytes.h"
#include "base/payload.h"

#define CACHED_ANSWERS 4
#define CACHED_KEY_BYTES_MAX 512 /* the key: a path, or the link that a QR code shows */

/* Only the loop's thread uses its cache. All zero is an empty one. Times are the loop's. */
struct answer_cache {
    uint32_t oldest; /* index of the answer that is replaced next */
    struct cached_answer {
        struct payload *body; /* NULL: no answer */
        uint32_t made_ms;
        uint32_t key_length;
        uint8_t key[CACHED_KEY_BYTES_MAX];
    } answers[CACHED_ANSWERS];
};

/* Returns a new reference to the fresh answer with this key; NULL: there is none. */
struct payload *answer_cache_find(const struct answer_cache *cache, struct bytes key,
                                  uint32_t now_ms);

/* Takes a reference of its own. An answer with too long a key is not cached. */
void answer_cache_add(struct answer_cache *cache, struct bytes key, struct payload *body,
                      uint32_t now_ms);

/* Whether the cache holds any answer, which answer_cache_forget_old() must free in time. */
bool answer_cache_has_any(const struct answer_cache *cache);

/* Frees the answers that are too old. Call it once a second or so. */
void answer_cache_forget_old(struct answer_cache *cache, uint32_t now_ms);

void answer_cache_release(struct answer_cache *cache);

#endif
