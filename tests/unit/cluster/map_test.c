/* Entries of the map: what is written is read, what is wrong is refused, and which entry stands. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants these before it. */
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/attributes.h"
#include "cluster/map.h"
#include "support/guard_page.h"

#define TEXT_CAPACITY (2 * MAP_TEXT_MAX)

static struct map map;

/* Reads a text where reading one byte too far is a crash. */
static enum map_error read_bytes(struct bytes text)
{
    struct guarded copy = guarded_copy(text);
    enum map_error error = map_read(guarded_view(&copy), &map);
    guarded_free(&copy);
    return error;
}

static enum map_error read_text(const char *text)
{
    return read_bytes(bytes_of_string(text));
}

/* An entry of these parts, with `first` for slice 0 and [0,1] for the others. */
static const char *entry_of(const char *head, const char *nodes, const char *first, uint32_t slices)
{
    static char text[TEXT_CAPACITY];
    int length =
        snprintf(text, sizeof text, "{%s,\"nodes\":[%s],\"slices\":[%s", head, nodes, first);
    for (uint32_t i = 1; i < slices; i++)
        length += snprintf(text + length, sizeof text - (size_t)length, ",[0,1]");
    snprintf(text + length, sizeof text - (size_t)length, "]}");
    return text;
}

#define HEAD                                                                    \
    "\"version\":1,\"era\":\"00c0ffee00c0ffee\",\"by\":\"a.0000000000000001\"," \
    "\"basedOn\":7"
#define NODES "\"a.0000000000000001\",\"b-_Z9.fedcba9876543210\""

static const char *entry_with(const char *first)
{
    return entry_of(HEAD, NODES, first, MAP_SLICES);
}

static void an_entry_is_read(void **state)
{
    (void)state;
    assert_int_equal(read_text(entry_with("[1,9007199254740991,1,6,0,8]")), MAP_OK);
    assert_true(map.era == UINT64_C(0x00c0ffee00c0ffee));
    assert_true(map.based_on == 7);
    assert_string_equal(map.by.name, "a");
    assert_true(map.by.incarnation == 1);
    assert_int_equal(map.node_count, 2);
    assert_string_equal(map.nodes[1].name, "b-_Z9");
    assert_true(map.nodes[1].incarnation == UINT64_C(0xfedcba9876543210));
    assert_int_equal(map.slices[0].owner, 1);
    assert_true(map.slices[0].term == MAP_NUMBER_MAX);
    assert_int_equal(map.slices[0].how, SLICE_MOVED);
    assert_true(map.slices[0].moved == 6);
    assert_int_equal(map.slices[0].next, 0);
    assert_true(map.slices[0].next_revision == 8);
    assert_int_equal(map.slices[255].owner, 0);
    assert_true(map.slices[255].term == 1);
    assert_int_equal(map.slices[255].how, SLICE_TAKEN);
    assert_int_equal(map.slices[255].next, MAP_NO_NODE);
}

static void slices_that_are_wrong_are_refused(void **state)
{
    static const char *const wrong[] = {
        "[2,1]",                /* no such node */
        "[0,0]",                /* terms begin with 1 */
        "[0,9007199254740992]", /* a number that doubles can't count on */
        "[-1,1]",
        "[0.5,1]",
        "[0,\"1\"]",
        "[null,1]",
        "[0]",
        "[]",
        "[0,1,0]",
        "[0,1,0,0,null]",
        "[0,1,0,0,null,0,0]",
        "[0,1,2,0,null,0]",
        "[0,1,0,0,2,5]",
        "[0,1,0,0,255,0]",
        "[0,1,0,0,255,5]",  /* not what stands for none */
        "[0,1,0,0,1,0]",    /* a next without the entry that set it */
        "[0,1,0,0,null,5]", /* and the other way round */
        "{\"0\":1}",
        "1",
        "null",
        "[[0],1]",
    };
    (void)state;
    assert_int_equal(read_text(entry_with("[0,1]")), MAP_OK);
    assert_int_equal(read_text(entry_with("[0,1,0,0,null,0]")), MAP_OK);
    for (size_t i = 0; i < ARRAY_LENGTH(wrong); i++) {
        if (read_text(entry_with(wrong[i])) != MAP_WRONG)
            fail_msg("%s is not refused", wrong[i]);
    }
    assert_int_equal(read_text(entry_of(HEAD, NODES, "[0,1]", MAP_SLICES - 1)), MAP_WRONG);
    assert_int_equal(read_text(entry_of(HEAD, NODES, "[0,1]", MAP_SLICES + 1)), MAP_WRONG);
}

