/*
 * The log of a room: what it gives whom, what it leaves out, what it takes; and, for random events
 * and readers, that it agrees with a reference which keeps everything for everybody.
 */
#include "relay/log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define LOG_BYTES 65536

struct purse {
    size_t admitted;
    size_t most;
};

struct world {
    struct purse purse;
    struct log log;
    size_t charged; /* of payloads */
};

static struct purse *purse_of(struct log *log)
{
    return &CONTAINER_OF(log, struct world, log)->purse;
}

static bool admit(struct log *log, size_t bytes)
{
    struct purse *purse = purse_of(log);
    if (purse->admitted + bytes > purse->most)
        return false;
    purse->admitted += bytes;
    return true;
}

static void dismiss(struct log *log, size_t bytes)
{
    struct purse *purse = purse_of(log);
    assert_true(bytes <= purse->admitted);
    purse->admitted -= bytes;
}

static const struct log_account account = {admit, dismiss};

static void begin(struct world *world, size_t bytes_max)
{
    *world = (struct world){.purse.most = SIZE_MAX};
    log_init(&world->log, bytes_max, &account);
}

static void end(struct world *world)
{
    log_release(&world->log);
    assert_int_equal(world->purse.admitted, 0);
    assert_int_equal(world->charged, 0);
}

static const struct log_address everyone = {.readers = LOG_EVERYONE};

static struct log_address but(uint32_t index)
{
    return (struct log_address){.readers = LOG_EVERYONE_BUT, .index = index};
}

static struct log_address one(uint32_t index)
{
    return (struct log_address){.readers = LOG_ONE, .index = index};
}

static void keep(struct world *world, struct log_address address, const char *text)
{
    log_keep(&world->log, &address, bytes_of((const uint8_t *)text, strlen(text)), NULL);
}

static struct payload *payload_with(struct world *world, const char *text, uint32_t length)
{
    struct payload *payload = payload_new(length, &world->charged);
    assert_non_null(payload);
    memset(payload->data, ' ', length);
    memcpy(payload->data, text, strlen(text));
    return payload;
}

static void keep_state(struct world *world, struct log_address address, const char *text)
{
    struct payload *payload = payload_with(world, text, (uint32_t)strlen(text));
    log_keep_state(&world->log, &address, payload);
    payload_release(payload);
}

/* Frames and counts of skipped ones, each behind a space. NULL: the log has not all of it. */
static const char *missed(const struct world *world, uint32_t index, uint64_t since, uint64_t count)
{
    static char text[1000];
    struct log_cursor cursor;
    struct log_missed event;
    struct log_reader reader = {.index = index, .since = since};
    size_t length = 0;
    if (!log_find_missed(&world->log, reader, count, &cursor))
        return NULL;
    text[0] = '\0';
    while (log_next_missed(&cursor, &event)) {
        if (event.skipped > 0)
            length +=
                (size_t)snprintf(text + length, sizeof text - length, " %d", (int)event.skipped);
        else
            length += (size_t)snprintf(text + length, sizeof text - length, " %.*s",
                                       (int)event.frame.length, (const char *)event.frame.data);
    }
    return text;
}

static void test_each_reader_gets_what_is_for_it(void **state)
{
    (void)state;
    struct world world;
    begin(&world, LOG_BYTES);
    const uint32_t some[] = {1, 4};
    keep(&world, everyone, "all");
    keep(&world, but(1), "but1");
    keep(&world, one(2), "one2");
    keep(&world, (struct log_address){LOG_SOME, 0, some, 2}, "some14");
    assert_string_equal(missed(&world, 0, 0, 2), " all but1");
    assert_string_equal(missed(&world, 1, 0, 2), " all some14");
    assert_string_equal(missed(&world, 2, 0, 3), " all but1 one2");
    assert_string_equal(missed(&world, 4, 0, 3), " all but1 some14");
    end(&world);
}

