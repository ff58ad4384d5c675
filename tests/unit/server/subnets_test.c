/* Connections and misses by address: counts, forgetting, growth and its bound. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants these before it. */
#include <cmocka.h>

#include "server/limits.h"
#include "server/subnets.h"

static struct address numbered(uint32_t number)
{
    const uint8_t octets[4] = {10, (uint8_t)(number >> 16), (uint8_t)(number >> 8),
                               (uint8_t)number};
    return address_of_ipv4(octets);
}

static struct address address_from(const char *text)
{
    struct address address;
    assert_true(address_parse(bytes_of_string(text), &address));
    return address;
}

static uint32_t enter(struct subnets *subnets, struct address address)
{
    uint32_t subnet = subnets_enter(subnets, address);
    assert_int_not_equal(subnet, SUBNET_NONE);
    return subnet;
}

static uint32_t enter_text(struct subnets *subnets, const char *text)
{
    return enter(subnets, address_from(text));
}

static bool add_connection(struct subnets *subnets, uint32_t subnet, uint32_t most)
{
    const struct subnets_limits limits = {.connections = most};
    return subnets_add_connection(subnets, subnet, SUBNETS_OUTSIDE, limits) == SUBNETS_ENTERED;
}

static void add_many(struct subnets *subnets, uint32_t subnet, enum subnets_kind kind,
                     uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        assert_int_equal(subnets_add_connection(subnets, subnet, kind, (struct subnets_limits){0}),
                         SUBNETS_ENTERED);
}

/* How many misses somebody there is told, one after the other at the same time. */
static uint32_t misses_told(struct subnets *subnets, uint32_t subnet, uint32_t now_ms)
{
    uint32_t count = 0;
    while (subnets_may_tell(subnets, subnet, true, now_ms))
        count++;
    assert_false(subnets_may_tell(subnets, subnet, false, now_ms));
    assert_false(subnets_may_ask(subnets, subnet, now_ms));
    return count;
}

static void an_address_has_so_many_connections_and_no_more(void **state)
{
    struct subnets subnets;
    (void)state;
    assert_true(subnets_init(&subnets, 0, &kernel_linux));
    uint32_t one = enter_text(&subnets, "192.0.2.1");
    uint32_t other = enter_text(&subnets, "192.0.2.2");
    assert_int_equal(enter_text(&subnets, "192.0.2.1"), one);
    assert_int_not_equal(other, one);
    for (int i = 0; i < 3; i++)
        assert_true(add_connection(&subnets, one, 3));
    assert_false(add_connection(&subnets, one, 3));
    assert_true(add_connection(&subnets, one, 0));
    assert_true(add_connection(&subnets, other, 3));
    subnets_remove_connection(&subnets, one, SUBNETS_OUTSIDE);
    subnets_remove_connection(&subnets, one, SUBNETS_OUTSIDE);
    assert_true(add_connection(&subnets, one, 3));
    subnets_leave(&subnets, SUBNET_NONE, 0);
    subnets_release(&subnets);
}

static void a_56_has_four_times_and_a_48_sixteen_times_the_connections_of_a_64(void **state)
{
    struct subnets subnets;
    uint32_t counted = 0;
    (void)state;
    assert_true(subnets_init(&subnets, 0, &kernel_linux));
    assert_int_equal(enter_text(&subnets, "2001:db8:1:2::1"),
                     enter_text(&subnets, "2001:db8:1:2:ff::"));
    for (uint32_t network = 0; network < 0x10000; network++) {
        struct address address = address_from("2001:db8:1::1");
        address.octets[6] = (uint8_t)(network >> 8);
        address.octets[7] = (uint8_t)network;
        uint32_t subnet = enter(&subnets, address);
        uint32_t before = counted;
        while (add_connection(&subnets, subnet, 2))
            counted++;
        assert_true(counted - before <= 2);
        if (network == 0xFF)
            assert_int_equal(counted, 4 * 2);
    }
    assert_int_equal(counted, 16 * 2);
    assert_true(add_connection(&subnets, enter_text(&subnets, "2001:db8:2::1"), 2));
    subnets_release(&subnets);
}

