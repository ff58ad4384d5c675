/* What a record says of a room, which records are refused, and that nothing is left of those. */
#include <stdio.h>
#include <stdlib.h>

#include "relay/relay_3_fixture.h"

#define RECORD_BYTES 65536

static void expect_record(struct world *world, const char *code, const char *expected)
{
    char *record = record_of(world, code);
    assert_string_equal(record, expected);
    free(record);
}

/* Leaves out a field with its number or flag, wherever it is. */
static void leave_out(char *text, const char *field)
{
    char *at;
    while ((at = strstr(text, field)) != NULL) {
        size_t length = strlen(field) + strspn(at + strlen(field), "0123456789true");
        memmove(at, at + length, strlen(at + length) + 1);
    }
}

/* The same for all that a restored room has otherwise than the room that was recorded. */
static void leave_out_holds(char *text)
{
    leave_out(text, ",\"nextIndex\":");
    leave_out(text, ",\"here\":");
    leave_out(text, ",\"holdLeft\":");
    leave_out(text, ",\"cutOff\":");
}

/* What is recorded of the room, of the room that is made of this, and of that one, is the same. */
static void expect_round_trip(struct world *world, const char *code)
{
    static struct world other; /* too large for the stack, beside the first */
    struct record_fault fault;
    char *records[3] = {record_of(world, code)};
    for (int i = 1; i < 3; i++) {
        world_init(&other);
        assert_true(restore(&other, records[i - 1], &fault));
        records[i] = record_of(&other, code);
        world_release(&other);
    }
    for (int i = 0; i < 3; i++)
        leave_out_holds(records[i]);
    assert_string_equal(records[0], records[1]);
    assert_string_equal(records[1], records[2]);
    for (int i = 0; i < 3; i++)
        free(records[i]);
}

static void record_of_protocol_1(void **state)
{
    (void)state;
    struct world world;
    world_init(&world);
    create_room(&world, 1, "b\\\"\\u0000", 3);
    join_room(&world, 2, "a", "AAAB");
    forget_texts(&world);
    expect_record(
        &world, "AAAB",
        "{\"version\":1,\"protocol\":1,\"code\":\"AAAB\",\"maxClients\":3,\"nextIndex\":2,"
        "\"members\":[{\"id\":\"a\",\"index\":1,\"here\":true},"
        "{\"id\":\"b\\\"\\u0000\",\"index\":0,\"here\":true}]}");
    expect_round_trip(&world, "AAAB");
    world_release(&world);
}

static void record_of_protocol_2(void **state)
{
    (void)state;
    struct world world;
    init_party(&world, 4);
    world.relay.now_ms += 1000;
    cut_off(&world, 3);
    join_room(&world, 4, "d", "111112");
    drop(&world, 4);
    world.relay.now_ms += 500;
    forget_texts(&world);
    expect_record(
        &world, "111112",
        "{\"version\":1,\"protocol\":2,\"code\":\"111112\",\"maxClients\":4,\"nextIndex\":4,"
        "\"host\":0,\"members\":[{\"id\":\"a\",\"index\":0,\"here\":true,\"stayed\":1500},"
        "{\"id\":\"b\",\"index\":1,\"here\":true,\"stayed\":1500},"
        "{\"id\":\"c\",\"index\":2,\"stayed\":1000,\"cutOff\":500},"
        "{\"id\":\"d\",\"index\":3,\"stayed\":0}]}");
    set_state(&world, 1, "{\"n\" :\n\r\t1e400}");
    forget_texts(&world);
    char *record = record_of(&world, "111112");
    assert_non_null(strstr(record, "],\"state\":{\"n\" :  \t1e400}}")); /* one line */
    free(record);
    expect_round_trip(&world, "111112");
    drop(&world, 1);
    forget_texts(&world);
    expect_round_trip(&world, "111112"); /* without its host */
    world_release(&world);
}

/* What no longer matters is not written, and what is due is not waited for. */
static void records_of_what_is_over(void **state)
{
    (void)state;
    struct world world;
    init_party(&world, 4);
    cut_off(&world, 3);
    for (uint32_t passed = 0; passed < 2; passed++) {
        world.relay.now_ms += passed == 0 ? WORLD_EMPTY_GRACE_MS - 1 : 1;
        char *record = record_of(&world, "111112");
        assert_int_equal(strstr(record, "cutOff") != NULL, passed == 0);
        free(record);
    }
    forget_texts(&world);
    world_release(&world);
    init_party_3(&world, 2, "");
    cut_off(&world, 2);
    world.relay.now_ms += HOLD_MS_MAX;
    char *record = record_of(&world, "BBBC");
    assert_non_null(strstr(record, "\"holdLeft\":0,"));
    free(record);
    forget_texts(&world);
    world_release(&world);
}

static void record_of_protocol_3(void **state)
{
    (void)state;
    struct world world;
    init_party_3(&world, 3, "");
    world.relay.now_ms += 7000;
    cut_off(&world, 2);
    world.relay.now_ms += 1000;
    forget_texts(&world);
    expect_record(
        &world, "BBBC",
        "{\"version\":1,\"protocol\":3,\"code\":\"BBBC\",\"maxClients\":4,\"nextIndex\":3,"
        "\"host\":0,\"hold\":60000,\"onHostLeft\":\"close\",\"locked\":false,"
        "\"maxAudience\":0,\"audienceMuted\":false,\"creatorKnown\":true,\"members\":["
        "{\"id\":\"aaaaaaaaaaaaaaaa\",\"index\":0,\"here\":true,\"stayed\":8000},"
        "{\"id\":\"bbbbbbbbbbbbbbbb\",\"index\":1,\"holdLeft\":6000,\"stayed\":7000},"
        "{\"id\":\"cccccccccccccccc\",\"index\":2,\"here\":true,\"stayed\":8000}]}");
    expect_round_trip(&world, "BBBC");
    world_release(&world);
}

