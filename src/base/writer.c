/* The part of the writer that is not worth inlining. */
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