static void a_subnet_that_nobody_holds_is_forgotten(void **state)
{
    struct subnets subnets;
    (void)state;
    assert_true(subnets_init(&subnets, 5, &kernel_linux));
    for (uint32_t i = 0; i < 10000; i++)
        subnets_leave(&subnets, enter(&subnets, numbered(i)), 0);
    for (uint32_t i = 0; i < 200; i++) {
        struct address address = address_from("2001:db8::1");
        address.octets[5] = (uint8_t)i;
        uint32_t subnet = enter(&subnets, address);
        subnets_hold(&subnets, subnet);
        subnets_leave(&subnets, subnet, 0);
        assert_true(subnets_may_tell(&subnets, subnet, false, 0));
        subnets_leave(&subnets, subnet, 0);
    }
    assert_int_equal(subnets.capacity, 64);
    assert_int_equal(subnets.remembered_count, 0);
    subnets_release(&subnets);
}

static void the_table_grows_and_finds_everyone_again(void **state)
{
    static uint32_t numbers[5000];
    struct subnets subnets;
    (void)state;
    assert_true(subnets_init(&subnets, 0, &kernel_linux));
    for (uint32_t i = 0; i < 5000; i++)
        numbers[i] = enter(&subnets, numbered(i));
    for (uint32_t i = 0; i < 5000; i++)
        assert_int_equal(enter(&subnets, numbered(i)), numbers[i]);
    for (uint32_t i = 0; i < 5000; i += 2) {
        subnets_leave(&subnets, numbers[i], 0);
        subnets_leave(&subnets, numbers[i], 0);
    }
    for (uint32_t i = 1; i < 5000; i += 2)
        assert_int_equal(enter(&subnets, numbered(i)), numbers[i]);
    subnets_release(&subnets);
}

static void misses_beyond_the_budget_are_not_told_and_are_forgotten_evenly(void **state)
{
    struct subnets subnets;
    (void)state;
    assert_true(subnets_init(&subnets, 60, &kernel_linux));
    uint32_t now_ms = UINT32_MAX - 1000; /* the clock wraps on the way */
    uint32_t subnet = enter_text(&subnets, "192.0.2.1");
    for (int i = 0; i < 100; i++)
        assert_true(subnets_may_tell(&subnets, subnet, false, now_ms)); /* hits spend nothing */
    assert_int_equal(misses_told(&subnets, subnet, now_ms), 60);
    /* A budget of 60 a minute: one a second is forgotten. */
    assert_int_equal(misses_told(&subnets, subnet, now_ms + 999), 0);
    now_ms += 1000;
    assert_true(subnets_may_ask(&subnets, subnet, now_ms));
    assert_int_equal(misses_told(&subnets, subnet, now_ms), 1);
    now_ms += 2500;
    assert_int_equal(misses_told(&subnets, subnet, now_ms), 2);
    now_ms += SUBNET_BUDGET_MS;
    assert_int_equal(misses_told(&subnets, subnet, now_ms), 60);
    /* The clock of another thread is a little behind. */
    assert_int_equal(misses_told(&subnets, subnet, now_ms - 5), 0);
    subnets_release(&subnets);
}

static void loopback_and_private_addresses_have_ten_budgets(void **state)
{
    struct subnets subnets;
    (void)state;
    assert_true(subnets_init(&subnets, 7, &kernel_linux));
    static const char *const private[] = {"127.0.0.1", "192.168.1.20", "::1", "fd00::1"};
    for (size_t i = 0; i < ARRAY_LENGTH(private); i++)
        assert_int_equal(misses_told(&subnets, enter_text(&subnets, private[i]), 0), 70);
    assert_int_equal(misses_told(&subnets, enter_text(&subnets, "192.0.2.1"), 0), 7);
    subnets_release(&subnets);
}

static void a_56_has_four_budgets_and_a_48_sixteen(void **state)
{
    struct subnets subnets;
    uint32_t told = 0;
    (void)state;
    assert_true(subnets_init(&subnets, 10, &kernel_linux));
    for (uint32_t network = 0; network < 0x1000; network++) {
        struct address address = address_from("2001:db8:1::1");
        address.octets[6] = (uint8_t)(network >> 8);
        address.octets[7] = (uint8_t)network;
        uint32_t subnet = enter(&subnets, address);
        uint32_t count = misses_told(&subnets, subnet, 0);
        subnets_leave(&subnets, subnet, 0);
        assert_true(count <= 10);
        told += count;
        if (network == 0xFF)
            assert_int_equal(told, 4 * 10);
    }
    assert_int_equal(told, 16 * 10);
    assert_int_equal(misses_told(&subnets, enter_text(&subnets, "2001:db8:2::1"), 0), 10);
    subnets_release(&subnets);
}

