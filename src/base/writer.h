/*
 * Writes text into memory of fixed size, and counts its length even beyond the end.
 *
 * Writing past the end is no error: nothing is stored there, and `length` continues to count. The
 * caller then sees writer_fits() fail and tries again with `length` bytes. So one function can both
 * measure a text and write it.
 */
#ifndef PARTY_BASE_WRITER_H
#define PARTY_BASE_WRITER_H

#include "base/bytes.h"

struct writer {
    uint8_t *data; /* belongs to the caller */
    size_t capacity;
    size_t length; /* length of the text, stored or not */
};

static inline struct writer writer_over(uint8_t *data, size_t capacity)
{
    return (struct writer){.data = data, .capacity = capacity};
}

static inline bool writer_fits(const struct writer *writer)
{
    return writer->length <= writer->capacity;
}

static inline void writer_put(struct writer *writer, struct bytes bytes)
{
    size_t end = writer->length + bytes.length;
    if (end <= writer->capacity && bytes.length > 0)
        memcpy(writer->data + writer->length, bytes.data, bytes.length);
    writer->length = end;
}

#define WRITER_PUT(writer, literal) writer_put((writer), BYTES(literal))

static inline void writer_put_byte(struct writer *writer, uint8_t byte)
{
    writer_put(writer, bytes_of(&byte, 1));
}

static inline void writer_put_string(struct writer *writer, const char *string)
{
    writer_put(writer, bytes_of_string(string));
}

/* Writes Latin-1 text as UTF-8. */
static inline void writer_put_latin_1(struct writer *writer, struct bytes text)
{
    for (size_t i = 0; i < text.length; i++) {
        uint8_t c = text.data[i];
        if (c >= 0x80)
            writer_put_byte(writer, (uint8_t)(0xC0 | c >> 6));
        writer_put_byte(writer, c < 0x80 ? c : (uint8_t)(0x80 | (c & 0x3F)));
    }
}

/*
 * Writes UTF-8 text as the inside of a JSON string: escapes quotation marks, backslashes and
 * controls.
 */
void writer_put_json_text(struct writer *writer, struct bytes text);

/* Writes decimal digits without leading zeros. */
void writer_put_decimal(struct writer *writer, uint64_t number);

/* Write a member of a JSON object, of which `before` is all up to the value: `,"index":`. */
static inline void writer_put_number(struct writer *writer, const char *before, uint64_t number)
{
    writer_put_string(writer, before);
    writer_put_decimal(writer, number);
}

static inline void writer_put_flag(struct writer *writer, const char *before, bool flag)
{
    writer_put_string(writer, before);
    writer_put_string(writer, flag ? "true" : "false");
}

/* The text so far; only valid while writer_fits(). */
static inline struct bytes writer_view(const struct writer *writer)
{
    return bytes_of(writer->data, writer->length);
}

#endif
