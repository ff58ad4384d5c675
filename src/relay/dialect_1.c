/* Events of protocol 1. `data` and ids are copied unchanged: both are known to be valid JSON. */
#include "relay/dialect_1.h"

#include "relay/dialect_parts.h"

static void write_id(struct writer *writer, const struct member *member)
{
    writer_put_byte(writer, '"');
    writer_put(writer, member_id(member));
    writer_put_byte(writer, '"');
}

static void write_joined(struct writer *writer, const struct room *room)
{
    WRITER_PUT(writer, "{\"type\":\"joined\",\"room\":\"");
    dialect_write_code(writer, room);
    WRITER_PUT(writer, "\",\"clients\":[");
    for (uint32_t i = 0; i < room->member_count; i++) {
        if (i > 0)
            writer_put_byte(writer, ',');
        write_id(writer, room->members[i]);
    }
    WRITER_PUT(writer, "]}");
}

void dialect_1_write(struct writer *writer, const struct event *event)
{
    switch (event->type) {
    case EVENT_CREATED:
        WRITER_PUT(writer, "{\"type\":\"created\",\"room\":\"");
        dialect_write_code(writer, event->room);
        WRITER_PUT(writer, "\"}");
        break;
    case EVENT_JOINED:
        write_joined(writer, event->room);
        break;
    case EVENT_PEER_JOINED:
        WRITER_PUT(writer, "{\"type\":\"peer_joined\",\"clientId\":");
        write_id(writer, event->peer);
        writer_put_byte(writer, '}');
        break;
    case EVENT_PEER_LEFT:
        WRITER_PUT(writer, "{\"type\":\"peer_left\",\"clientId\":");
        write_id(writer, event->peer);
        writer_put_byte(writer, '}');
        break;
    case EVENT_MESSAGE:
        WRITER_PUT(writer, "{\"type\":\"message\",\"from\":");
        write_id(writer, event->peer);
        dialect_write_data(writer, event->data);
        writer_put_byte(writer, '}');
        break;
    default: /* an error, or an event of a later protocol */
        break;
    }
}
