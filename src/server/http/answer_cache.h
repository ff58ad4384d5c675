/*
 * Answers that were much work and stay the same for a moment: each loop keeps the last few, and
 * gives them again to whoever asks within ANSWER_CACHED_MS.
 */
#ifndef PARTY_SERVER_HTTP_ANSWER_CACHE_H
#define PARTY_SERVER_HTTP_ANSWER_CACHE_H

#include "base/bytes.h"
#include "base/payload.h"

#define CACHED_ANSWERS 4
#define CACHED_KEY_BYTES_MAX 512 /* what is asked for: a path, or the link in a picture */

/* A loop's, touched by its thread alone; all zero is an empty one. Times are the loop's. */
struct answer_cache {
    uint32_t oldest; /* gives way next */
    struct cached_answer {
        struct payload *body; /* NULL: none */
        uint32_t made_ms;
        uint32_t key_length;
        uint8_t key[CACHED_KEY_BYTES_MAX];
    } answers[CACHED_ANSWERS];
};

/* A reference, which is the caller's, to what was made for this key a moment ago; or NULL. */
struct payload *answer_cache_find(const struct answer_cache *cache, struct bytes key,
                                  uint32_t now_ms);

/* Takes a reference. An answer with a longer key is not cached. */
void answer_cache_add(struct answer_cache *cache, struct bytes key, struct payload *body,
                      uint32_t now_ms);

/* Whether the cache has any answer, which is to be forgotten in time. */
bool answer_cache_has_any(const struct answer_cache *cache);

/* Forgets the answers that are too old; once a second is enough. */
void answer_cache_forget_old(struct answer_cache *cache, uint32_t now_ms);

void answer_cache_release(struct answer_cache *cache);

#endif
