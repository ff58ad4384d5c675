/*
 * The relay as a state machine: bytes choose what a handful of clients do on one to four loops.
 *
 * They create, join, come back, send, leave, and say whatever the input says; the relay may be
 * draining. After each step everything is compared with the model in tests/unit/relay: what each
 * client heard (and that it is JSON), the effects, and rooms, members and seats.
 *
 * Input: the loops, the seed of the codes, then steps: what, by whom, and what that step needs.
 */
#include <stdio.h>

#include "fuzz/fuzz_input.h"
#include "relay/relay_model.h"

#define CLIENTS 9 /* one more than the largest room holds */
#define STEPS_MAX 200
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
    "\"ABCD\"", "\"ABC0\"", "\"ABCDE\"", "\"\"", "null", "7", "\"\u00e9AB\"", "\"\\u0000BCD\"",
};

static const char *const targets[] = {
    "", "null", "false", "0", "-0.0e5", "1e-400", "\"\"", "true", "1", "[]", "{}",
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

/* A room's code as it is, in lower case, or with its first letter escaped. */
static void spell_code(const char *code, uint8_t way, char ret_value[16])
{
    if (way % 3 == 0 || code[0] == '\0')
        snprintf(ret_value, 16, "\"%s\"", code);
    else if (way % 3 == 1)
        snprintf(ret_value, 16, "\"%c%c%c%c\"", ascii_lower(code[0]), ascii_lower(code[1]),
                 ascii_lower(code[2]), ascii_lower(code[3]));
    else
        snprintf(ret_value, 16, "\"\\u%04x%s\"", code[0], code + 1);
}

static void step_join(struct model *model, uint32_t client, struct bytes *input)
{
    const char *id = CHOOSE(ids, input);
    char code[16];
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
    model_drop(model, client);
}

static void step_drain(struct model *model, uint32_t client, struct bytes *input)
{
    (void)client;
    (void)input;
    model_set_draining(model, !model->is_draining);
}

static void step_say_anything(struct model *model, uint32_t client, struct bytes *input)
{
    size_t length = fuzz_take_byte(input);
    model_say(model, client, fuzz_take(input, length));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static void (*const steps[])(struct model * model, uint32_t client, struct bytes * input) = {
        step_create, step_join,  step_join_strangely, step_broadcast,
        step_send,   step_leave, step_drain,          step_say_anything,
    };
    static struct model model; /* too large for the stack */
    struct bytes input = bytes_of(data, size);
    setenv("CMOCKA_TEST_ABORT", "1", 1); /* a failed assertion must not look for a running test */
    uint32_t loop_count = 1 + fuzz_take_byte(&input) % MODEL_LOOPS_MAX;
    model_init(&model, loop_count, fuzz_take_byte(&input));
    for (uint32_t i = 0; i < STEPS_MAX && input.length > 0; i++) {
        uint8_t step = fuzz_take_byte(&input) % ARRAY_LENGTH(steps);
        uint32_t client = fuzz_take_byte(&input) % CLIENTS;
        steps[step](&model, client, &input);
    }
    model_release(&model);
    return 0;
}
