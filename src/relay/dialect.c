/* Chooses the dialect of an event, and writes the parts that both dialects share. */
#include "relay/dialect.h"

#include "relay/dialect_1.h"
#include "relay/dialect_2.h"

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

/*
 * The detail comes from a client: it is UTF-8 without control characters, and its quotes and
 * backslashes need escapes.
 */
static void write_error(struct writer *writer, const struct event *event)
{
    WRITER_PUT(writer, "{\"type\":\"error\",\"message\":\"");
    writer_put_string(writer, relay_error_text(event->error));
    if (event->detail.length > 0)
        WRITER_PUT(writer, ": ");
    for (size_t i = 0; i < event->detail.length; i++) {
        uint8_t c = event->detail.data[i];
        if (c == '"' || c == '\\')
            writer_put_byte(writer, '\\');
        writer_put_byte(writer, c);
    }
    WRITER_PUT(writer, "\"}");
}

void dialect_write(struct writer *writer, const struct event *event)
{
    if (event->type == EVENT_ERROR)
        write_error(writer, event);
    else if (room_protocol(event->room) == PROTOCOL_1)
        dialect_1_write(writer, event);
    else
        dialect_2_write(writer, event);
}
