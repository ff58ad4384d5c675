/* A few places, used in turn. */
#include "server/http/keeping.h"

#include "server/loop.h"

static bool is_fresh(const struct loop *loop, const struct kept_answer *answer)
{
    return answer->body != NULL && loop->now_ms - answer->made_ms < ANSWER_KEPT_MS;
}

struct payload *keeping_find(const struct loop *loop, struct bytes key)
{
    for (int i = 0; i < KEEPING_ANSWERS; i++) {
        const struct kept_answer *answer = &loop->keeping.answers[i];
        if (is_fresh(loop, answer) && bytes_equal(bytes_of(answer->key, answer->key_length), key))
            return payload_acquire(answer->body);
    }
    return NULL;
}

static void forget(struct kept_answer *answer)
{
    payload_release(answer->body);
    answer->body = NULL;
}

void keeping_add(struct loop *loop, struct bytes key, struct payload *body)
{
    if (key.length > KEEPING_KEY_BYTES_MAX)
        return;
    struct keeping *keeping = &loop->keeping;
    struct kept_answer *answer = &keeping->answers[keeping->oldest];
    keeping->oldest = (keeping->oldest + 1) % KEEPING_ANSWERS;
    forget(answer);
    answer->body = payload_acquire(body);
    answer->made_ms = loop->now_ms;
    answer->key_length = (uint32_t)key.length;
    memcpy(answer->key, key.data, key.length);
}

bool keeping_has_any(const struct loop *loop)
{
    for (int i = 0; i < KEEPING_ANSWERS; i++) {
        if (loop->keeping.answers[i].body != NULL)
            return true;
    }
    return false;
}

void keeping_forget_old(struct loop *loop)
{
    for (int i = 0; i < KEEPING_ANSWERS; i++) {
        if (!is_fresh(loop, &loop->keeping.answers[i]))
            forget(&loop->keeping.answers[i]);
    }
}

void keeping_release(struct keeping *keeping)
{
    for (int i = 0; i < KEEPING_ANSWERS; i++)
        forget(&keeping->answers[i]);
}
