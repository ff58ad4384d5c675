/* New members by address and room: how many a minute, and what a full table forgets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants these before it. */
#include <cmocka.h>

#include "server/newcomers.h"

static struct newcomers newcomers;

static struct address numbered(uint32_t number)
{
    const uint8_t octets[4] = {203, (uint8_t)(number >> 16), (uint8_t)(number >> 8),
                               (uint8_t)number};
    return address_of_ipv4(octets);
}

static void begin(void)
{
    newcomers = (struct newcomers){0};
    newcomers_init(&newcomers, &kernel_linux);
}

/* How many of 100,000 are let in. */
static uint32_t count_admitted(uint64_t code, uint32_t seats, struct address address,
                               uint32_t now_ms)
{
    uint32_t admitted = 0;
    while (admitted < 100000 && newcomers_admit(&newcomers, code, seats, address, now_ms))
        admitted++;
    return admitted;
}

static void as_many_come_in_a_minute_as_there_are_seats(void **state)
{
    static const uint32_t seats[][2] = {{1, 64}, {8, 64}, {64, 64}, {65, 65}, {10000, 10000}};
    (void)state;
    for (size_t i = 0; i < sizeof seats / sizeof seats[0]; i++) {
        uint32_t now_ms = UINT32_MAX - 30000; /* the clock wraps in between */
        begin();
        assert_int_equal(count_admitted(7, seats[i][0], numbered(1), now_ms), seats[i][1]);
        now_ms += 60000 / 2;
        assert_int_equal(count_admitted(7, seats[i][0], numbered(1), now_ms), seats[i][1] / 2);
        now_ms += 60000;
        assert_int_equal(count_admitted(7, seats[i][0], numbered(1), now_ms), seats[i][1]);
    }
}

static void rooms_and_addresses_are_counted_apart(void **state)
{
    struct address near;
    struct address far;
    (void)state;
    begin();
    assert_int_equal(count_admitted(7, 8, numbered(1), 0), 64);
    assert_int_equal(count_admitted(8, 8, numbered(1), 0), 64);
    assert_int_equal(count_admitted(7, 8, numbered(2), 0), 64);
    assert_true(address_parse(BYTES("2001:db8::1"), &near));
    assert_true(address_parse(BYTES("2001:db8::ffff:1"), &far));
    assert_int_equal(count_admitted(7, 8, near, 0), 64);
    assert_int_equal(count_admitted(7, 8, far, 0), 0);
}

/* However many others are counted for once: who has brought many is not forgotten for that. */
static void full_table_forgets_who_has_brought_least(void **state)
{
    (void)state;
    begin();
    assert_int_equal(count_admitted(7, 8, numbered(1), 0), 64);
    for (uint32_t i = 2; i < 20000; i++)
        assert_true(newcomers_admit(&newcomers, i, 8, numbered(i), 0));
    assert_false(newcomers_admit(&newcomers, 7, 8, numbered(1), 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(as_many_come_in_a_minute_as_there_are_seats),
        cmocka_unit_test(rooms_and_addresses_are_counted_apart),
        cmocka_unit_test(full_table_forgets_who_has_brought_least),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
