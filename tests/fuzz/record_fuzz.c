/*
 * Records of rooms, which may be anything. What was refused must leave nothing behind. What became
 * a room must be sound (see relay_fixture), and what is recorded of that room must become the same
 * room again. Then time passes, until the room has ended. What is shown of a record is JSON.
 *
 * Input: how much rooms may retain, or all, and whether the record is of a planned stop; the
 * record.
 */
#include "fuzz/fuzz_input.h"
#include "relay/relay_fixture.h"

#define PLENTY 254 /* and one more for a planned stop */

/* The only room of the relay. */
static const struct room *only_room(const struct world *world)
{
    const struct room_table *table = &world->relay.rooms;
    for (uint32_t i = 0; i < table->bucket_count; i++) {
        if (table->buckets[i] != NULL)
            return table->buckets[i];
    }
    return NULL;
}

static char *record_again(const struct world *world)
{
    char code[CODE_LENGTH_MAX + 1];
    const struct room *room = only_room(world);
    assert_non_null(room);
    code[code_write(room->code, (uint8_t *)code)] = '\0';
    return record_of(world, code);
}

/* Each restart raises the next index, until there is none left. */
static void forget_index(char *record)
{
    char *begin = strstr(record, "\"nextIndex\":");
    assert_non_null(begin);
    char *end = strchr(begin, ',');
    assert_non_null(end);
    memmove(begin, end, strlen(end) + 1);
}

static void expect_same_room(struct world *world, const char *record, bool is_of_stop)
{
    struct record_fault fault;
    world_init_3(world);
    world->is_of_stop = is_of_stop;
    if (!restore(world, record, &fault))
        fail_msg("%s: %s", record, record_error_text(fault.error));
    char *again = record_again(world);
    char *before = strdup(record);
    assert_non_null(before);
    forget_index(again);
    forget_index(before);
    assert_string_equal(again, before);
    free(again);
    free(before);
    world_release(world);
}

/* What an operator sees of anything is JSON, as long as it was when it was measured. */
static void expect_shown(struct bytes record)
{
    struct record_fault fault;
    struct writer measure = writer_over(NULL, 0);
    if (!record_show(&measure, record, &fault))
        return;
    uint8_t *line = malloc(measure.length);
    struct writer writer = writer_over(line, measure.length);
    assert_non_null(line);
    assert_true(record_show(&writer, record, &fault));
    assert_int_equal(writer.length, measure.length);
    assert_int_equal(json_validate(writer_view(&writer)), JSON_OBJECT);
    free(line);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct world world; /* too large for the stack */
    struct bytes input = bytes_of(data, size);
    struct record_fault fault;
    uint64_t code;
    char *record = NULL;
    setenv("CMOCKA_TEST_ABORT", "1", 1); /* a failed assertion must not look for a running test */
    uint8_t bytes_left = fuzz_take_byte(&input);
    world_init_3(&world);
    world.is_of_stop = bytes_left > PLENTY;
    if (bytes_left < PLENTY)
        world.bytes_max = bytes_left * (size_t)16;
    bool is_restored = restore_bytes(&world, input, &fault);
    if (is_restored) {
        assert_true(record_read_code(input, &code, &fault));
        assert_int_equal(code, only_room(&world)->code);
        record = record_again(&world);
    }
    world_release(&world);
    expect_shown(input);
    if (record != NULL)
        expect_same_room(&world, record, bytes_left > PLENTY);
    free(record);
    return 0;
}
