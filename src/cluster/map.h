/*
 * The map: who owns which slice of the rooms, at which term. It is the only key of its stream,
 * whose history keeps the last 64 entries. An entry is one JSON object:
 *
 *     {"version":1,"era":"00c0ffee00c0ffee","by":"a.0000000000000001","basedOn":7,
 *      "nodes":["a.0000000000000001","b.0000000000000002"],"slices":[[0,1],[1,2],[1,3,1,6,0,7],...]}
 *
 * A slice is [owner, term] or [owner, term, how, moved, next, nextRevision]. Owner and next are
 * places among the nodes; `next` is null where there is none.
 *
 * Which entry counts (two rules of the cluster's model):
 * - chain: the engine may acknowledge two writers of one revision. So an entry says which revision
 *   was the stream's last one that its writer had seen (`basedOn`), and stands only if its own is
 *   that plus one. Everybody ignores the others.
 * - last-valid: `basedOn` counts every entry, also one that does not stand or can't be read. The
 *   content builds on the last entry that stands.
 */
#ifndef PARTY_CLUSTER_MAP_H
#define PARTY_CLUSTER_MAP_H

#include "cluster/node_id.h"

#define MAP_VERSION 1
#define MAP_SLICES 256
#define MAP_NODES_MAX 64
#define MAP_HISTORY_MAX 64
#define MAP_NUMBER_MAX ((UINT64_C(1) << 53) - 1) /* of terms and revisions */
#define MAP_TEXT_MAX (20 * 1024)                 /* the longest entry has less */
#define MAP_NO_NODE UINT8_MAX

enum slice_how {
    SLICE_TAKEN, /* from a node that was dead, or by the first entry */
    SLICE_MOVED, /* by its owner, with its rooms */
};

struct map_slice {
    uint64_t term;          /* from 1 on; raised at each change of owner */
    uint64_t moved;         /* revision that began the move by which it came; 0: none */
    uint64_t next_revision; /* revision of the entry that set `next`; 0: none */
    uint8_t owner;          /* place among the nodes */
    uint8_t next;           /* the same of the node that it moves to; MAP_NO_NODE: none */
    uint8_t how;            /* enum slice_how */
};

struct map {
    uint64_t era;      /* random; made with the first entry */
    uint64_t based_on; /* the stream's last revision that the writer had seen */
    struct node_id by; /* the writer */
    uint32_t node_count;
    struct node_id nodes[MAP_NODES_MAX]; /* no two are equal */
    struct map_slice slices[MAP_SLICES];
};

enum map_error {
    MAP_OK,
    MAP_TOO_LONG,
    MAP_NOT_JSON,      /* or no object; a deleted key is an empty text */
    MAP_LATER_VERSION, /* of which only `based_on` is known */
    MAP_WRONG,         /* a field is missing, or is not as it must be */
};

/* An entry as it lies in the stream. */
struct map_entry {
    uint64_t revision; /* its sequence in the stream, from 1 on */
    struct bytes text;
};

/* What a read of the stream's leader yields. The texts need to be valid for the call alone. */
struct map_history {
    uint64_t last_revision; /* of the stream, even if that entry is no longer there; 0: none ever */
    uint32_t count;         /* at most MAP_HISTORY_MAX */
    const struct map_entry *entries; /* in the order of their revisions, the last ones there are */
};

/* Reads an entry strictly; after any error but MAP_LATER_VERSION the map means nothing. */
enum map_error map_read(struct bytes text, struct map *ret_map);

/* Writes an entry, of at most MAP_TEXT_MAX bytes. */
void map_write(struct writer *writer, const struct map *map);

/* chain: whether an entry that was read, of this or a later version, stands at its revision. */
static inline bool map_stands(const struct map *map, uint64_t revision)
{
    return map->based_on + 1 == revision;
}

/* The place of the entry that stands last, which is read into `ret_map`; `count`: none stands. */
uint32_t map_find_last(const struct map_history *history, struct map *ret_map);

/* Whether the revisions of a history are what they must be. */
bool map_history_is_sound(const struct map_history *history);

/* The first map of an era: the node owns all slices at term 1. */
void map_found(struct map *map, const struct node_id *node, uint64_t era);

/* The place of a node; MAP_NO_NODE: it has none. */
uint8_t map_find_node(const struct map *map, const struct node_id *node);

/* The same, and gives it one; MAP_NO_NODE: all places are taken. */
uint8_t map_add_node(struct map *map, const struct node_id *node);

/* Forgets nodes that are neither owner nor next of a slice. */
void map_forget_nodes(struct map *map);

#endif