static void slow_steps_of_the_clock_are_not_lost(void **state)
{
    struct subnets subnets;
    (void)state;
    assert_true(subnets_init(&subnets, 1, &kernel_linux));
    uint32_t subnet = enter_text(&subnets, "192.0.2.1");
    assert_int_equal(misses_told(&subnets, subnet, 0), 1);
    for (uint32_t now_ms = 1; now_ms < SUBNET_BUDGET_MS; now_ms += 7)
        assert_false(subnets_may_ask(&subnets, subnet, now_ms));
    assert_true(subnets_may_ask(&subnets, subnet, SUBNET_BUDGET_MS));
    subnets_release(&subnets);
}

static void misses_outlive_connections_up_to_a_bound(void **state)
{
    struct subnets subnets;
    (void)state;
    assert_true(subnets_init(&subnets, 1, &kernel_linux));
    for (uint32_t i = 0; i < SUBNETS_REMEMBERED_MAX + 100; i++) {
        struct address address = numbered(i);
        address.octets[12] = 8; /* a public one */
        uint32_t subnet = enter(&subnets, address);
        assert_int_equal(misses_told(&subnets, subnet, 0), 1);
        subnets_leave(&subnets, subnet, 0);
    }
    assert_int_equal(subnets.remembered_count, SUBNETS_REMEMBERED_MAX);
    /* The longest gone were forgotten first. */
    assert_int_equal(misses_told(&subnets, enter_text(&subnets, "8.0.0.0"), 0), 1);
    assert_int_equal(misses_told(&subnets, enter_text(&subnets, "8.0.0.100"), 0), 0);
    subnets_release(&subnets);
}

static void wider_networks_are_remembered_and_forgotten_with_theirs(void **state)
{
    struct subnets subnets;
    (void)state;
    assert_true(subnets_init(&subnets, 1, &kernel_linux));
    for (uint32_t i = 0; i < SUBNETS_REMEMBERED_MAX + 100; i++) {
        struct address address = address_from("2001:db8::1");
        address.octets[3] = (uint8_t)(i >> 16);
        address.octets[4] = (uint8_t)(i >> 8);
        address.octets[5] = (uint8_t)i;
        uint32_t subnet = enter(&subnets, address);
        assert_int_equal(misses_told(&subnets, subnet, 0), 1);
        subnets_leave(&subnets, subnet, 0);
    }
    assert_int_equal(subnets.remembered_count, SUBNETS_REMEMBERED_MAX);
    /* When all is forgotten and somebody comes again, nothing is left over. */
    struct address address = address_from("2001:db8::1");
    for (uint32_t i = 0; i < SUBNETS_REMEMBERED_MAX + 100; i++) {
        address.octets[3] = (uint8_t)(i >> 16);
        address.octets[4] = (uint8_t)(i >> 8);
        address.octets[5] = (uint8_t)i;
        subnets_leave(&subnets, enter(&subnets, address), 2 * SUBNET_BUDGET_MS);
    }
    assert_true(subnets.remembered_count <= 300);
    subnets_release(&subnets);
}

static void unfinished_handshakes_have_a_limit_of_their_own(void **state)
{
    const struct subnets_limits limits = {.connections = 6, .handshakes = 2};
    struct subnets subnets;
    (void)state;
    assert_true(subnets_init(&subnets, 0, &kernel_linux));
    uint32_t one = enter_text(&subnets, "192.0.2.1");
    for (int i = 0; i < 2; i++)
        assert_int_equal(subnets_add_connection(&subnets, one, SUBNETS_HANDSHAKE, limits),
                         SUBNETS_ENTERED);
    assert_int_equal(subnets_add_connection(&subnets, one, SUBNETS_HANDSHAKE, limits),
                     SUBNETS_TOO_MANY_HANDSHAKES);
    for (int i = 0; i < 4; i++) {
        subnets_change_kind(&subnets, one, SUBNETS_HANDSHAKE, SUBNETS_OUTSIDE);
        assert_int_equal(subnets_add_connection(&subnets, one, SUBNETS_HANDSHAKE, limits),
                         SUBNETS_ENTERED);
    }
    assert_int_equal(subnets_count(&subnets, one, SUBNETS_HANDSHAKE), 2);
    assert_int_equal(subnets_count(&subnets, one, SUBNETS_OUTSIDE), 4);
    assert_int_equal(subnets_add_connection(&subnets, one, SUBNETS_HANDSHAKE, limits),
                     SUBNETS_TOO_MANY);
    subnets_release(&subnets);
}

