/* Percent-encoding (RFC 3986 2.1), and queries as forms send them. */
#ifndef PARTY_PROTO_HTTP_QUERY_H
#define PARTY_PROTO_HTTP_QUERY_H

#include "base/writer.h"

/* Decodes escapes. False: an escape is malformed, or the result exceeds `capacity` bytes. */
bool http_percent_decode(struct bytes text, uint8_t *out, size_t capacity, size_t *ret_length);

/* Finds the first parameter with this name; its value is not decoded. False: there is none. */
bool http_query_find(struct bytes query, struct bytes name, struct bytes *ret_value);

/*
 * Writes the query without the parameters of this name. A question mark precedes it if any are
 * left.
 */
void http_query_write_without(struct writer *writer, struct bytes query, struct bytes name);

#endif
