/* Writes events as JSON text, in the protocol of their room. */
#ifndef PARTY_RELAY_DIALECT_H
#define PARTY_RELAY_DIALECT_H

#include "base/writer.h"
#include "relay/event.h"

void dialect_write(struct writer *writer, const struct event *event);

/* Parts that have the same form in both dialects. */
void dialect_write_code(struct writer *writer, const struct room *room);
void dialect_write_data(struct writer *writer, struct bytes data);

#endif
