/* What loops hand over is written, the newest of each record; an engine that fails costs nothing.
 */
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

#include "store/engine_fake.h"
#include "store/store.h"

#define LONG_MS 10000

/* What was restored, and what was said meanwhile. */
struct witness {
    uint64_t restored[FAKE_RECORDS];
    uint32_t restored_count;
    bool was_clean;
    uint64_t refused_key;
    uint64_t deadly_key; /* the process dies of it; 0: of none */
    struct fake *fake;
    struct fake_disk disk_at_death;
    uint64_t complaint_keys[FAKE_RECORDS];
    char complaints[FAKE_RECORDS][STORE_WHY_MAX];
    uint32_t complaint_count;
};

static const char *restore(void *context, uint64_t key, struct bytes text, bool is_clean)
{
    struct witness *witness = context;
    (void)text;
    if (key == witness->deadly_key)
        witness->disk_at_death = witness->fake->disk;
    if (key == witness->refused_key)
        return "its version is unknown";
    witness->restored[witness->restored_count++] = key;
    witness->was_clean = is_clean;
    return NULL;
}

static void complain(void *context, uint64_t key, const char *why)
{
    struct witness *witness = context;
    witness->complaint_keys[witness->complaint_count] = key;
    snprintf(witness->complaints[witness->complaint_count++], STORE_WHY_MAX, "%s", why);
}

/* What the store told: `-` for a failure, `+` for the end of it. */
static char told[16];

static void tell(const char *why)
{
    strcat(told, why == NULL ? "+" : "-");
}

static struct store *open_store(struct fake *fake, struct witness *witness)
{
    memset(witness->restored, 0, sizeof witness->restored);
    witness->restored_count = witness->complaint_count = 0;
    struct store *store = store_new(fake_open(fake));
    assert_non_null(store);
    struct store_loading loading = {restore, complain, witness};
    assert_true(store_load(store, &loading));
    return store;
}

static struct store *begin_store(struct fake *fake)
{
    struct witness witness = {0};
    struct store *store = open_store(fake, &witness);
    assert_true(store_start(store, tell));
    return store;
}

static bool put(struct store *store, uint64_t key, const char *text)
{
    return store_put(store, key, (uint8_t *)strdup(text), strlen(text));
}

static void expect(struct fake *fake, uint64_t key, const char *text)
{
    char found[FAKE_TEXT_MAX];
    fake_read(fake, key, found);
    assert_string_equal(found, text);
}

static void the_newest_change_of_each_record_is_written(void **state)
{
    (void)state;
    struct fake fake;
    fake_init(&fake);
    struct store *store = begin_store(&fake);
    fake_set(&fake, &fake.hangs, true);
    assert_true(put(store, 1, "first"));
    assert_true(put(store, 2, "goes"));
    assert_true(put(store, 1, "second"));
    assert_true(store_remove(store, 2));
    assert_true(put(store, 3, "third"));
    fake_set(&fake, &fake.hangs, false);
    assert_true(store_stop(store, true, LONG_MS));
    expect(&fake, 1, "second");
    expect(&fake, 2, "");
    expect(&fake, 3, "third");
    assert_true(fake.is_closed);
}

static uint64_t now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static void nobody_waits_for_an_engine_that_hangs(void **state)
{
    (void)state;
    struct fake fake;
    struct store_status status;
    fake_init(&fake);
    struct store *store = begin_store(&fake);
    fake_set(&fake, &fake.hangs, true);
    uint64_t begun_us = now_us();
    for (int i = 0; i < 10000; i++)
        assert_true(put(store, (uint64_t)i % 20, "text"));
    assert_true(now_us() - begun_us < 2000000); /* 200 us each on a loaded machine, under ASan */
    store_get_status(store, &status);
    assert_int_equal(status.dropped, 0);
    assert_true(status.pending >= 20);
    assert_false(store_stop(store, true, 50));
    fake_set(&fake, &fake.hangs, false); /* its thread ends by itself, and frees the store */
    fake_await_close(&fake);
}