static void test_reader_gets_the_last_events_only(void **state)
{
    (void)state;
    struct world world;
    begin(&world, LOG_BYTES);
    for (int i = 0; i < 9; i++) {
        char text[2] = {(char)('a' + i), '\0'};
        keep(&world, i % 2 == 0 ? everyone : one(7), text);
    }
    assert_string_equal(missed(&world, 3, 0, 0), "");
    assert_string_equal(missed(&world, 3, 0, 1), " i");
    assert_string_equal(missed(&world, 3, 0, 5), " a c e g i");
    assert_null(missed(&world, 3, 0, 6));
    end(&world);
}

/* What came before a seat counts is for others, however many events there are. */
static void test_seat_counts_from_its_first_event_on(void **state)
{
    (void)state;
    struct world world;
    begin(&world, LOG_BYTES);
    keep(&world, everyone, "before");
    log_skip(&world.log, &everyone);
    log_skip(&world.log, &everyone);
    uint64_t since = world.log.next;
    log_skip(&world.log, &everyone);
    keep(&world, everyone, "after");
    assert_string_equal(missed(&world, 0, since, 2), " 1 after");
    assert_null(missed(&world, 0, since, 3));
    assert_string_equal(missed(&world, 0, 0, 5), " before 3 after");
    end(&world);
}

static void test_events_that_are_not_kept_are_counted_together(void **state)
{
    (void)state;
    struct world world;
    begin(&world, LOG_BYTES);
    struct log_address to_host = one(0);
    struct log_address to_1 = one(1);
    keep(&world, everyone, "a");
    for (int i = 0; i < 3; i++)
        log_skip(&world.log, &to_host);
    log_skip(&world.log, &to_1);
    log_skip(&world.log, &to_host);
    keep(&world, everyone, "b");
    log_skip(&world.log, &to_host);
    assert_string_equal(missed(&world, 0, 0, 7), " a 4 b 1");
    assert_string_equal(missed(&world, 0, 0, 4), " 2 b 1");
    assert_string_equal(missed(&world, 1, 0, 3), " a 1 b");
    end(&world);
}

/* A joystick that is pushed for hours takes one record. */
static void test_events_that_are_not_kept_take_no_room(void **state)
{
    (void)state;
    struct world world;
    begin(&world, LOG_BYTES);
    struct log_address to_host = one(0);
    keep(&world, everyone, "a");
    size_t before = world.log.bytes;
    for (int i = 0; i < 100000; i++)
        log_skip(&world.log, &to_host);
    assert_int_equal(world.log.bytes, before);
    assert_string_equal(missed(&world, 0, 0, 100001), " a 100000");
    end(&world);
}

/* Many at once, even when one record can't count them all, or there is no memory for a record. */
static void test_many_events_are_skipped_at_once(void **state)
{
    (void)state;
    struct world world;
    struct log_entry entry;
    begin(&world, LOG_BYTES);
    struct log_address to_host = one(0);
    log_skip_many(&world.log, &to_host, 7);
    log_skip_many(&world.log, &to_host, UINT32_MAX - 3);
    assert_int_equal(world.log.next, (uint64_t)UINT32_MAX + 4);
    struct log_cursor cursor = log_begin(&world.log);
    assert_true(log_next_entry(&world.log, &cursor, &entry));
    assert_int_equal(entry.skipped, 7);
    assert_true(log_next_entry(&world.log, &cursor, &entry));
    assert_int_equal(entry.skipped, UINT32_MAX - 3);
    assert_false(log_next_entry(&world.log, &cursor, &entry));
    end(&world);
    begin(&world, LOG_BYTES);
    world.purse.most = 0;
    log_skip_many(&world.log, &to_host, 7);
    assert_int_equal(world.log.next, 7);
    assert_int_equal(world.log.oldest, 7);
    assert_null(missed(&world, 0, 0, 1));
    end(&world);
}

