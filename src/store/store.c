/* The store's thread, and what loops hand over to it. */
#include "store/store.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "store/pending.h"

struct store {
    struct store_engine *engine; /* only one thread uses it: the loader's, then the store's own */
    pthread_t thread;
    bool has_thread;
    bool is_driven; /* there is no thread: the owner calls store_write() */
    void (*tell)(const char *why);

    pthread_mutex_t lock; /* guards what follows; nobody waits for the engine while holding it */
    pthread_cond_t changed;
    struct pending pending;
    struct pending writing; /* what the commit under way writes; its bytes count, too */
    struct store_status status;
    uint64_t since_ms;  /* the oldest change has waited since then; 0: none waits */
    uint64_t commit_ms; /* when the commit under way began; 0: there is none */
    bool is_stopping;
    uint64_t *kept; /* in their order: the keys of records that the first commit keeps */
    size_t kept_count;
    bool takes_over;   /* that commit is still to come; like the two before it, for the thread that
                          uses the engine */
    bool is_marked;    /* as in use; only the thread that uses the engine looks at it */
    bool is_clean;     /* the stop is in good order */
    bool has_ended;    /* the thread has written what it could */
    bool is_abandoned; /* nobody waits for the thread: it frees the store */
};

static uint64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static struct timespec time_of(uint64_t ms)
{
    return (struct timespec){.tv_sec = (time_t)(ms / 1000), .tv_nsec = (long)(ms % 1000) * 1000000};
}

struct store *store_new(struct store_engine *engine)
{
    struct store *store = calloc(1, sizeof *store);
    pthread_condattr_t attributes;
    if (store == NULL) {
        engine->functions->close(engine);
        return NULL;
    }
    store->engine = engine;
    pthread_mutex_init(&store->lock, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&store->changed, &attributes);
    pthread_condattr_destroy(&attributes);
    return store;
}

static void free_store(struct store *store)
{
    store->engine->functions->close(store->engine);
    free(store->kept);
    pending_release(&store->pending);
    pending_release(&store->writing);
    pthread_cond_destroy(&store->changed);
    pthread_mutex_destroy(&store->lock);
    free(store);
}

/* Records as they were read, since the engine can't be called while it reads. */
struct loaded {
    struct store_record *records; /* owned, and their texts */
    size_t count;
    size_t capacity;
    bool lacks_memory;
};

static void keep_record(void *context, const struct store_record *record)
{
    struct loaded *loaded = context;
    if (loaded->count == loaded->capacity) {
        size_t capacity = loaded->capacity == 0 ? 64 : loaded->capacity * 2;
        struct store_record *larger = realloc(loaded->records, capacity * sizeof *larger);
        if (larger == NULL) {
            loaded->lacks_memory = true;
            return;
        }
        loaded->records = larger;
        loaded->capacity = capacity;
    }
    uint8_t *text = malloc(record->text.length + 1);
    if (text == NULL) {
        loaded->lacks_memory = true;
        return;
    }
    memcpy(text, record->text.data, record->text.length);
    loaded->records[loaded->count] = *record;
    loaded->records[loaded->count++].text = bytes_of(text, record->text.length);
}

static void free_loaded(struct loaded *loaded)
{
    for (size_t i = 0; i < loaded->count; i++)
        free((void *)(uintptr_t)loaded->records[i].text.data);
    free(loaded->records);
}

/* Ends a transaction. False: it was rolled back. */
static bool end_transaction(struct store *store, bool is_done, bool is_durable)
{
    const struct store_engine_functions *engine = store->engine->functions;
    if (is_done && engine->commit(store->engine, is_durable))
        return true;
    engine->roll_back(store->engine);
    return false;
}

