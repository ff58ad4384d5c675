/*
 * Views of bytes that somebody else owns.
 *
 * A `bytes` owns nothing and has no NUL at its end. A function that returns one says how long it is
 * valid.
 */
#ifndef PARTY_BASE_BYTES_H
#define PARTY_BASE_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct bytes {
    const uint8_t *data;
    size_t length;
};

/* As `bytes`, for a reader that may change the bytes (WebSocket unmasking happens in place). */
struct bytes_mut {
    uint8_t *data;
    size_t length;
};

/* The view of a string literal, without its NUL. */
#define BYTES(literal) ((struct bytes){(const uint8_t *)(literal), sizeof(literal) - 1})

static inline struct bytes bytes_of(const void *data, size_t length)
{
    return (struct bytes){data, length};
}

static inline struct bytes bytes_of_string(const char *string)
{
    return (struct bytes){(const uint8_t *)string, strlen(string)};
}

static inline bool bytes_equal(struct bytes a, struct bytes b)
{
    return a.length == b.length && (a.length == 0 || memcmp(a.data, b.data, a.length) == 0);
}

/* Orders by content, then by length; any total order would do for the callers. */
static inline int bytes_compare(struct bytes a, struct bytes b)
{
    size_t shorter = a.length < b.length ? a.length : b.length;
    int order = shorter == 0 ? 0 : memcmp(a.data, b.data, shorter);
    if (order != 0)
        return order;
    return (a.length > b.length) - (a.length < b.length);
}

static inline uint8_t ascii_lower(uint8_t c)
{
    return c >= 'A' && c <= 'Z' ? (uint8_t)(c + ('a' - 'A')) : c;
}

static inline uint8_t ascii_upper(uint8_t c)
{
    return c >= 'a' && c <= 'z' ? (uint8_t)(c - ('a' - 'A')) : c;
}

/* Compares ASCII letters without regard to case, and every other byte exactly. */
static inline bool bytes_equal_ignore_case(struct bytes a, struct bytes b)
{
    if (a.length != b.length)
        return false;
    for (size_t i = 0; i < a.length; i++) {
        if (ascii_lower(a.data[i]) != ascii_lower(b.data[i]))
            return false;
    }
    return true;
}

/* Compares ASCII letters without regard to case. */
static inline bool bytes_have_prefix(struct bytes text, struct bytes prefix)
{
    return text.length >= prefix.length &&
           bytes_equal_ignore_case((struct bytes){text.data, prefix.length}, prefix);
}

static inline bool bytes_have_suffix(struct bytes text, struct bytes suffix)
{
    return text.length >= suffix.length &&
           bytes_equal(bytes_of(text.data + text.length - suffix.length, suffix.length), suffix);
}

/* Drops the first `count` bytes from the view. */
static inline void bytes_mut_skip(struct bytes_mut *view, size_t count)
{
    view->data += count;
    view->length -= count;
}

#endif