static void test_entries_are_as_they_were_kept(void **state)
{
    (void)state;
    static const uint32_t indices[] = {3, 5};
    struct world world;
    struct log_entry entry;
    begin(&world, LOG_BYTES);
    log_resume(&world.log, 9);
    keep_state(&world, but(4), "s");
    log_keep(&world.log,
             &(struct log_address){.readers = LOG_SOME, .indices = indices, .index_count = 2},
             bytes_of("ab", 2), NULL);
    struct log_cursor cursor = log_begin(&world.log);
    assert_true(log_next_entry(&world.log, &cursor, &entry));
    assert_true(entry.is_state && entry.skipped == 0);
    assert_int_equal(entry.address.readers, LOG_EVERYONE_BUT);
    assert_int_equal(entry.address.index, 4);
    assert_int_equal(entry.frame.length, 1);
    assert_true(log_next_entry(&world.log, &cursor, &entry));
    assert_false(entry.is_state);
    assert_int_equal(entry.address.readers, LOG_SOME);
    assert_int_equal(entry.address.index_count, 2);
    assert_memory_equal(entry.address.indices, indices, sizeof indices);
    assert_memory_equal(entry.frame.data, "ab", 2);
    assert_int_equal(world.log.next, 11);
    end(&world);
}

static void test_only_the_newest_state_is_kept(void **state)
{
    (void)state;
    struct world world;
    begin(&world, LOG_BYTES);
    keep_state(&world, but(0), "s1");
    keep(&world, everyone, "a");
    keep_state(&world, but(0), "s2");
    keep_state(&world, but(0), "s3");
    assert_string_equal(missed(&world, 1, 0, 4), " 1 a 1 s3");
    assert_string_equal(missed(&world, 0, 0, 1), " a");
    assert_int_equal(world.charged, 2);
    end(&world);
}

static void test_what_everybody_has_seen_is_dropped(void **state)
{
    (void)state;
    struct world world;
    begin(&world, LOG_BYTES);
    for (int i = 0; i < 1000; i++)
        keep(&world, i % 3 == 0 ? one(5) : everyone, "twenty bytes of text");
    size_t before = world.log.bytes;
    /* Seat 1 has missed the last ten of its own; seat 5 the last twenty of all. */
    uint64_t until = log_seen_until(&world.log, (struct log_reader){.index = 1}, 10);
    assert_int_equal(until, 985);
    assert_int_equal(log_seen_until(&world.log, (struct log_reader){.index = 5}, 20), 980);
    log_drop_before(&world.log, 980);
    assert_true(world.log.bytes < before / 5);
    assert_non_null(missed(&world, 5, 0, 20));
    assert_null(missed(&world, 5, 0, 21));
    assert_int_equal(log_seen_until(&world.log, (struct log_reader){.index = 5}, 21), 980);
    log_drop_before(&world.log, log_seen_until(&world.log, (struct log_reader){.index = 5}, 0));
    assert_int_equal(world.log.bytes, 0);
    keep(&world, everyone, "new");
    assert_string_equal(missed(&world, 1, 0, 1), " new");
    assert_null(missed(&world, 1, 0, 2));
    end(&world);
}

static void test_oldest_events_make_room(void **state)
{
    (void)state;
    struct world world;
    begin(&world, 8192);
    for (int i = 0; i < 1000; i++) {
        keep(&world, everyone,
             "a hundred bytes, or so, of which many are needed to fill a small log; "
             "and then some more");
        assert_true(world.log.bytes <= 8192);
        assert_non_null(missed(&world, 0, 0, i < 20 ? (uint64_t)i + 1 : 20));
    }
    assert_null(missed(&world, 0, 0, 100));
    end(&world);
}

/* Whoever missed it can't be given what followed, and is told so. */
static void test_event_larger_than_the_log_is_a_gap(void **state)
{
    (void)state;
    struct world world;
    begin(&world, 8192);
    keep(&world, everyone, "a");
    struct payload *large = payload_with(&world, "large", 9000);
    log_keep(&world.log, &everyone, bytes_of(large->data, large->length), large);
    payload_release(large);
    assert_int_equal(world.charged, 0);
    keep(&world, everyone, "b");
    assert_string_equal(missed(&world, 0, 0, 1), " b");
    assert_null(missed(&world, 0, 0, 2));
    end(&world);
}

