/*
 * The relay as a state machine: bytes choose what a handful of clients do on one to four loops.
 *
 * They create, join, come back, send, set states, close, leave, connect again with the other
 * protocol, and say whatever the input says; time passes, memory may be short, and the relay may be
 * draining. After each step everything is compared with the model in tests/unit/relay: what each
 * client heard (and that it is JSON), the effects, and rooms, members and seats.
 *
 * Input: the loops and who speaks which protocol at first, the seed of the codes, then steps: what,
 * by whom, and what that step needs.
 */
#include <stdio.h>

#include "fuzz/fuzz_input.h"
#include "relay/relay_model.h"

#define CLIENTS 9 /* one more than the largest room holds */
#define STEPS_MAX 200
#define LONG_STATES_MAX 4 /* in one input: they take the model some milliseconds each */
#define TEXT_BYTES_MAX 1024

#define LETTERS_64 "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijkl"

/* Values as they stand in a message. Some spell the same id in different ways. */
static const char *const ids[] = {
    "\"a\"",
    "\"\\u0061\"",
    "\"b\"",
    "\"\xc3\xa9\"",
    "\"\\u00e9\"",
    "\"\xf0\x9f\x98\x80\"",
    "\"\\ud83d\\ude00\"",
    "\"\\ud83d\"",
    "\"\\u0000\"",
    "\"\\\"\\\\\\/\"",
    "\"/\"",
    "\"ab\"",
    "\"" LETTERS_64 LETTERS_64 LETTERS_64 LETTERS_64 "\"",
    "\"" LETTERS_64 LETTERS_64 LETTERS_64 LETTERS_64 "m\"",
    "\"\"",
    "null",
    "1",
};

static const char *const counts[] = {
    "8", "1", "2", "1.5", "3", "1e400", "9", "0.99", "0", "-1", "1e-400", "\"2\"", "null",
};

static const char *const strange_codes[] = {
    "\"ABCD\"",   "\"ABC0\"",     "\" bc-DF\"",     "\"\"",           "null",
    "7",          "\"\u00e9AB\"", "\"\\u0000BCD\"", "\"ABCDEF\"",     "\"zzzzzz\"",
    "\"uMFe9C\"", "\"uMFe9D\"",   "\"11111l\"",     "\"\u00e9ABCD\"",
};

static const char *const targets[] = {
    "",   "null", "false", "0", "-0.0e5", "1e-400", "\"\"", "true",  "1",
    "[]", "{}",   "2",     "3", "10e-1",  "2.5",    "-1",   "\"1\"", "4294967296",
};

static const char *const values[] = {
    "",
    "7",
    "1e400",
    "\"\\ud800\\n\"",
    "[1,{\"a\":[]}]",
    "{\"type\":\"error\"}",
    "-0",
    "\"\xe2\x82\xac\"",
};

static const char *const urls[] = {
    "\"https://a.example/\"",
    "\"https://{room}.a/{instance}?\\u007broom}\"",
    "\"https://a/\\\"\\\\\u00e9\\/\"",
    "\"http://a\"",
    "\"https://\"",
    "\"https://a/{rooms}\"",
    "\"{room}}\"",
    "\"https://a/ {\"",
    "\"https://a/\\u0085\"",
    "\"https://a/\\udc00\"",
    "\"https://{instance}:{room}\"",
    "\"https://a/" LETTERS_64 LETTERS_64 LETTERS_64 LETTERS_64 LETTERS_64 LETTERS_64 LETTERS_64
    "\"",
    "\"{" LETTERS_64 LETTERS_64 LETTERS_64 LETTERS_64 LETTERS_64 LETTERS_64 LETTERS_64 LETTERS_64
    "\"",
    "null",
    "[]",
};

/* Elements of long states: each as it counts at most, so that some fewer or more are the cap. */
static const struct {
    const char *unit;
    size_t count;
} long_states[] = {{"1,", 8180}, {"\"\\u00e9\" ,", 3270}, {"\"\\n\",", 3270}, {"\t1\r,\n", 8180}};

