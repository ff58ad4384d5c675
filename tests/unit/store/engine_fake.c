/* An engine in memory. */
#include "store/engine_fake.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants these before it. */
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define AWAIT_S 10

struct fake_engine {
    struct store_engine base;
    struct fake *fake;
};

static struct fake *fake_of(struct store_engine *base)
{
    return CONTAINER_OF(base, struct fake_engine, base)->fake;
}

static bool begin(struct store_engine *base)
{
    struct fake *fake = fake_of(base);
    fake->scratch = fake->disk;
    return true;
}

static struct fake_record *find(struct fake_disk *disk, uint64_t key)
{
    for (uint32_t i = 0; i < disk->count; i++) {
        if (disk->records[i].key == key)
            return &disk->records[i];
    }
    return NULL;
}

static bool put(struct store_engine *base, uint64_t key, struct bytes text)
{
    struct fake_disk *disk = &fake_of(base)->scratch;
    struct fake_record *record = find(disk, key);
    if (record == NULL) {
        assert_true(disk->count < FAKE_RECORDS);
        record = &disk->records[disk->count++];
    }
    *record = (struct fake_record){.key = key};
    size_t length = text.length < FAKE_TEXT_MAX ? text.length : FAKE_TEXT_MAX - 1;
    memcpy(record->text, text.data, length);
    return true;
}

static bool remove_record(struct store_engine *base, uint64_t key)
{
    struct fake_disk *disk = &fake_of(base)->scratch;
    struct fake_record *record = find(disk, key);
    if (record != NULL)
        *record = disk->records[--disk->count];
    return true;
}

static bool set_mark(struct store_engine *base, enum store_mark mark, uint32_t value)
{
    fake_of(base)->scratch.marks[mark] = value;
    return true;
}

static bool set_aside(struct store_engine *base, uint64_t key, const char *reason)
{
    struct fake_disk *disk = &fake_of(base)->scratch;
    disk->aside++;
    snprintf(disk->last_reason, sizeof disk->last_reason, "%s", reason);
    return remove_record(base, key);
}

static bool set_tries(struct store_engine *base, uint64_t key, uint32_t tries)
{
    struct fake_record *record = find(&fake_of(base)->scratch, key);
    if (record != NULL)
        record->tries = tries;
    return true;
}

static void sleep_ms(uint32_t ms)
{
    struct timespec time = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000};
    nanosleep(&time, NULL);
}

static bool commit(struct store_engine *base, bool is_durable)
{
    struct fake *fake = fake_of(base);
    pthread_mutex_lock(&fake->lock);
    while (fake->hangs)
        pthread_cond_wait(&fake->changed, &fake->lock);
    uint32_t delay_ms = fake->delay_ms;
    pthread_mutex_unlock(&fake->lock);
    sleep_ms(delay_ms);
    pthread_mutex_lock(&fake->lock);
    fake->commits++;
    bool is_done = fake->failures_left == 0;
    if (is_done) {
        fake->disk = fake->scratch;
        fake->was_durable = is_durable;
    } else {
        fake->failures_left--;
    }
    pthread_cond_broadcast(&fake->changed);
    pthread_mutex_unlock(&fake->lock);
    if (!is_done)
        snprintf(base->why, sizeof base->why, "the disk is full");
    return is_done;
}

static void roll_back(struct store_engine *base)
{
    struct fake *fake = fake_of(base);
    fake->scratch = fake->disk;
}

static bool read_all(struct store_engine *base,
                     void (*visit)(void *context, const struct store_record *record), void *context)
{
    struct fake *fake = fake_of(base);
    for (uint32_t i = 0; i < fake->disk.count; i++) {
        const struct fake_record *found = &fake->disk.records[i];
        struct store_record record = {.key = found->key,
                                      .text = bytes_of_string(found->text),
                                      .is_damaged = found->is_damaged,
                                      .tries = found->tries};
        if (!fake->can_be_read && i > 0) {
            snprintf(base->why, sizeof base->why, "malformed");
            return false;
        }
        visit(context, &record);
    }
    return true;
}

static bool read_mark(struct store_engine *base, enum store_mark mark, uint32_t *ret_value)
{
    *ret_value = fake_of(base)->disk.marks[mark];
    return true;
}

static bool begin_anew(struct store_engine *base)
{
    struct fake *fake = fake_of(base);
    fake->times_anew++;
    fake->disk = (struct fake_disk){0};
    fake->can_be_read = true;
    return true;
}

void fake_set(struct fake *fake, bool *flag, bool value)
{
    pthread_mutex_lock(&fake->lock);
    *flag = value;
    pthread_cond_broadcast(&fake->changed);
    pthread_mutex_unlock(&fake->lock);
}

static void close_engine(struct store_engine *base)
{
    fake_set(fake_of(base), &fake_of(base)->is_closed, true);
    free(CONTAINER_OF(base, struct fake_engine, base));
}

static const struct store_engine_functions functions = {
    .begin = begin,
    .put = put,
    .remove = remove_record,
    .set_mark = set_mark,
    .set_aside = set_aside,
    .set_tries = set_tries,
    .commit = commit,
    .roll_back = roll_back,
    .read_all = read_all,
    .read_mark = read_mark,
    .begin_anew = begin_anew,
    .close = close_engine,
};

void fake_init(struct fake *fake)
{
    memset(fake, 0, sizeof *fake);
    pthread_mutex_init(&fake->lock, NULL);
    pthread_cond_init(&fake->changed, NULL);
    fake->can_be_read = true;
}

struct store_engine *fake_open(struct fake *fake)
{
    struct fake_engine *engine = calloc(1, sizeof *engine);
    assert_non_null(engine);
    engine->base.functions = &functions;
    engine->fake = fake;
    fake->is_closed = false;
    return &engine->base;
}

void fake_read(struct fake *fake, uint64_t key, char ret_text[FAKE_TEXT_MAX])
{
    pthread_mutex_lock(&fake->lock);
    struct fake_record *record = find(&fake->disk, key);
    snprintf(ret_text, FAKE_TEXT_MAX, "%s", record == NULL ? "" : record->text);
    pthread_mutex_unlock(&fake->lock);
}

static void await(struct fake *fake, uint32_t commits, bool must_be_closed)
{
    struct timespec due;
    clock_gettime(CLOCK_REALTIME, &due);
    due.tv_sec += AWAIT_S;
    pthread_mutex_lock(&fake->lock);
    int error = 0;
    while ((fake->commits < commits || (must_be_closed && !fake->is_closed)) && error == 0)
        error = pthread_cond_timedwait(&fake->changed, &fake->lock, &due);
    pthread_mutex_unlock(&fake->lock);
    assert_int_equal(error, 0);
}

void fake_await(struct fake *fake, uint32_t commits)
{
    await(fake, commits, false);
}

void fake_await_close(struct fake *fake)
{
    await(fake, 0, true);
}
