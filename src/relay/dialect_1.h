/* Events of protocol 1 as JSON text. The field sets are frozen. */
#ifndef PARTY_RELAY_DIALECT_1_H
#define PARTY_RELAY_DIALECT_1_H

#include "base/writer.h"
#include "relay/event.h"

/* Writes any event but an error, which has the same form in both protocols: see dialect_write(). */
void dialect_1_write(struct writer *writer, const struct event *event);

#endif
