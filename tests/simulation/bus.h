/*
 * The bus between the servers of a cluster: messages arrive in the order in which they were sent,
 * each a little later, or not at all.
 */
#ifndef PARTY_TESTS_BUS_H
#define PARTY_TESTS_BUS_H

#include "server/loop.h"

/* Begins anew, with a network between the servers that is near or far. */
void bus_begin(void);

/* From now on messages are lost, doubled, held up, and whole ways are cut for some seconds. */
void bus_begin_faults(void);
void bus_end_faults(void);

/* Whether a link may be void because of a fault that was, as long as an end may notice that. */
bool bus_may_void(void);

/* From now on this server gets messages. */
void bus_add(struct server *server);

/* It is dead. What is on its way to it is lost, and what it has sent still arrives. */
void bus_remove(const struct server *server);

/* For peers.publish; the context is the sending server. */
bool bus_publish(void *context, uint64_t incarnation, uint32_t loop, struct bytes message);

/* When the next message arrives, by the network's clock; UINT64_MAX: none is on its way. */
uint64_t bus_next_ns(void);
void bus_deliver(void);

/* Messages and their bytes so far. */
void bus_count(uint64_t *ret_messages, uint64_t *ret_bytes);

/* Forgets all servers, and what is on its way. */
void bus_end(void);

#endif