static const uint32_t durations_ms[] = {
    0, 1, 1000, WORLD_GRACE_MS / 2, WORLD_GRACE_MS - 1, WORLD_GRACE_MS, 3 * WORLD_GRACE_MS, 150000,
};

#define CHOOSE(table, input) ((table)[fuzz_take_byte(input) % ARRAY_LENGTH(table)])

PRINTF_LIKE(3, 4)
static void say_in_model(struct model *model, uint32_t client, const char *format, ...)
{
    char text[TEXT_BYTES_MAX];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    assert(length >= 0 && (size_t)length < sizeof text);
    model_say(model, client, bytes_of(text, (size_t)length));
}

static void step_create(struct model *model, uint32_t client, struct bytes *input)
{
    const char *id = CHOOSE(ids, input);
    say_in_model(model, client, "{\"type\":\"create\",\"clientId\":%s,\"maxClients\":%s}", id,
                 CHOOSE(counts, input));
}

static void step_create_with_url(struct model *model, uint32_t client, struct bytes *input)
{
    const char *id = CHOOSE(ids, input);
    say_in_model(model, client, "{\"type\":\"create\",\"clientId\":%s,\"maxClients\":3,\"url\":%s}",
                 id, CHOOSE(urls, input));
}

#define SPELLED_MAX (CODE_LENGTH_MAX + 8) /* with quotes, an escape and a NUL */

/* A room's code as it is, in lower case, or with its first letter escaped. */
static void spell_code(const char *code, uint8_t way, char ret_value[SPELLED_MAX])
{
    size_t length = 0;
    ret_value[length++] = '"';
    if (way % 3 == 2 && code[0] != '\0')
        length += (size_t)snprintf(ret_value + length, 7, "\\u%04x", *code++);
    for (; *code != '\0'; code++)
        ret_value[length++] = (char)(way % 3 == 1 ? ascii_lower((uint8_t)*code) : *code);
    ret_value[length++] = '"';
    ret_value[length] = '\0';
}

static void step_join(struct model *model, uint32_t client, struct bytes *input)
{
    const char *id = CHOOSE(ids, input);
    char code[SPELLED_MAX];
    uint32_t place = fuzz_take_byte(input) % MODEL_ROOMS_MAX;
    spell_code(model->rooms[place].code, fuzz_take_byte(input), code);
    say_in_model(model, client, "{\"room\":%s,\"clientId\":%s,\"type\":\"join\"}", code, id);
}

static void step_join_strangely(struct model *model, uint32_t client, struct bytes *input)
{
    const char *id = CHOOSE(ids, input);
    say_in_model(model, client, "{\"room\":%s,\"clientId\":%s,\"type\":\"join\"}",
                 CHOOSE(strange_codes, input), id);
}

/* To a value of the table; the first stands for a message without the field. */
static void send_with(struct model *model, uint32_t client, const char *to, const char *data)
{
    say_in_model(model, client, "{\"type\":\"send\",\"from\":\"x\"%s%s%s%s}",
                 to[0] == '\0' ? "" : ",\"to\":", to, data[0] == '\0' ? "" : ",\"data\":", data);
}

static void step_broadcast(struct model *model, uint32_t client, struct bytes *input)
{
    const char *to = CHOOSE(targets, input);
    send_with(model, client, to, CHOOSE(values, input));
}

static void step_send(struct model *model, uint32_t client, struct bytes *input)
{
    const char *to = CHOOSE(ids, input);
    send_with(model, client, to, CHOOSE(values, input));
}

static void step_leave(struct model *model, uint32_t client, struct bytes *input)
{
    (void)input;
    if (client % 2 == 1)
        model_cut_off(model, client);
    else
        model_drop(model, client);
}

static void step_drain(struct model *model, uint32_t client, struct bytes *input)
{
    (void)client;
    (void)input;
    model_set_draining(model, !model->is_draining);
}

