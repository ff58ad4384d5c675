/* Keys of session tickets: how long each is used, and how long it is accepted. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
/* cmocka wants these before it. */
#include <cmocka.h>
#include <string.h>

#include "net/tls_tickets.h"

#define HOUR_S UINT64_C(3600)
#define START_S UINT64_C(1000)

static struct ticket_key newest(struct ticket_keys *keys, uint64_t hours)
{
    struct ticket_key key;
    assert_true(ticket_keys_newest(keys, START_S + hours * HOUR_S, &key));
    return key;
}

static bool is_accepted(struct ticket_keys *keys, const struct ticket_key *key, uint64_t hours)
{
    struct ticket_key found;
    if (!ticket_keys_find(keys, key->name, START_S + hours * HOUR_S, &found))
        return false;
    assert_memory_equal(&found, key, sizeof found);
    return true;
}

static void a_key_is_used_for_twelve_hours_and_accepted_for_as_long(void **state)
{
    struct ticket_keys keys;
    (void)state;
    ticket_keys_init(&keys);
    struct ticket_key first = newest(&keys, 0);
    struct ticket_key still = newest(&keys, 11);
    assert_memory_equal(&first, &still, sizeof first);
    assert_true(is_accepted(&keys, &first, 11));

    struct ticket_key second = newest(&keys, 13);
    assert_memory_not_equal(&first, &second, sizeof first);
    assert_true(is_accepted(&keys, &first, 23));
    assert_true(is_accepted(&keys, &second, 23));

    struct ticket_key third = newest(&keys, 25);
    assert_memory_not_equal(&second, &third, sizeof third);
    assert_false(is_accepted(&keys, &first, 25));
    assert_true(is_accepted(&keys, &second, 25));
    assert_true(is_accepted(&keys, &third, 25));
    ticket_keys_release(&keys);
}

static void a_key_grows_old_though_nobody_asks(void **state)
{
    struct ticket_keys keys;
    (void)state;
    ticket_keys_init(&keys);
    struct ticket_key key = newest(&keys, 0);
    assert_true(is_accepted(&keys, &key, 23));
    assert_false(is_accepted(&keys, &key, 24));
    struct ticket_key next = newest(&keys, 100);
    assert_true(is_accepted(&keys, &next, 111));
    assert_false(is_accepted(&keys, &key, 111));
    ticket_keys_release(&keys);
}

static void names_of_nobody_are_not_found(void **state)
{
    struct ticket_keys keys;
    (void)state;
    ticket_keys_init(&keys);
    const struct ticket_key nobody = {{0}, {0}, {0}};
    assert_false(is_accepted(&keys, &nobody, 0));
    (void)newest(&keys, 0);
    assert_false(is_accepted(&keys, &nobody, 0));
    ticket_keys_release(&keys);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_key_is_used_for_twelve_hours_and_accepted_for_as_long),
        cmocka_unit_test(a_key_grows_old_though_nobody_asks),
        cmocka_unit_test(names_of_nobody_are_not_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
