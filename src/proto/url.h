/*
 * Classifies absolute URLs by the rules of browsers (the WHATWG URL Standard, url.spec.whatwg.org).
 *
 * Stricter than the standard:
 * - A text with U+0000 to U+0020 is invalid, and so is one longer than URL_LENGTH_MAX. The standard
 *   drops white space at the ends, and tabs and line breaks anywhere; then the text that people see
 *   and the URL that they open would differ.
 * - A host of a special scheme (http, https, ws, wss, ftp, file) is invalid if it is not ASCII, as
 *   written or percent-decoded: it would need the tables of IDNA. A browser's `location` has the
 *   ASCII form (`xn--`) of such a host, which is valid.
 *
 * Laxer than the standard:
 * - A label that begins with `xn--` need not be decodable, since that needs the same tables.
 */
#ifndef PARTY_PROTO_URL_H
#define PARTY_PROTO_URL_H

#include "base/bytes.h"

#define URL_LENGTH_MAX 4096 /* bytes */

enum url_kind {
    URL_INVALID, /* `new URL(text)`, without a base, throws */
    URL_HTTPS,
    URL_HTTP,
    URL_HTTP_NEAR, /* http to `localhost`, a name below it or below `local`, or a private address */
    URL_OTHER,     /* valid, with another scheme */
};

/* Pure, and safe for any bytes; bytes that are not UTF-8 count as not ASCII. */
enum url_kind url_classify(struct bytes text);

/* Whether a domain is `last` or a name below it, in any case, with or without a dot at the end. */
bool url_domain_is_below(struct bytes domain, struct bytes last);

/* The host of a valid http or https URL, within the text, as it is written there. */
struct bytes url_host(struct bytes text);

#endif