static void test_payload_is_shared_and_given_back(void **state)
{
    (void)state;
    struct world world;
    begin(&world, LOG_BYTES);
    struct payload *payload = payload_with(&world, "shared", 2000);
    log_keep(&world.log, &everyone, bytes_of(payload->data, payload->length), payload);
    assert_int_equal(payload->references, 2);
    struct log_cursor cursor;
    struct log_missed event;
    assert_true(log_find_missed(&world.log, (struct log_reader){.index = 0}, 1, &cursor));
    assert_true(log_next_missed(&cursor, &event));
    assert_ptr_equal(event.payload, payload);
    assert_int_equal(event.frame.length, 2000);
    assert_false(log_next_missed(&cursor, &event));
    log_drop_before(&world.log, 1);
    assert_int_equal(payload->references, 1);
    payload_release(payload);
    end(&world);
}

/* Memory that rooms may not have is taken from the oldest events first. */
static void test_refused_memory_costs_the_oldest(void **state)
{
    (void)state;
    struct world world;
    begin(&world, LOG_BYTES);
    world.purse.most = 6000;
    for (int i = 0; i < 500; i++)
        keep(&world, everyone, "some text of an event that is kept");
    assert_true(world.purse.admitted <= 6000);
    assert_non_null(missed(&world, 0, 0, 10));
    assert_null(missed(&world, 0, 0, 500));
    world.purse.most = 0;
    for (int i = 0; i < 500; i++)
        keep(&world, everyone, "some text of an event that is kept");
    assert_int_equal(world.log.next, 1000);
    world.purse.most = SIZE_MAX;
    keep(&world, everyone, "later");
    assert_string_equal(missed(&world, 0, 0, 1), " later");
    end(&world);
}

/* ---- a reference that keeps every event */

#define SEATS 5
#define EVENTS 4000

struct known {
    struct log_address address;
    uint32_t some[2];
    char text[40];
    bool is_kept;
    bool is_state;
};

struct reference {
    struct known events[EVENTS];
    size_t count;
    size_t kept_from; /* what came before may be dropped */
    uint64_t since[SEATS];
};

static uint32_t random_below(uint64_t *state, uint32_t most)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*state >> 33) % most;
}

static bool is_for(const struct known *event, uint32_t index)
{
    switch (event->address.readers) {
    case LOG_EVERYONE:
        return true;
    case LOG_EVERYONE_BUT:
        return event->address.index != index;
    case LOG_ONE:
        return event->address.index == index;
    case LOG_SOME:
        return event->some[0] == index || event->some[1] == index;
    }
    return false;
}

static void keep_too_large(struct world *world, struct log_address address)
{
    struct payload *large = payload_with(world, "", (uint32_t)world->log.bytes_max);
    log_keep(&world->log, &address, bytes_of(large->data, large->length), large);
    payload_release(large);
}

static void say_something(struct world *world, struct reference *reference, uint64_t *random)
{
    struct known *event = &reference->events[reference->count];
    uint32_t what = random_below(random, 10);
    event->address.readers = (enum log_readers)random_below(random, 4);
    event->address.index = random_below(random, SEATS);
    event->some[0] = random_below(random, SEATS);
    event->some[1] = (event->some[0] + 1) % SEATS;
    event->address.indices = event->some;
    event->address.index_count = 2;
    snprintf(event->text, sizeof event->text, "%zu%.*s", reference->count,
             (int)random_below(random, 30), "..............................");
    event->is_kept = what >= 3;
    event->is_state = what == 9;
    reference->count++;
    struct log_address address = event->address;
    if (what == 8 && random_below(random, 30) == 0) {
        keep_too_large(world, address);
        reference->kept_from = reference->count;
    } else if (event->is_state) {
        for (size_t i = 0; i + 1 < reference->count; i++)
            reference->events[i].is_kept &= !reference->events[i].is_state;
        keep_state(world, address, event->text);
    } else if (event->is_kept) {
        keep(world, address, event->text);
    } else {
        log_skip(&world->log, &address);
    }
}

