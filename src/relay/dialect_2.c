/* Events of protocol 2. `data` and `url` are copied unchanged: both are known to be valid JSON. */
#include "relay/dialect_2.h"

#include "relay/dialect_parts.h"

static void write_index(struct writer *writer, const struct member *member)
{
    writer_put_decimal(writer, member->index);
}

static void write_created(struct writer *writer, const struct event *event)
{
    WRITER_PUT(writer, "{\"type\":\"created\",\"room\":\"");
    dialect_write_code(writer, event->room);
    WRITER_PUT(writer, "\",\"instance\":\"");
    writer_put(writer, event->instance->id);
    WRITER_PUT(writer, "\",\"region\":\"");
    writer_put(writer, event->instance->region);
    WRITER_PUT(writer, "\",\"index\":");
    write_index(writer, event->peer);
    dialect_write_url(writer, event->room);
    writer_put_byte(writer, '}');
}

static void write_joined(struct writer *writer, const struct event *event)
{
    const struct room *room = event->room;
    bool is_first = true;
    WRITER_PUT(writer, "{\"type\":\"joined\",\"room\":\"");
    dialect_write_code(writer, room);
    WRITER_PUT(writer, "\",\"index\":");
    write_index(writer, event->peer);
    WRITER_PUT(writer, ",\"peers\":[");
    for (uint32_t i = 0; i < room->member_count; i++) {
        if (room->members[i] == event->peer)
            continue;
        if (!is_first)
            writer_put_byte(writer, ',');
        is_first = false;
        write_index(writer, room->members[i]);
    }
    writer_put_byte(writer, ']');
    dialect_write_url(writer, room);
    writer_put_byte(writer, '}');
}

void dialect_2_write(struct writer *writer, const struct event *event)
{
    switch (event->type) {
    case EVENT_CREATED:
        write_created(writer, event);
        break;
    case EVENT_JOINED:
        write_joined(writer, event);
        break;
    case EVENT_PEER_JOINED:
        WRITER_PUT(writer, "{\"type\":\"peer_joined\",\"index\":");
        write_index(writer, event->peer);
        writer_put_byte(writer, '}');
        break;
    case EVENT_PEER_LEFT:
        WRITER_PUT(writer, "{\"type\":\"peer_left\",\"index\":");
        write_index(writer, event->peer);
        writer_put_byte(writer, '}');
        break;
    case EVENT_MESSAGE:
        WRITER_PUT(writer, "{\"type\":\"message\",\"from\":");
        write_index(writer, event->peer);
        dialect_write_data(writer, event->data);
        writer_put_byte(writer, '}');
        break;
    case EVENT_STATE:
        WRITER_PUT(writer, "{\"type\":\"state\"");
        dialect_write_data(writer, event->data);
        writer_put_byte(writer, '}');
        break;
    default: /* an error, or an event of protocol 3 */
        break;
    }
}
