/*
 * Rooms of protocol 3 as a state machine: bytes choose what some clients do on one to four loops.
 *
 * They create, join, come back with any epoch and count, send, watch, kick, lock, leave, are cut
 * off, and say whatever the input says; time passes, and the log may be small; the process of a
 * loop ends, and another one makes its rooms of their records. After each step everything is
 * compared with the model in tests/unit/relay: what each client heard, whose connections were
 * ended, and rooms and members. When memory is short, the model can't tell what happens. From then
 * on rooms must be sound, what they retain must be counted (see relay_fixture), and whatever was
 * heard is JSON or a binary message.
 *
 * Input: the size of the log, the loops and the seed of what is drawn, then steps: what, by whom,
 * and what that step needs.
 */
#include <stdio.h>

#include "fuzz/fuzz_input.h"
#include "relay/relay_model_3.h"

#define CLIENTS 8
#define STEPS_MAX 300
#define TEXT_BYTES_MAX 1024

#define CHOOSE(table, input) ((table)[fuzz_take_byte(input) % ARRAY_LENGTH(table)])

static const char *const sessions[] = {"session 1", "session 2", "session 3"};

/* Fields that `create` may have beside those that it must have. */
static const char *const wishes[] = {
    "",
    ",\"onHostLeft\":\"migrate\"",
    ",\"maxAudience\":2",
    ",\"onHostLeft\":\"migrate\",\"maxAudience\":1,\"hold\":600",
    ",\"hold\":0",
    ",\"hold\":7.5,\"password\":\"p\"",
    ",\"url\":\"https://a.example/{room}\"",
    ",\"url\":\"http://10.0.0.1/{room}\"",
    ",\"maxClients\":1",
};

static const char *const join_more[] = {
    "", ",\"role\":\"audience\"", ",\"password\":\"p\"", ",\"password\":\"q\"", ",\"role\":null",
};

static const char *const messages[] = {
    "{\"type\":\"send\",\"data\":1}",
    "{\"type\":\"send\",\"data\":2,\"volatile\":true}",
    "{\"type\":\"send\",\"data\":3,\"to\":\"host\"}",
    "{\"type\":\"send\",\"data\":4,\"to\":[0,1,2,2,9]}",
    "{\"type\":\"send\",\"data\":5,\"to\":1}",
    "{\"type\":\"send\",\"to\":0,\"volatile\":true}",
    "{\"type\":\"send\",\"to\":[]}",
    "{\"type\":\"send\",\"to\":7}",
    "{\"type\":\"set_state\",\"data\":{\"a\":[1]}}",
    "{\"type\":\"set_state\",\"data\":\"mine\",\"private\":true}",
    "{\"type\":\"set_state\"}",
    "{\"type\":\"set_room\",\"locked\":true}",
    "{\"type\":\"set_room\",\"locked\":false,\"password\":null,\"maxClients\":3}",
    "{\"type\":\"set_room\",\"maxAudience\":0,\"password\":\"p\"}",
    "{\"type\":\"set_host\",\"index\":1}",
    "{\"type\":\"set_host\",\"index\":0}",
    "{\"type\":\"kick\",\"index\":1}",
    "{\"type\":\"kick\",\"index\":2,\"ban\":true,\"reason\":\"\\u0000\\n\"}",
    "{\"type\":\"mute_audience\",\"muted\":true}",
    "{\"type\":\"leave\"}",
    "{\"type\":\"close_room\"}",
    "{\"type\":\"resumed\",\"unasked\":1}",
    "{\"type\":\"nothing\"}",
    "{\"type\":\"mute_audience\",\"muted\":false}",
    "{\"type\":\"set_host\",\"index\":2}",
    "{\"type\":\"set_room\",\"maxClients\":8,\"maxAudience\":8,\"password\":null}",
    "no JSON",
};

static const uint32_t durations_ms[] = {
    0, 1, 1000, 4999, 5000, 15000, 60000, 120000, HOLD_MS_MAX - 1, HOLD_MS_MAX};

PRINTF_LIKE(3, 4)
static void say_in_model(struct model_3 *model, uint32_t client, const char *format, ...)
{
    char text[TEXT_BYTES_MAX];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    assert(length >= 0 && (size_t)length < sizeof text);
    model_3_say(model, client, bytes_of(text, (size_t)length));
}

static void step_create(struct model_3 *model, uint32_t client, struct bytes *input)
{
    const char *session = CHOOSE(sessions, input);
    uint32_t id = fuzz_take_byte(input) % CLIENTS;
    say_in_model(model, client,
                 "{\"type\":\"create\",\"clientId\":\"client number %06u\",\"session\":\"%s\","
                 "\"maxClients\":4%s}",
                 id, session, CHOOSE(wishes, input));
}

/* One of the rooms of all relays, of which the model may know nothing any more; NULL: there is
 * none.
 */
