/* Chooses the dialect of an event, and writes errors, which have one form in protocols 1 and 2. */
#include "relay/dialect.h"

#include "relay/dialect_1.h"
#include "relay/dialect_2.h"
#include "relay/dialect_3.h"
#include "relay/dialect_parts.h"

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
