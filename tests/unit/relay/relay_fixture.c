/* Clients and inboxes around a relay; nothing here knows the rules. */
#include "relay/relay_fixture.h"

#include <stdio.h>
#include <stdlib.h>

#include "relay/dialect_1.h"

#define SAID_BYTES_MAX 4096

uint32_t random_next(uint64_t *state)
{
    /* splitmix64 */
    *state += 0x9E3779B97F4A7C15u;
    uint64_t mixed = *state;
    mixed = (mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9u;
    mixed = (mixed ^ (mixed >> 27)) * 0x94D049BB133111EBu;
    return (uint32_t)((mixed ^ (mixed >> 31)) >> 32);
}

static uint32_t draw_counted(void *context)
{
    struct world *world = context;
    return (uint32_t)++world->random_state;
}

static uint32_t draw_random(void *context)
{
    struct world *world = context;
    return random_next(&world->random_state);
}

static uint32_t draw_given(void *context)
{
    struct world *world = context;
    uint32_t draw = *world->draws;
    if (world->draw_count > 1) {
        world->draws++;
        world->draw_count--;
    }
    return draw;
}

static bool admit_room(void *context)
{
    struct world *world = context;
    if (world->rooms_admitted == WORLD_ROOMS_MAX)
        return false;
    world->rooms_admitted++;
    return true;
}

static void dismiss_room(void *context)
{
    struct world *world = context;
    assert_in_range(world->rooms_admitted, 1, WORLD_ROOMS_MAX);
    world->rooms_admitted--;
}

static void init_with_source(struct world *world, uint32_t (*source)(void *), uint64_t seed)
{
    memset(world, 0, sizeof *world);
    world->random_state = seed;
    relay_init(&world->relay, &(struct relay_config){
                                  .loop_index = 0,
                                  .loop_count = 1,
                                  .members_max = WORLD_MEMBERS_MAX,
                                  .id_bytes_max = WORLD_ID_BYTES_MAX,
                                  .random = source,
                                  .admit_room = admit_room,
                                  .dismiss_room = dismiss_room,
                                  .context = world,
                              });
}

void world_init(struct world *world)
{
    init_with_source(world, draw_counted, 0);
}

void world_init_random(struct world *world, uint64_t seed)
{
    init_with_source(world, draw_random, seed);
}

void world_set_draws(struct world *world, const uint32_t *draws, size_t draw_count)
{
    world->draws = draws;
    world->draw_count = draw_count;
    world->relay.config.random = draw_given;
}

void world_release(struct world *world)
{
    expect_silence(world);
    relay_release(&world->relay);
}

/* What the event reads as, to be freed. */
static char *event_text(const struct event *event)
{
    struct writer measure = writer_over(NULL, 0);
    dialect_1_write(&measure, event);
    char *text = malloc(measure.length + 1);
    assert_non_null(text);
    struct writer writer = writer_over((uint8_t *)text, measure.length);
    dialect_1_write(&writer, event);
    assert_int_equal(writer.length, measure.length);
    text[measure.length] = '\0';
    return text;
}

static void deliver(struct world *world, uint32_t number, const struct event *event)
{
    assert_in_range(number, 0, WORLD_CLIENTS - 1);
    struct fake_client *client = &world->clients[number];
    assert_true(client->text_count < INBOX_TEXTS_MAX);
    client->texts[client->text_count++] = event_text(event);
}

static void deliver_to_room(struct world *world, const struct effect *effect)
{
    LIST_FOR_EACH(link, &effect->room->members)
    {
        uint32_t client = member_of_link(link)->client;
        if (client != effect->client)
            deliver(world, client, &effect->event);
    }
}

static void perform(struct world *world)
{
    for (uint32_t i = 0; i < world->effects.count; i++) {
        const struct effect *effect = &world->effects.items[i];
        switch (effect->kind) {
        case EFFECT_TO_CLIENT:
        case EFFECT_NOT_FOUND:
            deliver(world, effect->client, &effect->event);
            break;
        case EFFECT_TO_ROOM:
            deliver_to_room(world, effect);
            break;
        case EFFECT_REPLACED:
            assert_in_range(effect->client, 0, WORLD_CLIENTS - 1);
            assert_non_null(world->clients[effect->client].seat);
            world->clients[effect->client].seat = NULL;
            world->clients[effect->client].was_replaced = true;
            break;
        case EFFECT_NO_MEMORY:
            fail_msg("out of memory");
            break;
        case EFFECT_MOVE:
        case EFFECT_ROOM_ADDED:
        case EFFECT_ROOM_GONE:
            break;
        }
    }
}

static struct speaker speaker_of(struct world *world, uint32_t client)
{
    assert_in_range(client, 0, WORLD_CLIENTS - 1);
    return (struct speaker){
        .client = client,
        .origin = world->clients[client].origin,
        .seat = &world->clients[client].seat,
    };
}

void say_bytes(struct world *world, uint32_t client, struct bytes text)
{
    /* A copy of the exact size, so that reading past the end is caught by a sanitizer. */
    uint8_t *copy = malloc(text.length);
    assert_non_null(copy);
    if (text.length > 0)
        memcpy(copy, text.data, text.length);
    relay_receive(&world->relay, speaker_of(world, client), bytes_of(copy, text.length),
                  &world->effects);
    perform(world);
    free(copy);
    /* Whatever was said, and however it was refused, every room is counted once. */
    assert_int_equal(world->rooms_admitted, world->relay.rooms.room_count);
}

void say(struct world *world, uint32_t client, const char *text)
{
    say_bytes(world, client, bytes_of_string(text));
}

void say_format(struct world *world, uint32_t client, const char *format, ...)
{
    char text[SAID_BYTES_MAX];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    assert_in_range(length, 0, sizeof text - 1);
    say(world, client, text);
}

void say_garbage(struct world *world, uint32_t client)
{
    relay_receive_garbage(speaker_of(world, client), &world->effects);
    perform(world);
}

void drop(struct world *world, uint32_t client)
{
    relay_leave(&world->relay, &world->clients[client].seat, &world->effects);
    assert_null(world->clients[client].seat);
    perform(world);
    assert_int_equal(world->rooms_admitted, world->relay.rooms.room_count);
}

void create_room(struct world *world, uint32_t client, const char *id, uint32_t max_clients)
{
    say_format(world, client, "{\"type\":\"create\",\"clientId\":\"%s\",\"maxClients\":%u}", id,
               max_clients);
}

void join_room(struct world *world, uint32_t client, const char *id, const char *code)
{
    say_format(world, client, "{\"type\":\"join\",\"clientId\":\"%s\",\"room\":\"%s\"}", id, code);
}

void expect_next(struct world *world, uint32_t number, const char *text)
{
    struct fake_client *client = &world->clients[number];
    if (client->text_count == 0)
        fail_msg("client %u heard nothing, but should have heard %s", number, text);
    char *heard = client->texts[0];
    client->text_count--;
    memmove(client->texts, client->texts + 1, client->text_count * sizeof client->texts[0]);
    assert_string_equal(heard, text);
    free(heard);
}

void expect_only(struct world *world, uint32_t client, const char *text)
{
    expect_next(world, client, text);
    if (world->clients[client].text_count > 0)
        fail_msg("client %u also heard %s", client, world->clients[client].texts[0]);
}

void expect_error(struct world *world, uint32_t client, const char *message)
{
    char text[SAID_BYTES_MAX];
    snprintf(text, sizeof text, "{\"type\":\"error\",\"message\":\"%s\"}", message);
    expect_only(world, client, text);
    expect_silence(world);
}

void expect_silence(struct world *world)
{
    for (uint32_t i = 0; i < WORLD_CLIENTS; i++) {
        if (world->clients[i].text_count > 0)
            fail_msg("client %u heard %s", i, world->clients[i].texts[0]);
    }
}

void forget_texts(struct world *world)
{
    for (uint32_t i = 0; i < WORLD_CLIENTS; i++) {
        struct fake_client *client = &world->clients[i];
        while (client->text_count > 0)
            free(client->texts[--client->text_count]);
    }
}

void expect_effects(const struct world *world, const enum effect_kind *kinds, uint32_t count)
{
    assert_int_equal(world->effects.count, count);
    for (uint32_t i = 0; i < count; i++)
        assert_int_equal(world->effects.items[i].kind, kinds[i]);
}