/* With all that few rooms have. */
static void record_of_a_full_room(void **state)
{
    (void)state;
    struct world world;
    init_party_3(&world, 1,
                 ",\"hold\":7,\"onHostLeft\":\"migrate\",\"maxAudience\":2,\"password\":\"p\","
                 "\"url\":\"https://a.example/\\\"{room}\"");
    expect_round_trip(&world, "BBBC");
    join_3(&world, 2, ",\"password\":\"p\"");
    join_3(&world, 3, ",\"password\":\"p\"");
    join_3(&world, 4, ",\"password\":\"p\",\"role\":\"audience\"");
    set_state(&world, 1, "[null]");
    say(&world, 1, "{\"type\":\"set_state\",\"data\":\"mine\",\"private\":true}");
    say(&world, 1, "{\"type\":\"kick\",\"index\":1}");
    say(&world, 1, "{\"type\":\"kick\",\"index\":2,\"ban\":true}");
    say(&world, 1, "{\"type\":\"mute_audience\",\"muted\":true}");
    say(&world, 1, "{\"type\":\"set_room\",\"locked\":true,\"maxClients\":2}");
    forget_texts(&world);
    char *record = record_of(&world, "BBBC");
    assert_non_null(strstr(record,
                           "\"nextIndex\":3,\"host\":0,\"url\":\"https://a.example/\\\"BBBC\","
                           "\"hold\":7000,\"onHostLeft\":\"migrate\",\"locked\":true,"
                           "\"maxAudience\":2,\"audienceMuted\":true,\"creatorKnown\":true,"
                           "\"password\":{\"salt\":\""));
    assert_non_null(strstr(record,
                           "\"members\":[{\"id\":\"aaaaaaaaaaaaaaaa\",\"index\":0,\"here\":true,"
                           "\"stayed\":0}],\"state\":[null],\"privateState\":\"mine\"}"));
    assert_non_null(strstr(record, "\"kicked\":[\""));
    assert_non_null(strstr(record, "\"banned\":[\""));
    free(record);
    expect_round_trip(&world, "BBBC");
    drop(&world, 1); /* nobody is the host, and nobody with a seat is there */
    forget_texts(&world);
    world_release(&world);
}

/* More outcasts than the room remembers: the oldest of those come first. */
static void outcasts_keep_their_order(void **state)
{
    (void)state;
    struct world world;
    init_party_3(&world, 1, "");
    for (uint32_t i = 1; i <= BANS_MAX + 3; i++) {
        join_3(&world, 2, "");
        say_format(&world, 1, "{\"type\":\"kick\",\"index\":%u}", i);
        forget_texts(&world);
    }
    char *record = record_of(&world, "BBBC");
    const struct party *party = world.clients[1].seat->room->party;
    char first[64];
    assert_int_equal(party->access->kicked.first, 3);
    snprintf(first, sizeof first, "\"kicked\":[\"%016llx\",",
             (unsigned long long)party->access->kicked.items[3].epoch);
    assert_non_null(strstr(record, first));
    free(record);
    expect_round_trip(&world, "BBBC");
    world_release(&world);
}

static void waits_for_a_host(void **state)
{
    (void)state;
    struct world world;
    init_party_3(&world, 2, ",\"onHostLeft\":\"migrate\"");
    cut_off(&world, 2);
    drop(&world, 1);
    forget_texts(&world);
    char *record = record_of(&world, "BBBC");
    assert_non_null(strstr(record, "\"host\":null,"));
    free(record);
    expect_round_trip(&world, "BBBC");
    world_release(&world);
}

#define BEGIN_3                                                                                  \
    "{\"version\":1,\"protocol\":3,\"code\":\"BBBC\",\"maxClients\":4,\"nextIndex\":3,\"hold\":" \
    "60000,"                                                                                     \
    "\"onHostLeft\":\"migrate\",\"locked\":false,\"maxAudience\":1,\"audienceMuted\":false,"     \
    "\"creatorKnown\":true"
#define MEMBER_3(letters) "{\"id\":\"" letters "\",\"index\":0,\"here\":true,\"stayed\":1}"
#define MEMBERS_3 ",\"members\":[" MEMBER_3("aaaaaaaaaaaaaaaa") "]"
#define ROOM_3 BEGIN_3 ",\"host\":0" MEMBERS_3
#define BEGIN_2                                                                           \
    "{\"version\":1,\"protocol\":2,\"code\":\"111112\",\"maxClients\":4,\"nextIndex\":3," \
    "\"host\":0"
#define BEGIN_1 "{\"version\":1,\"protocol\":1,\"code\":\"AAAB\",\"maxClients\":4,\"nextIndex\":3"
#define DIGITS_32 "0123456789abcdef0123456789abcdef"