/* Where the last `count` events of a seat begin. */
static size_t find_first(const struct reference *reference, uint32_t index, uint64_t count)
{
    size_t from = reference->count;
    while (count > 0) {
        from--;
        count -= is_for(&reference->events[from], index);
    }
    return from;
}

/* What the reference says that a seat missed, in the words of missed(). */
static const char *expected(const struct reference *reference, uint32_t index, size_t from)
{
    static char text[1000];
    size_t length = 0;
    int skipped = 0;
    text[0] = '\0';
    for (size_t i = from; i < reference->count; i++) {
        const struct known *event = &reference->events[i];
        if (!is_for(event, index))
            continue;
        skipped += !event->is_kept;
        if (!event->is_kept)
            continue;
        if (skipped > 0)
            length += (size_t)snprintf(text + length, sizeof text - length, " %d", skipped);
        skipped = 0;
        length += (size_t)snprintf(text + length, sizeof text - length, " %s", event->text);
    }
    if (skipped > 0)
        snprintf(text + length, sizeof text - length, " %d", skipped);
    return text;
}

static uint64_t count_of(const struct reference *reference, uint32_t index)
{
    uint64_t count = 0;
    for (size_t i = reference->since[index]; i < reference->count; i++)
        count += is_for(&reference->events[i], index);
    return count;
}

static void check_reader(const struct world *world, const struct reference *reference,
                         uint64_t *random)
{
    uint32_t index = random_below(random, SEATS);
    uint64_t all = count_of(reference, index);
    uint64_t count = random_below(random, 20);
    const char *given = missed(world, index, reference->since[index], count);
    if (count > all) {
        assert_null(given);
        return;
    }
    size_t first = find_first(reference, index, count);
    if (given != NULL)
        assert_string_equal(given, expected(reference, index, first));
    else /* the smallest log here has the last fifteen */
        assert_true(first < reference->kept_from || first + 15 < reference->count);
}

static void test_agrees_with_a_reference(void **state)
{
    (void)state;
    static struct reference reference;
    for (uint64_t seed = 1; seed <= 60; seed++) {
        struct world world;
        uint64_t random = seed;
        begin(&world, seed % 2 == 0 ? 4096 : LOG_BYTES);
        memset(&reference, 0, sizeof reference);
        for (int step = 0; step < EVENTS; step++) {
            say_something(&world, &reference, &random);
            check_reader(&world, &reference, &random);
            if (random_below(&random, 50) == 0)
                reference.since[random_below(&random, SEATS)] = reference.count;
            if (random_below(&random, 100) == 0) {
                uint32_t left = random_below(&random, 3) * 20;
                if (reference.kept_from + left < reference.count)
                    reference.kept_from = reference.count - left;
                log_drop_before(&world.log, reference.kept_from);
            }
        }
        assert_int_equal(world.log.next, EVENTS);
        end(&world);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_reader_gets_what_is_for_it),
        cmocka_unit_test(test_reader_gets_the_last_events_only),
        cmocka_unit_test(test_seat_counts_from_its_first_event_on),
        cmocka_unit_test(test_events_that_are_not_kept_are_counted_together),
        cmocka_unit_test(test_events_that_are_not_kept_take_no_room),
        cmocka_unit_test(test_many_events_are_skipped_at_once),
        cmocka_unit_test(test_entries_are_as_they_were_kept),
        cmocka_unit_test(test_only_the_newest_state_is_kept),
        cmocka_unit_test(test_what_everybody_has_seen_is_dropped),
        cmocka_unit_test(test_oldest_events_make_room),
        cmocka_unit_test(test_event_larger_than_the_log_is_a_gap),
        cmocka_unit_test(test_payload_is_shared_and_given_back),
        cmocka_unit_test(test_refused_memory_costs_the_oldest),
        cmocka_unit_test(test_agrees_with_a_reference),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