/* Notes that this process uses the store, and that it restores. */
static bool mark_in_use(struct store *store, uint32_t starts)
{
    const struct store_engine_functions *engine = store->engine->functions;
    bool is_done = engine->begin(store->engine) &&
                   engine->set_mark(store->engine, STORE_MARK_IN_USE, 1) &&
                   engine->set_mark(store->engine, STORE_MARK_STARTING, starts + 1);
    return end_transaction(store, is_done, true);
}

static void mark_restored(struct store *store)
{
    const struct store_engine_functions *engine = store->engine->functions;
    bool is_done =
        engine->begin(store->engine) && engine->set_mark(store->engine, STORE_MARK_STARTING, 0);
    (void)!end_transaction(store, is_done, false);
}

static void note_tries(struct store *store, uint64_t key, uint32_t tries)
{
    const struct store_engine_functions *engine = store->engine->functions;
    bool is_done = engine->begin(store->engine) && engine->set_tries(store->engine, key, tries);
    (void)!end_transaction(store, is_done, false);
}

/* Where that can't be written, the record stays, and the next start comes to it again. */
static void set_aside(struct store *store, const struct store_loading *loading, uint64_t key,
                      const char *why)
{
    const struct store_engine_functions *engine = store->engine->functions;
    bool is_done = engine->begin(store->engine) && engine->set_aside(store->engine, key, why);
    store->status.set_aside++;
    loading->complain(loading->context, key, why);
    (void)!end_transaction(store, is_done, false);
}

/*
 * When the last start died while it restored, each record is tried by itself: the process may die
 * of one. A start that goes well writes nothing for a record.
 */
static void restore(struct store *store, const struct store_loading *loading,
                    const struct store_record *record, bool is_clean, bool is_careful)
{
    if (record->is_damaged) {
        set_aside(store, loading, record->key, STORE_DAMAGED);
        return;
    }
    if (record->tries >= STORE_TRIES_MAX) {
        set_aside(store, loading, record->key, "the process died of it again and again");
        return;
    }
    if (is_careful)
        note_tries(store, record->key, record->tries + 1);
    const char *why = loading->restore(loading->context, record->key, record->text, is_clean);
    if (why != NULL)
        set_aside(store, loading, record->key, why);
    else if (is_careful)
        note_tries(store, record->key, 0);
}

/* What could be read goes into a new file. */
static bool begin_anew(struct store *store, const struct loaded *loaded)
{
    const struct store_engine_functions *engine = store->engine->functions;
    bool is_done = engine->begin_anew(store->engine) && engine->begin(store->engine);
    for (size_t i = 0; is_done && i < loaded->count; i++) {
        if (!loaded->records[i].is_damaged)
            is_done = engine->put(store->engine, loaded->records[i].key, loaded->records[i].text);
    }
    return end_transaction(store, is_done, true);
}

/* The engine fails now, and the thread tries again. */
static void note_failure(struct store *store, const struct store_loading *loading)
{
    store->status.is_failing = true;
    memcpy(store->status.why, store->engine->why, sizeof store->status.why);
    loading->complain(loading->context, 0, store->engine->why);
}

/* Reads all there is. What can't be read any more is put away; false: that failed as well. */
static bool read_store(struct store *store, const struct store_loading *loading,
                       struct loaded *loaded, uint32_t *ret_in_use, uint32_t *ret_starts)
{
    const struct store_engine_functions *engine = store->engine->functions;
    if (engine->read_mark(store->engine, STORE_MARK_IN_USE, ret_in_use) &&
        engine->read_mark(store->engine, STORE_MARK_STARTING, ret_starts) &&
        engine->read_all(store->engine, keep_record, loaded))
        return true;
    loading->complain(loading->context, 0, store->engine->why);
    *ret_in_use = 1;
    return loaded->lacks_memory || begin_anew(store, loaded);
}

/* An engine that can't even begin has nothing to read. */
static bool is_open(struct store *store)
{
    const struct store_engine_functions *engine = store->engine->functions;
    bool is_begun = engine->begin(store->engine);
    if (is_begun)
        engine->roll_back(store->engine);
    return is_begun;
}

