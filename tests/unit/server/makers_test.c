/* The empty rooms of an address: how many there may be, which one is over, and on which loop. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants these before it. */
#include <cmocka.h>

#include "server/makers.h"

static struct address address_of(const char *text)
{
    struct address address;
    assert_true(address_parse(bytes_of_string(text), &address));
    return address;
}

static struct maker *enter(struct makers *makers, const char *address)
{
    struct maker *maker = makers_enter(makers, address_of(address));
    assert_non_null(maker);
    return maker;
}

static void begin(struct vacancy *vacancies, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        vacancies[i] = (struct vacancy){.loop = i % 3};
        list_init(&vacancies[i].link);
    }
}

/* The room's loop is told that it is over when it is one too many, and no other one is. */
static void oldest_is_over_on_its_own_loop(void **state)
{
    (void)state;
    static struct vacancy vacancies[VACANT_ROOMS_MAX + 2];
    struct makers makers;
    uint32_t loop = LOOPS_MAX;
    assert_true(makers_init(&makers));
    struct maker *maker = enter(&makers, "192.0.2.1");
    begin(vacancies, VACANT_ROOMS_MAX + 2);
    for (uint32_t i = 0; i < VACANT_ROOMS_MAX; i++)
        assert_false(makers_add_vacancy(&makers, maker, &vacancies[i], &loop));
    makers_remove_vacancy(&makers, maker, &vacancies[0]);
    assert_false(makers_add_vacancy(&makers, maker, &vacancies[VACANT_ROOMS_MAX], &loop));
    assert_true(makers_add_vacancy(&makers, maker, &vacancies[VACANT_ROOMS_MAX + 1], &loop));
    assert_int_equal(loop, 1);
    assert_null(makers_take_over(&makers, 0));
    assert_ptr_equal(makers_take_over(&makers, 1), &vacancies[1]);
    assert_null(makers_take_over(&makers, 1));
    for (uint32_t i = 1; i < VACANT_ROOMS_MAX + 2; i++)
        makers_remove_vacancy(&makers, maker, &vacancies[i]);
    makers_leave(&makers, maker);
    makers_release(&makers);
}

/* Somebody may come back before the loop has read its mail. */
static void room_that_is_over_may_be_occupied_in_time(void **state)
{
    (void)state;
    static struct vacancy vacancies[VACANT_ROOMS_MAX + 2];
    struct makers makers;
    uint32_t loop;
    assert_true(makers_init(&makers));
    struct maker *maker = enter(&makers, "192.0.2.1");
    begin(vacancies, VACANT_ROOMS_MAX + 2);
    for (uint32_t i = 0; i < VACANT_ROOMS_MAX; i++)
        assert_false(makers_add_vacancy(&makers, maker, &vacancies[i], &loop));
    assert_true(makers_add_vacancy(&makers, maker, &vacancies[VACANT_ROOMS_MAX], &loop));
    makers_remove_vacancy(&makers, maker, &vacancies[0]);
    assert_null(makers_take_over(&makers, 0));
    /* It was not counted any more: there is no place for another. */
    assert_true(makers_add_vacancy(&makers, maker, &vacancies[VACANT_ROOMS_MAX + 1], &loop));
    for (uint32_t i = 1; i < VACANT_ROOMS_MAX + 2; i++)
        makers_remove_vacancy(&makers, maker, &vacancies[i]);
    makers_leave(&makers, maker);
    makers_release(&makers);
}

/* An IPv6 /48 is one address; another one has a count of its own, and so has one that comes back.
 */
static void addresses_are_counted_apart(void **state)
{
    (void)state;
    static struct vacancy vacancies[VACANT_ROOMS_MAX + 1];
    struct makers makers;
    uint32_t loop;
    assert_true(makers_init(&makers));
    struct maker *maker = enter(&makers, "2001:db8::1");
    struct maker *other = enter(&makers, "2001:db8:1::1");
    assert_ptr_equal(enter(&makers, "2001:db8:0:ffff::2"), maker);
    assert_ptr_not_equal(maker, other);
    begin(vacancies, VACANT_ROOMS_MAX + 1);
    for (uint32_t i = 0; i < VACANT_ROOMS_MAX; i++)
        assert_false(makers_add_vacancy(&makers, maker, &vacancies[i], &loop));
    assert_false(makers_add_vacancy(&makers, other, &vacancies[VACANT_ROOMS_MAX], &loop));
    for (uint32_t i = 0; i < VACANT_ROOMS_MAX; i++)
        makers_remove_vacancy(&makers, maker, &vacancies[i]);
    makers_remove_vacancy(&makers, other, &vacancies[VACANT_ROOMS_MAX]);
    makers_leave(&makers, other);
    makers_leave(&makers, maker);
    makers_leave(&makers, maker);
    makers_leave(&makers, enter(&makers, "2001:db8::1"));
    assert_null(makers.tree);
    makers_release(&makers);
}

/* What the rooms of an address keep has a ceiling, unless the address is a private one. */
static void bytes_have_a_ceiling_for_public_addresses(void **state)
{
    (void)state;
    static const char *const private[] = {"127.0.0.1", "::1", "10.1.2.3", "192.168.0.7", "fd00::1"};
    struct makers makers;
    assert_true(makers_init(&makers));
    struct maker *maker = enter(&makers, "192.0.2.1");
    assert_true(makers_admit_bytes(maker, 60, 100));
    assert_false(makers_admit_bytes(maker, 41, 100));
    assert_true(makers_admit_bytes(maker, 40, 100));
    assert_true(makers_admit_bytes(maker, 40, SIZE_MAX));
    assert_false(makers_admit_bytes(maker, 1, 100));
    makers_dismiss_bytes(maker, 41);
    assert_true(makers_admit_bytes(maker, 1, 100));
    makers_leave(&makers, maker);
    for (size_t i = 0; i < sizeof private / sizeof private[0]; i++) {
        maker = enter(&makers, private[i]);
        assert_true(makers_admit_bytes(maker, 1000, 100));
        makers_leave(&makers, maker);
    }
    makers_release(&makers);
}

static void unknown_makers_have_no_bound(void **state)
{
    (void)state;
    struct vacancy vacancy;
    struct makers makers;
    uint32_t loop;
    assert_true(makers_init(&makers));
    begin(&vacancy, 1);
    for (uint32_t i = 0; i < 2 * VACANT_ROOMS_MAX; i++)
        assert_false(makers_add_vacancy(&makers, NULL, &vacancy, &loop));
    makers_remove_vacancy(&makers, NULL, &vacancy);
    assert_true(makers_admit_bytes(NULL, 1000, 100));
    makers_dismiss_bytes(NULL, 1000);
    makers_leave(&makers, NULL);
    makers_release(&makers);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(oldest_is_over_on_its_own_loop),
        cmocka_unit_test(room_that_is_over_may_be_occupied_in_time),
        cmocka_unit_test(addresses_are_counted_apart),
        cmocka_unit_test(bytes_have_a_ceiling_for_public_addresses),
        cmocka_unit_test(unknown_makers_have_no_bound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
