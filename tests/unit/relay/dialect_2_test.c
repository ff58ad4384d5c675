/* Events as text: exactly the fields that protocol 2 names, in any capacity; and errors of both. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

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

/* A room 111121, of protocol 2. */
static struct room *new_room(void)
{
    struct room *room = room_new(CODE_2_FIRST + 58, 100, 0);
    assert_non_null(room);
    return room;
}

static struct member *add(struct room *room, const char *id)
{
    struct member *member = room_add(room, bytes_of_string(id), 1);
    assert_non_null(member);
    return member;
}

/* Gives the room a URL, as url_template_fill() writes them. */
static void set_url(struct room *room, const char *url)
{
    room->retained->url = (uint8_t *)strdup(url);
    assert_non_null(room->retained->url);
    room->retained->url_length = (uint16_t)strlen(url);
}

static void events_about_a_member_name_its_index_and_never_its_id(void **state)
{
    (void)state;
    static const struct {
        enum event_type type;
        const char *data;
        const char *text;
    } cases[] = {
        {EVENT_PEER_JOINED, "", "{\"type\":\"peer_joined\",\"index\":12}"},
        {EVENT_PEER_LEFT, "", "{\"type\":\"peer_left\",\"index\":12}"},
        {EVENT_MESSAGE, "1e400", "{\"type\":\"message\",\"from\":12,\"data\":1e400}"},
        {EVENT_MESSAGE, "null", "{\"type\":\"message\",\"from\":12,\"data\":null}"},
        {EVENT_MESSAGE, "", "{\"type\":\"message\",\"from\":12}"},
        {EVENT_STATE, "{\"a\" : [ ]}", "{\"type\":\"state\",\"data\":{\"a\" : [ ]}}"},
        {EVENT_STATE, "null", "{\"type\":\"state\",\"data\":null}"},
    };
    struct room *room = new_room();
    room->next_index = 12;
    const struct member *member = add(room, "secret");
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++)
        expect_text((struct event){.type = cases[i].type,
                                   .room = room,
                                   .peer = member,
                                   .data = bytes_of_string(cases[i].data)},
                    cases[i].text);
    /* Nobody has to be named for a state; and a member that was removed can still be named. */
    expect_text((struct event){.type = EVENT_STATE, .room = room, .data = BYTES("1")},
                "{\"type\":\"state\",\"data\":1}");
    struct member *departed = room_find(room, BYTES("secret"));
    room_remove(room, departed);
    expect_text((struct event){.type = EVENT_PEER_LEFT, .room = room, .peer = departed},
                "{\"type\":\"peer_left\",\"index\":12}");
    free(departed);
    room_free(room);
}

static void created_tells_instance_region_and_url(void **state)
{
    (void)state;
    static const struct instance unset;
    static const struct instance instance = {
        {(const uint8_t *)"d891-a.b_c", 10},
        {(const uint8_t *)"fra", 3},
    };
    struct room *room = new_room();
    struct event event = {.type = EVENT_CREATED, .room = room, .instance = &unset};
    event.peer = add(room, "h");
    expect_text(event,
                "{\"type\":\"created\",\"room\":\"111121\",\"instance\":\"\",\"region\":\"\","
                "\"index\":0}");
    event.instance = &instance;
    expect_text(event, "{\"type\":\"created\",\"room\":\"111121\",\"instance\":\"d891-a.b_c\","
                       "\"region\":\"fra\",\"index\":0}");
    set_url(room, "https://a.example/\\\"");
    expect_text(event, "{\"type\":\"created\",\"room\":\"111121\",\"instance\":\"d891-a.b_c\","
                       "\"region\":\"fra\",\"index\":0,\"url\":\"https://a.example/\\\"\"}");
    room_free(room);
}

static void joined_tells_the_others_who_are_here_in_ascending_order(void **state)
{
    (void)state;
    struct room *room = new_room();
    struct member *members[] = {add(room, "d"), add(room, "c"), add(room, "b"), add(room, "a")};
    struct event event = {.type = EVENT_JOINED, .room = room, .peer = members[3]};
    expect_text(event, "{\"type\":\"joined\",\"room\":\"111121\",\"index\":3,\"peers\":[0,1,2]}");
    event.peer = members[0];
    expect_text(event, "{\"type\":\"joined\",\"room\":\"111121\",\"index\":0,\"peers\":[1,2,3]}");
    event.peer = members[1];
    room_retire(room, members[0]);
    room_retire(room, members[2]);
    room_return(room, members[0], 7);
    expect_text(event, "{\"type\":\"joined\",\"room\":\"111121\",\"index\":1,\"peers\":[0,3]}");
    room_retire(room, members[0]);
    room_retire(room, members[3]);
    expect_text(event, "{\"type\":\"joined\",\"room\":\"111121\",\"index\":1,\"peers\":[]}");
    set_url(room, "https://a.example");
    expect_text(event, "{\"type\":\"joined\",\"room\":\"111121\",\"index\":1,\"peers\":[],"
                       "\"url\":\"https://a.example\"}");
    room_free(room);
}