static const struct room *choose_room(const struct model_3 *model, uint8_t number)
{
    const struct room *last = NULL;
    for (uint32_t loop = 0; loop < model->loop_count; loop++) {
        const struct room_table *table = &model->worlds[loop].relay.rooms;
        for (uint32_t i = 0; i < table->bucket_count; i++) {
            for (const struct room *room = table->buckets[i]; room; room = room->next_in_bucket) {
                last = room;
                if (number-- == 0)
                    return room;
            }
        }
    }
    return last;
}

/* The seat that a client may know of: mostly that of its id; NULL: there is none. */
static const struct seat *choose_seat(const struct room *room, const char *id, uint8_t number)
{
    if (room == NULL || room->party == NULL)
        return NULL;
    const struct member *member = room_find(room, bytes_of_string(id));
    if (member == NULL || number >= 192)
        member = room_by_id(room)[number % room->known_count];
    return member->is_audience ? NULL : member_seat(member);
}

static void step_join(struct model_3 *model, uint32_t client, struct bytes *input)
{
    const char *session = CHOOSE(sessions, input);
    char id[32];
    char code[CODE_LENGTH_MAX + 1] = "ZZZZ";
    snprintf(id, sizeof id, "client number %06u", fuzz_take_byte(input) % CLIENTS);
    const struct room *room = choose_room(model, fuzz_take_byte(input) % 6);
    uint32_t attempt = fuzz_take_byte(input);
    const struct seat *seat = choose_seat(room, id, fuzz_take_byte(input));
    uint64_t seen = fuzz_take_byte(input);
    if (room != NULL)
        code[code_write(room->code, (uint8_t *)code)] = '\0';
    if (seat != NULL && seen >= 128) /* counted from the end */
        seen = seat_count(seat, room->party->to_all) - seen % 128;
    say_in_model(model, client,
                 "{\"type\":\"join\",\"clientId\":\"%s\",\"session\":\"%s\",\"attempt\":%u,"
                 "\"room\":\"%s\",\"epoch\":\"%016jx\",\"seen\":%ju%s}",
                 id, session, attempt, code, seat == NULL ? 0 : (uintmax_t)seat->epoch,
                 (uintmax_t)seen, CHOOSE(join_more, input));
}

static void step_ping(struct model_3 *model, uint32_t client, struct bytes *input)
{
    say_in_model(model, client, "{\"type\":\"ping\",\"seen\":%u}", fuzz_take_byte(input) % 32);
}

/* What the input says, as a text or as a binary message. */
static void step_raw(struct model_3 *model, uint32_t client, struct bytes *input)
{
    size_t length = fuzz_take_byte(input) % 128;
    bool is_binary = fuzz_take_byte(input) % 2 == 0;
    struct bytes message = fuzz_take(input, length);
    if (is_binary)
        model_3_say_binary(model, client, message);
    else
        model_3_say(model, client, message);
}

static void step_end(struct model_3 *model, uint32_t client, struct bytes *input)
{
    static const enum departure departures[] = {DEPARTURE_FAREWELL, DEPARTURE_CUT_OFF,
                                                DEPARTURE_CODELESS, DEPARTURE_CUT_OFF};
    model_3_end(model, client, CHOOSE(departures, input));
}

static void step_world(struct model_3 *model, struct bytes *input)
{
    uint8_t what = fuzz_take_byte(input);
    if (what == 0)
        model_3_set_bytes_left(model, fuzz_take_byte(input) * (size_t)16);
    else if (what == 1 && model->is_lost)
        model_3_set_bytes_left(model, SIZE_MAX);
    else if (what == 2)
        model_3_set_draining(model, !model->is_draining);
    else if (what == 3)
        model_3_forget_guesses(model);
    else if (what == 4 && !model->is_lost)
        model_3_restart(model, fuzz_take_byte(input) % model->loop_count);
    else
        model_3_pass_time(model, CHOOSE(durations_ms, input), what >= 192);
}

static void take_step(struct model_3 *model, struct bytes *input)
{
    uint8_t what = fuzz_take_byte(input) % 8;
    uint32_t client = fuzz_take_byte(input) % CLIENTS;
    switch (what) {
    case 0:
        step_create(model, client, input);
        break;
    case 1:
    case 2:
        step_join(model, client, input);
        break;
    case 3:
    case 4:
        say_in_model(model, client, "%s", CHOOSE(messages, input));
        break;
    case 5:
        if (fuzz_take_byte(input) % 2 == 0)
            step_ping(model, client, input);
        else
            step_raw(model, client, input);
        break;
    case 6:
        step_end(model, client, input);
        break;
    default:
        step_world(model, input);
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct model_3 model; /* too large for the stack */
    struct bytes input = bytes_of(data, size);
    setenv("CMOCKA_TEST_ABORT", "1", 1); /* a failed assertion must not look for a running test */
    uint8_t first = fuzz_take_byte(&input);
    bool has_large_logs = first % 8 == 7;
    model_3_init(&model, 1 + first / 8 % MODEL_3_LOOPS_MAX, first / 32,
                 has_large_logs ? MODEL_3_LOG_PLENTY : 512u << first % 8);
    for (uint32_t i = 0; i < STEPS_MAX && input.length > 0; i++)
        take_step(&model, &input);
    model_3_release(&model);
    return 0;
}