/* Each is a valid record but for one thing; a field that comes again replaces the first one. */
static const struct {
    const char *record;
    enum record_error error;
    const char *field;
} wrong_records[] = {
    {"", RECORD_NOT_JSON, NULL},
    {"{", RECORD_NOT_JSON, NULL},
    {ROOM_3 "}}", RECORD_NOT_JSON, NULL},
    {ROOM_3 ",\"more\":\"\xff\"}", RECORD_NOT_JSON, NULL},
    {"[]", RECORD_NOT_AN_OBJECT, NULL},
    {"1", RECORD_NOT_AN_OBJECT, NULL},
    {"{}", RECORD_FIELD_MISSING, "version"},
    {ROOM_3 ",\"version\":\"1\"}", RECORD_FIELD_WRONG, "version"},
    {ROOM_3 ",\"version\":0}", RECORD_UNKNOWN_VERSION, NULL},
    {"{\"version\":2}", RECORD_UNKNOWN_VERSION, NULL},
    {"{\"version\":1}", RECORD_FIELD_MISSING, "protocol"},
    {ROOM_3 ",\"protocol\":4}", RECORD_FIELD_WRONG, "protocol"},
    {ROOM_3 ",\"protocol\":2}", RECORD_FIELD_WRONG, "protocol"},
    {"{\"version\":1,\"protocol\":1}", RECORD_FIELD_MISSING, "code"},
    {ROOM_3 ",\"code\":1}", RECORD_FIELD_WRONG, "code"},
    {ROOM_3 ",\"code\":\"bbbc\"}", RECORD_FIELD_WRONG, "code"},
    {ROOM_3 ",\"code\":\"BB-BC\"}", RECORD_FIELD_WRONG, "code"},
    {ROOM_3 ",\"code\":\"BBBBBBBBBBBBB\"}", RECORD_FIELD_WRONG, "code"},
    {"{\"version\":1,\"protocol\":1,\"code\":\"AAAB\"}", RECORD_FIELD_MISSING, "maxClients"},
    {ROOM_3 ",\"maxClients\":0}", RECORD_FIELD_WRONG, "maxClients"},
    {ROOM_3 ",\"maxClients\":1.5}", RECORD_FIELD_WRONG, "maxClients"},
    {BEGIN_1 ",\"members\":null}", RECORD_FIELD_WRONG, "members"},
    {BEGIN_1 "}", RECORD_FIELD_MISSING, "members"},
    {BEGIN_1 ",\"nextIndex\":-1,\"members\":[]}", RECORD_FIELD_WRONG, "nextIndex"},
    {BEGIN_1 ",\"nextIndex\":4294967295,\"members\":[]}", RECORD_FIELD_WRONG, "nextIndex"},
    {BEGIN_2 ",\"members\":[]}", RECORD_FIELD_WRONG, "members"},
    {BEGIN_2 ",\"members\":[{\"id\":\"a\",\"index\":1}]}", RECORD_FIELD_WRONG, "host"},
    {BEGIN_2 ",\"host\":1,\"members\":[{\"id\":\"a\",\"index\":1}]}", RECORD_FIELD_WRONG, "host"},
    {BEGIN_2 ",\"host\":null,\"members\":[{\"id\":\"a\",\"index\":0}]}", RECORD_FIELD_WRONG,
     "host"},
    {BEGIN_2 ",\"members\":[{\"id\":\"a\",\"index\":0}],\"url\":\"ftp://a/\"}", RECORD_FIELD_WRONG,
     "url"},
    {BEGIN_2 ",\"members\":[{\"id\":\"a\",\"index\":0}],\"url\":\"https://a/ \"}",
     RECORD_FIELD_WRONG, "url"},
    {BEGIN_2 ",\"members\":[{\"id\":\"a\",\"index\":0}],\"url\":\"https://a/\\ud800\"}",
     RECORD_FIELD_WRONG, "url"},
    {BEGIN_2 ",\"members\":[{\"id\":\"a\",\"index\":0}],\"url\":null}", RECORD_FIELD_WRONG, "url"},
    {BEGIN_3 MEMBERS_3 "}", RECORD_FIELD_MISSING, "host"},
    {ROOM_3 ",\"host\":1}", RECORD_FIELD_WRONG, "host"},
    {ROOM_3 ",\"host\":null,\"onHostLeft\":\"close\"}", RECORD_FIELD_WRONG, "host"},
    {ROOM_3 ",\"hold\":600001}", RECORD_FIELD_WRONG, "hold"},
    {ROOM_3 ",\"onHostLeft\":\"stay\"}", RECORD_FIELD_WRONG, "onHostLeft"},
    {ROOM_3 ",\"onHostLeft\":null}", RECORD_FIELD_WRONG, "onHostLeft"},
    {ROOM_3 ",\"locked\":1}", RECORD_FIELD_WRONG, "locked"},
    {ROOM_3 ",\"maxAudience\":\"1\"}", RECORD_FIELD_WRONG, "maxAudience"},
    {ROOM_3 ",\"audienceMuted\":null}", RECORD_FIELD_WRONG, "audienceMuted"},
    {ROOM_3 ",\"creatorKnown\":0}", RECORD_FIELD_WRONG, "creatorKnown"},
    {ROOM_3 ",\"password\":null}", RECORD_FIELD_WRONG, "password"},
    {ROOM_3 ",\"password\":{\"salt\":\"" DIGITS_32 "\"}}", RECORD_FIELD_WRONG, "password"},
    {ROOM_3 ",\"password\":{\"salt\":\"" DIGITS_32 "\",\"digest\":\"" DIGITS_32 "\"}}",
     RECORD_FIELD_WRONG, "password"},
    {ROOM_3 ",\"kicked\":{}}", RECORD_FIELD_WRONG, "kicked"},
    {ROOM_3 ",\"kicked\":[\"0000000000000000\"]}", RECORD_FIELD_WRONG, "kicked"},
    {ROOM_3 ",\"kicked\":[\"0123456789abcdef\",\"0123456789abcdeF\"]}", RECORD_FIELD_WRONG,
     "kicked"},
    {ROOM_3 ",\"kicked\":[\"0123456789abcdef01\"]}", RECORD_FIELD_WRONG, "kicked"},
    {ROOM_3 ",\"banned\":[1]}", RECORD_FIELD_WRONG, "banned"},
    {ROOM_3 ",\"members\":[]}", RECORD_FIELD_WRONG, "members"},
    {ROOM_3 ",\"members\":[1]}", RECORD_FIELD_WRONG, "members"},
    {ROOM_3 ",\"members\":[{\"index\":0,\"here\":true}]}", RECORD_FIELD_MISSING, "id"},
    {ROOM_3 ",\"members\":[{\"id\":\"\",\"index\":0,\"here\":true}]}", RECORD_FIELD_WRONG, "id"},
    {ROOM_3 ",\"members\":[" MEMBER_3("a") ",{\"id\":\"\\u0061\",\"index\":1,\"here\":true}]}",
     RECORD_FIELD_WRONG, "id"},
    {ROOM_3 ",\"members\":[" MEMBER_3("a") "," MEMBER_3("b") "]}", RECORD_FIELD_WRONG, "index"},
    {ROOM_3 ",\"members\":[{\"id\":\"a\",\"here\":true}]}", RECORD_FIELD_MISSING, "index"},
    {ROOM_3 ",\"members\":[{\"id\":\"a\",\"index\":4294967294,\"here\":true}]}", RECORD_FIELD_WRONG,
     "index"},
    {ROOM_3 ",\"members\":[{\"id\":\"a\",\"index\":0,\"here\":false}]}", RECORD_FIELD_WRONG,
     "here"},
    {ROOM_3 ",\"members\":[{\"id\":\"a\",\"index\":0}]}", RECORD_FIELD_MISSING, "holdLeft"},
    {ROOM_3 ",\"members\":[{\"id\":\"a\",\"index\":0,\"here\":true,\"stayed\":-1}]}",
     RECORD_FIELD_WRONG, "stayed"},
    {BEGIN_2 ",\"members\":[{\"id\":\"a\",\"index\":0,\"cutOff\":true}]}", RECORD_FIELD_WRONG,
     "cutOff"},
    {ROOM_3 ",\"nextIndex\":0}", RECORD_FIELD_WRONG, "nextIndex"},
};

