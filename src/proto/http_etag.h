/* Entity tags (RFC 9110 8.8.3). */
#ifndef PARTY_PROTO_HTTP_ETAG_H
#define PARTY_PROTO_HTTP_ETAG_H

#include "base/bytes.h"

/*
 * Whether an If-None-Match header names the tag, by the weak comparison (RFC 9110 13.1.2), or `*`.
 * `etag` has its quotation marks. What is no list of tags names none from its fault on.
 */
bool http_etag_is_listed(struct bytes if_none_match, struct bytes etag);

#endif
