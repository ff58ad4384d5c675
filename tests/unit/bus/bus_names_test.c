/* Names that a cluster has on a bus, and texts that are none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants these before it. */
#include <cmocka.h>
#include <string.h>

#include "bus/bus_names.h"

#define TEN "0123456789"

static void a_cluster_has_letters_digits_and_hyphens(void **state)
{
    (void)state;
    assert_true(bus_cluster_is_valid("a"));
    assert_true(bus_cluster_is_valid("Party-2"));
    assert_true(bus_cluster_is_valid(TEN TEN TEN "ab"));
    assert_false(bus_cluster_is_valid(TEN TEN TEN "abc"));
    static const char *const wrong[] = {"", "a.b", "a b", "a*", ">", "a_b", "\xC3\xA4", "a\n"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        assert_false(bus_cluster_is_valid(wrong[i]));
}

static void a_subject_begins_with_its_cluster(void **state)
{
    (void)state;
    char name[BUS_NAME_MAX];
    assert_true(bus_name_subject("red", "node.a-1.0f_", name));
    assert_string_equal(name, "party-sockets.red.node.a-1.0f_");
    static const char *const wrong[] = {"", ".", "a.", ".a", "a..b", "a.*", ">", "a b", "$JS.API"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        assert_false(bus_name_subject("red", wrong[i], name));
}

/* A text of so many letters is a subject or key if they are at most BUS_SUBJECT_MAX or BUS_KEY_MAX.
 */
static void the_longest_names_fit(void **state)
{
    (void)state;
    char cluster[BUS_CLUSTER_MAX + 1];
    char subject[BUS_SUBJECT_MAX + 2];
    char bucket[BUS_NAME_MAX];
    char name[BUS_NAME_MAX];
    memset(cluster, 'c', sizeof cluster);
    cluster[BUS_CLUSTER_MAX] = '\0';
    memset(subject, 's', sizeof subject);
    subject[BUS_SUBJECT_MAX + 1] = '\0';
    bus_name_bucket(cluster, "leases", bucket);
    assert_false(bus_name_subject(cluster, subject, name));
    assert_false(bus_name_key(bucket, subject, name));
    subject[BUS_SUBJECT_MAX] = '\0';
    assert_true(bus_name_subject(cluster, subject, name));
    assert_int_equal(strlen(name), strlen("party-sockets..") + BUS_CLUSTER_MAX + BUS_SUBJECT_MAX);
    assert_true(bus_name_key(bucket, subject, name));
    assert_int_equal(strlen(name),
                     strlen("$KV.party-sockets--leases.") + BUS_CLUSTER_MAX + BUS_KEY_MAX);
}

static void a_bucket_is_a_stream_and_its_subjects(void **state)
{
    (void)state;
    char bucket[BUS_NAME_MAX];
    char name[BUS_NAME_MAX];
    bus_name_bucket("red", "map", bucket);
    assert_string_equal(bucket, "party-sockets-red-map");
    bus_name_stream(bucket, name);
    assert_string_equal(name, "KV_party-sockets-red-map");
    assert_true(bus_name_key(bucket, "a.b", name));
    assert_string_equal(name, "$KV.party-sockets-red-map.a.b");
    assert_false(bus_name_key(bucket, "a.>", name));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_cluster_has_letters_digits_and_hyphens),
        cmocka_unit_test(a_subject_begins_with_its_cluster),
        cmocka_unit_test(the_longest_names_fit),
        cmocka_unit_test(a_bucket_is_a_stream_and_its_subjects),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
