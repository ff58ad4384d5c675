/* What stands percent-encoded in a request's target: RFC 3986 2.1, and queries as forms send them.
 */
#ifndef PARTY_PROTO_HTTP_QUERY_H
#define PARTY_PROTO_HTTP_QUERY_H

#include "base/writer.h"

/* Decodes the escapes. False: one is broken, or the result has more than `capacity` bytes. */
bool http_percent_decode(struct bytes text, uint8_t *out, size_t capacity, size_t *ret_length);

/* The first value of a parameter, as it was written. False: the query has none of this name. */
bool http_query_find(struct bytes query, struct bytes name, struct bytes *ret_value);

/* Writes the query without the parameters of this name, a question mark first if any are left. */
void http_query_write_without(struct writer *writer, struct bytes query, struct bytes name);

#endif
