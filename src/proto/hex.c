#include "proto/hex.h"

void hex_write_digits(struct writer *writer, struct bytes bytes)
{
    static const char digits[] = "0123456789abcdef";
    size_t end = writer->length + 2 * bytes.length;
    if (end <= writer->capacity) { /* megabytes may be written so: not one byte at a time */
        uint8_t *out = writer->data + writer->length;
        for (size_t i = 0; i < bytes.length; i++) {
            *out++ = (uint8_t)digits[bytes.data[i] >> 4];
            *out++ = (uint8_t)digits[bytes.data[i] & 15];
        }
    }
    writer->length = end;
}

void hex_write(struct writer *writer, struct bytes bytes)
{
    writer_put_byte(writer, '"');
    hex_write_digits(writer, bytes);
    writer_put_byte(writer, '"');
}

void hex_write_64(struct writer *writer, uint64_t number)
{
    uint8_t data[sizeof number];
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (uint8_t)(number >> (56 - 8 * i));
    hex_write(writer, bytes_of(data, sizeof data));
}

#define NO_DIGIT 16

/* The value of a hexadecimal digit in small letters, or NO_DIGIT. */
static inline unsigned digit_value(uint8_t c)
{
    unsigned decimal = c - (unsigned)'0';
    unsigned letter = c - (unsigned)'a';
    if (decimal < 10)
        return decimal;
    return letter < 6 ? letter + 10 : NO_DIGIT;
}

bool hex_length(const struct json_value *value, size_t *ret_length)
{
    if (value->kind != JSON_STRING || value->raw.length % 2 != 0)
        return false;
    *ret_length = value->raw.length / 2 - 1;
    return true;
}

bool hex_read(const struct json_value *value, uint8_t *ret_bytes, size_t length)
{
    size_t there;
    if (!hex_length(value, &there) || there != length)
        return false;
    const uint8_t *digits = value->raw.data + 1;
    unsigned all = 0;
    for (size_t i = 0; i < length; i++) {
        unsigned high = digit_value(digits[2 * i]);
        unsigned low = digit_value(digits[2 * i + 1]);
        all |= high | low;
        ret_bytes[i] = (uint8_t)(high << 4 | low);
    }
    return (all & NO_DIGIT) == 0;
}

bool hex_read_64(const struct json_value *value, uint64_t *ret_number)
{
    uint8_t data[sizeof *ret_number];
    if (!hex_read(value, data, sizeof data))
        return false;
    *ret_number = 0;
    for (size_t i = 0; i < sizeof data; i++)
        *ret_number = *ret_number << 8 | data[i];
    return true;
}
