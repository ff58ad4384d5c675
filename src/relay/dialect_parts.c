/* The parts of events that several dialects share. */
#include "relay/dialect_parts.h"

void dialect_write_code(struct writer *writer, const struct room *room)
{
    uint8_t code[CODE_LENGTH_MAX];
    size_t length = code_write(room->code, code);
    writer_put(writer, bytes_of(code, length));
}

void dialect_write_data(struct writer *writer, struct bytes data)
{
    if (data.length == 0)
        return;
    WRITER_PUT(writer, ",\"data\":");
    writer_put(writer, data);
}

void dialect_write_url(struct writer *writer, const struct room *room)
{
    if (room_url(room).length == 0)
        return;
    WRITER_PUT(writer, ",\"url\":\"");
    writer_put(writer, room_url(room));
    writer_put_byte(writer, '"');
}

/*
 * The detail comes from a client: it is UTF-8 without control characters, and its quotes and
 * backslashes need escapes.
 */
void dialect_write_error_text(struct writer *writer, const struct event *event)
{
    writer_put_string(writer, relay_error_text(event->error));
    if (event->detail.length > 0)
        WRITER_PUT(writer, ": ");
    for (size_t i = 0; i < event->detail.length; i++) {
        uint8_t c = event->detail.data[i];
        if (c == '"' || c == '\\')
            writer_put_byte(writer, '\\');
        writer_put_byte(writer, c);
    }
}
