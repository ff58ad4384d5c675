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
        {"https://game.example:443", "https://game.example", true},
        {"https://game.example:443", "https://game.example:443", true},
        {"https://game.example", "https://game.example:443", true},
        {"https://game.example:443", "https://game.example:80", false},
        {"https://game.example:443", "http://game.example", false},
        {"http://game.example:80", "http://game.example", true},
        {"http://game.example:443", "http://game.example", false},
        {"http://[::1]:80", "http://[::1]", true},
        {"http://[::80]", "http://[::80]", true},
        {"http://[::80]", "http://[:", false},
        {"https://*.game.example:443", "https://www.game.example", true},
        {"https://*.game.example", "https://www.game.example:443", true},
        {"capacitor://localhost", "capacitor://localhost", true},
        {"capacitor://localhost", "ionic://localhost", false},
        {"tauri://localhost", "TAURI://localhost", true},
        {"capacitor://localhost:443", "capacitor://localhost", false},
        {"app://-", "app://-", true},
        {"chrome-extension://abcdef", "chrome-extension://abcdef", true},
        {"file://", "file://", true},
        {"app://", "app://", true},
        {"app://", "app://localhost", false},
        {"file://", "null", false},
        {"file://", "file:///home/me/game.html", false},
        {"https://*.game.example:444", "https://www.game.example", false},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        struct bytes pattern = bytes_of_string(cases[i].pattern);
        assert_null(origin_pattern_fault(pattern));
        if (origin_matches(bytes_of_string(cases[i].origin), pattern) != cases[i].matches)
            fail_msg("%s against %s", cases[i].origin, cases[i].pattern);
    }
}

static void what_is_no_pattern_is_told(void **state)
{
    static const char such[] = "such as https://game.example or";
    static const struct {
        const char *pattern;
        const char *fault;
    } cases[] = {
        {"", such},
        {"*", such},
        {"game.example", such},
        {"https://", such},
        {"://game.example", such},
        {"https://*.", such},
        {"https://*", such},
        {"https://a.*.b", such},
        {"https://**.a", such},
        {"https://a b", such},
        {"ht tp://a", such},
        {"4tp://a", such},
        {"https://*a.example", such},
        {"https://a:", such},
        {"https://a:65536", such},
        {"https://a:0", such},
        {"https://a:0443", such},
        {"http://:80", such},
        {"ws://", such},
        {"https://a:1:2", such},
        {"https://a:x", such},
        {"https://::1", such},
        {"https://[::1", such},
        {"https://:443", such},
        {"https://a/", "without a path or a slash"},
        {"https://a/b", "without a path or a slash"},
        {"file:///", "without a path or a slash"},
        {"capacitor://localhost/", "without a path or a slash"},
        {"https://a?b", "without a query"},
        {"https://a/?b", "without a query"},
        {"https://a#b", "without a fragment"},
        {"https://user@a", "without a user"},
        {"https://user:secret@a/", "without a user"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        const char *fault = origin_pattern_fault(bytes_of_string(cases[i].pattern));
        if (fault == NULL || strstr(fault, cases[i].fault) == NULL)
            fail_msg("'%s': %s", cases[i].pattern, fault == NULL ? "passes for a pattern" : fault);
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