static void a_failure_is_told_and_tried_again(void **state)
{
    (void)state;
    struct fake fake;
    struct store_status status;
    fake_init(&fake);
    told[0] = 0;
    struct store *store = begin_store(&fake);
    uint32_t before = fake.commits;
    pthread_mutex_lock(&fake.lock);
    fake.failures_left = 2;
    pthread_mutex_unlock(&fake.lock);
    assert_true(put(store, 1, "old"));
    fake_await(&fake, before + 1);
    assert_true(put(store, 1, "new"));
    assert_true(put(store, 2, "other"));
    fake_await(&fake, before + 3);
    assert_true(store_stop(store, true, LONG_MS));
    expect(&fake, 1, "new");
    expect(&fake, 2, "other");
    assert_string_equal(told, "-+");

    store = begin_store(&fake);
    before = fake.commits;
    pthread_mutex_lock(&fake.lock);
    fake.failures_left = UINT32_MAX;
    pthread_mutex_unlock(&fake.lock);
    assert_true(put(store, 1, "lost"));
    fake_await(&fake, before + 4); /* the next try is 0.8 s away, unless the store stops */
    store_get_status(store, &status);
    assert_true(status.is_failing && status.failures >= 1 && status.pending == 1);
    assert_string_equal(status.why, "the disk is full");
    pthread_mutex_lock(&fake.lock);
    fake.failures_left = 1;
    pthread_mutex_unlock(&fake.lock);
    assert_false(store_stop(store, true, LONG_MS)); /* not all was written */
    expect(&fake, 1, "new");
    assert_int_equal(fake.disk.marks[STORE_MARK_IN_USE], 1);
}

static void too_much_is_refused_and_the_older_change_stays(void **state)
{
    (void)state;
    struct fake fake;
    struct store_status status;
    fake_init(&fake);
    struct store *store = begin_store(&fake);
    fake_set(&fake, &fake.hangs, true);
    assert_true(put(store, 1, "small"));
    uint8_t *large = calloc(1, STORE_PENDING_BYTES_MAX);
    assert_non_null(large);
    assert_false(store_put(store, 1, large, STORE_PENDING_BYTES_MAX + 1));
    store_get_status(store, &status);
    assert_int_equal(status.dropped, 1);
    assert_true(put(store, 2, "more"));
    fake_set(&fake, &fake.hangs, false);
    assert_true(store_stop(store, true, LONG_MS));
    expect(&fake, 1, "small");
    expect(&fake, 2, "more");
}

static void a_start_knows_how_the_last_process_ended(void **state)
{
    (void)state;
    struct fake fake;
    struct witness witness = {0};
    fake_init(&fake);
    struct store *store = begin_store(&fake);
    assert_true(put(store, 7, "text"));
    assert_true(store_stop(store, true, LONG_MS));

    store = open_store(&fake, &witness);
    assert_int_equal(witness.restored_count, 1);
    assert_int_equal(witness.restored[0], 7);
    assert_true(witness.was_clean);
    assert_int_equal(fake.disk.marks[STORE_MARK_IN_USE], 1);
    assert_true(store_stop(store, true, LONG_MS)); /* it never began: nothing says that it left */

    store = open_store(&fake, &witness);
    assert_false(witness.was_clean);
    assert_true(store_start(store, tell));
    assert_true(store_stop(store, false, LONG_MS));
    store = open_store(&fake, &witness);
    assert_false(witness.was_clean);
    assert_true(store_stop(store, true, LONG_MS));
}

static void what_cannot_be_restored_is_set_aside_and_told(void **state)
{
    (void)state;
    struct fake fake;
    struct witness witness = {.refused_key = 2};
    fake_init(&fake);
    fake.disk.records[0] = (struct fake_record){.key = 1, .text = "good"};
    fake.disk.records[1] = (struct fake_record){.key = 2, .text = "of tomorrow"};
    fake.disk.records[2] = (struct fake_record){.key = 3, .text = "bad", .is_damaged = true};
    fake.disk.count = 3;
    struct store *store = open_store(&fake, &witness);
    assert_int_equal(witness.restored_count, 1);
    assert_int_equal(witness.complaint_count, 2);
    assert_int_equal(witness.complaint_keys[0], 2);
    assert_string_equal(witness.complaints[0], "its version is unknown");
    assert_int_equal(witness.complaint_keys[1], 3);
    assert_int_equal(fake.disk.count, 1);
    assert_int_equal(fake.disk.aside, 2);
    assert_true(store_stop(store, true, LONG_MS));
}

/* Starts as a process that dies while it restores a record, which is all that is left of it. */
static void die_while_restoring(struct fake *fake, uint64_t key)
{
    struct witness witness = {.deadly_key = key, .fake = fake};
    struct store *store = store_new(fake_open(fake));
    struct store_loading loading = {restore, complain, &witness};
    assert_non_null(store);
    (void)!store_load(store, &loading);
    assert_true(store_stop(store, false, LONG_MS));
    fake->disk = witness.disk_at_death;
}

