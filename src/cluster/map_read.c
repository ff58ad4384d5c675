/* Reads entries of the map, which come over the bus and may be anything. */
#include "base/attributes.h"
#include "cluster/map.h"
#include "proto/hex.h"
#include "proto/json_fields.h"
#include "proto/utf8.h"

enum field {
    FIELD_VERSION,
    FIELD_ERA,
    FIELD_BY,
    FIELD_BASED_ON,
    FIELD_NODES,
    FIELD_SLICES,
    FIELDS
};

static const char *const names[FIELDS] = {"version", "era", "by", "basedOn", "nodes", "slices"};

#define SLICE_NUMBERS_SHORT 2
#define SLICE_NUMBERS 6
#define SLICE_NEXT 4 /* its place among them */

/* Reads the elements of an array that is a slice; `next` may be null. Returns their number. */
static uint32_t read_numbers(struct bytes raw, uint64_t numbers[SLICE_NUMBERS])
{
    struct json_value element;
    uint32_t count = 0;
    while (json_array_next(&raw, &element)) {
        if (count == SLICE_NUMBERS)
            return 0;
        numbers[count] = MAP_NO_NODE;
        bool is_none = count == SLICE_NEXT && element.kind == JSON_NULL;
        if (!is_none && !json_member_whole(&element, MAP_NUMBER_MAX, &numbers[count]))
            return 0;
        /* `next` as a number must be a place, which the number that stands for null is not. */
        if (!is_none && count == SLICE_NEXT && numbers[count] >= MAP_NODES_MAX)
            return 0;
        count++;
    }
    return count;
}

static bool read_slice(const struct json_value *value, uint32_t node_count,
                       struct map_slice *ret_slice)
{
    uint64_t numbers[SLICE_NUMBERS] = {0, 0, SLICE_TAKEN, 0, MAP_NO_NODE, 0};
    if (value->kind != JSON_ARRAY)
        return false;
    uint32_t count = read_numbers(value->raw, numbers);
    if (count != SLICE_NUMBERS_SHORT && count != SLICE_NUMBERS)
        return false;
    bool has_next = numbers[SLICE_NEXT] != MAP_NO_NODE;
    if (numbers[0] >= node_count || numbers[1] == 0 || numbers[2] > SLICE_MOVED ||
        (has_next && numbers[SLICE_NEXT] >= node_count) || has_next != (numbers[5] > 0))
        return false;
    *ret_slice = (struct map_slice){
        .owner = (uint8_t)numbers[0],
        .term = numbers[1],
        .how = (uint8_t)numbers[2],
        .moved = numbers[3],
        .next = (uint8_t)numbers[SLICE_NEXT],
        .next_revision = numbers[5],
    };
    return true;
}

static bool read_slices(const struct json_value *value, struct map *map)
{
    struct json_value element;
    struct bytes rest = value->raw;
    uint32_t count = 0;
    if (value->kind != JSON_ARRAY)
        return false;
    while (json_array_next(&rest, &element)) {
        if (count == MAP_SLICES || !read_slice(&element, map->node_count, &map->slices[count]))
            return false;
        count++;
    }
    return count == MAP_SLICES;
}

static bool read_nodes(const struct json_value *value, struct map *map)
{
    struct json_value element;
    struct bytes rest = value->raw;
    if (value->kind != JSON_ARRAY)
        return false;
    map->node_count = 0;
    while (json_array_next(&rest, &element)) {
        struct node_id node;
        if (map->node_count == MAP_NODES_MAX || !node_id_read_json(&element, &node) ||
            map_find_node(map, &node) != MAP_NO_NODE)
            return false;
        map->nodes[map->node_count++] = node;
    }
    return map->node_count > 0;
}

enum map_error map_read(struct bytes text, struct map *ret_map)
{
    struct json_value values[FIELDS];
    size_t unknown_length;
    bool is_object;
    uint64_t version;
    *ret_map = (struct map){0};
    if (text.length > MAP_TEXT_MAX)
        return MAP_TOO_LONG;
    if (!utf8_is_valid(text) ||
        json_fields_read(text, names, FIELDS, values, &unknown_length, &is_object) !=
            JSON_NEXT_END ||
        !is_object)
        return MAP_NOT_JSON;
    if (!json_member_whole(&values[FIELD_VERSION], MAP_NUMBER_MAX, &version) || version == 0 ||
        !json_member_whole(&values[FIELD_BASED_ON], MAP_NUMBER_MAX, &ret_map->based_on))
        return MAP_WRONG;
    if (version > MAP_VERSION)
        return MAP_LATER_VERSION;
    if (!hex_read_64(&values[FIELD_ERA], &ret_map->era) ||
        !node_id_read_json(&values[FIELD_BY], &ret_map->by) ||
        !read_nodes(&values[FIELD_NODES], ret_map) || !read_slices(&values[FIELD_SLICES], ret_map))
        return MAP_WRONG;
    return MAP_OK;
}

uint32_t map_find_last(const struct map_history *history, struct map *ret_map)
{
    for (uint32_t i = history->count; i-- > 0;) {
        if (map_read(history->entries[i].text, ret_map) == MAP_OK &&
            map_stands(ret_map, history->entries[i].revision))
            return i;
    }
    return history->count;
}

bool map_history_is_sound(const struct map_history *history)
{
    uint64_t last = 0;
    if (history->count > MAP_HISTORY_MAX || history->last_revision > MAP_NUMBER_MAX)
        return false;
    for (uint32_t i = 0; i < history->count; i++) {
        if (history->entries[i].revision <= last)
            return false;
        last = history->entries[i].revision;
    }
    return last <= history->last_revision;
}
