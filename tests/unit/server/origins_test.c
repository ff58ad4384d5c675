/* Who is listed and who is forgotten, and that no count is lost on the way. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
/* cmocka wants these before it. */
#include <cmocka.h>

#include "server/origins.h"

#define REPORT_MAX (ORIGINS_LISTED_MAX + 1)

struct sums {
    uint64_t clients;
    uint64_t rooms;
    uint64_t connections_total;
    uint64_t rooms_total;
};

static struct bytes numbered(uint32_t number)
{
    static char text[32];
    int length = snprintf(text, sizeof text, "https://%u.example", number);
    return bytes_of(text, (size_t)length);
}

static uint32_t now_ms;

/* Time passes, so that one of the listed may be replaced. */
static uint16_t add_client(struct origins *origins, struct bytes name)
{
    now_ms += HOUR_MS;
    return origins_add_client(origins, name, now_ms);
}

static uint16_t enter(struct origins *origins, uint32_t number)
{
    return add_client(origins, numbered(number));
}

static void come_and_go(struct origins *origins, uint32_t number)
{
    origins_remove_client(origins, enter(origins, number));
}

static uint32_t crowds[ORIGINS_MAX + 1]; /* what the loops have counted */

static size_t report(struct origins *origins, struct origin_counts *items, uint32_t *tracked)
{
    size_t count = origins_report(origins, crowds, items, tracked);
    assert_in_range(count, 0, REPORT_MAX);
    assert_in_range(*tracked, 0, ORIGINS_MAX);
    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; j < i; j++)
            assert_false(bytes_equal(bytes_of(items[i].name, items[i].name_length),
                                     bytes_of(items[j].name, items[j].name_length)));
    }
    return count;
}

/* What the report says of a name; NULL when nothing. The next call overwrites it. */
static const struct origin_counts *find(struct origins *origins, struct bytes name)
{
    static struct origin_counts items[REPORT_MAX];
    uint32_t tracked;
    size_t count = report(origins, items, &tracked);
    for (size_t i = 0; i < count; i++) {
        if (bytes_equal(bytes_of(items[i].name, items[i].name_length), name))
            return &items[i];
    }
    return NULL;
}

static struct sums sum_up(struct origins *origins)
{
    static struct origin_counts items[REPORT_MAX];
    struct sums sums = {0};
    uint32_t tracked;
    size_t count = report(origins, items, &tracked);
    for (size_t i = 0; i < count; i++) {
        sums.clients += items[i].clients;
        sums.rooms += items[i].rooms;
        sums.connections_total += items[i].connections_total;
        sums.rooms_total += items[i].rooms_total;
    }
    return sums;
}

static uint32_t tracked_count(struct origins *origins)
{
    static struct origin_counts items[REPORT_MAX];
    uint32_t tracked;
    report(origins, items, &tracked);
    return tracked;
}

static void expect_sums(struct origins *origins, struct sums expected)
{
    struct sums sums = sum_up(origins);
    assert_int_equal(sums.clients, expected.clients);
    assert_int_equal(sums.rooms, expected.rooms);
    assert_int_equal(sums.connections_total, expected.connections_total);
    assert_int_equal(sums.rooms_total, expected.rooms_total);
}

static int set_up(void **state)
{
    memset(crowds, 0, sizeof crowds);
    static struct origins origins;
    *state = &origins;
    return origins_init(&origins, true) ? 0 : -1;
}

static int tear_down(void **state)
{
    origins_release(*state);
    return 0;
}

static void nothing_is_reported_of_nobody(void **state)
{
    struct origin_counts items[1];
    assert_int_equal(tracked_count(*state), 0);
    assert_null(find(*state, BYTES("__other__")));
    assert_int_equal(origins_list(*state, items, 1), 0);
    expect_sums(*state, (struct sums){0});
}

static void members_are_reported_of_the_origin_of_their_room(void **state)
{
    struct origins *origins = *state;
    uint16_t numbers[ORIGINS_LISTED_MAX + 2];
    uint64_t sum = 0;
    for (uint32_t i = 0; i < ORIGINS_LISTED_MAX + 2; i++) {
        numbers[i] = enter(origins, i);
        origins_add_room(origins, numbers[i]);
        crowds[numbers[i]] = i + 1;
        sum += i + 1;
    }
    crowds[ORIGIN_OTHER] = 1000;
    assert_int_equal(find(origins, numbered(7))->members, 8);
    uint64_t unlisted = ORIGINS_LISTED_MAX + 1 + ORIGINS_LISTED_MAX + 2;
    assert_int_equal(find(origins, BYTES("__other__"))->members, 1000 + unlisted);
    struct origin_counts items[REPORT_MAX];
    uint32_t tracked;
    uint64_t reported = 0;
    for (size_t i = report(origins, items, &tracked); i > 0; i--)
        reported += items[i - 1].members;
    assert_int_equal(reported, 1000 + sum);
}

