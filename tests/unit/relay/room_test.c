/* Members of a room: order of entry, look-up by id and by index, absence, removal. */
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

/* One that remembers who is gone. */
static struct room *new_room_of_protocol_2(void)
{
    struct room *room = room_new(CODE_2_FIRST + 5, 10, 3);
    assert_non_null(room);
    assert_non_null(room->retained);
    assert_ptr_equal(room->retained->room, room);
    assert_true(list_is_empty(&room->retained->hostless));
    assert_int_equal(room->absent_count, 0);
    assert_null(room_state(room));
    return room;
}

static struct member *longest_gone(const struct room *room)
{
    return room->absent_count == 0 ? NULL : room_absent(room)[0];
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
    assert_int_equal(room->member_count, count);
    for (uint32_t i = 0; i < count; i++)
        assert_int_equal(room->members[i]->client, clients[i]);
}

static void new_room_is_empty_and_knows_what_it_was_told(void **state)
{
    (void)state;
    struct room *room = new_room();
    assert_int_equal(room->code, 5);
    assert_int_equal(room->members_max, 10);
    assert_int_equal(room->origin_number, 3);
    assert_int_equal(room->member_count, 0);
    assert_int_equal(room->known_count, 0);
    assert_null(room->retained);
    assert_int_equal(room_url(room).length, 0);
    assert_null(room_state(room));
    assert_null(room_find_index(room, 0));
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
    assert_int_equal(room->known_count, 0);
    room_free(room);
}

static void members_here_are_found_by_their_index(void **state)
{
    (void)state;
    enum { COUNT = 20 };
    struct room *room = new_room_of_protocol_2();
    struct member *members[COUNT];
    char id[16];
    for (uint32_t i = 0; i < COUNT; i++) {
        snprintf(id, sizeof id, "%u", COUNT - i);
        members[i] = add(room, id, 100 + i);
        assert_int_equal(members[i]->index, i);
    }
    for (uint32_t i = 0; i < COUNT; i += 3)
        room_retire(room, members[i]);
    for (uint32_t i = 0; i < COUNT; i++)
        assert_ptr_equal(room_find_index(room, i), i % 3 == 0 ? NULL : members[i]);
    assert_null(room_find_index(room, COUNT));
    assert_null(room_find_index(room, UINT32_MAX));
    room_free(room);
}

static void absent_member_is_known_but_not_here(void **state)
{
    (void)state;
    struct room *room = new_room_of_protocol_2();
    add(room, "h", 1);
    struct member *member = add(room, "b", 2);
    add(room, "c", 3);
    room_retire(room, member);
    expect_clients(room, (const uint32_t[]){1, 3}, 2);
    assert_int_equal(room->known_count, 3);
    assert_int_equal(room->absent_count, 1);
    assert_int_equal(member->client, CLIENT_NONE);
    assert_ptr_equal(room_find(room, BYTES("b")), member);
    assert_null(room_find_index(room, 1));
    assert_ptr_equal(longest_gone(room), member);
    room_free(room);
}

static void returning_member_has_its_place_by_index(void **state)
{
    (void)state;
    struct room *room = new_room_of_protocol_2();
    struct member *members[4];
    for (uint32_t i = 0; i < 4; i++)
        members[i] = add(room, (const char *[]){"d", "c", "b", "a"}[i], i);
    room_retire(room, members[0]);
    room_retire(room, members[3]);
    room_retire(room, members[1]);
    room_return(room, members[3], 13);
    expect_clients(room, (const uint32_t[]){2, 13}, 2);
    room_return(room, members[0], 10);
    expect_clients(room, (const uint32_t[]){10, 2, 13}, 3);
    room_return(room, members[1], 11);
    expect_clients(room, (const uint32_t[]){10, 11, 2, 13}, 4);
    assert_int_equal(room->absent_count, 0);
    for (uint32_t i = 0; i < 4; i++) {
        assert_int_equal(members[i]->index, i);
        assert_ptr_equal(room_find_index(room, i), members[i]);
    }
    room_free(room);
}

static void index_of_who_was_removed_is_not_given_again(void **state)
{
    (void)state;
    struct room *room = new_room_of_protocol_2();
    add(room, "h", 1);
    remove_and_free(room, add(room, "b", 2));
    assert_int_equal(add(room, "b", 3)->index, 2);
    room_retire(room, room_find(room, BYTES("b")));
    remove_and_free(room, room_find(room, BYTES("b")));
    assert_int_equal(room->absent_count, 0);
    assert_int_equal(room->known_count, 1);
    assert_int_equal(add(room, "b", 4)->index, 3);
    room_free(room);
}

static void longest_gone_is_never_the_host(void **state)
{
    (void)state;
    struct room *room = new_room_of_protocol_2();
    struct member *host = add(room, "h", 1);
    struct member *second = add(room, "b", 2);
    struct member *third = add(room, "c", 3);
    add(room, "d", 4);
    room_retire(room, host);
    assert_null(longest_gone(room));
    room_retire(room, third);
    room_retire(room, second);
    assert_ptr_equal(longest_gone(room), third);
    room_return(room, third, 5);
    assert_ptr_equal(longest_gone(room), second);
    room_retire(room, third); /* it is the shortest gone now */
    assert_ptr_equal(longest_gone(room), second);
    remove_and_free(room, second);
    assert_ptr_equal(longest_gone(room), third);
    remove_and_free(room, third);
    assert_null(longest_gone(room));
    assert_int_equal(room->known_count, 2);
    assert_ptr_equal(room_find(room, BYTES("h")), host);
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
        assert_int_equal(room->known_count, COUNT - 1 - i);
        assert_true(room->capacity <= 4 * (room->known_count + 1)); /* and costs accordingly */
    }
    room_free(room);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(new_room_is_empty_and_knows_what_it_was_told),
        cmocka_unit_test(members_are_found_by_id_and_listed_in_order_of_entry),
        cmocka_unit_test(removed_member_is_gone_and_the_rest_keep_their_order),
        cmocka_unit_test(members_here_are_found_by_their_index),
        cmocka_unit_test(absent_member_is_known_but_not_here),
        cmocka_unit_test(returning_member_has_its_place_by_index),
        cmocka_unit_test(index_of_who_was_removed_is_not_given_again),
        cmocka_unit_test(longest_gone_is_never_the_host),
        cmocka_unit_test(id_of_the_greatest_length_is_kept_whole),
        cmocka_unit_test(thousand_members_come_and_go),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
