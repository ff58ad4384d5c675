/* Writes events as JSON text, in the protocol of their room. */
#ifndef PARTY_RELAY_DIALECT_H
#define PARTY_RELAY_DIALECT_H

#include "base/writer.h"
#include "relay/event.h"

void dialect_write(struct writer *writer, const struct event *event);

/*
 * The `data` of a state or private state, within the event as dialect_write() has written it; the
 * owner may have put the head of a frame in front.
 */
struct bytes dialect_state_data(struct bytes event);

#endif
