/* The parts of events that both dialects share. */
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
