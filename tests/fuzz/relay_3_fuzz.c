/*
 * Rooms of protocol 3 as a state machine: bytes choose what some clients do.
 *
 * They create, join, come back with any epoch and count, send, watch, kick, lock, leave and are cut
 * off; time passes, memory may be short, and the log may be small. After each step the rooms are
 * sound and what they retain is counted (see relay_fixture), and whatever was heard is JSON or a
 * binary message. Whether nothing is lost is tested by players, in tests/unit/relay/recovery_*.
 *
 * Input: the size of the log, then steps: what, by whom, and what that step needs.
 */
#include <assert.h>
#include <stdio.h>

#include "fuzz/fuzz_input.h"
#include "proto/json.h"
#include "proto/utf8.h"
#include "relay/relay_fixture.h"

#define CLIENTS 8
#define STEPS_MAX 300

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
    "no JSON",
};

static const uint32_t durations_ms[] = {
    0, 1, 1000, 4999, 5000, 15000, 120000, HOLD_MS_MAX - 1, HOLD_MS_MAX};

/* An epoch that is likely to be some seat's: draws are counted, so epochs are small. */
static uint32_t choose_epoch(struct bytes *input)
{
    return fuzz_take_byte(input) % 64;
}

static void step_create(struct world *world, uint32_t client, struct bytes *input)
{
    const char *session = CHOOSE(sessions, input);
    say_format(world, client,
               "{\"type\":\"create\",\"clientId\":\"client number %06u\",\"session\":\"%s\","
               "\"maxClients\":4%s}",
               fuzz_take_byte(input) % CLIENTS, session, CHOOSE(wishes, input));
}

/* The code of one of the rooms, or of none. */
static void choose_code(const struct world *world, uint8_t number,
                        char ret_code[CODE_LENGTH_MAX + 1])
{
    const struct room_table *table = &world->relay.rooms;
    snprintf(ret_code, CODE_LENGTH_MAX + 1, "ZZZZ");
    for (uint32_t i = 0; i < table->bucket_count; i++) {
        for (const struct room *room = table->buckets[i]; room; room = room->next_in_bucket) {
            size_t length = code_write(room->code, (uint8_t *)ret_code);
            ret_code[length] = '\0';
            if (number-- == 0)
                return;
        }
    }
}

static void step_join(struct world *world, uint32_t client, struct bytes *input)
{
    char code[CODE_LENGTH_MAX + 1];
    const char *session = CHOOSE(sessions, input);
    uint32_t id = fuzz_take_byte(input) % CLIENTS;
    choose_code(world, fuzz_take_byte(input) % 4, code);
    uint32_t attempt = fuzz_take_byte(input);
    uint32_t epoch = choose_epoch(input);
    uint32_t seen = fuzz_take_byte(input) % 32;
    say_format(world, client,
               "{\"type\":\"join\",\"clientId\":\"client number %06u\",\"session\":\"%s\","
               "\"attempt\":%u,\"room\":\"%s\",\"epoch\":\"%016x\",\"seen\":%u%s}",
               id, session, attempt, code, epoch, seen, CHOOSE(join_more, input));
}

static void step_ping(struct world *world, uint32_t client, struct bytes *input)
{
    say_format(world, client, "{\"type\":\"ping\",\"seen\":%u}", fuzz_take_byte(input) % 32);
}

/* The rest of the input as a message, of text or binary. */
static void step_raw(struct world *world, uint32_t client, struct bytes *input)
{
    size_t length = fuzz_take_byte(input) % 128;
    bool is_binary = fuzz_take_byte(input) % 2 == 0;
    struct bytes message = fuzz_take(input, length);
    if (is_binary)
        say_binary(world, client, message);
    else if (utf8_is_valid(message))
        say_bytes(world, client, message);
    else
        say_garbage(world, client);
}

static void step_end(struct world *world, uint32_t client, struct bytes *input)
{
    if (fuzz_take_byte(input) % 4 == 0)
        drop(world, client);
    else
        cut_off(world, client);
}

static void step_world(struct world *world, struct bytes *input)
{
    uint8_t what = fuzz_take_byte(input);
    if (what % 8 == 0)
        world->bytes_max = world->bytes_admitted + fuzz_take_byte(input) * 16;
    else if (what % 8 == 1)
        world->bytes_max = SIZE_MAX;
    else
        pass_time(world, CHOOSE(durations_ms, input));
}

static void take_step(struct world *world, struct bytes *input)
{
    uint8_t what = fuzz_take_byte(input) % 8;
    uint32_t client = fuzz_take_byte(input) % CLIENTS;
    switch (what) {
    case 0:
        step_create(world, client, input);
        break;
    case 1:
    case 2:
        step_join(world, client, input);
        break;
    case 3:
    case 4:
        say(world, client, CHOOSE(messages, input));
        break;
    case 5:
        if (fuzz_take_byte(input) % 2 == 0)
            step_ping(world, client, input);
        else
            step_raw(world, client, input);
        break;
    case 6:
        step_end(world, client, input);
        break;
    default:
        step_world(world, input);
        break;
    }
}

/* What was heard is JSON, or begins as a binary message does. */
static void check_texts(struct world *world)
{
    for (uint32_t i = 0; i < CLIENTS; i++) {
        for (uint32_t j = 0; j < world->clients[i].text_count; j++) {
            const char *text = world->clients[i].texts[j];
            bool is_binary = text[0] == '\\' && text[1] == 'x' && text[2] == '0';
            assert(is_binary || json_validate(bytes_of_string(text)) == JSON_OBJECT);
        }
    }
    forget_texts(world);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes input = bytes_of(data, size);
    static struct world world;
    world_init_3(&world);
    world.relay.config.log_bytes_max = 512u << fuzz_take_byte(&input) % 8;
    for (uint32_t i = 0; i < STEPS_MAX && input.length > 0; i++) {
        take_step(&world, &input);
        check_texts(&world);
    }
    world.bytes_max = SIZE_MAX;
    world_release(&world);
    return 0;
}
