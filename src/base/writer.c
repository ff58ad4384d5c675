/* The functions of the writer that are not worth inlining. */
#include "base/writer.h"

void writer_put_decimal(struct writer *writer, uint64_t number)
{
    uint8_t digits[20];
    size_t first = sizeof digits;
    do {
        digits[--first] = (uint8_t)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    writer_put(writer, bytes_of(digits + first, sizeof digits - first));
}

void writer_put_json_text(struct writer *writer, struct bytes text)
{
    static const char digits[] = "0123456789abcdef";
    size_t written = 0;
    for (size_t i = 0; i < text.length; i++) {
        uint8_t c = text.data[i];
        if (c >= ' ' && c != '"' && c != '\\')
            continue;
        writer_put(writer, bytes_of(text.data + written, i - written));
        written = i + 1;
        if (c >= ' ') {
            writer_put_byte(writer, '\\');
            writer_put_byte(writer, c);
        } else {
            WRITER_PUT(writer, "\\u00");
            writer_put_byte(writer, (uint8_t)digits[c >> 4]);
            writer_put_byte(writer, (uint8_t)digits[c & 15]);
        }
    }
    writer_put(writer, bytes_of(text.data + written, text.length - written));
}
