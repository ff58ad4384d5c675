/* Members of a room: order of entry, look-up by id, removal. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "relay/room.h"

static struct room *new_room(void)
{
    struct room *room = room_new(5, 10, 3);
    assert_non_null(room);
    return room;
}

static struct member *add(struct room *room, const char *id, uint32_t client)
{
    struct member *member = room_add(room, bytes_of_string(id), client);
    assert_non_null(member);
    return member;
}

static void remove_and_free(struct room *room, struct member *member)
{
    room_remove(room, member);
    free(member);
}

/* The clients of the members, in order of entry, are these. */
static void expect_clients(const struct room *room, const uint32_t *clients, uint32_t count)
{
    uint32_t at = 0;
    assert_int_equal(room->member_count, count);
    LIST_FOR_EACH(link, &room->members)
    {
        assert_in_range(at, 0, count - 1);
        assert_int_equal(member_of_link(link)->client, clients[at++]);
    }
    assert_int_equal(at, count);
}

static void new_room_is_empty_and_knows_what_it_was_told(void **state)
{
    (void)state;
    struct room *room = new_room();
    assert_int_equal(room->code, 5);
    assert_int_equal(room->members_max, 10);
    assert_int_equal(room->origin, 3);
    assert_int_equal(room->member_count, 0);
    assert_true(list_is_empty(&room->members));
    assert_null(room_find(room, BYTES("a")));
    room_free(room);
}

static void members_are_found_by_id_and_listed_in_order_of_entry(void **state)
{
    (void)state;
    static const char *const ids[] = {"m", "a", "z", "mm", "b", "l", "\xC3\xA9"};
    static const uint32_t clients[] = {0, 1, 2, 3, 4, 5, 6};
    struct room *room = new_room();
    struct member *members[ARRAY_LENGTH(ids)];
    for (uint32_t i = 0; i < ARRAY_LENGTH(ids); i++) {
        assert_null(room_find(room, bytes_of_string(ids[i])));
        members[i] = add(room, ids[i], i);
        assert_ptr_equal(members[i]->room, room);
        assert_true(bytes_equal(member_id(members[i]), bytes_of_string(ids[i])));
    }
    for (uint32_t i = 0; i < ARRAY_LENGTH(ids); i++)
        assert_ptr_equal(room_find(room, bytes_of_string(ids[i])), members[i]);
    assert_null(room_find(room, BYTES("")));
    assert_null(room_find(room, BYTES("mmm")));
    assert_null(room_find(room, BYTES("zz")));
    expect_clients(room, clients, ARRAY_LENGTH(clients));
    room_free(room);
}

static void removed_member_is_gone_and_the_rest_keep_their_order(void **state)
{
    (void)state;
    struct room *room = new_room();
    struct member *first = add(room, "c", 1);
    add(room, "b", 2);
    struct member *last = add(room, "a", 3);
    room_remove(room, first);
    assert_null(room_find(room, BYTES("c")));
    assert_true(bytes_equal(member_id(first), BYTES("c"))); /* it is the caller's now */
    free(first);
    expect_clients(room, (const uint32_t[]){2, 3}, 2);
    add(room, "c", 4);
    expect_clients(room, (const uint32_t[]){2, 3, 4}, 3);
    remove_and_free(room, last);
    expect_clients(room, (const uint32_t[]){2, 4}, 2);
    remove_and_free(room, room_find(room, BYTES("b")));
    remove_and_free(room, room_find(room, BYTES("c")));
    assert_int_equal(room->member_count, 0);
    assert_true(list_is_empty(&room->members));
    room_free(room);
}

static void id_of_the_greatest_length_is_kept_whole(void **state)
{
    (void)state;
    uint8_t id[CLIENT_ID_CANONICAL_MAX];
    memset(id, 'x', sizeof id);
    struct room *room = new_room();
    struct member *member = room_add(room, bytes_of(id, sizeof id), 1);
    assert_non_null(member);
    assert_ptr_equal(room_find(room, bytes_of(id, sizeof id)), member);
    assert_null(room_find(room, bytes_of(id, sizeof id - 1)));
    room_free(room);
}

static void thousand_members_come_and_go(void **state)
{
    (void)state;
    enum { COUNT = 1000, STEP = 617 }; /* coprime, so that every number comes once */
    struct room *room = new_room();
    char id[16];
    for (uint32_t i = 0; i < COUNT; i++) {
        snprintf(id, sizeof id, "%u", i * STEP % COUNT);
        add(room, id, i * STEP % COUNT);
    }
    for (uint32_t i = 0; i < COUNT; i++) {
        snprintf(id, sizeof id, "%u", i);
        struct member *member = room_find(room, bytes_of_string(id));
        assert_non_null(member);
        assert_int_equal(member->client, i);
        remove_and_free(room, member);
        assert_null(room_find(room, bytes_of_string(id)));
        assert_int_equal(room->member_count, COUNT - 1 - i);
    }
    room_free(room);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(new_room_is_empty_and_knows_what_it_was_told),
        cmocka_unit_test(members_are_found_by_id_and_listed_in_order_of_entry),
        cmocka_unit_test(removed_member_is_gone_and_the_rest_keep_their_order),
        cmocka_unit_test(id_of_the_greatest_length_is_kept_whole),
        cmocka_unit_test(thousand_members_come_and_go),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