static bool load(struct store *store, const struct store_loading *loading, struct loaded *loaded)
{
    uint32_t in_use = 1;
    uint32_t starts = 0;
    if (!is_open(store)) {
        note_failure(store, loading);
        return true;
    }
    bool is_read = read_store(store, loading, loaded, &in_use, &starts);
    if (loaded->lacks_memory) {
        loading->complain(loading->context, 0, "memory is short");
        return false;
    }
    store->is_marked = is_read && mark_in_use(store, starts);
    if (!store->is_marked)
        note_failure(store, loading);
    /*
     * Without the mark the next start may take records for those of a clean stop, though rooms were
     * played on since. So nobody may go on from what this stop has left.
     */
    bool is_clean = in_use == 0 && store->is_marked;
    for (size_t i = 0; i < loaded->count; i++)
        restore(store, loading, &loaded->records[i], is_clean, starts > 0);
    if (store->is_marked)
        mark_restored(store);
    return true;
}

bool store_load(struct store *store, const struct store_loading *loading)
{
    struct loaded loaded = {0};
    bool is_loaded = load(store, loading, &loaded);
    free_loaded(&loaded);
    return is_loaded;
}

static int compare_keys(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *)a;
    uint64_t right = *(const uint64_t *)b;
    return (left > right) - (left < right);
}

void store_take_over(struct store *store, uint64_t *keys, size_t count)
{
    if (count > 0)
        qsort(keys, count, sizeof *keys, compare_keys);
    store->kept = keys;
    store->kept_count = count;
    store->takes_over = true;
}

/* Keys of records of rooms that are gone. */
struct gone {
    const struct store *store;
    uint64_t *keys; /* owned */
    size_t count;
    size_t capacity;
    bool lacks_memory;
};

static void find_gone(void *context, const struct store_record *record)
{
    struct gone *gone = context;
    const struct store *store = gone->store;
    if (store->kept_count > 0 && bsearch(&record->key, store->kept, store->kept_count,
                                         sizeof record->key, compare_keys) != NULL)
        return;
    if (gone->count == gone->capacity) {
        size_t capacity = gone->capacity == 0 ? 64 : gone->capacity * 2;
        uint64_t *larger = realloc(gone->keys, capacity * sizeof *larger);
        gone->lacks_memory |= larger == NULL;
        if (larger == NULL)
            return;
        gone->keys = larger;
        gone->capacity = capacity;
    }
    gone->keys[gone->count++] = record->key;
}

/* Within a transaction, which it may begin anew with an empty file. */
static bool remove_gone(struct store *store)
{
    const struct store_engine_functions *engine = store->engine->functions;
    struct gone gone = {.store = store};
    bool is_read = engine->read_all(store->engine, find_gone, &gone);
    bool is_done = is_read && !gone.lacks_memory;
    for (size_t i = 0; is_done && i < gone.count; i++)
        is_done = engine->remove(store->engine, gone.keys[i]);
    free(gone.keys);
    if (is_read)
        return is_done;
    store->tell(store->engine->why);
    engine->roll_back(store->engine);
    return engine->begin_anew(store->engine) && engine->begin(store->engine);
}

static bool begin(struct store *store)
{
    bool is_begun = store->engine->functions->begin(store->engine);
    if (store->engine->notice[0] != 0)
        store->tell(store->engine->notice);
    store->engine->notice[0] = 0;
    return is_begun;
}

/*
 * The mark is durable, wherever it is written: without it, the next start would take counts for
 * true that a stop has left before.
 */
