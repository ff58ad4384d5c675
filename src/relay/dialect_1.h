/* Protocol 1 on the wire: events as JSON text. The field sets are frozen. */
#ifndef PARTY_RELAY_DIALECT_1_H
#define PARTY_RELAY_DIALECT_1_H

#include "base/writer.h"
#include "relay/event.h"

/* Any event but an error, which is the same in both protocols: see dialect_write(). */
void dialect_1_write(struct writer *writer, const struct event *event);

#endif
