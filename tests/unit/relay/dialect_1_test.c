/* Events as text: exactly the fields that protocol 1 names, in any capacity. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/attributes.h"
#include "relay/dialect.h"

/* Also checks that the length is counted, and nothing overrun, when the text does not fit. */
static void expect_text(struct event event, const char *text)
{
    uint8_t data[256];
    size_t length = strlen(text);
    for (size_t capacity = 0; capacity <= length; capacity++) {
        struct writer writer = writer_over(data, capacity);
        memset(data, '#', sizeof data);
        dialect_write(&writer, &event);
        assert_int_equal(writer.length, length);
        for (size_t i = capacity; i < sizeof data; i++)
            assert_int_equal(data[i], '#');
    }
    assert_memory_equal(data, text, length);
}

static void errors_are_told_by_their_text(void **state)
{
    (void)state;
    expect_text((struct event){.type = EVENT_ERROR, .error = ERROR_ROOM_FULL},
                "{\"type\":\"error\",\"message\":\"Room is full\"}");
}

/* A room AABB, of protocol 1. */
static struct room *new_room(void)
{
    struct room *room = room_new(32 + 1, 8, 0);
    assert_non_null(room);
    return room;
}

static const struct member *add(struct room *room, const char *id)
{
    const struct member *member = room_add(room, bytes_of_string(id), 1);
    assert_non_null(member);
    return member;
}

static void events_about_a_member_name_its_id(void **state)
{
    (void)state;
    static const struct {
        enum event_type type;
        const char *id;
        const char *data;
        const char *text;
    } cases[] = {
        {EVENT_PEER_JOINED, "a\\u0000", "", "{\"type\":\"peer_joined\",\"clientId\":\"a\\u0000\"}"},
        {EVENT_PEER_LEFT, "\\\"", "", "{\"type\":\"peer_left\",\"clientId\":\"\\\"\"}"},
        {EVENT_MESSAGE, "a", "1e400", "{\"type\":\"message\",\"from\":\"a\",\"data\":1e400}"},
        {EVENT_MESSAGE, "a", "null", "{\"type\":\"message\",\"from\":\"a\",\"data\":null}"},
        {EVENT_MESSAGE, "a", "", "{\"type\":\"message\",\"from\":\"a\"}"},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        struct room *room = new_room();
        expect_text((struct event){.type = cases[i].type,
                                   .room = room,
                                   .peer = add(room, cases[i].id),
                                   .data = bytes_of_string(cases[i].data)},
                    cases[i].text);
        room_free(room);
    }
}

static void events_of_a_room_name_its_code_and_members_in_order(void **state)
{
    (void)state;
    static const struct instance instance = {{(const uint8_t *)"i", 1}, {(const uint8_t *)"r", 1}};
    struct room *room = new_room();
    const struct member *first = add(room, "z");
    expect_text(
        (struct event){.type = EVENT_CREATED, .room = room, .peer = first, .instance = &instance},
        "{\"type\":\"created\",\"room\":\"AABB\"}");
    expect_text((struct event){.type = EVENT_JOINED, .room = room, .peer = first},
                "{\"type\":\"joined\",\"room\":\"AABB\",\"clients\":[\"z\"]}");
    add(room, "\\ud800");
    const struct member *last = add(room, "a");
    expect_text((struct event){.type = EVENT_JOINED, .room = room, .peer = last},
                "{\"type\":\"joined\",\"room\":\"AABB\",\"clients\":[\"z\",\"\\ud800\",\"a\"]}");
    room_free(room);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(errors_are_told_by_their_text),
        cmocka_unit_test(events_about_a_member_name_its_id),
        cmocka_unit_test(events_of_a_room_name_its_code_and_members_in_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
