/* Writes events as JSON text, in the protocol of their room. */
#ifndef PARTY_RELAY_DIALECT_H
#define PARTY_RELAY_DIALECT_H

#include "base/writer.h"
#include "relay/event.h"

void dialect_write(struct writer *writer, const struct event *event);

#endif
