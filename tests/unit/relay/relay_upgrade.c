/* The process of a relay replaces itself: everything is written, and a new relay goes on with it.
 */
#include <stdlib.h>

#include "relay/relay_fixture.h"

/* What a client was before: nothing, a member with an index, or one of the audience. */
struct place {
    bool has_seat;
    uint64_t code;
    uint32_t index;
    char *visitor; /* NULL: it has an index */
};

struct picture {
    struct room_picture rooms[WORLD_ROOMS_MAX];
    uint64_t codes[WORLD_ROOMS_MAX];
    uint16_t origin_numbers[WORLD_ROOMS_MAX];
    uint32_t room_count;
    struct place places[WORLD_CLIENTS];
};

void end_process(struct world *world)
{
    struct relay_config config = world->relay.config;
    uint32_t now_ms = world->relay.now_ms;
    bool is_draining = world->relay.is_draining;
    relay_release(&world->relay);
    assert_int_equal(world->held, 0);
    for (uint32_t i = 0; i < WORLD_CLIENTS; i++)
        world->clients[i].seat = NULL;
    memset(world->crowds, 0, sizeof world->crowds);
    world->rooms_admitted = 0;
    world->rooms_deserted = 0;
    world->bytes_admitted = 0;
    relay_init(&world->relay, &config);
    world->relay.now_ms = now_ms;
    world->relay.is_draining = is_draining;
}

static char *visitor_of(const struct member *member)
{
    struct writer measure = writer_over(NULL, 0);
    relay_write_visitor(&measure, member);
    char *text = malloc(measure.length + 1);
    assert_non_null(text);
    struct writer writer = writer_over((uint8_t *)text, measure.length);
    relay_write_visitor(&writer, member);
    assert_int_equal(writer.length, measure.length);
    text[writer.length] = '\0';
    return text;
}

static struct place place_of(const struct member *seat)
{
    if (seat == NULL)
        return (struct place){0};
    return (struct place){.has_seat = true,
                          .code = seat->room->code,
                          .index = seat->index,
                          .visitor = seat->is_audience ? visitor_of(seat) : NULL};
}

static void take_picture(const struct world *world, struct picture *ret_picture)
{
    const struct room_table *table = &world->relay.rooms;
    *ret_picture = (struct picture){0};
    for (uint32_t i = 0; i < table->bucket_count; i++) {
        for (const struct room *room = table->buckets[i]; room; room = room->next_in_bucket) {
            uint32_t at = ret_picture->room_count++;
            ret_picture->rooms[at] = picture_at_upgrade(world, room);
            ret_picture->codes[at] = room->code;
            ret_picture->origin_numbers[at] = room->origin_number;
        }
    }
    for (uint32_t i = 0; i < WORLD_CLIENTS; i++)
        ret_picture->places[i] = place_of(world->clients[i].seat);
}

static void free_picture(struct picture *picture)
{
    for (uint32_t i = 0; i < picture->room_count; i++)
        free_room_picture(picture->rooms[i]);
    for (uint32_t i = 0; i < WORLD_CLIENTS; i++)
        free(picture->places[i].visitor);
}

static void take_over(struct world *world, uint32_t client, const struct place *place)
{
    struct member **seat = &world->clients[client].seat;
    struct json_value visitor;
    if (!place->has_seat)
        return;
    if (place->visitor == NULL) {
        assert_true(relay_take_over(&world->relay, place->code, place->index, client, seat));
        assert_false(relay_take_over(&world->relay, place->code, place->index, client, seat));
        return;
    }
    visitor = (struct json_value){.kind = JSON_OBJECT, .raw = bytes_of_string(place->visitor)};
    assert_true(relay_take_over_visitor(&world->relay, place->code, &visitor, client, seat));
}

/* Texts are longer than what cmocka prints. */
static void expect_same(const char *now, const char *before)
{
    size_t at = 0;
    while (before[at] != '\0' && now[at] == before[at])
        at++;
    if (now[at] == before[at])
        return;
    size_t from = at < 60 ? 0 : at - 60;
    fail_msg("from byte %zu on: ...%.120s\nbut before: ...%.120s", from, now + from, before + from);
}

/* The rooms and the audience are those of the picture, to the byte. */
static void expect_picture(struct world *world, const struct picture *picture)
{
    struct picture now;
    take_picture(world, &now);
    assert_int_equal(now.room_count, picture->room_count);
    for (uint32_t i = 0; i < picture->room_count; i++) {
        const struct room *room = relay_find_room(&world->relay, picture->codes[i]);
        assert_non_null(room);
        struct room_picture again = picture_at_upgrade(world, room);
        expect_same(again.record, picture->rooms[i].record);
        assert_int_equal(again.log.length, picture->rooms[i].log.length);
        assert_memory_equal(again.log.data, picture->rooms[i].log.data, again.log.length);
        free_room_picture(again);
    }
    for (uint32_t i = 0; i < WORLD_CLIENTS; i++) {
        assert_int_equal(now.places[i].has_seat, picture->places[i].has_seat);
        if (picture->places[i].visitor != NULL)
            expect_same(now.places[i].visitor, picture->places[i].visitor);
    }
    free_picture(&now);
}

void upgrade(struct world *world)
{
    struct picture picture;
    uint16_t restored_origin = world->restored_origin;
    size_t bytes_max = world->bytes_max;
    size_t maker_bytes_max = world->maker_bytes_max;
    take_picture(world, &picture);
    end_process(world);
    world->bytes_max = SIZE_MAX; /* the rooms may have more than a test allows from now on */
    world->maker_bytes_max = SIZE_MAX;
    for (uint32_t i = 0; i < picture.room_count; i++) {
        world->restored_origin = picture.origin_numbers[i];
        restore_at_upgrade(world, picture.rooms[i]);
    }
    for (uint32_t i = 0; i < WORLD_CLIENTS; i++)
        take_over(world, i, &picture.places[i]);
    assert_true(relay_all_are_taken_over(&world->relay));
    world->restored_origin = restored_origin;
    world->bytes_max = bytes_max;
    world->maker_bytes_max = maker_bytes_max;
    expect_picture(world, &picture);
    free_picture(&picture);
    expect_silence(world);
}
