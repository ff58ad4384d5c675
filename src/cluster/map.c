/* The map as a value, and writing it. map_read.c reads it. */
#include "cluster/map.h"

#include "base/attributes.h"
#include "proto/hex.h"

static void write_slice(struct writer *writer, const struct map_slice *slice)
{
    writer_put_number(writer, "[", slice->owner);
    writer_put_number(writer, ",", slice->term);
    if (slice->how == SLICE_TAKEN && slice->moved == 0 && slice->next == MAP_NO_NODE &&
        slice->next_revision == 0) {
        writer_put_byte(writer, ']');
        return;
    }
    writer_put_number(writer, ",", slice->how);
    writer_put_number(writer, ",", slice->moved);
    if (slice->next == MAP_NO_NODE)
        WRITER_PUT(writer, ",null");
    else
        writer_put_number(writer, ",", slice->next);
    writer_put_number(writer, ",", slice->next_revision);
    writer_put_byte(writer, ']');
}

void map_write(struct writer *writer, const struct map *map)
{
    writer_put_number(writer, "{\"version\":", MAP_VERSION);
    WRITER_PUT(writer, ",\"era\":");
    hex_write_64(writer, map->era);
    WRITER_PUT(writer, ",\"by\":\"");
    node_id_write(writer, &map->by);
    writer_put_number(writer, "\",\"basedOn\":", map->based_on);
    WRITER_PUT(writer, ",\"nodes\":[");
    for (uint32_t i = 0; i < map->node_count; i++) {
        writer_put_string(writer, i > 0 ? ",\"" : "\"");
        node_id_write(writer, &map->nodes[i]);
        writer_put_byte(writer, '"');
    }
    WRITER_PUT(writer, "],\"slices\":[");
    for (uint32_t i = 0; i < MAP_SLICES; i++) {
        if (i > 0)
            writer_put_byte(writer, ',');
        write_slice(writer, &map->slices[i]);
    }
    WRITER_PUT(writer, "]}");
}

void map_found(struct map *map, const struct node_id *node, uint64_t era)
{
    *map = (struct map){.era = era, .by = *node, .node_count = 1, .nodes = {*node}};
    for (uint32_t i = 0; i < MAP_SLICES; i++)
        map->slices[i] = (struct map_slice){.term = 1, .next = MAP_NO_NODE, .how = SLICE_TAKEN};
}

uint8_t map_find_node(const struct map *map, const struct node_id *node)
{
    for (uint32_t i = 0; i < map->node_count; i++) {
        if (node_id_equal(&map->nodes[i], node))
            return (uint8_t)i;
    }
    return MAP_NO_NODE;
}

uint8_t map_add_node(struct map *map, const struct node_id *node)
{
    uint8_t place = map_find_node(map, node);
    if (place != MAP_NO_NODE || map->node_count == MAP_NODES_MAX)
        return place;
    map->nodes[map->node_count] = *node;
    return (uint8_t)map->node_count++;
}

void map_forget_nodes(struct map *map)
{
    bool is_used[UINT8_MAX + 1] = {false};
    uint8_t places[UINT8_MAX + 1];
    uint32_t count = 0;
    for (uint32_t i = 0; i < MAP_SLICES; i++) {
        is_used[map->slices[i].owner] = true;
        is_used[map->slices[i].next] = true;
    }
    memset(places, MAP_NO_NODE, sizeof places);
    for (uint32_t i = 0; i < map->node_count; i++) {
        if (!is_used[i])
            continue;
        places[i] = (uint8_t)count;
        map->nodes[count++] = map->nodes[i];
    }
    map->node_count = count;
    for (uint32_t i = 0; i < MAP_SLICES; i++) {
        map->slices[i].owner = places[map->slices[i].owner];
        map->slices[i].next = places[map->slices[i].next];
    }
}
