/* Connections and failed joins by address: counts, forgetting, growth and its bound. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants these before it. */
#include <cmocka.h>

#include "server/limits.h"
#include "server/places.h"

static struct address numbered(uint32_t number)
{
    const uint8_t octets[4] = {10, (uint8_t)(number >> 16), (uint8_t)(number >> 8),
                               (uint8_t)number};
    return address_of_ipv4(octets);
}

static uint32_t enter(struct places *places, struct address address, uint32_t expected)
{
    uint32_t connections;
    uint32_t place = places_enter(places, address, &connections);
    assert_int_not_equal(place, PLACE_NONE);
    assert_int_equal(connections, expected);
    return place;
}

static void connections_are_counted_by_place(void **state)
{
    struct places places;
    struct address first;
    struct address second;
    (void)state;
    assert_true(places_init(&places));
    uint32_t one = enter(&places, numbered(1), 1);
    assert_int_equal(enter(&places, numbered(1), 2), one);
    enter(&places, numbered(2), 1);
    assert_true(address_parse(BYTES("2001:db8::1"), &first));
    assert_true(address_parse(BYTES("2001:db8::ffff:1"), &second));
    uint32_t six = enter(&places, first, 1);
    assert_int_equal(enter(&places, second, 2), six);
    places_leave(&places, one, 0);
    enter(&places, numbered(1), 2);
    places_leave(&places, PLACE_NONE, 0);
    places_release(&places);
}

static void a_place_without_connections_or_debt_is_forgotten(void **state)
{
    struct places places;
    (void)state;
    assert_true(places_init(&places));
    for (uint32_t i = 0; i < 10000; i++)
        places_leave(&places, enter(&places, numbered(i), 1), 0);
    assert_int_equal(places.capacity, 64);
    assert_int_equal(places.remembered_count, 0);
    places_release(&places);
}

static void the_table_grows_and_finds_everyone_again(void **state)
{
    static uint32_t numbers[5000];
    struct places places;
    (void)state;
    assert_true(places_init(&places));
    for (uint32_t i = 0; i < 5000; i++)
        numbers[i] = enter(&places, numbered(i), 1);
    for (uint32_t i = 0; i < 5000; i++)
        assert_int_equal(enter(&places, numbered(i), 2), numbers[i]);
    for (uint32_t i = 0; i < 5000; i += 2) {
        places_leave(&places, numbers[i], 0);
        places_leave(&places, numbers[i], 0);
    }
    for (uint32_t i = 0; i < 5000; i++)
        enter(&places, numbered(i), i % 2 == 0 ? 1 : 3);
    places_release(&places);
}

static void failed_joins_beyond_the_budget_are_told_and_forgotten_evenly(void **state)
{
    struct places places;
    (void)state;
    assert_true(places_init(&places));
    uint32_t now_ms = UINT32_MAX - 1000; /* the clock wraps on the way */
    uint32_t place = enter(&places, numbered(1), 1);
    for (int i = 0; i < 60; i++)
        assert_false(places_fail_join(&places, place, 60, now_ms));
    assert_true(places_fail_join(&places, place, 60, now_ms));
    /* A budget of 60 a minute: one a second is forgotten. 61 are owed. */
    now_ms += 1000;
    assert_true(places_fail_join(&places, place, 60, now_ms));
    now_ms += 2000;
    assert_false(places_fail_join(&places, place, 60, now_ms));
    assert_true(places_fail_join(&places, place, 60, now_ms));
    /* However much is tried, after two such times all is forgotten. */
    for (int i = 0; i < 1000; i++)
        assert_true(places_fail_join(&places, place, 60, now_ms));
    now_ms += 2 * PLACE_BUDGET_MS;
    for (int i = 0; i < 60; i++)
        assert_false(places_fail_join(&places, place, 60, now_ms));
    assert_true(places_fail_join(&places, place, 60, now_ms));
    places_release(&places);
}

static void slow_steps_of_the_clock_are_not_lost(void **state)
{
    struct places places;
    (void)state;
    assert_true(places_init(&places));
    uint32_t place = enter(&places, numbered(1), 1);
    for (int i = 0; i < 4; i++)
        (void)places_fail_join(&places, place, 1, 0);
    for (uint32_t now_ms = 1; now_ms < 2 * PLACE_BUDGET_MS; now_ms += 7)
        places_leave(&places, enter(&places, numbered(1), 2), now_ms);
    assert_false(places_fail_join(&places, place, 1, 2 * PLACE_BUDGET_MS));
    places_release(&places);
}

static void debts_outlive_connections_up_to_a_bound(void **state)
{
    struct places places;
    (void)state;
    assert_true(places_init(&places));
    for (uint32_t i = 0; i < PLACES_REMEMBERED_MAX + 100; i++) {
        uint32_t place = enter(&places, numbered(i), 1);
        assert_false(places_fail_join(&places, place, 1, 0));
        places_leave(&places, place, 0);
    }
    assert_int_equal(places.remembered_count, PLACES_REMEMBERED_MAX);
    /* The longest gone were forgotten first. */
    assert_false(places_fail_join(&places, enter(&places, numbered(0), 1), 1, 0));
    assert_true(places_fail_join(&places, enter(&places, numbered(100), 1), 1, 0));
    places_release(&places);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(connections_are_counted_by_place),
        cmocka_unit_test(a_place_without_connections_or_debt_is_forgotten),
        cmocka_unit_test(the_table_grows_and_finds_everyone_again),
        cmocka_unit_test(failed_joins_beyond_the_budget_are_told_and_forgotten_evenly),
        cmocka_unit_test(slow_steps_of_the_clock_are_not_lost),
        cmocka_unit_test(debts_outlive_connections_up_to_a_bound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