static void the_heaviest_has_most_connections_in_no_room(void **state)
{
    struct subnets subnets;
    (void)state;
    assert_true(subnets_init(&subnets, 0, &kernel_linux));
    uint32_t game = enter_text(&subnets, "192.0.2.1");
    uint32_t crowd = enter_text(&subnets, "192.0.2.2");
    uint32_t newcomer = enter_text(&subnets, "192.0.2.3");
    uint32_t now_ms = 0;
    add_many(&subnets, game, SUBNETS_MEMBER, 100);
    add_many(&subnets, crowd, SUBNETS_HANDSHAKE, 5);
    add_many(&subnets, crowd, SUBNETS_OUTSIDE, 5);
    add_many(&subnets, newcomer, SUBNETS_HANDSHAKE, 9);
    now_ms += SUBNETS_LOOK_INTERVAL_MS;
    assert_int_equal(subnets_find_heaviest(&subnets, newcomer, now_ms), crowd);
    subnets_leave(&subnets, crowd, now_ms);
    assert_int_equal(subnets_find_heaviest(&subnets, crowd, now_ms), SUBNET_NONE);
    add_many(&subnets, newcomer, SUBNETS_HANDSHAKE, 1);
    assert_int_equal(subnets_find_heaviest(&subnets, newcomer, now_ms), SUBNET_NONE);

    /* A /56 counts as four addresses, however many /64 are in it. */
    uint32_t networks[50];
    for (uint32_t i = 0; i < ARRAY_LENGTH(networks); i++) {
        struct address address = address_from("2001:db8:1:100::1");
        address.octets[7] = (uint8_t)i;
        networks[i] = enter(&subnets, address);
        add_many(&subnets, networks[i], SUBNETS_OUTSIDE, 1);
    }
    now_ms += SUBNETS_LOOK_INTERVAL_MS;
    uint32_t heaviest = subnets_find_heaviest(&subnets, newcomer, now_ms);
    assert_int_equal(subnets_count(&subnets, heaviest, SUBNETS_OUTSIDE), 50);
    assert_true(
        address_equal(subnets_first_address(&subnets, heaviest), address_from("2001:db8:1:100::")));
    for (size_t i = 0; i < ARRAY_LENGTH(networks); i++)
        assert_true(subnets_is_within(&subnets, networks[i], heaviest));
    assert_false(subnets_is_within(&subnets, crowd, heaviest));
    assert_false(subnets_is_within(&subnets, SUBNET_NONE, heaviest));
    assert_int_equal(subnets_find_heaviest(&subnets, networks[7], now_ms), SUBNET_NONE);
    subnets_release(&subnets);
}

/* Handshakes of a subnet that come first, of so many that are asked for at the same time. */
static uint32_t first_handshakes(struct subnets *subnets, uint32_t subnet, uint32_t asked,
                                 uint32_t now_ms)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < asked; i++)
        count += subnets_ask_handshake(subnets, subnet, now_ms);
    return count;
}

static void handshakes_come_first_of_who_asks_for_few(void **state)
{
    struct subnets subnets;
    (void)state;
    assert_true(subnets_init(&subnets, 0, &kernel_linux));
    uint32_t now_ms = 1000;
    uint32_t one = enter_text(&subnets, "192.0.2.1");
    uint32_t other = enter_text(&subnets, "192.0.2.2");
    assert_int_equal(first_handshakes(&subnets, one, 20, now_ms), HANDSHAKES_FEW);
    assert_int_equal(first_handshakes(&subnets, other, 1, now_ms), 1);
    /* Who asked for more waits until that is forgotten. */
    now_ms += 1000;
    assert_int_equal(first_handshakes(&subnets, one, 1, now_ms), 0);
    now_ms += (20 + 1) * 1000 / HANDSHAKES_PER_S;
    assert_int_equal(first_handshakes(&subnets, one, 20, now_ms), HANDSHAKES_FEW);
    now_ms += HANDSHAKES_REMEMBERED * HANDSHAKES_FEW * 1000 / HANDSHAKES_PER_S;
    first_handshakes(&subnets, one, 1000, now_ms);
    now_ms += HANDSHAKES_REMEMBERED * HANDSHAKES_FEW * 1000 / HANDSHAKES_PER_S;
    assert_int_equal(first_handshakes(&subnets, one, 1, now_ms), 1);
    /* A /56 has four times as many, however many /64 are in it. */
    uint32_t first = 0;
    for (uint8_t i = 0; i < 100; i++) {
        struct address address = address_from("2001:db8:1:100::1");
        address.octets[7] = i;
        first += first_handshakes(&subnets, enter(&subnets, address), 1, now_ms);
    }
    assert_int_equal(first, 4 * HANDSHAKES_FEW);
    assert_true(subnets_ask_handshake(&subnets, SUBNET_NONE, now_ms)); /* a proxy's */
    subnets_release(&subnets);
}