static void a_record_of_which_the_process_dies_is_set_aside(void **state)
{
    (void)state;
    struct fake fake;
    struct witness witness = {0};
    fake_init(&fake);
    for (uint64_t key = 1; key <= 3; key++)
        fake.disk.records[fake.disk.count++] = (struct fake_record){.key = key, .text = "text"};
    die_while_restoring(&fake, 2); /* nothing was noted of a record before this one */
    for (uint32_t i = 0; i < STORE_TRIES_MAX; i++) {
        die_while_restoring(&fake, 2);
        assert_int_equal(fake.disk.records[1].tries, i + 1);
        assert_int_equal(fake.disk.records[0].tries, 0);
    }
    struct store *store = open_store(&fake, &witness);
    assert_int_equal(witness.restored_count, 2);
    assert_int_equal(witness.restored[0], 1);
    assert_int_equal(witness.restored[1], 3);
    assert_int_equal(fake.disk.aside, 1);
    assert_int_equal(fake.disk.marks[STORE_MARK_STARTING], 0);
    assert_true(store_stop(store, true, LONG_MS));
}

static void a_start_on_a_full_disk_restores_and_writes_later(void **state)
{
    (void)state;
    struct fake fake;
    struct store_status status;
    struct witness witness = {0};
    fake_init(&fake);
    told[0] = 0;
    struct store *store = begin_store(&fake);
    assert_true(put(store, 7, "text"));
    assert_true(store_stop(store, true, LONG_MS));

    fake.failures_left = UINT32_MAX;
    store = open_store(&fake, &witness);
    assert_int_equal(witness.restored_count, 1);
    assert_false(witness.was_clean); /* nothing on the disk says that rooms are played on */
    assert_string_equal(witness.complaints[0], "the disk is full");
    store_get_status(store, &status);
    assert_true(status.is_failing);
    assert_true(store_start(store, tell));
    fake_await(&fake, fake.commits + 2); /* it is tried again, though nothing waits */
    pthread_mutex_lock(&fake.lock);
    fake.failures_left = 0;
    uint32_t before = fake.commits;
    pthread_mutex_unlock(&fake.lock);
    fake_await(&fake, before + 1);
    assert_int_equal(fake.disk.marks[STORE_MARK_IN_USE], 1);
    assert_true(fake.was_durable); /* the mark is */
    assert_true(store_stop(store, true, LONG_MS));
    assert_int_equal(fake.disk.marks[STORE_MARK_IN_USE], 0);
    assert_string_equal(told, "+");

    fake.failures_left = UINT32_MAX;
    store = open_store(&fake, &witness);
    assert_true(store_start(store, tell));
    assert_false(store_stop(store, true, LONG_MS));
    assert_int_equal(fake.disk.marks[STORE_MARK_IN_USE], 0); /* as it was: nobody played */
}

static void a_store_without_a_thread_writes_when_its_owner_wants_it(void **state)
{
    (void)state;
    struct fake fake;
    struct witness witness = {0};
    fake_init(&fake);
    struct store *store = open_store(&fake, &witness);
    store_drive(store, tell);
    told[0] = '\0';
    uint32_t commits = fake.commits;
    assert_true(store_write(store)); /* nothing waits */
    assert_int_equal(fake.commits, commits);
    assert_true(put(store, 1, "first"));
    expect(&fake, 1, "");
    fake.failures_left = 1;
    assert_false(store_write(store));
    expect(&fake, 1, "");
    assert_true(store_write(store));
    expect(&fake, 1, "first");
    assert_string_equal(told, "-+");
    assert_false(fake.was_durable);
    assert_true(put(store, 2, "second"));
    assert_true(store_stop(store, true, 0)); /* it writes what waits, and takes the mark away */
    expect(&fake, 2, "second");
    assert_int_equal(fake.disk.marks[STORE_MARK_IN_USE], 0);
    assert_true(fake.is_closed);
}

static void a_store_without_a_thread_that_cannot_write_is_left_in_use(void **state)
{
    (void)state;
    struct fake fake;
    struct witness witness = {0};
    fake_init(&fake);
    struct store *store = open_store(&fake, &witness);
    store_drive(store, tell);
    assert_true(put(store, 1, "first"));
    fake.failures_left = 1;
    assert_false(store_stop(store, true, 0));
    assert_int_equal(fake.disk.marks[STORE_MARK_IN_USE], 1);
    assert_true(fake.is_closed);
}

