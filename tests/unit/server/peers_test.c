/* Peers: who has which place, and which slice a code is of. */
#include "server/peers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static struct peers peers;

/* A node may own any slices, and each of its loops must be able to make rooms. */
static void test_each_slice_has_codes_of_each_loop(void **state)
{
    static bool is_there[MAP_SLICES][LOOPS_MAX];
    (void)state;
    for (uint32_t loops = 1; loops <= LOOPS_MAX; loops++) {
        memset(is_there, 0, sizeof is_there);
        for (uint64_t code = 0; code < (uint64_t)MAP_SLICES * LOOPS_MAX; code++)
            is_there[peers_slice_of(code)][code % loops] = true;
        for (uint32_t slice = 0; slice < MAP_SLICES; slice++) {
            for (uint32_t loop = 0; loop < loops; loop++)
                assert_true(is_there[slice][loop]);
        }
    }
}

static void test_a_process_has_one_place_until_all_are_taken(void **state)
{
    (void)state;
    peers_init(&peers, 1);
    assert_int_equal(peers_find(&peers, 100), PEER_NOBODY);
    for (uint64_t i = 0; i < PEERS_MAX; i++)
        assert_int_equal(peers_add(&peers, 100 + i, 2), i);
    assert_int_equal(peers_add(&peers, 99, 2), PEER_NOBODY);
    assert_int_equal(peers_find(&peers, 99), PEER_NOBODY);
    assert_int_equal(peers_add(&peers, 107, 3), 7);
    assert_int_equal(peers_find(&peers, 107), 7);
    assert_int_equal(atomic_load(&peers.peers[7].loops), 3);
}

static void test_nobody_owns_a_slice_at_first(void **state)
{
    (void)state;
    peers_init(&peers, 1);
    for (uint32_t slice = 0; slice < MAP_SLICES; slice++)
        assert_int_equal(peers_place(peers_owner(&peers, slice)), PEER_NOBODY);
    peers_set_owner(&peers, 5, PEER_HERE, 3);
    assert_int_equal(peers_place(peers_owner(&peers, 5)), PEER_HERE);
    struct ownership_word before = peers_owner(&peers, 5);
    peers_set_owner(&peers, 5, PEER_HERE, 4);
    assert_false(peers_is_same(before, peers_owner(&peers, 5)));
}

static void list(uint8_t place, const char *name, uint64_t rooms, bool is_draining)
{
    struct lease lease = {.rooms = rooms, .clients = rooms + 1, .is_draining = is_draining};
    assert_true(node_id_set(&lease.node, bytes_of_string(name), 100u + place));
    peers_list(&peers, place, &lease);
}

static void test_a_peer_is_listed_with_what_its_lease_says(void **state)
{
    static struct peers_view view;
    (void)state;
    peers_init(&peers, 1);
    for (uint64_t i = 0; i < 3; i++)
        assert_int_equal(peers_add(&peers, 100 + i, 2), i);
    peers_look_at_all(&peers, &view);
    assert_int_equal(view.count, 0);
    list(2, "c", 5, false);
    list(1, "b", 7, true);
    list(1, "another", 7, true); /* somebody else's lease with this incarnation */
    peers_look_at_all(&peers, &view);
    assert_int_equal(view.count, 2);
    assert_string_equal(view.peers[0].name, "b");
    assert_int_equal(view.peers[0].state, PEER_LEAVING);
    assert_int_equal(view.peers[0].rooms, 7);
    assert_int_equal(view.peers[0].clients, 8);
    assert_string_equal(view.peers[1].name, "c");
    assert_int_equal(view.peers[1].state, PEER_SERVING);
    assert_true(view.peers[1].round_trip_us == PEER_NO_ROUND_TRIP);
    peers_set_round_trip(&peers, 2, 417);
    peers_look_at_all(&peers, &view);
    assert_true(view.peers[0].round_trip_us == PEER_NO_ROUND_TRIP);
    assert_true(view.peers[1].round_trip_us == 417);
}

static void test_a_node_that_was_started_again_is_listed_once(void **state)
{
    static struct peers_view view;
    (void)state;
    peers_init(&peers, 1);
    for (uint64_t i = 0; i < 3; i++)
        assert_int_equal(peers_add(&peers, 100 + i, 2), i);
    list(0, "b", 1, false);
    list(1, "c", 1, false);
    list(2, "b", 2, false); /* two processes with one name: nobody knows which one is right */
    peers_look_at_all(&peers, &view);
    assert_int_equal(view.count, 3);
    peers_set_state(&peers, 0, PEER_SILENT);
    peers_set_state(&peers, 1, PEER_SILENT);
    list(2, "b", 3, false);
    peers_look_at_all(&peers, &view);
    assert_int_equal(view.count, 2);
    assert_int_equal(view.peers[0].state, PEER_SILENT);
    assert_string_equal(view.peers[0].name, "c");
    assert_int_equal(view.peers[1].rooms, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_slice_has_codes_of_each_loop),
        cmocka_unit_test(test_a_process_has_one_place_until_all_are_taken),
        cmocka_unit_test(test_nobody_owns_a_slice_at_first),
        cmocka_unit_test(test_a_peer_is_listed_with_what_its_lease_says),
        cmocka_unit_test(test_a_node_that_was_started_again_is_listed_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