static void nodes_that_are_wrong_are_refused(void **state)
{
#define NAME_32 "abcdefghijklmnopqrstuvwxyz012345"
    static const char *const wrong[] = {
        "",
        "\"\"",
        "1",
        "\".0000000000000001\"",
        "\"a.000000000000001\"",
        "\"a.0000000000000001 \"",
        "\"a.000000000000000G\"",
        "\"a.000000000000000A\"",
        "\"a:0000000000000001\"",
        "\"a b.0000000000000001\"",
        "\"\\u0000.0000000000000001\"",
        "\"\xc3\xa4.0000000000000001\"",
        "\"abcdefghijklmnopqrstuvwxyz0123456.0000000000000001\"",
        "\"a.0000000000000001\",\"a.0000000000000001\"",
    };
    (void)state;
    assert_int_equal(
        read_text(entry_of(HEAD, "\"" NAME_32 ".0000000000000001\"", "[0,1]", MAP_SLICES)), MAP_OK);
    for (size_t i = 0; i < ARRAY_LENGTH(wrong); i++) {
        if (read_text(entry_of(HEAD, wrong[i], "[0,1]", MAP_SLICES)) != MAP_WRONG)
            fail_msg("%s is not refused", wrong[i]);
    }
}

static void heads_that_are_wrong_are_refused(void **state)
{
    static const struct {
        const char *head;
        enum map_error error;
    } cases[] = {
        {"\"era\":\"00c0ffee00c0ffee\",\"by\":\"a.0000000000000001\",\"basedOn\":7", MAP_WRONG},
        {"\"version\":0,\"basedOn\":7", MAP_WRONG},
        {"\"version\":1,\"basedOn\":7", MAP_WRONG},
        {"\"version\":1,\"era\":\"00c0ffee00c0ffee\",\"by\":\"a.0000000000000001\"", MAP_WRONG},
        {"\"version\":1,\"era\":\"c0ffee\",\"by\":\"a.0000000000000001\",\"basedOn\":7", MAP_WRONG},
        {"\"version\":1,\"era\":12,\"by\":\"a.0000000000000001\",\"basedOn\":7", MAP_WRONG},
        {"\"version\":1,\"era\":\"00c0ffee00c0ffee\",\"by\":\"a\",\"basedOn\":7", MAP_WRONG},
        {"\"version\":1,\"era\":\"00c0ffee00c0ffee\",\"by\":\"a.0000000000000001\",\"basedOn\":-1",
         MAP_WRONG},
        {"\"version\":2,\"basedOn\":\"7\"", MAP_WRONG},
        {HEAD ",\"unknown\":{\"version\":3}", MAP_OK},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        const char *text = entry_of(cases[i].head, NODES, "[0,1]", MAP_SLICES);
        if (read_text(text) != cases[i].error)
            fail_msg("%s", cases[i].head);
    }
}

/* Of what a later version writes it is known what it is based on. */
static void a_later_version_is_told(void **state)
{
    (void)state;
    assert_int_equal(read_text("{\"version\":2,\"basedOn\":41,\"slices\":9}"), MAP_LATER_VERSION);
    assert_true(map_stands(&map, 42));
    assert_false(map_stands(&map, 41));
    assert_false(map_stands(&map, 43));
}

static void what_is_no_object_is_refused(void **state)
{
    static const char *const texts[] = {"",  " ",   "null", "[]",
                                        "{", "{}x", "\xff", "{\"version\":1"};
    static uint8_t spaces[MAP_TEXT_MAX + 1];
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(texts); i++)
        assert_int_equal(read_text(texts[i]), MAP_NOT_JSON);
    assert_int_equal(read_text("{}"), MAP_WRONG);
    memset(spaces, ' ', sizeof spaces);
    assert_int_equal(read_bytes(bytes_of(spaces, MAP_TEXT_MAX)), MAP_NOT_JSON);
    assert_int_equal(read_bytes(bytes_of(spaces, MAP_TEXT_MAX + 1)), MAP_TOO_LONG);
}

/* Every byte that a valid entry lacks at its end makes it invalid, and none is read beyond. */
static void an_entry_that_is_cut_off_is_refused(void **state)
{
    const char *text = entry_with("[1,2,1,3,0,4]");
    size_t length = strlen(text);
    (void)state;
    for (size_t i = 0; i < length; i += i < 200 ? 1 : 17)
        assert_int_equal(read_bytes(bytes_of(text, i)), MAP_NOT_JSON);
}

static struct node_id longest_id(uint32_t number)
{
    struct node_id id;
    char name[NODE_NAME_MAX + 1];
    snprintf(name, sizeof name, "%032u", number);
    assert_true(node_id_set(&id, bytes_of_string(name), UINT64_MAX - number));
    return id;
}

