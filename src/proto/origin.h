/*
 * Origins as browsers send them (RFC 6454 6.2), and patterns of origins that may enter.
 *
 * A pattern is an origin, such as `https://game.example` or `http://localhost:8080`, or an origin
 * whose host begins with `*.`. That matches all hosts below the rest, at any depth, but not the
 * rest itself. Schemes of apps are allowed (`capacitor://localhost`) and need no host (`file://`,
 * `app://`). So is `null` (sandboxed frames, files). A scheme's default port equals no port.
 */
#ifndef PARTY_PROTO_ORIGIN_H
#define PARTY_PROTO_ORIGIN_H

#include "base/bytes.h"

/*
 * Returns NULL if the text is a pattern: scheme, host, perhaps a port, and nothing else. Otherwise
 * returns what it should be instead, as a phrase for people.
 */
const char *origin_pattern_fault(struct bytes pattern);

/* Whether a valid pattern matches the origin, without regard to ASCII case. */
bool origin_matches(struct bytes origin, struct bytes pattern);

#endif