#define MOMENT(events, seats) \
    ROOM_3 ",\"moment\":{\"toAll\":2,\"oldest\":5,\"events\":[" events "],\"seats\":[" seats "]}}"
#define SEAT_WITH(more, index, epoch, seen, until)                                        \
    "{\"index\":" index ",\"epoch\":\"" epoch "\",\"heard\":1,\"count\":3,\"seen\":" seen \
    ",\"seenUntil\":" until ",\"attempt\":4" more ",\"sessions\":[5,6]}"
#define SEAT(index, epoch, seen, until) SEAT_WITH("", index, epoch, seen, until)
#define RETOLD(count) ",\"retold\":" count
#define EPOCH "0123456789abcdef"
#define EVENT "{\"for\":\"one\",\"indices\":[0],\"frame\":\"7b7d\"}"

static const char *const wrong_moments[] = {
    MOMENT(EVENT,
           SEAT_WITH(RETOLD("4"), "0", EPOCH, "2", "6")), /* more than the seat has counted */
    MOMENT(EVENT, SEAT_WITH(RETOLD("-1"), "0", EPOCH, "2", "6")),
    ROOM_3 ",\"moment\":1}",
    ROOM_3 ",\"moment\":{\"toAll\":-1,\"oldest\":5,\"events\":[],\"seats\":[]}}",
    ROOM_3 ",\"moment\":{\"toAll\":1,\"events\":[],\"seats\":[]}}",
    ROOM_3 ",\"moment\":{\"toAll\":1,\"oldest\":5,\"seats\":[]}}",
    ROOM_3 ",\"moment\":{\"toAll\":1,\"oldest\":5,\"events\":[]}}",
    MOMENT("1", ""),
    MOMENT("{\"for\":\"nobody\",\"indices\":[],\"frame\":\"7b7d\"}", ""),
    MOMENT("{\"for\":\"everyone\",\"indices\":[0],\"frame\":\"7b7d\"}", ""),
    MOMENT("{\"for\":\"one\",\"indices\":[],\"frame\":\"7b7d\"}", ""),
    MOMENT("{\"for\":\"one\",\"indices\":[0,1],\"frame\":\"7b7d\"}", ""),
    MOMENT("{\"for\":\"one\",\"indices\":[-1],\"frame\":\"7b7d\"}", ""),
    MOMENT("{\"for\":\"one\",\"indices\":[0],\"frame\":\"\"}", ""),
    MOMENT("{\"for\":\"one\",\"indices\":[0],\"frame\":\"7b7\"}", ""),
    MOMENT("{\"for\":\"one\",\"indices\":[0],\"frame\":\"7b7g\"}", ""),
    MOMENT("{\"for\":\"one\",\"indices\":[0]}", ""),
    MOMENT("{\"for\":\"one\",\"indices\":[0],\"skipped\":0}", ""),
    MOMENT("{\"for\":\"one\",\"indices\":[0],\"isState\":true}", ""),
    MOMENT(EVENT, "1"),
    MOMENT(EVENT, SEAT("1", EPOCH, "2", "6")),
    MOMENT(EVENT, SEAT("0", "0000000000000000", "2", "6")),
    MOMENT(EVENT, SEAT("0", "1", "2", "6")),
    MOMENT(EVENT, SEAT("0", EPOCH, "4", "6")),
    MOMENT(EVENT, SEAT("0", EPOCH, "2", "7")),
    MOMENT(EVENT, SEAT("0", EPOCH, "2", "6") "," SEAT("0", EPOCH, "2", "null")),
};

