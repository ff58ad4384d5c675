/* Envelopes: fields in any order and spelling, the last of a repeated one, types, bad texts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
/* cmocka wants these before it. */
#include <cmocka.h>

#include "proto/envelope.h"
#include "support/guard_page.h"

static void texts_are_judged(void **state)
{
    static const struct {
        const char *text;
        enum envelope_result result;
        enum envelope_type type;
    } cases[] = {
        {"{\"type\":\"create\"}", ENVELOPE_OK, ENVELOPE_CREATE},
        {"{\"type\":\"join\"}", ENVELOPE_OK, ENVELOPE_JOIN},
        {"{\"type\":\"set_state\",\"data\":null}", ENVELOPE_OK, ENVELOPE_SET_STATE},
        {"{\"type\":\"set\\u005fstate\"}", ENVELOPE_OK, ENVELOPE_SET_STATE},
        {"{\"type\":\"close_room\"}", ENVELOPE_OK, ENVELOPE_CLOSE_ROOM},
        {"{\"type\":\"send\",\"type\":\"close_r\\u006fom\"}", ENVELOPE_OK, ENVELOPE_CLOSE_ROOM},
        {"{\"type\":\"set_State\"}", ENVELOPE_UNKNOWN_TYPE, 0},
        {"{\"type\":\"set_state \"}", ENVELOPE_UNKNOWN_TYPE, 0},
        {"{\"type\":\"set-state\"}", ENVELOPE_UNKNOWN_TYPE, 0},
        {"{\"type\":\"close\"}", ENVELOPE_UNKNOWN_TYPE, 0},
        {"{\"type\":\"close_rooms\"}", ENVELOPE_UNKNOWN_TYPE, 0},
        {"{\"type\":\"state\"}", ENVELOPE_UNKNOWN_TYPE, 0},
        {" {\"x\":[{}], \"type\" : \"send\"}\n", ENVELOPE_OK, ENVELOPE_SEND},
        {"{\"\\u0074ype\":\"se\\u006ed\"}", ENVELOPE_OK, ENVELOPE_SEND},
        {"{\"type\":\"nope\",\"type\":\"join\"}", ENVELOPE_OK, ENVELOPE_JOIN},
        {"{\"type\":\"join\",\"type\":1}", ENVELOPE_UNKNOWN_TYPE, 0},
        {"{\"Type\":\"join\"}", ENVELOPE_UNKNOWN_TYPE, 0},
        {"{\"type\":\"Join\"}", ENVELOPE_UNKNOWN_TYPE, 0},
        {"{\"a\":{\"type\":\"join\"}}", ENVELOPE_UNKNOWN_TYPE, 0},
        {"{}", ENVELOPE_UNKNOWN_TYPE, 0},
        {"[]", ENVELOPE_UNKNOWN_TYPE, 0},
        {"null", ENVELOPE_UNKNOWN_TYPE, 0},
        {"", ENVELOPE_INVALID_JSON, 0},
        {"{\"type\":\"join\"", ENVELOPE_INVALID_JSON, 0},
        {"{\"type\":\"join\",}", ENVELOPE_INVALID_JSON, 0},
        {"{,\"type\":\"join\"}", ENVELOPE_INVALID_JSON, 0},
        {"{\"type\":\"join\"}{}", ENVELOPE_INVALID_JSON, 0},
        {"{\"type\" \"join\"}", ENVELOPE_INVALID_JSON, 0},
        {"{type:\"join\"}", ENVELOPE_INVALID_JSON, 0},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct guarded text = guarded_copy(bytes_of_string(cases[i].text));
        struct envelope envelope;
        enum envelope_result result = envelope_parse(guarded_view(&text), &envelope);
        if (result != cases[i].result)
            fail_msg("%d instead of %d: %s", result, cases[i].result, cases[i].text);
        if (result == ENVELOPE_OK)
            assert_int_equal(envelope.type, cases[i].type);
        guarded_free(&text);
    }
}

static void fields_are_views_of_what_was_written(void **state)
{
    (void)state;
    struct envelope envelope;
    struct bytes text = BYTES("{\"data\":1,\"room\":\"AB\",\"to\":null,\"clientId\":\"\\u0061\","
                              "\"type\":\"send\",\"data\": [1, \"}\"] ,\"maxClients\":1e1}");
    assert_int_equal(envelope_parse(text, &envelope), ENVELOPE_OK);
    assert_true(bytes_equal(envelope.data.raw, BYTES("[1, \"}\"]")));
    assert_true(bytes_equal(envelope.room.raw, BYTES("\"AB\"")));
    assert_int_equal(envelope.to.kind, JSON_NULL);
    assert_true(json_string_equals(&envelope.client_id, BYTES("a")));
    assert_true(json_member_number(&envelope.max_clients) == 10);

    assert_int_equal(envelope.url.kind, JSON_ABSENT);

    text = BYTES("{\"url\":1,\"type\":\"create\",\"u\\u0072l\":\"https:\\/\\/a\",\"URL\":2}");
    assert_int_equal(envelope_parse(text, &envelope), ENVELOPE_OK);
    assert_true(bytes_equal(envelope.url.raw, BYTES("\"https:\\/\\/a\"")));
    assert_int_equal(envelope.room.kind, JSON_ABSENT);

    assert_int_equal(envelope_parse(BYTES("{\"type\":\"send\"}"), &envelope), ENVELOPE_OK);
    assert_int_equal(envelope.data.kind, JSON_ABSENT);
    assert_int_equal(envelope.to.kind, JSON_ABSENT);
    assert_int_equal(envelope.url.kind, JSON_ABSENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_are_judged),
        cmocka_unit_test(fields_are_views_of_what_was_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