static void what_can_be_read_of_a_damaged_file_goes_into_a_new_one(void **state)
{
    (void)state;
    struct fake fake;
    struct witness witness = {0};
    fake_init(&fake);
    fake.disk.records[0] = (struct fake_record){.key = 1, .text = "good"};
    fake.disk.records[1] = (struct fake_record){.key = 2, .text = "gone"};
    fake.disk.count = 2;
    fake.can_be_read = false;
    struct store *store = open_store(&fake, &witness);
    assert_int_equal(fake.times_anew, 1);
    assert_int_equal(witness.restored_count, 1);
    assert_false(witness.was_clean);
    assert_int_equal(witness.complaint_keys[0], 0);
    assert_string_equal(witness.complaints[0], "malformed");
    expect(&fake, 1, "good");
    expect(&fake, 2, "");
    assert_true(store_stop(store, true, LONG_MS));
}

/* Keys of records that are kept, as store_take_over() wants them. */
static uint64_t *keys_of(uint64_t a, uint64_t b)
{
    uint64_t *keys = malloc(2 * sizeof *keys);
    assert_non_null(keys);
    keys[0] = a;
    keys[1] = b;
    return keys;
}

static void fill_disk(struct fake *fake)
{
    fake_init(fake);
    for (uint32_t i = 0; i < 3; i++)
        fake->disk.records[i] = (struct fake_record){.key = i + 1, .text = "old"};
    fake->disk.count = 3;
    told[0] = 0;
}

static void who_has_its_rooms_waits_for_no_engine_and_removes_other_records(void **state)
{
    (void)state;
    struct fake fake;
    fill_disk(&fake);
    fake.failures_left = 2;
    struct store *store = store_new(fake_open(&fake));
    store_take_over(store, keys_of(3, 1), 2);
    assert_int_equal(fake.commits, 0); /* nothing was asked of the engine */
    assert_true(store_start(store, tell));
    assert_true(put(store, 3, "new"));
    fake_await(&fake, 3);
    assert_true(store_stop(store, true, LONG_MS));
    expect(&fake, 1, "old");
    expect(&fake, 2, "");
    expect(&fake, 3, "new");
    assert_string_equal(told, "-+");
    assert_int_equal(fake.disk.marks[STORE_MARK_IN_USE], 0);
}

static void a_room_of_a_key_that_is_removed_may_begin_meanwhile(void **state)
{
    (void)state;
    struct fake fake;
    fill_disk(&fake);
    struct store *store = store_new(fake_open(&fake));
    store_drive(store, tell);
    store_take_over(store, NULL, 0);
    assert_true(put(store, 2, "another room"));
    assert_true(store_write(store));
    assert_true(store_stop(store, false, 0));
    expect(&fake, 1, "");
    expect(&fake, 2, "another room");
    assert_int_equal(fake.disk.marks[STORE_MARK_IN_USE], 1);
}

static void who_has_its_rooms_begins_a_file_anew_that_cannot_be_read(void **state)
{
    (void)state;
    struct fake fake;
    fill_disk(&fake);
    fake.can_be_read = false;
    struct store *store = store_new(fake_open(&fake));
    store_drive(store, tell);
    store_take_over(store, keys_of(1, 2), 2);
    assert_true(put(store, 1, "new"));
    assert_true(store_write(store));
    assert_true(store_stop(store, true, 0));
    assert_int_equal(fake.times_anew, 1);
    assert_string_equal(told, "-");
    expect(&fake, 1, "new");
    expect(&fake, 2, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_newest_change_of_each_record_is_written),
        cmocka_unit_test(nobody_waits_for_an_engine_that_hangs),
        cmocka_unit_test(a_failure_is_told_and_tried_again),
        cmocka_unit_test(too_much_is_refused_and_the_older_change_stays),
        cmocka_unit_test(a_start_knows_how_the_last_process_ended),
        cmocka_unit_test(what_cannot_be_restored_is_set_aside_and_told),
        cmocka_unit_test(a_record_of_which_the_process_dies_is_set_aside),
        cmocka_unit_test(a_start_on_a_full_disk_restores_and_writes_later),
        cmocka_unit_test(a_store_without_a_thread_writes_when_its_owner_wants_it),
        cmocka_unit_test(a_store_without_a_thread_that_cannot_write_is_left_in_use),
        cmocka_unit_test(what_can_be_read_of_a_damaged_file_goes_into_a_new_one),
        cmocka_unit_test(who_has_its_rooms_waits_for_no_engine_and_removes_other_records),
        cmocka_unit_test(a_room_of_a_key_that_is_removed_may_begin_meanwhile),
        cmocka_unit_test(who_has_its_rooms_begins_a_file_anew_that_cannot_be_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
