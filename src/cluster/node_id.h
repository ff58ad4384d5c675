/*
 * Which process of a cluster: the name of a node, and an incarnation.
 *
 * A name is a node's, and survives a restart. An incarnation is a process's, drawn at random: a
 * node that was restarted owns nothing of what its predecessor owned. As text: `name`, a dot, and
 * 16 hexadecimal digits in small letters.
 */
#ifndef PARTY_CLUSTER_NODE_ID_H
#define PARTY_CLUSTER_NODE_ID_H

#include "base/writer.h"
#include "proto/json.h"

#define NODE_NAME_MAX 32 /* letters, digits, `-` and `_`, which a subject of NATS may contain */
#define NODE_ID_DIGITS 16
#define NODE_ID_TEXT_MAX (NODE_NAME_MAX + 1 + NODE_ID_DIGITS)

struct node_id {
    char name[NODE_NAME_MAX + 1]; /* ends with a NUL */
    uint64_t incarnation;
};

/* False: the name is empty, too long, or has other characters. */
bool node_id_set(struct node_id *id, struct bytes name, uint64_t incarnation);

/* False: the text is none of an id. */
bool node_id_read(struct bytes text, struct node_id *ret_id);

/* The same for a JSON string. */
bool node_id_read_json(const struct json_value *value, struct node_id *ret_id);

void node_id_write(struct writer *writer, const struct node_id *id);

/* By name, then by incarnation: the order in which nodes are heirs. */
int node_id_compare(const struct node_id *a, const struct node_id *b);

static inline bool node_id_equal(const struct node_id *a, const struct node_id *b)
{
    return node_id_compare(a, b) == 0;
}

#endif
