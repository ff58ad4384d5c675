/*
 * Origins as browsers send them (RFC 6454 6.2), and patterns of those that may enter.
 *
 * A pattern is an origin, `https://game.example` or `http://localhost:8080`, or one whose host
 * begins with a star and a dot. That is every host below the rest, at any depth, and not the rest
 * itself. `null` may be listed too (sandboxed frames, files).
 */
#ifndef PARTY_PROTO_ORIGIN_H
#define PARTY_PROTO_ORIGIN_H

#include "base/bytes.h"

/* Whether the text is a pattern at all: scheme, host and perhaps a port, nothing behind. */
bool origin_pattern_is_valid(struct bytes pattern);

/* Whether the origin is one that the (valid) pattern means. ASCII case does not matter. */
bool origin_matches(struct bytes origin, struct bytes pattern);

#endif
