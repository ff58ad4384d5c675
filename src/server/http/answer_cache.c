/* A ring of a few answers. */
#include "server/http/answer_cache.h"

#include "server/limits.h"

static bool is_fresh(const struct cached_answer *answer, uint32_t now_ms)
{
    return answer->body != NULL && now_ms - answer->made_ms < ANSWER_CACHED_MS;
}

struct payload *answer_cache_find(const struct answer_cache *cache, struct bytes key,
                                  uint32_t now_ms)
{
    for (int i = 0; i < CACHED_ANSWERS; i++) {
        const struct cached_answer *answer = &cache->answers[i];
        if (is_fresh(answer, now_ms) && bytes_equal(bytes_of(answer->key, answer->key_length), key))
            return payload_acquire(answer->body);
    }
    return NULL;
}

static void forget(struct cached_answer *answer)
{
    payload_release(answer->body);
    answer->body = NULL;
}

void answer_cache_add(struct answer_cache *cache, struct bytes key, struct payload *body,
                      uint32_t now_ms)
{
    if (key.length > CACHED_KEY_BYTES_MAX)
        return;
    struct cached_answer *answer = &cache->answers[cache->oldest];
    cache->oldest = (cache->oldest + 1) % CACHED_ANSWERS;
    forget(answer);
    answer->body = payload_acquire(body);
    answer->made_ms = now_ms;
    answer->key_length = (uint32_t)key.length;
    memcpy(answer->key, key.data, key.length);
}

bool answer_cache_has_any(const struct answer_cache *cache)
{
    for (int i = 0; i < CACHED_ANSWERS; i++) {
        if (cache->answers[i].body != NULL)
            return true;
    }
    return false;
}

void answer_cache_forget_old(struct answer_cache *cache, uint32_t now_ms)
{
    for (int i = 0; i < CACHED_ANSWERS; i++) {
        if (!is_fresh(&cache->answers[i], now_ms))
            forget(&cache->answers[i]);
    }
}

void answer_cache_release(struct answer_cache *cache)
{
    for (int i = 0; i < CACHED_ANSWERS; i++)
        forget(&cache->answers[i]);
}
