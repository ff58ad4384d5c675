/* Deadlines in a heap: they come in the order of their times, whatever was scheduled or cancelled.
 */
#include "relay/due.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/attributes.h"

#define DUES 300
#define STEPS 20000

static uint32_t next_random(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*state >> 33);
}

/* The scheduled deadline that is due first, found in the slow way; NULL: none. */
static const struct due *first_of(const struct due *dues)
{
    const struct due *first = NULL;
    for (uint32_t i = 0; i < DUES; i++) {
        bool is_earlier = first == NULL || (int32_t)(dues[i].at_ms - first->at_ms) < 0;
        if (dues[i].place != 0 && is_earlier)
            first = &dues[i];
    }
    return first;
}

static void the_first_is_on_top_also_where_times_wrap(void **state)
{
    (void)state;
    struct due_heap heap = {0};
    struct due dues[DUES] = {0};
    uint64_t random = 1;
    assert_true(due_reserve(&heap, DUES));
    for (uint32_t step = 0; step < STEPS; step++) {
        struct due *due = &dues[next_random(&random) % DUES];
        if (next_random(&random) % 3 == 0)
            due_cancel(&heap, due);
        else
            due_schedule(&heap, due, UINT32_MAX - 500 + next_random(&random) % 1000);
        const struct due *expected = first_of(dues);
        const struct due *first = due_first(&heap);
        assert_int_equal(first == NULL, expected == NULL);
        if (first != NULL)
            assert_int_equal(first->at_ms, expected->at_ms);
    }
    uint32_t last_ms = UINT32_MAX - 500;
    struct due *due;
    while ((due = due_first(&heap)) != NULL) {
        assert_true((int32_t)(due->at_ms - last_ms) >= 0);
        last_ms = due->at_ms;
        due_cancel(&heap, due);
        due_cancel(&heap, due); /* does nothing */
    }
    due_give_back(&heap, DUES);
    due_release(&heap);
}

static void places_are_reserved_and_given_back(void **state)
{
    (void)state;
    struct due_heap heap = {0};
    struct due one = {0};
    for (uint32_t i = 0; i < 1000; i++)
        assert_true(due_reserve(&heap, 1));
    assert_true(heap.capacity >= 1000);
    due_schedule(&heap, &one, 5);
    for (uint32_t i = 0; i < 999; i++)
        due_give_back(&heap, 1);
    assert_true(heap.capacity < 100);
    assert_ptr_equal(due_first(&heap), &one);
    due_cancel(&heap, &one);
    due_give_back(&heap, 1);
    assert_null(due_first(&heap));
    due_release(&heap);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_is_on_top_also_where_times_wrap),
        cmocka_unit_test(places_are_reserved_and_given_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
