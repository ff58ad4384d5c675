/* Members of an object by their names. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants these before it. */
#include <cmocka.h>

#include "proto/json_fields.h"

enum { FIELD_A, FIELD_BC, FIELDS };

static const char *const names[] = {"a", "bc"};

struct result {
    enum json_next next;
    bool is_object;
    size_t unknown_length;
    struct json_value values[FIELDS];
};

static struct result read(const char *text)
{
    struct result result = {.unknown_length = 99, .values = {{.kind = JSON_TRUE}}};
    result.next = json_fields_read(bytes_of_string(text), names, FIELDS, result.values,
                                   &result.unknown_length, &result.is_object);
    return result;
}

static void expect_raw(const struct json_value *value, const char *raw)
{
    assert_int_equal(value->raw.length, strlen(raw));
    assert_memory_equal(value->raw.data, raw, strlen(raw));
}

static void known_members_are_found_and_others_are_measured(void **state)
{
    (void)state;
    struct result result = read(" { \"bc\" : [1, 2] , \"x\":null,\"a b\" : {\"a\":1}} ");
    assert_int_equal(result.next, JSON_NEXT_END);
    assert_true(result.is_object);
    assert_int_equal(result.values[FIELD_A].kind, JSON_ABSENT);
    assert_int_equal(result.values[FIELD_BC].kind, JSON_ARRAY);
    expect_raw(&result.values[FIELD_BC], "[1, 2]");
    assert_int_equal(result.unknown_length, strlen(",\"x\":null,\"a b\":{\"a\":1}"));
}

static void of_two_with_one_name_the_last_counts(void **state)
{
    (void)state;
    struct result result = read("{\"a\":1,\"\\u0061\":2}");
    assert_int_equal(result.next, JSON_NEXT_END);
    expect_raw(&result.values[FIELD_A], "2");
    assert_int_equal(result.unknown_length, 0);
}

static void what_is_no_object_has_no_members(void **state)
{
    (void)state;
    struct result result = read("[\"a\"]");
    assert_int_equal(result.next, JSON_NEXT_END);
    assert_false(result.is_object);
    assert_int_equal(result.values[FIELD_A].kind, JSON_ABSENT);
    assert_int_equal(read("{\"a\":1").next, JSON_NEXT_INVALID);
    assert_int_equal(read("{\"a\":1}}").next, JSON_NEXT_INVALID);
    assert_int_equal(read("").next, JSON_NEXT_INVALID);
}

static void a_name_is_found_or_it_is_none_of_them(void **state)
{
    (void)state;
    struct json_value key = {.kind = JSON_STRING, .raw = BYTES("\"bc\"")};
    assert_int_equal(json_field_find(names, FIELDS, &key), FIELD_BC);
    assert_int_equal(json_field_find(names, FIELD_BC, &key), FIELD_BC);
    key.raw = BYTES("\"b\"");
    assert_int_equal(json_field_find(names, FIELDS, &key), FIELDS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_members_are_found_and_others_are_measured),
        cmocka_unit_test(of_two_with_one_name_the_last_counts),
        cmocka_unit_test(what_is_no_object_has_no_members),
        cmocka_unit_test(a_name_is_found_or_it_is_none_of_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