static void step_set_state(struct model *model, uint32_t client, struct bytes *input)
{
    const char *data = CHOOSE(values, input);
    say_in_model(model, client, "{%s%s%s\"type\":\"set_state\"}",
                 data[0] == '\0' ? "" : "\"data\":", data, data[0] == '\0' ? "" : " ,");
}

static uint32_t long_states_left; /* of this input */

static void step_set_long_state(struct model *model, uint32_t client, struct bytes *input)
{
    size_t which = fuzz_take_byte(input) % ARRAY_LENGTH(long_states);
    size_t more = fuzz_take_byte(input) % 32;
    if (long_states_left == 0)
        return;
    long_states_left--;
    model_set_long_state(model, client, long_states[which].unit, long_states[which].count + more);
}

static void step_close_room(struct model *model, uint32_t client, struct bytes *input)
{
    (void)input;
    say_in_model(model, client, "{\"type\":\"close_room\"}");
}

static void step_reconnect(struct model *model, uint32_t client, struct bytes *input)
{
    model_reconnect(model, client, fuzz_take_byte(input) % 2 == 0 ? PROTOCOL_1 : PROTOCOL_2);
}

/* Visitors come and go, each with an id that nobody had; so that a room has to forget some. */
static void step_visitors(struct model *model, uint32_t client, struct bytes *input)
{
    uint32_t place = fuzz_take_byte(input) % MODEL_ROOMS_MAX;
    for (uint32_t i = fuzz_take_byte(input) % 16; i > 0; i--) {
        uint64_t number = model->departures;
        model_drop(model, client);
        say_in_model(model, client, "{\"type\":\"join\",\"clientId\":\"v%ju\",\"room\":\"%s\"}",
                     (uintmax_t)number, model->rooms[place].code);
        model_drop(model, client);
    }
}

static void step_time(struct model *model, uint32_t client, struct bytes *input)
{
    model_pass_time(model, CHOOSE(durations_ms, input), client % 2 == 1);
}

/* It is short, or without limit. */
static void step_memory(struct model *model, uint32_t client, struct bytes *input)
{
    size_t bytes_max = fuzz_take_byte(input) * (size_t)4;
    model_set_bytes_max(model, client % 2 == 1 ? SIZE_MAX : bytes_max);
}

static void step_say_anything(struct model *model, uint32_t client, struct bytes *input)
{
    size_t length = fuzz_take_byte(input);
    model_say(model, client, fuzz_take(input, length));
}

/* All clients speak protocol 1, or all 2, or every second one. */
static void choose_protocols(struct model *model, uint32_t way)
{
    for (uint32_t i = 0; i < CLIENTS; i++) {
        bool is_second = way % 3 == 1 || (way % 3 == 2 && i % 2 == 1);
        model_reconnect(model, i, is_second ? PROTOCOL_2 : PROTOCOL_1);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static void (*const steps[])(struct model * model, uint32_t client, struct bytes * input) = {
        step_create,    step_join,           step_join_strangely,
        step_broadcast, step_send,           step_leave,
        step_drain,     step_say_anything,   step_create_with_url,
        step_set_state, step_set_long_state, step_close_room,
        step_reconnect, step_visitors,       step_time,
        step_memory,
    };
    static struct model model; /* too large for the stack */
    struct bytes input = bytes_of(data, size);
    setenv("CMOCKA_TEST_ABORT", "1", 1); /* a failed assertion must not look for a running test */
    long_states_left = LONG_STATES_MAX;
    uint32_t first = fuzz_take_byte(&input);
    model_init(&model, 1 + first % MODEL_LOOPS_MAX, fuzz_take_byte(&input));
    choose_protocols(&model, first / MODEL_LOOPS_MAX);
    for (uint32_t i = 0; i < STEPS_MAX && input.length > 0; i++) {
        uint8_t step = fuzz_take_byte(&input) % ARRAY_LENGTH(steps);
        uint32_t client = fuzz_take_byte(&input) % CLIENTS;
        steps[step](&model, client, &input);
    }
    model_release(&model);
    return 0;
}
