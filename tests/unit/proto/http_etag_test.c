/* Which If-None-Match headers name a tag (RFC 9110 13.1.2), right before an unreadable page. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
/* cmocka wants these before it. */
#include <cmocka.h>

#include "proto/http_etag.h"
#include "support/guard_page.h"

static bool is_listed(const char *header)
{
    struct guarded guarded = guarded_copy(bytes_of_string(header));
    bool outcome = http_etag_is_listed(guarded_view(&guarded), BYTES("\"a,b\""));
    guarded_free(&guarded);
    return outcome;
}

static void the_tag_is_found(void **state)
{
    static const char *const headers[] = {
        "\"a,b\"",         "W/\"a,b\"",
        "\"x\", \"a,b\"",  "\"x\",W/\"a,b\",\"y\"",
        ", ,\t\"a,b\" ,,", "\"\" , \"a,b\", oops",
        "\"x\"\t,\"a,b\"", "*",
    };
    (void)state;
    for (size_t i = 0; i < sizeof headers / sizeof headers[0]; i++) {
        if (!is_listed(headers[i]))
            fail_msg("not found in %s", headers[i]);
    }
}

static void another_tag_is_not(void **state)
{
    static const char *const headers[] = {
        "",
        " ",
        "\"a\"",
        "\"b\"",
        "\"a,b",
        "a,b",
        "a,b\"",
        "w/\"a,b\"",
        "W/",
        "W",
        "\"",
        "\"x\", *",
        "**",
        "\"A,B\"",
        "W \"a,b\"",
        "oops, \"a,b\"",
        "\"x\",\"a,bc\"",
        "\"a,b \"",
        "/\"a,b\"",
        "\"a\",\"b\"",
    };
    (void)state;
    for (size_t i = 0; i < sizeof headers / sizeof headers[0]; i++) {
        if (is_listed(headers[i]))
            fail_msg("found in %s", headers[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_tag_is_found),
        cmocka_unit_test(another_tag_is_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