static void errors_need_no_room_and_may_have_a_detail(void **state)
{
    (void)state;
    struct event event = {.type = EVENT_ERROR, .error = ERROR_PEER_NOT_FOUND};
    expect_text(event, "{\"type\":\"error\",\"message\":\"Target peer not found\"}");
    event.error = ERROR_URL_PLACEHOLDER;
    event.detail = BYTES("{foo}");
    expect_text(event, "{\"type\":\"error\",\"message\":\"Unknown url placeholder: {foo}\"}");
    event.detail = BYTES("{\"\\\xC3\xA9/}");
    expect_text(event, "{\"type\":\"error\",\"message\":"
                       "\"Unknown url placeholder: {\\\"\\\\\xC3\xA9/}\"}");
}

/* All that protocols 1 and 2 have: a text that changes is a change of the protocol. */
static void every_error_has_its_text(void **state)
{
    (void)state;
    static const char *const texts[RELAY_ERRORS] = {
        [ERROR_INVALID_JSON] = "Invalid JSON",
        [ERROR_UNKNOWN_TYPE] = "Unknown message type",
        [ERROR_DRAINING] = "Server draining",
        [ERROR_ALREADY_IN_ROOM] = "Already in a room",
        [ERROR_ID_REQUIRED] = "clientId is required",
        [ERROR_ID_TOO_LONG] = "clientId is too long",
        [ERROR_MAX_CLIENTS] = "maxClients must be a positive number",
        [ERROR_URL_NO_STRING] = "url must be a string",
        [ERROR_URL_TOO_LARGE] = "url too large",
        [ERROR_URL_SPACES] = "url must not contain spaces or control characters",
        [ERROR_URL_PLACEHOLDER] = "Unknown url placeholder",
        [ERROR_URL_BRACE] = "url has an unmatched placeholder brace",
        [ERROR_URL_INVALID] = "url is not a valid URL",
        [ERROR_URL_NOT_HTTPS] = "url must be an https URL",
        [ERROR_ROOM_REQUIRED] = "room is required",
        [ERROR_ROOM_NOT_FOUND] = "Room not found",
        [ERROR_USES_PROTOCOL_1] = "Room uses protocol 1",
        [ERROR_USES_PROTOCOL_2] = "Room uses protocol 2",
        [ERROR_ROOM_FULL] = "Room is full",
        [ERROR_TOO_MANY_ROOMS] = "Too many rooms",
        [ERROR_NO_CODE_FREE] = "No room code free",
        [ERROR_NOT_IN_ROOM] = "Not in a room",
        [ERROR_CLIENT_NOT_FOUND] = "Target client not found",
        [ERROR_PEER_NOT_FOUND] = "Target peer not found",
        [ERROR_STATE_NOT_HOST] = "Only the host can set state",
        [ERROR_STATE_REQUIRED] = "State data is required",
        [ERROR_STATE_TOO_LARGE] = "State too large",
        [ERROR_STATE_NO_MEMORY] = "No memory for state",
        [ERROR_CLOSE_NOT_HOST] = "Only the host can close the room",
    };
    for (uint32_t i = 0; i < RELAY_ERRORS; i++) {
        if (texts[i] != NULL)
            assert_string_equal(relay_error_text((enum relay_error)i), texts[i]);
    }
}

/* Words of small letters with hyphens between them. */
static void every_error_has_a_code(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < RELAY_ERRORS; i++) {
        const char *code = relay_error_code((enum relay_error)i);
        size_t length = strlen(code);
        assert_int_equal(strspn(code, "abcdefghijklmnopqrstuvwxyz-"), length);
        assert_true(length > 0 && code[0] != '-' && code[length - 1] != '-');
    }
    assert_string_equal(relay_error_code(ERROR_TOO_MANY_ROOMS), "server-full");
    assert_string_equal(relay_error_code(ERROR_STATE_NO_MEMORY), "server-full");
    assert_string_equal(relay_error_code(ERROR_ROOM_NOT_FOUND), "room-not-found");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(events_about_a_member_name_its_index_and_never_its_id),
        cmocka_unit_test(created_tells_instance_region_and_url),
        cmocka_unit_test(joined_tells_the_others_who_are_here_in_ascending_order),
        cmocka_unit_test(errors_need_no_room_and_may_have_a_detail),
        cmocka_unit_test(every_error_has_its_text),
        cmocka_unit_test(every_error_has_a_code),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
