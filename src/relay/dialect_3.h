/* Events of protocol 3. */
#ifndef PARTY_RELAY_DIALECT_3_H
#define PARTY_RELAY_DIALECT_3_H

#include "base/writer.h"
#include "relay/event.h"

void dialect_3_write(struct writer *writer, const struct event *event);

#endif