static void the_longest_entry_fits_and_is_read_as_it_was(void **state)
{
    static uint8_t text[MAP_TEXT_MAX];
    static uint8_t again[MAP_TEXT_MAX];
    struct map longest = {.era = UINT64_MAX, .based_on = MAP_NUMBER_MAX, .by = longest_id(0)};
    struct writer writer = writer_over(text, sizeof text);
    (void)state;
    for (uint32_t i = 0; i < MAP_NODES_MAX; i++) {
        struct node_id id = longest_id(i);
        assert_int_equal(map_add_node(&longest, &id), i);
        assert_int_equal(map_add_node(&longest, &id), i); /* it has a place */
    }
    struct node_id another = longest_id(MAP_NODES_MAX);
    assert_int_equal(map_add_node(&longest, &another), MAP_NO_NODE);
    for (uint32_t i = 0; i < MAP_SLICES; i++)
        longest.slices[i] = (struct map_slice){MAP_NUMBER_MAX,    MAP_NUMBER_MAX,    MAP_NUMBER_MAX,
                                               MAP_NODES_MAX - 1, MAP_NODES_MAX - 2, SLICE_MOVED};
    map_write(&writer, &longest);
    assert_true(writer_fits(&writer));
    assert_int_equal(read_bytes(writer_view(&writer)), MAP_OK);
    struct writer second = writer_over(again, sizeof again);
    map_write(&second, &map);
    assert_true(bytes_equal(writer_view(&writer), writer_view(&second)));
    assert_int_equal(map.slices[255].next, MAP_NODES_MAX - 2);
}

static void nodes_without_slices_are_forgotten(void **state)
{
    struct node_id ids[4];
    (void)state;
    for (uint32_t i = 0; i < 4; i++)
        ids[i] = longest_id(i);
    map_found(&map, &ids[0], 1);
    for (uint32_t i = 1; i < 4; i++)
        map_add_node(&map, &ids[i]);
    map.slices[7].owner = 3;
    map.slices[8].next = 2;
    map.slices[8].next_revision = 5;
    map_forget_nodes(&map);
    assert_int_equal(map.node_count, 3);
    assert_true(node_id_equal(&map.nodes[map.slices[6].owner], &ids[0]));
    assert_true(node_id_equal(&map.nodes[map.slices[7].owner], &ids[3]));
    assert_true(node_id_equal(&map.nodes[map.slices[8].next], &ids[2]));
    assert_int_equal(map.slices[6].next, MAP_NO_NODE);
    assert_int_equal(map_find_node(&map, &ids[1]), MAP_NO_NODE);
}

#define HISTORY_TEXT_MAX 4096

/* The first map of a node of its own, which says that it is based on that revision. */
static void add_entry(struct map_entry *entries, uint32_t place, uint64_t revision,
                      uint64_t based_on)
{
    static char texts[MAP_HISTORY_MAX][HISTORY_TEXT_MAX];
    struct node_id node = longest_id(place);
    struct map written;
    struct writer writer = writer_over((uint8_t *)texts[place], HISTORY_TEXT_MAX);
    map_found(&written, &node, 1);
    written.based_on = based_on;
    map_write(&writer, &written);
    assert_true(writer_fits(&writer));
    entries[place] = (struct map_entry){revision, writer_view(&writer)};
}

/* chain, last-valid */
static void the_last_entry_that_stands_is_found(void **state)
{
    struct map_entry entries[5];
    (void)state;
    add_entry(entries, 0, 10, 9);
    add_entry(entries, 1, 11, 9); /* its writer had not seen 10 */
    add_entry(entries, 2, 12, 11);
    add_entry(entries, 3, 13, 11);
    entries[4] = (struct map_entry){14, BYTES("")};
    struct map_history history = {14, 5, entries};
    assert_int_equal(map_find_last(&history, &map), 2);
    struct node_id writer = longest_id(2);
    assert_true(node_id_equal(&map.nodes[0], &writer));
    history.count = 2;
    assert_int_equal(map_find_last(&history, &map), 0);
    history.entries = entries + 3;
    assert_int_equal(map_find_last(&history, &map), 2); /* none */
    history.count = 0;
    assert_int_equal(map_find_last(&history, &map), 0);
}

static void histories_that_are_not_sound_are_noticed(void **state)
{
    struct map_entry entries[MAP_HISTORY_MAX + 1];
    struct map_history history = {100, MAP_HISTORY_MAX, entries};
    (void)state;
    for (uint32_t i = 0; i <= MAP_HISTORY_MAX; i++)
        entries[i] = (struct map_entry){.revision = i + 1};
    assert_true(map_history_is_sound(&history));
    history.last_revision = MAP_HISTORY_MAX - 1;
    assert_false(map_history_is_sound(&history));
    history.last_revision = 100;
    history.count = MAP_HISTORY_MAX + 1;
    assert_false(map_history_is_sound(&history));
    history.count = 2;
    entries[1].revision = 1;
    assert_false(map_history_is_sound(&history));
    entries[0].revision = 0;
    assert_false(map_history_is_sound(&history));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_entry_is_read),
        cmocka_unit_test(slices_that_are_wrong_are_refused),
        cmocka_unit_test(nodes_that_are_wrong_are_refused),
        cmocka_unit_test(heads_that_are_wrong_are_refused),
        cmocka_unit_test(a_later_version_is_told),
        cmocka_unit_test(what_is_no_object_is_refused),
        cmocka_unit_test(an_entry_that_is_cut_off_is_refused),
        cmocka_unit_test(the_longest_entry_fits_and_is_read_as_it_was),
        cmocka_unit_test(nodes_without_slices_are_forgotten),
        cmocka_unit_test(the_last_entry_that_stands_is_found),
        cmocka_unit_test(histories_that_are_not_sound_are_noticed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
