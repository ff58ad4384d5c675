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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_slice_has_codes_of_each_loop),
        cmocka_unit_test(test_a_process_has_one_place_until_all_are_taken),
        cmocka_unit_test(test_nobody_owns_a_slice_at_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
