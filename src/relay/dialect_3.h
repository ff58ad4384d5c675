/* Events of protocol 3. */
#ifndef PARTY_RELAY_DIALECT_3_H
#define PARTY_RELAY_DIALECT_3_H

#include "base/writer.h"
#include "relay/event.h"

void dialect_3_write(struct writer *writer, const struct event *event);

/*
 * Whether an event that dialect_3_write() wrote is a message, and from which index; INDEX_NONE:
 * from the audience.
 */
bool dialect_3_is_message(struct bytes written, uint32_t *ret_from);

#endif
