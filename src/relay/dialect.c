/* Chooses the dialect of an event, and writes errors, which have one form in protocols 1 and 2. */
#include "relay/dialect.h"

#include "relay/dialect_1.h"
#include "relay/dialect_2.h"
#include "relay/dialect_3.h"
#include "relay/dialect_parts.h"

#include <assert.h>

static void write_error(struct writer *writer, const struct event *event)
{
    WRITER_PUT(writer, "{\"type\":\"error\",\"message\":\"");
    dialect_write_error_text(writer, event);
    WRITER_PUT(writer, "\"}");
}

void dialect_write(struct writer *writer, const struct event *event)
{
    if (event->type == EVENT_ERROR) {
        if (event->protocol == PROTOCOL_3)
            dialect_3_write(writer, event);
        else
            write_error(writer, event);
        return;
    }
    switch (room_protocol(event->room)) {
    case PROTOCOL_1:
        dialect_1_write(writer, event);
        break;
    case PROTOCOL_2:
        dialect_2_write(writer, event);
        break;
    case PROTOCOL_3:
        dialect_3_write(writer, event);
        break;
    }
}

struct bytes dialect_state_data(struct bytes event)
{
    struct bytes name = BYTES("\"data\":");
    const uint8_t *found = memmem(event.data, event.length, name.data, name.length);
    assert(found != NULL && "the head of a frame is short, and no `type` of a state is like that");
    const uint8_t *data = found + name.length;
    const uint8_t *end = event.data + event.length - 1; /* the bracket that ends the event */
    return bytes_of(data, (size_t)(end - data));
}
