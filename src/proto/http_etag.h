/* Entity tags (RFC 9110 8.8.3). */
#ifndef PARTY_PROTO_HTTP_ETAG_H
#define PARTY_PROTO_HTTP_ETAG_H

#include "base/bytes.h"

/*
 * Whether an If-None-Match header contains the tag, by weak comparison (RFC 9110 13.1.2), or is
 * `*`. `etag` has its quotation marks. A malformed list ends before its first fault.
 */
bool http_etag_is_listed(struct bytes if_none_match, struct bytes etag);

#endif
