/* Parts of events that have the same form in several dialects. */
#ifndef PARTY_RELAY_DIALECT_PARTS_H
#define PARTY_RELAY_DIALECT_PARTS_H

#include "base/writer.h"
#include "relay/event.h"

void dialect_write_code(struct writer *writer, const struct room *room);

/* The `data` field; nothing when there is none. */
void dialect_write_data(struct writer *writer, struct bytes data);

/* The `url` field; nothing when the room has none. */
void dialect_write_url(struct writer *writer, const struct room *room);

/* The inside of an error's `message`. */
void dialect_write_error_text(struct writer *writer, const struct event *event);

#endif