/* A fault is about such a record, and world_release() finds what is left of it. */
static void expect_fault(struct world *world, const char *record, enum record_error error,
                         const char *field)
{
    struct record_fault fault;
    if (restore(world, record, &fault))
        fail_msg("%s became a room", record);
    if (fault.error != error)
        fail_msg("%s: %s", record, record_error_text(fault.error));
    if (field == NULL)
        assert_null(fault.field);
    else
        assert_string_equal(fault.field, field);
}

static void wrong_records_leave_nothing_behind(void **state)
{
    (void)state;
    struct world world;
    struct record_fault fault;
    world_init_3(&world);
    for (size_t i = 0; i < ARRAY_LENGTH(wrong_records); i++)
        expect_fault(&world, wrong_records[i].record, wrong_records[i].error,
                     wrong_records[i].field);
    assert_true(restore(&world, ROOM_3 "}", &fault));
    assert_true(restore(&world, BEGIN_1 ",\"members\":[]}", &fault));
    assert_true(restore(&world, BEGIN_2 ",\"members\":[{\"id\":\"a\",\"index\":0}]}", &fault));
    world_release(&world);
}

static void wrong_moments_leave_nothing_behind(void **state)
{
    (void)state;
    struct world world;
    struct record_fault fault;
    world_init_3(&world);
    world.is_of_stop = true;
    for (size_t i = 0; i < ARRAY_LENGTH(wrong_moments); i++)
        expect_fault(&world, wrong_moments[i], RECORD_FIELD_WRONG, "moment");
    assert_true(restore(&world, MOMENT(EVENT, SEAT("0", EPOCH, "2", "6")), &fault));
    char *record = record_of(&world, "BBBC");
    assert_non_null(strstr(record, ",\"moment\":{\"toAll\":2,\"oldest\":5,\"events\":[" EVENT
                                   "],\"seats\":[" SEAT("0", EPOCH, "2", "6") "]}}"));
    free(record);
    world_release(&world);
    world_init_3(&world);
    world.is_of_stop = true;
    assert_true(
        restore(&world, MOMENT(EVENT, SEAT_WITH(RETOLD("3"), "0", EPOCH, "2", "6")), &fault));
    record = record_of(&world, "BBBC");
    assert_non_null(strstr(record, "\"attempt\":4,\"retold\":3,"));
    free(record);
    world_release(&world);
    /* A seat of which the moment knows nothing has missed nothing. */
    world_init_3(&world);
    world.is_of_stop = true;
    assert_true(restore(&world, MOMENT(EVENT, ""), &fault));
    record = record_of(&world, "BBBC");
    assert_non_null(strstr(record, "\"heard\":0,\"count\":0,\"seen\":0,\"seenUntil\":6,"));
    free(record);
    world_release(&world);
    world_init_3(&world); /* not of a stop: the moment is over, and nobody looks at it */
    assert_true(restore(&world, ROOM_3 ",\"moment\":1}", &fault));
    world_release(&world);
}

static void codes_are_taken_or_elsewhere(void **state)
{
    (void)state;
    struct world world;
    struct record_fault fault;
    uint64_t code;
    uint64_t expected;
    world_init_3(&world);
    assert_true(restore(&world, ROOM_3 "}", &fault));
    expect_fault(&world, ROOM_3 "}", RECORD_CODE_TAKEN, NULL);
    world_release(&world);
    world_init_3(&world);
    assert_true(code_read(BYTES("BBBC"), &expected));
    assert_true(record_read_code(BYTES(ROOM_3 "}"), &code, &fault));
    assert_int_equal(code, expected);
    assert_false(record_read_code(BYTES("{\"version\":1}"), &code, &fault));
    assert_string_equal(fault.field, "code");
    world.relay.config.loop_count = 2;
    world.relay.config.loop_index = (uint32_t)(code % 2) ^ 1;
    expect_fault(&world, ROOM_3 "}", RECORD_CODE_OF_OTHER_LOOP, NULL);
    world_release(&world);
}