static void clients_and_rooms_are_counted_by_name(void **state)
{
    struct origins *origins = *state;
    uint16_t one = enter(origins, 1);
    assert_int_equal(enter(origins, 1), one);
    assert_int_not_equal(enter(origins, 2), one);
    origins_add_room(origins, one);
    origins_remove_client(origins, one);
    const struct origin_counts *item = find(origins, numbered(1));
    assert_non_null(item);
    assert_int_equal(item->clients, 1);
    assert_int_equal(item->rooms, 1);
    assert_int_equal(item->connections_total, 2);
    assert_int_equal(item->rooms_total, 1);
    origins_remove_room(origins, one);
    origins_remove_client(origins, one);
    item = find(origins, numbered(1));
    assert_non_null(item); /* with its totals */
    assert_int_equal(item->clients + item->rooms, 0);
    expect_sums(origins, (struct sums){1, 0, 3, 1});
    assert_int_equal(tracked_count(origins), 2);
}

static void expect_name(struct origins *origins, uint16_t number, struct bytes expected)
{
    uint8_t name[ORIGIN_BYTES_MAX];
    uint16_t length = origins_name(origins, number, name);
    assert_int_equal(length, expected.length);
    assert_memory_equal(name, expected.data, length);
}

static void names_are_utf_8_and_bounded(void **state)
{
    uint8_t letters[ORIGIN_BYTES_MAX + 1];
    uint8_t accents[ORIGIN_BYTES_MAX];
    struct origins *origins = *state;
    memset(letters, 'x', sizeof letters);
    memset(accents, 0xE9, sizeof accents);
    expect_name(origins, add_client(origins, BYTES("")), BYTES("unknown"));
    expect_name(origins, add_client(origins, BYTES("a\"\\")), BYTES("a\"\\"));
    struct bytes longest = bytes_of(letters, ORIGIN_BYTES_MAX);
    expect_name(origins, add_client(origins, longest), longest);
    struct bytes longer = bytes_of(letters, ORIGIN_BYTES_MAX + 1);
    assert_int_equal(add_client(origins, longer), ORIGIN_OTHER);

    uint16_t accent = add_client(origins, BYTES("caf\xc3\xa9"));
    expect_name(origins, accent, BYTES("caf\xc3\xa9"));
    assert_int_equal(add_client(origins, BYTES("caf\xe9")), accent);
    /* Each of these takes two bytes. */
    uint16_t half = add_client(origins, bytes_of(accents, ORIGIN_BYTES_MAX / 2));
    assert_int_not_equal(half, ORIGIN_OTHER);
    assert_int_equal(add_client(origins, bytes_of(accents, ORIGIN_BYTES_MAX / 2 + 1)),
                     ORIGIN_OTHER);
    expect_sums(origins, (struct sums){.clients = 8, .connections_total = 8});
}

static void who_is_called_as_the_others_is_one_of_them(void **state)
{
    struct origins *origins = *state;
    uint16_t number = add_client(origins, BYTES("__other__"));
    assert_int_equal(number, ORIGIN_OTHER);
    expect_name(origins, number, BYTES("__other__"));
    origins_add_room(origins, number);
    assert_int_equal(tracked_count(origins), 0);
    expect_sums(origins, (struct sums){1, 1, 1, 1});
    origins_remove_room(origins, number);
    origins_remove_client(origins, number);
    assert_int_equal(find(origins, BYTES("__other__"))->connections_total, 1);
    expect_sums(origins, (struct sums){0, 0, 1, 1});
}

static void the_first_are_listed_and_the_rest_is_told_together(void **state)
{
    struct origins *origins = *state;
    for (uint32_t i = 0; i < ORIGINS_LISTED_MAX; i++)
        origins_add_room(origins, enter(origins, i));
    assert_null(find(origins, BYTES("__other__")));
    for (uint32_t i = ORIGINS_LISTED_MAX; i < 150; i++)
        origins_add_room(origins, enter(origins, i));
    for (uint32_t i = 0; i < 150; i++)
        assert_int_equal(find(origins, numbered(i)) != NULL, i < ORIGINS_LISTED_MAX);
    const struct origin_counts *other = find(origins, BYTES("__other__"));
    assert_int_equal(other->clients, 150 - ORIGINS_LISTED_MAX);
    assert_int_equal(other->rooms, 150 - ORIGINS_LISTED_MAX);
    assert_int_equal(other->connections_total, 150 - ORIGINS_LISTED_MAX);
    assert_int_equal(other->rooms_total, 150 - ORIGINS_LISTED_MAX);
    expect_sums(origins, (struct sums){150, 150, 150, 150});
    assert_int_equal(tracked_count(origins), 150);
}