static bool write_changes(struct store *store, const struct pending *changes)
{
    const struct store_engine_functions *engine = store->engine->functions;
    bool is_done = begin(store) && (!store->takes_over || remove_gone(store)) &&
                   (store->is_marked || engine->set_mark(store->engine, STORE_MARK_IN_USE, 1));
    size_t at = 0;
    const struct change *change;
    while (is_done && (change = pending_next(changes, &at)) != NULL) {
        if (change->text == NULL)
            is_done = engine->remove(store->engine, change->key);
        else
            is_done =
                engine->put(store->engine, change->key, bytes_of(change->text, change->length));
    }
    if (!end_transaction(store, is_done, !store->is_marked))
        return false;
    store->is_marked = true;
    store->takes_over = false;
    return true;
}

/* Writes all that waits. False: it still waits. The lock is held before and after. */
static bool write_pending(struct store *store)
{
    uint64_t begun_ms = now_ms();
    store->writing = store->pending;
    store->pending = (struct pending){0};
    store->commit_ms = begun_ms;
    store->since_ms = 0;
    pthread_mutex_unlock(&store->lock);
    bool is_written = write_changes(store, &store->writing);
    if (is_written == store->status.is_failing) /* which only this thread writes */
        store->tell(is_written ? NULL : store->engine->why);
    pthread_mutex_lock(&store->lock);
    uint32_t took_ms = (uint32_t)(now_ms() - begun_ms);
    store->commit_ms = 0;
    store->status.last_ms = took_ms;
    if (took_ms > store->status.slowest_ms)
        store->status.slowest_ms = took_ms;
    store->status.is_failing = !is_written;
    if (is_written) {
        store->status.written += store->writing.count;
        pending_release(&store->writing);
        return true;
    }
    store->status.failures++;
    memcpy(store->status.why, store->engine->why, sizeof store->status.why);
    store->since_ms = begun_ms;
    /* Newer changes stand. Without memory for both, the older ones are kept, and go first. */
    if (!pending_merge(&store->pending, &store->writing)) {
        store->status.dropped += store->pending.count;
        pending_release(&store->pending);
        store->pending = store->writing;
        store->writing = (struct pending){0};
    }
    return false;
}

/* Waits until it is so late, or the store is stopping. The lock is held. */
static void wait_until(struct store *store, uint64_t due_ms)
{
    struct timespec due = time_of(due_ms);
    while (!store->is_stopping && now_ms() < due_ms)
        pthread_cond_timedwait(&store->changed, &store->lock, &due);
}

/* The last transaction of a stop in good order. */
static bool mark_left(struct store *store)
{
    const struct store_engine_functions *engine = store->engine->functions;
    bool is_done =
        engine->begin(store->engine) && engine->set_mark(store->engine, STORE_MARK_IN_USE, 0);
    return end_transaction(store, is_done, true);
}

/* Whether there is something to write, if only the mark. The lock is held. */
static bool has_work(const struct store *store)
{
    return store->pending.count > 0 || !store->is_marked;
}

/* After the last commit: whether the store was left in good order. The lock is not held. */
static bool leave(struct store *store)
{
    pthread_mutex_lock(&store->lock);
    bool is_clean = store->is_clean && !has_work(store);
    pthread_mutex_unlock(&store->lock);
    return is_clean && mark_left(store);
}

static void *run(void *context)
{
    struct store *store = context;
    uint32_t retry_ms = STORE_RETRY_LEAST_MS;
    pthread_mutex_lock(&store->lock);
    for (;;) {
        while (!has_work(store) && !store->is_stopping)
            pthread_cond_wait(&store->changed, &store->lock);
        if (store->pending.count == 0 && !store->takes_over && store->is_stopping)
            break;
        bool is_last = store->is_stopping;
        if (write_pending(store)) {
            retry_ms = STORE_RETRY_LEAST_MS;
            continue;
        }
        if (is_last)
            break;
        wait_until(store, now_ms() + retry_ms);
        if (retry_ms < STORE_RETRY_MOST_MS)
            retry_ms *= 2;
    }
    pthread_mutex_unlock(&store->lock);
    bool is_clean = leave(store);
    pthread_mutex_lock(&store->lock);
    store->has_ended = true;
    store->is_clean = is_clean;
    bool is_abandoned = store->is_abandoned;
    pthread_cond_broadcast(&store->changed);
    pthread_mutex_unlock(&store->lock);
    if (is_abandoned)
        free_store(store);
    return NULL;
}