/* `count` members, each with an id of so many digits; to be freed. */
static char *record_of_many(uint32_t count, int id_length)
{
    char *record = malloc(RECORD_BYTES);
    size_t length = 0;
    if (record == NULL)
        abort();
    length += (size_t)snprintf(record, RECORD_BYTES,
                               BEGIN_3 ",\"host\":0,\"nextIndex\":90,\"members\":[");
    for (uint32_t i = 0; i < count; i++)
        length += (size_t)snprintf(record + length, RECORD_BYTES - length,
                                   "%s{\"id\":\"%0*u\",\"index\":%u,\"here\":true}",
                                   i == 0 ? "" : ",", id_length, i, i);
    snprintf(record + length, RECORD_BYTES - length, "]}");
    return record;
}

static void limits_hold(void **state)
{
    (void)state;
    struct world world;
    struct record_fault fault;
    world_init_3(&world);
    char *record = record_of_many(WORLD_MEMBERS_MAX, WORLD_ID_BYTES_MAX);
    assert_true(restore(&world, record, &fault));
    free(record);
    pass_time(&world, RESTORED_HOLD_LEAST_MS);
    pass_time(&world, WORLD_GRACE_MS);
    record = record_of_many(WORLD_MEMBERS_MAX + 1, 16);
    expect_fault(&world, record, RECORD_TOO_MANY_MEMBERS, NULL);
    free(record);
    record = record_of_many(1, WORLD_ID_BYTES_MAX + 1);
    expect_fault(&world, record, RECORD_ID_TOO_LONG, NULL);
    free(record);
    for (uint32_t i = 0; i < WORLD_ROOMS_MAX; i++)
        say_format(&world, i,
                   "{\"type\":\"create\",\"clientId\":\"%016u\",\"session\":\"12345678\","
                   "\"maxClients\":1}",
                   i);
    forget_texts(&world);
    expect_fault(&world,
                 "{\"version\":1,\"protocol\":1,\"code\":\"AAAB\",\"maxClients\":1,"
                 "\"nextIndex\":0,\"members\":[]}",
                 RECORD_TOO_MANY_ROOMS, NULL);
    world_release(&world);
}

/* A record with a long field at its end. */
static void expect_fault_of_long(struct world *world, const char *field, size_t length,
                                 enum record_error error)
{
    struct record_fault fault;
    size_t size = sizeof ROOM_3 + 64 + length;
    char *record = malloc(size);
    if (record == NULL)
        abort();
    size_t at = (size_t)snprintf(record, size, ROOM_3 ",\"%s\":\"", field);
    memset(record + at, 'x', length);
    memcpy(record + at + length, "\"}", sizeof "\"}");
    if (error == RECORD_ERRORS)
        assert_true(restore(world, record, &fault));
    else
        expect_fault(world, record, error, NULL);
    free(record);
    pass_time(world, WORLD_GRACE_MS);
}

static void outcasts_are_bounded(void **state)
{
    (void)state;
    static char record[RECORD_BYTES];
    struct world world;
    struct record_fault fault;
    for (uint32_t count = BANS_MAX; count <= BANS_MAX + 1; count++) {
        int length = snprintf(record, sizeof record, ROOM_3 ",\"banned\":[");
        for (uint32_t i = 1; i <= count; i++)
            length += snprintf(record + length, sizeof record - (size_t)length, "%s\"%016x\"",
                               i == 1 ? "" : ",", i);
        snprintf(record + length, sizeof record - (size_t)length, "]}");
        world_init_3(&world);
        if (count == BANS_MAX)
            assert_true(restore(&world, record, &fault));
        else
            expect_fault(&world, record, RECORD_FIELD_WRONG, "banned");
        world_release(&world);
    }
}

static void what_is_kept_is_bounded(void **state)
{
    (void)state;
    const struct {
        const char *field;
        size_t length;
        enum record_error error;
    } cases[] = {
        {"state", STATE_COMPACT_BYTES_MAX - 2, RECORD_ERRORS},
        {"state", STATE_COMPACT_BYTES_MAX - 1, RECORD_STATE_TOO_LARGE},
        {"privateState", STATE_COMPACT_BYTES_MAX - 2, RECORD_ERRORS},
        {"privateState", STATE_COMPACT_BYTES_MAX - 1, RECORD_STATE_TOO_LARGE},
        {"x", RECORD_UNKNOWN_BYTES_MAX - 7, RECORD_ERRORS},
        {"x", RECORD_UNKNOWN_BYTES_MAX - 6, RECORD_TOO_MUCH_UNKNOWN},
        {"moment", (size_t)3 * RECORD_UNKNOWN_BYTES_MAX, RECORD_ERRORS},
        {"x", RECORD_BYTES_MAX, RECORD_TOO_LONG},
    };
    struct world world;
    world_init_3(&world);
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++)
        expect_fault_of_long(&world, cases[i].field, cases[i].length, cases[i].error);
    world_release(&world);
}

#define FULL_3                                                                                  \
    BEGIN_3 ",\"host\":0,\"url\":\"https://a.example/BBBC\",\"kicked\":[\"0123456789abcdef\"]," \
            "\"banned\":[\"0123456789abcdef\"],\"members\":[" MEMBER_3(                         \
                "aaaaaaaaaaaaaaaa") ",{\"id\":\"b\",\"index\":1,\"holdLeft\":1}],\"state\":1,"  \
                                    "\"privateState\":2,\"later\":[3]}"

