/* Leases: what is written is read, and what is wrong is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants these before it. */
#include <cmocka.h>
#include <stdio.h>

#include "base/attributes.h"
#include "cluster/lease.h"
#include "support/guard_page.h"

static struct lease lease;

static bool read_text(const char *text)
{
    struct guarded copy = guarded_copy(bytes_of_string(text));
    bool is_read = lease_read(guarded_view(&copy), &lease);
    guarded_free(&copy);
    return is_read;
}

static void the_longest_lease_fits_and_is_read_as_it_was(void **state)
{
    uint8_t text[LEASE_TEXT_MAX];
    struct writer writer = writer_over(text, sizeof text);
    struct lease longest = {.is_edge_only = true,
                            .loops = LEASE_LOOPS_MAX,
                            .reads = LEASE_NUMBER_MAX,
                            .writes = LEASE_NUMBER_MAX - 1,
                            .rooms = LEASE_NUMBER_MAX - 2,
                            .clients = LEASE_NUMBER_MAX - 3};
    (void)state;
    assert_true(node_id_set(&longest.node, BYTES("abcdefghijklmnopqrstuvwxyz012345"), UINT64_MAX));
    lease_write(&writer, &longest);
    assert_true(writer_fits(&writer));
    assert_true(lease_read(writer_view(&writer), &lease));
    assert_true(node_id_equal(&lease.node, &longest.node));
    assert_false(lease.is_draining);
    assert_true(lease.is_edge_only);
    assert_false(lease.has_ended);
    assert_int_equal(lease.loops, longest.loops);
    assert_true(lease.reads == longest.reads);
    assert_true(lease.writes == longest.writes);
    assert_true(lease.rooms == longest.rooms);
    assert_true(lease.clients == longest.clients);
}

#define LEASE(version, node, draining, numbers)                             \
    "{\"version\":" version ",\"node\":\"" node "\",\"draining\":" draining \
    ",\"edgeOnly\":false,\"ended\":true,\"reads\":1,\"writes\":1," numbers "}"
#define NODE "a.0000000000000001"
#define FIGURES "\"rooms\":0,\"clients\":0"
#define NUMBERS "\"loops\":4," FIGURES

static void leases_that_are_wrong_are_refused(void **state)
{
    static const char *const wrong[] = {
        "",
        "{}",
        "[]",
        "{\"version\":1}",
        LEASE("2", NODE, "false", NUMBERS),
        LEASE("0", NODE, "false", NUMBERS),
        LEASE("1", "a", "false", NUMBERS),
        LEASE("1", NODE, "0", NUMBERS),
        LEASE("1", NODE, "null", NUMBERS),
        "{\"version\":1,\"node\":\"" NODE "\",\"draining\":false,\"edgeOnly\":1,\"ended\":true,"
        "\"reads\":1,\"writes\":1," NUMBERS "}",
        LEASE("1", NODE, "false", "\"loops\":4,\"rooms\":0"),
        LEASE("1", NODE, "false", "\"loops\":4,\"rooms\":-1,\"clients\":0"),
        LEASE("1", NODE, "false", "\"loops\":4,\"rooms\":0,\"clients\":9007199254740992"),
        LEASE("1", NODE, "false", FIGURES),
        LEASE("1", NODE, "false", "\"loops\":0," FIGURES),
        LEASE("1", NODE, "false", "\"loops\":256," FIGURES),
        LEASE("1", NODE, "false", "\"loops\":\"4\"," FIGURES),
        LEASE("1", NODE, "false", NUMBERS) "x",
        LEASE("1", "\xff.0000000000000001", "false", NUMBERS),
    };
    (void)state;
    assert_true(read_text(LEASE("1", NODE, "false", NUMBERS)));
    assert_true(lease.has_ended);
    assert_int_equal(lease.loops, 4);
    assert_true(read_text(LEASE("1", NODE, "false", NUMBERS ",\"later\":[1]")));
    assert_true(read_text("{\"version\":1,\"node\":\"" NODE "\",\"draining\":false,\"ended\":true,"
                          "\"reads\":1,\"writes\":1," NUMBERS "}"));
    assert_false(lease.is_edge_only);
    for (size_t i = 0; i < ARRAY_LENGTH(wrong); i++) {
        if (read_text(wrong[i]))
            fail_msg("%s is not refused", wrong[i]);
    }
}

static void a_lease_that_is_too_long_is_refused(void **state)
{
    char text[LEASE_TEXT_MAX + 2];
    (void)state;
    for (int length = LEASE_TEXT_MAX; length <= LEASE_TEXT_MAX + 1; length++) {
        snprintf(text, sizeof text, "%-*s", length, LEASE("1", NODE, "false", NUMBERS));
        assert_int_equal(read_text(text), length == LEASE_TEXT_MAX);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_longest_lease_fits_and_is_read_as_it_was),
        cmocka_unit_test(leases_that_are_wrong_are_refused),
        cmocka_unit_test(a_lease_that_is_too_long_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