static void the_idle_that_came_least_lately_gives_its_series_away(void **state)
{
    struct origins *origins = *state;
    for (uint32_t i = 0; i < ORIGINS_LISTED_MAX; i++)
        come_and_go(origins, i);
    come_and_go(origins, 0);
    uint16_t stays = enter(origins, 1);
    come_and_go(origins, 1000);
    come_and_go(origins, 1001);
    const uint32_t listed[] = {0, 1, 4, 98, 1000, 1001};
    for (size_t i = 0; i < sizeof listed / sizeof *listed; i++)
        assert_non_null(find(origins, numbered(listed[i])));
    assert_null(find(origins, numbered(2)));
    assert_null(find(origins, numbered(3)));
    assert_int_equal(find(origins, BYTES("__other__"))->connections_total, 2);
    /* It is still remembered, and listed again when it comes; its totals begin anew. */
    assert_int_equal(tracked_count(origins), ORIGINS_LISTED_MAX + 2);
    come_and_go(origins, 2);
    assert_int_equal(find(origins, numbered(2))->connections_total, 1);
    assert_null(find(origins, numbered(4)));
    assert_int_equal(find(origins, BYTES("__other__"))->connections_total, 3);
    origins_remove_client(origins, stays);
    expect_sums(origins, (struct sums){.connections_total = ORIGINS_LISTED_MAX + 5});
}

static void one_with_a_room_is_not_idle(void **state)
{
    struct origins *origins = *state;
    uint16_t number = enter(origins, 0);
    origins_add_room(origins, number);
    origins_remove_client(origins, number);
    for (uint32_t i = 1; i < 3 * ORIGINS_MAX; i++)
        come_and_go(origins, i);
    assert_int_equal(find(origins, numbered(0))->rooms, 1);
    expect_name(origins, number, numbered(0));
    origins_remove_room(origins, number);
    for (uint32_t i = 1; i < 3 * ORIGINS_MAX; i++)
        come_and_go(origins, i);
    assert_null(find(origins, numbered(0)));
    expect_sums(origins, (struct sums){0, 0, 6 * ORIGINS_MAX - 1, 1});
}

static void when_all_are_live_newcomers_are_others(void **state)
{
    static uint16_t numbers[ORIGINS_MAX + 100];
    struct origins *origins = *state;
    for (uint32_t i = 0; i < ORIGINS_MAX + 100; i++) {
        numbers[i] = enter(origins, i);
        origins_add_room(origins, numbers[i]);
        assert_int_equal(numbers[i] == ORIGIN_OTHER, i >= ORIGINS_MAX);
    }
    assert_int_equal(tracked_count(origins), ORIGINS_MAX);
    assert_int_equal(enter(origins, 7), numbers[7]);
    origins_remove_client(origins, numbers[7]);
    expect_sums(origins, (struct sums){ORIGINS_MAX + 100, ORIGINS_MAX + 100, ORIGINS_MAX + 101,
                                       ORIGINS_MAX + 100});
    /* The place of one who has left is the next newcomer's. */
    origins_remove_room(origins, numbers[300]);
    origins_remove_client(origins, numbers[300]);
    assert_int_equal(enter(origins, 5000), numbers[300]);
    expect_name(origins, numbers[300], numbered(5000));
    origins_remove_client(origins, numbers[300]);
    for (uint32_t i = 0; i < ORIGINS_MAX + 100; i++) {
        if (i == 300)
            continue;
        origins_remove_room(origins, numbers[i]);
        origins_remove_client(origins, numbers[i]);
    }
    expect_sums(origins, (struct sums){0, 0, ORIGINS_MAX + 102, ORIGINS_MAX + 100});
}

static void the_list_is_of_the_live_and_ends_where_it_must(void **state)
{
    static struct origin_counts items[ORIGINS_MAX + 1];
    static uint16_t numbers[400];
    struct origins *origins = *state;
    for (uint32_t i = 0; i < 400; i++)
        numbers[i] = enter(origins, i);
    assert_int_equal(origins_list(origins, items, ORIGINS_MAX + 1), 400); /* listed or not */
    assert_int_equal(origins_list(origins, items, 10), 10);
    for (uint32_t i = 0; i < 400; i++) {
        if (i % 4 == 1)
            origins_add_room(origins, numbers[i]);
        if (i % 4 != 0)
            origins_remove_client(origins, numbers[i]);
    }
    size_t count = origins_list(origins, items, ORIGINS_MAX + 1);
    assert_int_equal(count, 200);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(items[i].clients + items[i].rooms, 1);
    add_client(origins, BYTES("__other__"));
    assert_int_equal(origins_list(origins, items, ORIGINS_MAX + 1), 201);
}