static void what_costs_work_has_a_limit_and_is_paid_off_evenly(void **state)
{
    struct subnets subnets;
    (void)state;
    assert_true(subnets_init(&subnets, 0, &kernel_linux));
    uint32_t now_ms = 1000;
    uint32_t one = enter_text(&subnets, "192.0.2.1");
    subnets_spend(&subnets, one, COST_AT_ONCE, now_ms);
    assert_true(subnets_may_spend(&subnets, one, now_ms));
    subnets_spend(&subnets, one, 1000 * COST_PER_MS, now_ms); /* leaves a debt */
    assert_false(subnets_may_spend(&subnets, one, now_ms + 999));
    assert_true(subnets_may_spend(&subnets, one, now_ms + 1000));
    uint32_t private = enter_text(&subnets, "10.0.0.1");
    subnets_spend(&subnets, private, (uint64_t)PRIVATE_SUBNET_BUDGETS * COST_AT_ONCE, now_ms);
    assert_true(subnets_may_spend(&subnets, private, now_ms));
    uint32_t told = 0;
    for (uint8_t i = 0; i < 255; i++) {
        struct address address = address_from("2001:db8:1:100::1");
        address.octets[7] = i;
        uint32_t subnet = enter(&subnets, address);
        bool may_spend = subnets_may_spend(&subnets, subnet, now_ms);
        if (may_spend)
            subnets_spend(&subnets, subnet, COST_AT_ONCE, now_ms);
        told += may_spend;
    }
    assert_int_equal(told, 5); /* of a /56; the last of them leaves the debt */

    /* Who leaves and comes back has not paid by that. */
    subnets_spend(&subnets, one, 2 * COST_AT_ONCE, now_ms);
    subnets_leave(&subnets, one, now_ms);
    assert_false(subnets_may_spend(&subnets, enter_text(&subnets, "192.0.2.1"), now_ms));
    subnets_release(&subnets);
}

static void so_many_may_wait_here_and_in_all(void **state)
{
    struct subnets subnets;
    uint32_t waiting = 0;
    (void)state;
    assert_true(subnets_init(&subnets, 1, &kernel_linux));
    for (uint32_t i = 0; waiting < WAITING_MAX; i++) {
        uint32_t subnet = enter(&subnets, numbered(i));
        uint32_t here = 0;
        while (subnets_begin_waiting(&subnets, subnet))
            here++;
        waiting += here;
        assert_int_equal(here, WAITING_PER_SUBNET_MAX);
    }
    uint32_t first = enter(&subnets, numbered(0));
    assert_false(subnets_begin_waiting(&subnets, SUBNET_NONE));
    subnets_end_waiting(&subnets, first);
    assert_true(subnets_begin_waiting(&subnets, SUBNET_NONE));
    assert_false(subnets_begin_waiting(&subnets, first));
    subnets_end_waiting(&subnets, SUBNET_NONE);
    assert_true(subnets_begin_waiting(&subnets, first));
    subnets_release(&subnets);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_address_has_so_many_connections_and_no_more),
        cmocka_unit_test(a_56_has_four_times_and_a_48_sixteen_times_the_connections_of_a_64),
        cmocka_unit_test(a_subnet_that_nobody_holds_is_forgotten),
        cmocka_unit_test(the_table_grows_and_finds_everyone_again),
        cmocka_unit_test(misses_beyond_the_budget_are_not_told_and_are_forgotten_evenly),
        cmocka_unit_test(loopback_and_private_addresses_have_ten_budgets),
        cmocka_unit_test(a_56_has_four_budgets_and_a_48_sixteen),
        cmocka_unit_test(slow_steps_of_the_clock_are_not_lost),
        cmocka_unit_test(misses_outlive_connections_up_to_a_bound),
        cmocka_unit_test(wider_networks_are_remembered_and_forgotten_with_theirs),
        cmocka_unit_test(unfinished_handshakes_have_a_limit_of_their_own),
        cmocka_unit_test(the_heaviest_has_most_connections_in_no_room),
        cmocka_unit_test(handshakes_come_first_of_who_asks_for_few),
        cmocka_unit_test(what_costs_work_has_a_limit_and_is_paid_off_evenly),
        cmocka_unit_test(so_many_may_wait_here_and_in_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
