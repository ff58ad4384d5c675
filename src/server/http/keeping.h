/*
 * Answers that were much work and stay the same for a moment: each loop keeps the last few, and
 * gives them again to whoever asks within a second.
 */
#ifndef PARTY_SERVER_HTTP_KEEPING_H
#define PARTY_SERVER_HTTP_KEEPING_H

#include "base/bytes.h"
#include "base/payload.h"

#define KEEPING_ANSWERS 4
#define KEEPING_KEY_BYTES_MAX 512 /* what is asked for: a path, or the link in a picture */

struct loop;

/* A loop's; all zero is none. */
struct keeping {
    uint32_t oldest; /* gives way next */
    struct kept_answer {
        struct payload *body; /* NULL: none */
        uint32_t made_ms;
        uint32_t key_length;
        uint8_t key[KEEPING_KEY_BYTES_MAX];
    } answers[KEEPING_ANSWERS];
};

/* A reference to what was made for this key within the last second, or NULL. */
struct payload *keeping_find(const struct loop *loop, struct bytes key);

/* Takes a reference. Longer keys are not kept. */
void keeping_add(struct loop *loop, struct bytes key, struct payload *body);

/* Whether there is any, which is to be forgotten in time. */
bool keeping_has_any(const struct loop *loop);

/* Forgets those that are older than a second; once a second is enough. */
void keeping_forget_old(struct loop *loop);

void keeping_release(struct keeping *keeping);

#endif