/* However little rooms may retain, the room is there with all of it, or nothing is. */
static void memory_may_be_short_anywhere(void **state)
{
    (void)state;
    struct world world;
    struct record_fault fault;
    bool is_restored = false;
    uint32_t refused = 0;
    for (size_t bytes = 0; !is_restored; bytes += 8) {
        world_init_3(&world);
        world.bytes_max = bytes;
        is_restored = restore(&world, FULL_3, &fault);
        if (!is_restored) {
            assert_int_equal(fault.error, RECORD_RETAINS_TOO_MUCH);
            refused++;
        }
        world_release(&world);
    }
    assert_true(refused > 40);
}

static void unknown_fields_are_kept(void **state)
{
    (void)state;
    struct world world;
    struct record_fault fault;
    world_init_3(&world);
    assert_true(restore(&world,
                        ROOM_3 ",\"l\\u0061ter\" : [\n1 , {\"id\":2}] ,\"state\":3,\"moment\":4,"
                               "\"more\":\"\\n\"}",
                        &fault));
    char *record = record_of(&world, "BBBC");
    assert_non_null(strstr(record, "],\"state\":3,\"l\\u0061ter\":[ 1 , {\"id\":2}],"
                                   "\"more\":\"\\n\"}"));
    assert_null(strstr(record, "moment"));
    free(record);
    expect_round_trip(&world, "BBBC");
    world_release(&world);
}

/* A copy without the moment, in memory of exactly as many bytes as the record has; to be freed. */
static char *copy_without_moment(const char *record)
{
    uint8_t *bytes = malloc(strlen(record));
    struct writer writer = writer_over(bytes, strlen(record));
    assert_non_null(bytes);
    record_copy_without_moment(&writer, bytes_of_string(record));
    assert_true(writer.length <= strlen(record));
    char *copy = strndup((const char *)bytes, writer.length);
    assert_non_null(copy);
    free(bytes);
    return copy;
}

static void expect_copy(const char *record, bool has_moment, const char *expected)
{
    assert_int_equal(record_has_moment(bytes_of_string(record)), has_moment);
    char *copy = copy_without_moment(record);
    assert_string_equal(copy, expected);
    assert_false(record_has_moment(bytes_of_string(copy)));
    free(copy);
}

/* As if the room had been recorded at that moment, but not of a stop. */
static void a_copy_without_the_moment_is_a_record(void **state)
{
    (void)state;
    struct world world;
    struct record_fault fault;
    init_party_3(&world, 3, ",\"password\":\"x\",\"maxAudience\":2");
    say(&world, 1, "{\"type\":\"set_state\",\"data\":{\"a\":[1]}}");
    say(&world, 1, "{\"type\":\"send\",\"to\":\"others\",\"data\":1}");
    for (uint32_t client = 1; client <= 3; client++)
        cut_off(&world, client);
    forget_texts(&world);
    char *plain = record_of(&world, "BBBC");
    world.is_of_stop = true;
    char *final = record_of(&world, "BBBC");
    assert_true(strlen(final) > strlen(plain));
    expect_copy(final, true, plain);
    expect_copy(plain, false, plain);
    forget_texts(&world);
    world_release(&world);
    world_init_3(&world);
    assert_true(restore(&world, plain, &fault));
    world_release(&world);
    free(plain);
    free(final);
}

/* Rooms of protocols 1 and 2 have none. */
static void few_records_have_a_moment(void **state)
{
    (void)state;
    struct world world;
    init_party(&world, 3);
    set_state(&world, 1, "[2]");
    for (uint32_t client = 1; client <= 3; client++)
        cut_off(&world, client);
    forget_texts(&world);
    world.is_of_stop = true;
    char *record = record_of(&world, "111112");
    expect_copy(record, false, record);
    free(record);
    world_release(&world);
}

static void a_copy_keeps_what_is_not_known(void **state)
{
    (void)state;
    expect_copy("{\"version\":1}", false, "{\"version\":1}");
    expect_copy("{\"moment\":{\"moment\":1},\"version\":1}", true, "{\"version\":1}");
    expect_copy(" { \"l\\u0061ter\" : [ 1 ] , \"mom\\u0065nt\" : 4, \"hold\":{\"moment\":2},"
                "\"version\" : 1,\"m\":null}",
                true, "{\"version\":1,\"hold\":{\"moment\":2},\"l\\u0061ter\":[ 1 ],\"m\":null}");
    static const char *const others[] = {"",
                                         "x",
                                         "[]",
                                         "{}",
                                         "{\"version\":2,\"moment\":1}",
                                         "{\"version\":1,\"moment\":1",
                                         "{\"moment\":1}"};
    for (size_t i = 0; i < ARRAY_LENGTH(others); i++)
        expect_copy(others[i], false, "");
}

/* Numbers that this server does not allow become those that it does. */
static void settings_are_those_of_the_server(void **state)
{
    (void)state;
    struct world world;
    struct record_fault fault;
    world_init_3(&world);
    world.relay.config.hold_ms_max = 5000;
    assert_true(restore(&world,
                        ROOM_3 ",\"maxClients\":4294967295,\"maxAudience\":100000,"
                               "\"nextIndex\":4294967294}",
                        &fault));
    char *record = record_of(&world, "BBBC");
    assert_non_null(strstr(record, "\"maxClients\":8,\"nextIndex\":4294967294,"));
    assert_non_null(strstr(record, "\"hold\":5000,"));
    assert_non_null(strstr(record, "\"maxAudience\":8,"));
    free(record);
    world_release(&world);
}

