/*
 * JSON for the tests: a recursive descent straight along the grammar of RFC 8259, slow, and written
 * so that it can be seen to be right. Of src/proto it uses the names of the kinds, nothing else.
 */
#ifndef PARTY_TESTS_SIMPLE_JSON_H
#define PARTY_TESTS_SIMPLE_JSON_H

#include "proto/json.h"

#define SIMPLE_JSON_DEPTH_MAX 1024

/* A value within a text, as it was written. */
struct simple_value {
    enum json_kind kind; /* JSON_ABSENT: there is none */
    struct bytes raw;
};

/* The value that the bytes of a text are, white space around it left out. */
struct simple_value simple_json_parse(struct bytes text);

/* The last member of an object with this name, which is plain ASCII; `object` must be valid. */
struct simple_value simple_json_member(struct bytes object, const char *name);

/* Calls `visit` for each member of a valid object or array, in order; those of an array have no
 * key.
 */
void simple_json_each_member(struct bytes object_or_array,
                             void (*visit)(void *context, struct simple_value key,
                                           struct simple_value value),
                             void *context);

/* A string as JavaScript has it: UTF-16, in which surrogates may stand alone. */
struct simple_string {
    size_t length; /* in units */
    uint16_t *units;
};

/* Decodes a valid string. The caller releases the result. */
struct simple_string simple_json_decode(struct bytes raw);
void simple_string_release(struct simple_string *string);

bool simple_string_equals(const struct simple_string *string, const char *ascii);

/* The bytes that the string takes in UTF-8, three for a surrogate that stands alone. */
size_t simple_string_utf8_length(const struct simple_string *string);

/* Writes these bytes, without a NUL behind them. */
void simple_string_write_utf8(const struct simple_string *string, char *out);

/* What JSON.stringify makes of the string, without the quotes. To be freed. */
char *simple_string_stringify(const struct simple_string *string);

/* The length of a valid value as JSON.stringify writes it, but with its numbers as they are. */
size_t simple_json_compact_length(struct bytes raw);

#endif
