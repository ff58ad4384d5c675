/* Which origins a pattern means, and which texts are patterns. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
/* cmocka wants these before it. */
#include <cmocka.h>

#include "base/attributes.h"
#include "proto/origin.h"

static void patterns_mean_what_they_say_and_nothing_else(void **state)
{
    static const struct {
        const char *pattern;
        const char *origin;
        bool matches;
    } cases[] = {
        {"https://game.example", "https://game.example", true},
        {"https://game.example", "HTTPS://Game.Example", true},
        {"https://game.example", "http://game.example", false},
        {"https://game.example", "https://game.example:8443", false},
        {"https://game.example", "https://game.example.evil.example", false},
        {"https://game.example", "https://evil-game.example", false},
        {"https://game.example", "https://game.example/", false},
        {"https://game.example", "null", false},
        {"https://game.example", "", false},
        {"http://localhost:8080", "http://localhost:8080", true},
        {"http://localhost:8080", "http://localhost:80801", false},
        {"http://[::1]:8080", "http://[::1]:8080", true},
        {"null", "null", true},
        {"null", "https://null", false},
        {"https://*.game.example", "https://www.game.example", true},
        {"https://*.game.example", "https://a.b.game.example", true},
        {"https://*.game.example", "https://A.GAME.example", true},
        {"https://*.game.example", "https://game.example", false},
        {"https://*.game.example", "https://.game.example", false},
        {"https://*.game.example", "https://evilgame.example", false},
        {"https://*.game.example", "http://www.game.example", false},
        {"https://*.game.example", "https://www.game.example:444", false},
        {"https://*.game.example", "https://www.game.example.evil.example", false},
        {"https://*.game.example", "https://evil.example/.game.example", false},
        {"https://*.game.example", "https://evil.example?.game.example", false},
        {"https://*.game.example", "https://evil@x.game.example", false},
        {"https://*.game.example", "www.game.example", false},
        {"https://*.game.example", "https://evil.example:443.game.example", false},
        {"https://*.game.example", "https://[::1].game.example", false},
        {"https://*.game.example:444", "https://www.game.example:444", true},
        {"https://*.game.example:444", "https://www.game.example", false},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        struct bytes pattern = bytes_of_string(cases[i].pattern);
        assert_true(origin_pattern_is_valid(pattern));
        if (origin_matches(bytes_of_string(cases[i].origin), pattern) != cases[i].matches)
            fail_msg("%s against %s", cases[i].origin, cases[i].pattern);
    }
}

static void what_is_no_pattern_is_told(void **state)
{
    static const char *const cases[] = {
        "",
        "*",
        "game.example",
        "https://",
        "://game.example",
        "https://*.",
        "https://*",
        "https://a.*.b",
        "https://**.a",
        "https://a/",
        "https://a b",
        "ht tp://a",
        "https://a?b",
        "https://user@a",
        "https://*a.example",
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        if (origin_pattern_is_valid(bytes_of_string(cases[i])))
            fail_msg("'%s' passes for a pattern", cases[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(patterns_mean_what_they_say_and_nothing_else),
        cmocka_unit_test(what_is_no_pattern_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
