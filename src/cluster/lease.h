/*
 * A lease: the text that a node rewrites each second, under a key of its process. That it is
 * rewritten says that the process is alive. One JSON object:
 *
 *     {"version":1,"node":"a.0000000000000001","draining":false,"edgeOnly":false,
 *      "ended":false,"loops":4,"reads":1,"writes":1,"rooms":12,"clients":340}
 */
#ifndef PARTY_CLUSTER_LEASE_H
#define PARTY_CLUSTER_LEASE_H

#include "cluster/node_id.h"

#define LEASE_VERSION 1
#define LEASE_TEXT_MAX 512
#define LEASE_LOOPS_MAX 255 /* a link's header has one byte for a loop */
#define LEASE_NUMBER_MAX ((UINT64_C(1) << 53) - 1)

struct lease {
    struct node_id node;
    bool is_draining;  /* it gets no slices */
    bool is_edge_only; /* the same, by its options */
    bool has_ended;    /* it owns and serves nothing any more, and never will */
    uint32_t loops;    /* that the process has, 1 at least: a code's number modulo this is the loop
                          of its room */
    uint64_t reads;    /* the highest version of entries and messages that it reads */
    uint64_t writes;   /* the one that it writes */
    uint64_t rooms;    /* for the status page */
    uint64_t clients;
};

/* False: the text is no lease that this version can read. Unknown fields are ignored. */
bool lease_read(struct bytes text, struct lease *ret_lease);

/* Writes at most LEASE_TEXT_MAX bytes. */
void lease_write(struct writer *writer, const struct lease *lease);

#endif