/* Numbers that look random, the same each time. */
static uint32_t draw(uint32_t below)
{
    static uint64_t state = 88172645463325252u;
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (uint32_t)(state >> 32) % below;
}

static void sums_are_exact_under_churn(void **state)
{
    static struct {
        uint16_t number;
        bool has_room;
    } here[1000];
    struct origins *origins = *state;
    struct sums sums = {0};
    uint32_t count = 0;
    for (int step = 0; step < 20000; step++) {
        uint32_t most = step / 2000 % 2 == 0 ? 1000 : 300; /* beyond ORIGINS_MAX, and less */
        if (count < most && draw(2) == 0) {
            here[count].number = enter(origins, draw(3) == 0 ? draw(20) : draw(2000));
            here[count].has_room = draw(2) == 0;
            if (here[count].has_room)
                origins_add_room(origins, here[count].number);
            sums.connections_total++;
            sums.rooms_total += here[count].has_room;
            count++;
        } else if (count > 0) {
            uint32_t at = draw(count);
            origins_remove_client(origins, here[at].number);
            if (here[at].has_room)
                origins_remove_room(origins, here[at].number);
            here[at] = here[--count];
        }
        sums.clients = count;
        sums.rooms = 0;
        for (uint32_t i = 0; i < count; i++)
            sums.rooms += here[i].has_room;
        if (step % 20 == 0)
            expect_sums(origins, sums);
    }
}

/* Anybody may send any name: only those of rooms that are played in become series. */
static void origin_is_listed_when_it_is_proven(void **state)
{
    (void)state;
    struct origins origins;
    assert_true(origins_init(&origins, false));
    uint16_t game = enter(&origins, 1);
    origins_add_room(&origins, game);
    enter(&origins, 2);
    assert_null(find(&origins, numbered(1)));
    assert_int_equal(find(&origins, BYTES("__other__"))->connections_total, 2);
    assert_int_equal(find(&origins, BYTES("__other__"))->rooms, 1);
    origins_prove(&origins, game, now_ms);
    assert_int_equal(find(&origins, numbered(1))->rooms, 1);
    assert_int_equal(find(&origins, numbered(1))->connections_total, 0);
    assert_null(find(&origins, numbered(2)));
    enter(&origins, 1);
    assert_int_equal(find(&origins, numbered(1))->connections_total, 1);
    assert_int_equal(sum_up(&origins).connections_total, 3);
    assert_int_equal(sum_up(&origins).rooms, 1);
    origins_prove(&origins, ORIGIN_OTHER, now_ms); /* which is no origin */
    origins_release(&origins);
}

static void few_of_the_listed_are_replaced_in_an_hour(void **state)
{
    (void)state;
    struct origins origins;
    uint32_t listed = 0;
    assert_true(origins_init(&origins, false));
    for (uint32_t i = 0; i < ORIGINS_MAX; i++) {
        uint16_t number = origins_add_client(&origins, numbered(i), 1000);
        origins_prove(&origins, number, 1000);
        origins_remove_client(&origins, number);
        listed += find(&origins, numbered(i)) != NULL;
    }
    assert_int_equal(listed, ORIGINS_LISTED_MAX + ORIGINS_REPLACED_AN_HOUR);
    uint16_t late = origins_add_client(&origins, numbered(400), 1000 + HOUR_MS - 1);
    origins_prove(&origins, late, 1000 + HOUR_MS - 1); /* not even one in part of an hour */
    assert_null(find(&origins, numbered(400)));
    origins_prove(&origins, late, 1000 + HOUR_MS);
    assert_non_null(find(&origins, numbered(400)));
    origins_release(&origins);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(nothing_is_reported_of_nobody, set_up, tear_down),
        cmocka_unit_test_setup_teardown(clients_and_rooms_are_counted_by_name, set_up, tear_down),
        cmocka_unit_test_setup_teardown(members_are_reported_of_the_origin_of_their_room, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(names_are_utf_8_and_bounded, set_up, tear_down),
        cmocka_unit_test_setup_teardown(who_is_called_as_the_others_is_one_of_them, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(the_first_are_listed_and_the_rest_is_told_together, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(the_idle_that_came_least_lately_gives_its_series_away,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(one_with_a_room_is_not_idle, set_up, tear_down),
        cmocka_unit_test_setup_teardown(when_all_are_live_newcomers_are_others, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_list_is_of_the_live_and_ends_where_it_must, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(sums_are_exact_under_churn, set_up, tear_down),
        cmocka_unit_test(origin_is_listed_when_it_is_proven),
        cmocka_unit_test(few_of_the_listed_are_replaced_in_an_hour),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