static void indices_are_rounded_up(void **state)
{
    (void)state;
    static const uint32_t next_indices[][2] = {{1, 16}, {15, 16}, {16, 32}, {17, 32}};
    struct world world;
    struct record_fault fault;
    for (size_t i = 0; i < ARRAY_LENGTH(next_indices); i++) {
        char record[1024];
        char expected[64];
        world_init_3(&world);
        snprintf(record, sizeof record, ROOM_3 ",\"nextIndex\":%u}", next_indices[i][0]);
        snprintf(expected, sizeof expected, "\"nextIndex\":%u,", next_indices[i][1]);
        assert_true(restore(&world, record, &fault));
        char *written = record_of(&world, "BBBC");
        assert_non_null(strstr(written, expected));
        free(written);
        world_release(&world);
    }
}

/* The line that an operator sees. */
static void show(const char *record, char *ret_line, size_t capacity)
{
    struct record_fault fault = {0};
    struct writer writer = writer_over((uint8_t *)ret_line, capacity - 1);
    if (!record_show(&writer, bytes_of_string(record), &fault))
        fail_msg("%s: %s", record, record_error_text(fault.error));
    assert_true(writer_fits(&writer));
    ret_line[writer.length] = '\0';
}

static void expect_shown(const char *record, const char *expected)
{
    char line[4096];
    char wanted[4096];
    show(record, line, sizeof line);
    snprintf(wanted, sizeof wanted, "%s,\"recordBytes\":%zu}", expected, strlen(record));
    assert_string_equal(line, wanted);
}

static void what_is_shown_has_no_secrets(void **state)
{
    (void)state;
    struct world world;
    init_party_3(&world, 1, ",\"password\":\"p\",\"url\":\"https://a.example/{room}?key=s3cret\"");
    join_3(&world, 2, ",\"password\":\"p\"");
    join_3(&world, 3, ",\"password\":\"p\"");
    set_state(&world, 1, "\"s3cret\"");
    say(&world, 1, "{\"type\":\"set_state\",\"data\":\"s3cret too\",\"private\":true}");
    say(&world, 1, "{\"type\":\"kick\",\"index\":1,\"ban\":true}");
    forget_texts(&world);
    char *record = record_of(&world, "BBBC");
    expect_shown(record,
                 "{\"code\":\"BBBC\",\"protocol\":3,\"maxClients\":4,\"nextIndex\":3,\"host\":0,"
                 "\"url\":\"https://a.example/BBBC\",\"hold\":60000,\"onHostLeft\":\"close\","
                 "\"locked\":false,\"maxAudience\":0,\"audienceMuted\":false,"
                 "\"creatorKnown\":true,\"hasPassword\":true,\"kickedCount\":1,\"bannedCount\":1,"
                 "\"members\":[{\"index\":0,\"here\":true,\"stayed\":0},"
                 "{\"index\":2,\"here\":true,\"stayed\":0}],\"stateBytes\":8,"
                 "\"privateStateBytes\":12,\"hasMoment\":false");
    free(record);
    world_release(&world);
}

/* Members come by index, and fields that are not known may be secrets. */
static void what_is_shown_is_what_is_known(void **state)
{
    (void)state;
    expect_shown(
        "{\"version\":1,\"protocol\":2,\"code\":\"111112\",\"maxClients\":\"many\",\"host\":0,"
        "\"url\":\"https://me:secret@a.example/\",\"members\":[{\"id\":\"a\",\"index\":3},"
        "{\"id\":\"b\",\"index\":1,\"cutOff\":5,\"name\":\"Bob\"}],\"key\":\"secret\","
        "\"moment\":{\"events\":[\"secret\"]}}",
        "{\"code\":\"111112\",\"protocol\":2,\"host\":0,\"members\":[{\"index\":1,\"cutOff\":5},"
        "{\"index\":3}],\"hasMoment\":true");
}

static void each_error_has_a_text(void **state)
{
    (void)state;
    for (int error = 0; error < RECORD_ERRORS; error++)
        assert_true(strlen(record_error_text((enum record_error)error)) > 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(record_of_protocol_1),
        cmocka_unit_test(record_of_protocol_2),
        cmocka_unit_test(records_of_what_is_over),
        cmocka_unit_test(record_of_protocol_3),
        cmocka_unit_test(record_of_a_full_room),
        cmocka_unit_test(outcasts_keep_their_order),
        cmocka_unit_test(waits_for_a_host),
        cmocka_unit_test(wrong_records_leave_nothing_behind),
        cmocka_unit_test(wrong_moments_leave_nothing_behind),
        cmocka_unit_test(codes_are_taken_or_elsewhere),
        cmocka_unit_test(limits_hold),
        cmocka_unit_test(outcasts_are_bounded),
        cmocka_unit_test(what_is_kept_is_bounded),
        cmocka_unit_test(memory_may_be_short_anywhere),
        cmocka_unit_test(unknown_fields_are_kept),
        cmocka_unit_test(a_copy_without_the_moment_is_a_record),
        cmocka_unit_test(few_records_have_a_moment),
        cmocka_unit_test(a_copy_keeps_what_is_not_known),
        cmocka_unit_test(settings_are_those_of_the_server),
        cmocka_unit_test(indices_are_rounded_up),
        cmocka_unit_test(what_is_shown_has_no_secrets),
        cmocka_unit_test(what_is_shown_is_what_is_known),
        cmocka_unit_test(each_error_has_a_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
