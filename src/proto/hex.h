/* Bytes as a JSON string of hexadecimal digits, two for each byte, in small letters. */
#ifndef PARTY_PROTO_HEX_H
#define PARTY_PROTO_HEX_H

#include "base/writer.h"
#include "proto/json.h"

/* The digits alone, without quotes. */
void hex_write_digits(struct writer *writer, struct bytes bytes);

void hex_write(struct writer *writer, struct bytes bytes);

/* A number of 64 bits, as eight such bytes, the highest first. */
void hex_write_64(struct writer *writer, uint64_t number);

/* Whether the value is a string that is long enough for a whole number of bytes; returns it. */
bool hex_length(const struct json_value *value, size_t *ret_length);

/* Reads exactly `length` bytes. False: the value is no such string. */
bool hex_read(const struct json_value *value, uint8_t *ret_bytes, size_t length);
bool hex_read_64(const struct json_value *value, uint64_t *ret_number);

#endif
