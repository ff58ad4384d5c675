/* Handles: what they name, what names nothing any more, and what a walk over them sees. */
#include "server/handles.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#define MANY 1000

static struct conn conns[MANY];

static void add(struct handles *handles, struct conn *conn)
{
    conn->handle = CLIENT_NONE;
    assert_true(handles_add(handles, conn));
}

static void test_each_handle_names_its_connection(void **state)
{
    (void)state;
    struct handles handles;
    handles_init(&handles);
    for (uint32_t i = 0; i < MANY; i++)
        add(&handles, &conns[i]);
    for (uint32_t i = 0; i < MANY; i++) {
        assert_ptr_equal(handles_at(&handles, conns[i].handle), &conns[i]);
        assert_int_not_equal(conns[i].handle, CLIENT_NONE);
    }
    handles_release(&handles);
}

/* A room that kept the handle of who is gone would otherwise speak to a stranger. */
static void test_a_place_is_used_again_under_another_handle(void **state)
{
    (void)state;
    struct handles handles;
    handles_init(&handles);
    add(&handles, &conns[0]);
    uint32_t before = conns[0].handle;
    for (int turn = 0; turn < 255; turn++) {
        handles_remove(&handles, &conns[turn]);
        assert_int_equal(conns[turn].handle, CLIENT_NONE);
        add(&handles, &conns[turn + 1]);
        uint32_t handle = conns[turn + 1].handle;
        assert_int_equal(handle & HANDLE_INDEX_MASK, before & HANDLE_INDEX_MASK);
        assert_int_not_equal(handle, before);
        assert_int_not_equal(handle, CLIENT_NONE);
    }
    assert_int_equal(handles.used, 1);
    handles_release(&handles);
}

static void test_removing_twice_gives_nobody_elses_place_back(void **state)
{
    (void)state;
    struct handles handles;
    handles_init(&handles);
    add(&handles, &conns[0]);
    handles_remove(&handles, &conns[0]);
    add(&handles, &conns[1]);
    handles_remove(&handles, &conns[0]);
    add(&handles, &conns[2]);
    assert_ptr_equal(handles_at(&handles, conns[1].handle), &conns[1]);
    assert_ptr_equal(handles_at(&handles, conns[2].handle), &conns[2]);
    handles_release(&handles);
}

/* The table is as large as the most connections at once, however many come and go. */
static void test_places_are_bounded_by_the_most_at_once(void **state)
{
    (void)state;
    struct handles handles;
    handles_init(&handles);
    for (int round = 0; round < 5; round++) {
        for (uint32_t i = 0; i < MANY; i++)
            add(&handles, &conns[i]);
        for (uint32_t i = 0; i < MANY; i++)
            handles_remove(&handles, &conns[(i * 7) % MANY]);
    }
    assert_int_equal(handles.used, MANY);
    assert_true(handles.capacity < 2 * MANY);
    handles_release(&handles);
}

static void test_a_walk_sees_each_once_though_they_go_meanwhile(void **state)
{
    (void)state;
    static int seen[MANY];
    struct handles handles;
    handles_init(&handles);
    for (uint32_t i = 0; i < MANY; i++)
        add(&handles, &conns[i]);
    for (uint32_t i = 0; i < MANY; i += 3)
        handles_remove(&handles, &conns[i]);

    uint32_t at = 0;
    struct conn *conn;
    while ((conn = handles_next(&handles, &at)) != NULL) {
        size_t i = (size_t)(conn - conns);
        seen[i]++;
        handles_remove(&handles, conn);
        if (i % 3 == 1 && i + 1 < MANY)
            handles_remove(&handles, &conns[i + 1]);
    }
    for (uint32_t i = 0; i < MANY; i++)
        assert_int_equal(seen[i], i % 3 == 1 ? 1 : 0);
    at = 0;
    assert_null(handles_next(&handles, &at));
    handles_release(&handles);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_handle_names_its_connection),
        cmocka_unit_test(test_a_place_is_used_again_under_another_handle),
        cmocka_unit_test(test_removing_twice_gives_nobody_elses_place_back),
        cmocka_unit_test(test_places_are_bounded_by_the_most_at_once),
        cmocka_unit_test(test_a_walk_sees_each_once_though_they_go_meanwhile),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