bool store_start(struct store *store, void (*tell)(const char *why))
{
    store->tell = tell;
    int error = pthread_create(&store->thread, NULL, run, store);
    errno = error;
    store->has_thread = error == 0;
    return store->has_thread;
}

void store_drive(struct store *store, void (*tell)(const char *why))
{
    store->tell = tell;
    store->is_driven = true;
}

bool store_write(struct store *store)
{
    pthread_mutex_lock(&store->lock);
    bool is_written = !has_work(store) || write_pending(store);
    pthread_mutex_unlock(&store->lock);
    return is_written;
}

/* Takes the change over. */
static bool hand_over(struct store *store, struct change change)
{
    pthread_mutex_lock(&store->lock);
    const struct change *older = pending_find(&store->pending, change.key);
    size_t bytes = store->pending.bytes + store->writing.bytes + change.length -
                   (older == NULL ? 0 : older->length);
    bool is_taken = bytes <= STORE_PENDING_BYTES_MAX && pending_set(&store->pending, change);
    if (!is_taken)
        store->status.dropped++;
    else if (store->since_ms == 0)
        store->since_ms = now_ms();
    if (is_taken && store->pending.count == 1)
        pthread_cond_signal(&store->changed);
    pthread_mutex_unlock(&store->lock);
    if (!is_taken)
        free(change.text);
    return is_taken;
}

bool store_put(struct store *store, uint64_t key, uint8_t *text, size_t length)
{
    return hand_over(store, (struct change){.key = key, .text = text, .length = length});
}

bool store_remove(struct store *store, uint64_t key)
{
    return hand_over(store, (struct change){.key = key});
}

void store_get_status(struct store *store, struct store_status *ret_status)
{
    pthread_mutex_lock(&store->lock);
    uint64_t now = now_ms();
    *ret_status = store->status;
    ret_status->pending = store->pending.count + store->writing.count;
    ret_status->pending_bytes = store->pending.bytes + store->writing.bytes;
    uint64_t since_ms = store->commit_ms != 0 ? store->commit_ms : store->since_ms;
    ret_status->stale_ms = since_ms == 0 ? 0 : (uint32_t)(now - since_ms);
    if (store->commit_ms != 0 && now - store->commit_ms > STORE_RETRY_MOST_MS)
        ret_status->is_failing = true;
    pthread_mutex_unlock(&store->lock);
}

/* As store_stop(), where there is no thread. */
static bool stop_driven(struct store *store, bool is_clean)
{
    store->is_clean = is_clean;
    bool is_done = (store->pending.count == 0 && !store->takes_over) || store_write(store);
    is_done = is_done && leave(store) == is_clean;
    free_store(store);
    return is_done;
}

bool store_stop(struct store *store, bool is_clean, uint32_t most_ms)
{
    if (store->is_driven)
        return stop_driven(store, is_clean);
    if (!store->has_thread) {
        free_store(store);
        return true;
    }
    struct timespec due = time_of(now_ms() + most_ms);
    pthread_mutex_lock(&store->lock);
    store->is_clean = is_clean;
    store->is_stopping = true;
    pthread_cond_broadcast(&store->changed);
    int error = 0;
    while (!store->has_ended && error == 0)
        error = pthread_cond_timedwait(&store->changed, &store->lock, &due);
    bool has_ended = store->has_ended;
    bool is_done = has_ended && store->is_clean == is_clean;
    store->is_abandoned = !has_ended;
    if (!has_ended)
        pthread_detach(store->thread);
    pthread_mutex_unlock(&store->lock);
    if (!has_ended)
        return false;
    pthread_join(store->thread, NULL);
    free_store(store);
    return is_done;
}
