/* An engine in memory that is slow, fails or hangs when a test wants it to. Its memory outlives it.
 */
#ifndef PARTY_TESTS_ENGINE_FAKE_H
#define PARTY_TESTS_ENGINE_FAKE_H

#include <pthread.h>

#include "store/store_engine.h"

#define FAKE_RECORDS 64
#define FAKE_TEXT_MAX 64

struct fake_record {
    uint64_t key;
    char text[FAKE_TEXT_MAX];
    uint32_t tries;
    bool is_damaged;
};

struct fake_disk {
    struct fake_record records[FAKE_RECORDS];
    uint32_t count;
    uint32_t marks[STORE_MARKS];
    uint32_t aside;
    char last_reason[STORE_WHY_MAX];
};

/* What happens to an engine. The test changes it from its own thread, under the lock. */
struct fake {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct fake_disk disk;    /* what was committed */
    struct fake_disk scratch; /* and what the transaction under way would make of it */
    uint32_t commits;
    bool was_durable;       /* the last one that succeeded */
    uint32_t failures_left; /* so many commits fail from now on */
    uint32_t delay_ms;      /* for which each commit waits */
    bool hangs;             /* in the next commit, until it is false */
    bool can_be_read;
    uint32_t times_anew;
    bool is_closed;
};

void fake_init(struct fake *fake);
struct store_engine *fake_open(struct fake *fake);

/* Changes a flag of the fake, so that who waits for it goes on. */
void fake_set(struct fake *fake, bool *flag, bool value);

/* What was committed under a key; an empty text: nothing. From any thread. */
void fake_read(struct fake *fake, uint64_t key, char ret_text[FAKE_TEXT_MAX]);

/* Wait until there were so many commits, good or bad, or the engine is closed; fail after ten
 * seconds. */
void fake_await(struct fake *fake, uint32_t commits);
void fake_await_close(struct fake *fake);

#endif
