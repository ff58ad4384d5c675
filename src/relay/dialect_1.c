/* Events of protocol 1. `data` and ids are spliced as they are: both are known to be valid JSON. */
#include "relay/dialect_1.h"

#include "relay/code.h"

static void write_code(struct writer *writer, const struct room *room)
{
    uint8_t code[CODE_LENGTH];
    code_write(room->code, code);
    writer_put(writer, bytes_of(code, sizeof code));
}

static void write_quoted(struct writer *writer, struct bytes canonical)
{
    writer_put_byte(writer, '"');
    writer_put(writer, canonical);
    writer_put_byte(writer, '"');
}

static void write_joined(struct writer *writer, const struct room *room)
{
    WRITER_PUT(writer, "{\"type\":\"joined\",\"room\":\"");
    write_code(writer, room);
    WRITER_PUT(writer, "\",\"clients\":[");
    bool is_first = true;
    LIST_FOR_EACH(link, &room->members)
    {
        if (!is_first)
            writer_put_byte(writer, ',');
        is_first = false;
        write_quoted(writer, member_id(member_of_link(link)));
    }
    WRITER_PUT(writer, "]}");
}

static void write_message(struct writer *writer, const struct event *event)
{
    WRITER_PUT(writer, "{\"type\":\"message\",\"from\":\"");
    writer_put(writer, event->peer);
    if (event->data.length > 0) {
        WRITER_PUT(writer, "\",\"data\":");
        writer_put(writer, event->data);
        writer_put_byte(writer, '}');
    } else {
        WRITER_PUT(writer, "\"}");
    }
}

void dialect_1_write(struct writer *writer, const struct event *event)
{
    switch (event->type) {
    case EVENT_CREATED:
        WRITER_PUT(writer, "{\"type\":\"created\",\"room\":\"");
        write_code(writer, event->room);
        WRITER_PUT(writer, "\"}");
        break;
    case EVENT_JOINED:
        write_joined(writer, event->room);
        break;
    case EVENT_PEER_JOINED:
        WRITER_PUT(writer, "{\"type\":\"peer_joined\",\"clientId\":");
        write_quoted(writer, event->peer);
        writer_put_byte(writer, '}');
        break;
    case EVENT_PEER_LEFT:
        WRITER_PUT(writer, "{\"type\":\"peer_left\",\"clientId\":");
        write_quoted(writer, event->peer);
        writer_put_byte(writer, '}');
        break;
    case EVENT_MESSAGE:
        write_message(writer, event);
        break;
    case EVENT_ERROR:
        WRITER_PUT(writer, "{\"type\":\"error\",\"message\":");
        write_quoted(writer, bytes_of_string(relay_error_text(event->error)));
        writer_put_byte(writer, '}');
        break;
    }
}
