/* The table of rooms by code: finding, growing, removing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "relay/room_table.h"

static struct room *add(struct room_table *table, uint64_t code)
{
    struct room *room = room_new(code, 1, 0);
    assert_non_null(room);
    assert_true(room_table_add(table, room));
    return room;
}

static void empty_table_finds_nothing_and_can_be_released(void **state)
{
    (void)state;
    struct room_table table = {0};
    assert_null(room_table_find(&table, 0));
    room_table_release(&table);
    assert_int_equal(table.room_count, 0);
}

static void rooms_are_found_by_their_code_only(void **state)
{
    (void)state;
    struct room_table table = {0};
    struct room *zero = add(&table, 0);
    struct room *other = add(&table, 77);
    assert_ptr_equal(room_table_find(&table, 0), zero);
    assert_ptr_equal(room_table_find(&table, 77), other);
    assert_null(room_table_find(&table, 76));
    assert_int_equal(table.room_count, 2);
    room_table_release(&table);
}

static void removed_room_is_not_freed_and_can_be_added_again(void **state)
{
    (void)state;
    struct room_table table = {0};
    struct room *room = add(&table, 9);
    room_table_remove(&table, room);
    assert_int_equal(table.room_count, 0);
    assert_null(room_table_find(&table, 9));
    assert_int_equal(room->code, 9);
    assert_true(room_table_add(&table, room));
    assert_ptr_equal(room_table_find(&table, 9), room);
    room_table_release(&table);
}

/* Rooms of one loop, from a code on: the table grows, and each stays where it can be found. */
static void fill_and_empty(uint64_t first, uint64_t loop_count)
{
    enum { COUNT = 3000 };
    struct room_table table = {0};
    for (uint32_t i = 0; i < COUNT; i++)
        add(&table, first + i * loop_count);
    assert_int_equal(table.room_count, COUNT);
    assert_int_equal(table.bucket_count & (table.bucket_count - 1), 0);
    for (uint32_t i = 0; i < COUNT; i += 2) {
        struct room *room = room_table_find(&table, first + i * loop_count);
        assert_non_null(room);
        assert_int_equal(room->code, first + i * loop_count);
        room_table_remove(&table, room);
        room_free(room);
    }
    assert_int_equal(table.room_count, COUNT / 2);
    for (uint32_t i = 0; i < COUNT; i++)
        assert_int_equal(room_table_find(&table, first + i * loop_count) != NULL, i % 2 == 1);
    room_table_release(&table);
}

static void table_grows_and_loses_nobody(void **state)
{
    (void)state;
    fill_and_empty(0, 1);
    fill_and_empty(0, 7);
    fill_and_empty(0, 64);
    fill_and_empty(CODE_2_FIRST, 1);
    fill_and_empty(CODE_2_FIRST, 64);
    fill_and_empty(CODE_2_FIRST + CODE_2_COUNT - 7 * 3000, 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(empty_table_finds_nothing_and_can_be_released),
        cmocka_unit_test(rooms_are_found_by_their_code_only),
        cmocka_unit_test(removed_room_is_not_freed_and_can_be_added_again),
        cmocka_unit_test(table_grows_and_loses_nobody),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
