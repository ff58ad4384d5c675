/*
 * Names of what a cluster has on a bus. The cluster's name is in each of them, so that several
 * clusters can use the same servers.
 */
#ifndef PARTY_BUS_BUS_NAMES_H
#define PARTY_BUS_BUS_NAMES_H

#include <stdbool.h>

#include "base/attributes.h"

#define BUS_CLUSTER_MAX 32 /* bytes, of a cluster's name */
#define BUS_SUBJECT_MAX 128
#define BUS_KEY_MAX 128
#define BUS_NAME_MAX 256 /* bytes of a whole name, with its NUL */

/* Letters, digits and '-', one at least and BUS_CLUSTER_MAX at most. */
MUST_CHECK bool bus_cluster_is_valid(const char *cluster);

/* `party-sockets.CLUSTER.SUBJECT`. False: the subject is none; see bus.h. */
MUST_CHECK bool bus_name_subject(const char *cluster, const char *subject,
                                 char ret_name[BUS_NAME_MAX]);

/* The name of a bucket of keys, such as `party-sockets-CLUSTER-map`. */
void bus_name_bucket(const char *cluster, const char *purpose, char ret_name[BUS_NAME_MAX]);

/*
 * As NATS names what a bucket is made of: its stream, and the subject of a key in it. False: the
 * key is none.
 */
void bus_name_stream(const char *bucket, char ret_name[BUS_NAME_MAX]);
MUST_CHECK bool bus_name_key(const char *bucket, const char *key, char ret_name[BUS_NAME_MAX]);

#endif
