/* Events as text: exactly the fields that protocol 1 names, in any capacity. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/attributes.h"
#include "relay/dialect_1.h"

/* Also checks that the length is counted, and nothing overrun, when the text does not fit. */
static void expect_text(struct event event, const char *text)
{
    uint8_t data[256];
    size_t length = strlen(text);
    for (size_t capacity = 0; capacity <= length; capacity++) {
        struct writer writer = writer_over(data, capacity);
        memset(data, '#', sizeof data);
        dialect_1_write(&writer, &event);
        assert_int_equal(writer.length, length);
        for (size_t i = capacity; i < sizeof data; i++)
            assert_int_equal(data[i], '#');
    }
    assert_memory_equal(data, text, length);
}

static void each_event_has_exactly_its_fields(void **state)
{
    (void)state;
    static const struct {
        struct event event;
        const char *text;
    } cases[] = {
        {{.type = EVENT_PEER_JOINED, .peer = {(const uint8_t *)"a\\u0000", 7}},
         "{\"type\":\"peer_joined\",\"clientId\":\"a\\u0000\"}"},
        {{.type = EVENT_PEER_LEFT, .peer = {(const uint8_t *)"\\\"", 2}},
         "{\"type\":\"peer_left\",\"clientId\":\"\\\"\"}"},
        {{.type = EVENT_MESSAGE,
          .peer = {(const uint8_t *)"a", 1},
          .data = {(const uint8_t *)"1e400", 5}},
         "{\"type\":\"message\",\"from\":\"a\",\"data\":1e400}"},
        {{.type = EVENT_MESSAGE,
          .peer = {(const uint8_t *)"a", 1},
          .data = {(const uint8_t *)"null", 4}},
         "{\"type\":\"message\",\"from\":\"a\",\"data\":null}"},
        {{.type = EVENT_MESSAGE, .peer = {(const uint8_t *)"a", 1}},
         "{\"type\":\"message\",\"from\":\"a\"}"},
        {{.type = EVENT_ERROR, .error = ERROR_ROOM_FULL},
         "{\"type\":\"error\",\"message\":\"Room is full\"}"},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++)
        expect_text(cases[i].event, cases[i].text);
}

static void events_of_a_room_name_its_code_and_members_in_order(void **state)
{
    (void)state;
    struct room *room = room_new(32 + 1, 8, 0);
    assert_non_null(room);
    expect_text((struct event){.type = EVENT_CREATED, .room = room},
                "{\"type\":\"created\",\"room\":\"AABB\"}");
    assert_non_null(room_add(room, BYTES("z"), 1));
    expect_text((struct event){.type = EVENT_JOINED, .room = room},
                "{\"type\":\"joined\",\"room\":\"AABB\",\"clients\":[\"z\"]}");
    assert_non_null(room_add(room, BYTES("\\ud800"), 2));
    assert_non_null(room_add(room, BYTES("a"), 3));
    expect_text((struct event){.type = EVENT_JOINED, .room = room},
                "{\"type\":\"joined\",\"room\":\"AABB\",\"clients\":[\"z\",\"\\ud800\",\"a\"]}");
    room_free(room);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_event_has_exactly_its_fields),
        cmocka_unit_test(events_of_a_room_name_its_code_and_members_in_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
