/* Events of protocol 2 as JSON text. The field sets are frozen. */
#ifndef PARTY_RELAY_DIALECT_2_H
#define PARTY_RELAY_DIALECT_2_H

#include "base/writer.h"
#include "relay/event.h"

/* Writes any event but an error, which has the same form in both protocols: see dialect_write(). */
void dialect_2_write(struct writer *writer, const struct event *event);

#endif
