/*
 * Origins as browsers send them (RFC 6454 6.2), and patterns of those that may enter.
 *
 * A pattern is an origin, `https://game.example` or `http://localhost:8080`, or one whose host
 * begins with a star and a dot. That is every host below the rest, at any depth, and not the rest
 * itself. Schemes of apps are as good (`capacitor://localhost`), and need no host (`file://`,
 * `app://`). `null`
 * may be listed too (sandboxed frames, files). The port that a scheme has of its own is the same as
 * none.
 */
#ifndef PARTY_PROTO_ORIGIN_H
#define PARTY_PROTO_ORIGIN_H

#include "base/bytes.h"

/*
 * NULL if the text is a pattern: scheme, host and perhaps a port, nothing behind. Otherwise what it
 * should be instead, as a phrase for people.
 */
const char *origin_pattern_fault(struct bytes pattern);

/* Whether the origin is one that the (valid) pattern means. ASCII case does not matter. */
bool origin_matches(struct bytes origin, struct bytes pattern);

#endif
